//! The certificates that SNS signs with, fetched once and held.
//!
//! Guarantees: memory and outgoing requests are bounded whatever arrives. At most [`MAX_ENTRIES`]
//! certificates are held; callers that want the same one wait for one fetch; a fetch that failed is
//! not tried again for [`RETRY_AFTER`]; names never seen before are asked for [`NEW_PER_MINUTE`] times
//! a minute at most, so that invented names cannot make the relay an amplifier. Names that have been
//! fetched before do not draw on that budget and are evicted last, so invented names cannot push out
//! the real one.
//!
//! What is held serves until something better is had: it is fetched anew once a day, in the background,
//! and given up only when AWS says that there is no such file any more. A certificate that has had its
//! day is refused by the check of its own validity.
//!
//! Does not guarantee that the bytes are a certificate, or a valid one: `crate::verify` decides, and
//! what it cannot read is given back ([`CertificateStore::reject`]) and fetched anew after a while.
//!
//! A fetch goes on when its callers give up (a hook's time limit is shorter than a fetch may take), so
//! that the sender's next try finds the certificate.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::sns_http::SnsHttp;
use crate::clock::Clock;

/// One certificate signs for a region at a time, and lives for months.
const MAX_ENTRIES: usize = 16;
/// Of these, names that were never fetched with success: the rest is left to the real ones.
const MAX_STRANGERS: usize = 8;
/// How long a file is held before it is asked for again: under its name it never changes, but AWS may
/// take it away.
const HOLD: Duration = Duration::from_hours(24);
/// Below the 20 s after which SNS tries again by default, so that its next try gets a fetch.
const RETRY_AFTER: Duration = Duration::from_secs(15);
const NEW_PER_MINUTE: usize = 20;
/// A certificate in PEM form has 2 KiB.
const MAX_BYTES: usize = 64 * 1024;

/// Why there is no certificate now. The fault may be ours or on the way, and SNS drops for good what
/// is answered with 403, so the sender is to be told 503.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signing certificate could not be fetched: {0}")]
pub struct CertificateError(pub String);

type Pem = Arc<[u8]>;
type Answer = Result<Pem, CertificateError>;
type Landing = watch::Receiver<Option<Answer>>;

/// What came of a fetch.
enum Got {
    File(Pem),
    /// There is no such file.
    Gone(CertificateError),
    Failed(CertificateError),
}

/// Fetches certificates and holds them. Cheap to clone.
#[derive(Clone)]
pub struct CertificateStore(Arc<Inner>);

struct Inner {
    http: SnsHttp,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: HashMap<String, Entry>,
    /// When the fetches of new names within the last minute began.
    new_fetches: VecDeque<Instant>,
}

struct Entry {
    /// Whether a fetch has ever succeeded.
    known: bool,
    used: Instant,
    content: Content,
}

enum Content {
    /// What was held before serves meanwhile.
    Flight { landing: Landing, held: Option<Pem> },
    Landed {
        answer: Answer,
        until: Instant,
        /// What the answer replaced, should it turn out to be no certificate.
        before: Option<Pem>,
    },
}

impl Content {
    fn held(&self) -> Option<&Pem> {
        match self {
            Content::Flight { held, .. } => held.as_ref(),
            Content::Landed { answer, .. } => answer.as_ref().ok(),
        }
    }
}

/// What a caller does.
enum Next {
    Now(Answer),
    Wait(Landing),
    /// Starts the fetch, and waits for it unless something is held.
    Fetch(watch::Sender<Option<Answer>>, Result<Pem, Landing>),
}

impl CertificateStore {
    /// An empty store.
    pub fn new(http: SnsHttp, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner { http, clock, state: Mutex::default() }))
    }

    /// The bytes under `url`, whose host and path the caller has already checked.
    pub async fn fetch(&self, url: &str) -> Answer {
        let next = self.0.state().next(url, self.0.clock.now());
        let mut landing = match next {
            Next::Now(answer) => return answer,
            Next::Wait(landing) => landing,
            Next::Fetch(sender, held_or_landing) => {
                tokio::spawn(Arc::clone(&self.0).fly(url.to_owned(), sender));
                match held_or_landing {
                    Ok(held) => return Ok(held),
                    Err(landing) => landing,
                }
            }
        };
        match landing.wait_for(Option::is_some).await.map(|answer| answer.clone()) {
            Ok(Some(answer)) => answer,
            Ok(None) | Err(_) => Err(CertificateError("the fetch was given up".to_owned())),
        }
    }

    /// The bytes that [`Self::fetch`] gave for `url` are no certificate: an error page, half a file.
    /// They are forgotten for those that they replaced, and fetched anew no sooner than after a failed
    /// fetch.
    pub fn reject(&self, url: &str, bytes: &Pem) {
        self.0.state().reject(url, bytes, self.0.clock.now());
    }
}

impl Inner {
    async fn fly(self: Arc<Self>, url: String, sender: watch::Sender<Option<Answer>>) {
        let got = self.get(&url).await;
        let answer = self.state().land(&url, got, self.clock.now());
        sender.send_replace(Some(answer));
    }

    async fn get(&self, url: &str) -> Got {
        match self.http.get(url, MAX_BYTES).await {
            Ok((status, body)) if status.as_u16() == 200 => Got::File(Arc::from(&body[..])),
            Ok((status, _)) => {
                let error = CertificateError(format!("HTTP {}", status.as_u16()));
                // What is not there is asked for again all the same: a new file may take a moment to
                // appear. A 403 may be a proxy's.
                if matches!(status.as_u16(), 404 | 410) { Got::Gone(error) } else { Got::Failed(error) }
            }
            Err(error) => Got::Failed(CertificateError(error.to_string())),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What to do for a caller who wants `url`.
    fn next(&mut self, url: &str, now: Instant) -> Next {
        let (mut known, mut held) = (false, None);
        if let Some(entry) = self.entries.get_mut(url) {
            entry.used = now;
            known = entry.known;
            held = entry.content.held().cloned();
            match &entry.content {
                // An error means that the fetch died without landing.
                Content::Flight { landing, .. } if landing.has_changed().is_ok() => {
                    return held.map_or_else(|| Next::Wait(landing.clone()), |held| Next::Now(Ok(held)));
                }
                Content::Landed { answer, until, .. } if now < *until => return Next::Now(answer.clone()),
                Content::Flight { .. } | Content::Landed { .. } => {}
            }
        }
        if !known && !self.may_fetch_new(now) {
            return Next::Now(Err(CertificateError("too many new names at once".to_owned())));
        }
        if !self.entries.contains_key(url) && !self.make_room() {
            return Next::Now(Err(CertificateError("too many fetches at once".to_owned())));
        }
        let (sender, landing) = watch::channel(None);
        let content = Content::Flight { landing: landing.clone(), held: held.clone() };
        self.entries.insert(url.to_owned(), Entry { known, used: now, content });
        Next::Fetch(sender, held.ok_or(landing))
    }

    /// Notes what came of a fetch, and says what those who wait for it are told.
    fn land(&mut self, url: &str, got: Got, now: Instant) -> Answer {
        let held = self.entries.get(url).and_then(|entry| entry.content.held()).cloned();
        let (answer, lasts, before) = match (got, held) {
            // The same memory for the same bytes: by that they are known to be parsed already.
            (Got::File(file), Some(held)) if file == held => (Ok(held), HOLD, None),
            (Got::File(file), held) => (Ok(file), HOLD, held),
            (Got::Failed(_), Some(held)) => (Ok(held), RETRY_AFTER, None),
            (Got::Failed(error) | Got::Gone(error), _) => (Err(error), RETRY_AFTER, None),
        };
        if let Some(entry) = self.entries.get_mut(url) {
            entry.known |= answer.is_ok();
            entry.content = Content::Landed { answer: answer.clone(), until: now + lasts, before };
        }
        answer
    }

    /// Only if they are still the ones that are held: others may have been fetched since.
    fn reject(&mut self, url: &str, bytes: &Pem, now: Instant) {
        let Some(entry) = self.entries.get_mut(url) else { return };
        if !entry.content.held().is_some_and(|held| Arc::ptr_eq(held, bytes)) {
            return;
        }
        match &mut entry.content {
            Content::Flight { held, .. } => *held = None,
            Content::Landed { answer, until, before } => {
                let none = || CertificateError("what was fetched is no certificate".to_owned());
                (*answer, *until) = (before.take().ok_or_else(none), now + RETRY_AFTER);
            }
        }
    }

    fn may_fetch_new(&mut self, now: Instant) -> bool {
        let minute = Duration::from_mins(1);
        while self.new_fetches.front().is_some_and(|begun| now.duration_since(*begun) >= minute) {
            self.new_fetches.pop_front();
        }
        let may = self.new_fetches.len() < NEW_PER_MINUTE;
        if may {
            self.new_fetches.push_back(now);
        }
        may
    }

    /// Makes room for a name never seen before. Fetches under way stay; what goes is a stranger that
    /// failed before a known one, then the one that was not used for longest.
    fn make_room(&mut self) -> bool {
        let strangers = self.entries.values().filter(|entry| !entry.known).count();
        if strangers >= MAX_STRANGERS {
            return self.give_up_one(|entry| !entry.known);
        }
        self.entries.len() < MAX_ENTRIES || self.give_up_one(|_| true)
    }

    fn give_up_one(&mut self, may_go: impl Fn(&Entry) -> bool) -> bool {
        let least = self
            .entries
            .iter()
            .filter(|(_, entry)| matches!(entry.content, Content::Landed { .. }) && may_go(entry))
            .min_by_key(|(_, entry)| (entry.known, entry.used))
            .map(|(url, _)| url.clone());
        least.is_some_and(|url| self.entries.remove(&url).is_some())
    }
}

#[cfg(test)]
mod tests;
