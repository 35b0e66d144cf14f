//! What a list tells about one of its things: the id behind a name, and whether it still rolls.
//!
//! Anypoint's lists take no query, so whole lists are read; one read serves all targets of a connection
//! that ask within a few seconds.

mod listing;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

pub(super) use self::listing::{Listing, Unlisted};
use super::call::Call;
use super::caller::Caller;
use super::error::{CallError, bad_answer};
use super::flight::SharedFlight;
use crate::clock::Clock;
use crate::model::Failure;

/// How old a list may be for a name to be looked up in it.
const LIST_LIFE: Duration = Duration::from_secs(5);

type Lists = BTreeMap<String, Arc<SharedList>>;

struct SharedList {
    held: Mutex<Option<(Instant, Arc<Listing>)>>,
    reading: SharedFlight<Arc<Listing>, CallError>,
}

/// The lists of one connection, by path. As many as the configuration names.
pub(super) struct Directory {
    caller: Arc<Caller>,
    lists: Mutex<Lists>,
}

impl Directory {
    pub(super) fn new(caller: Arc<Caller>) -> Self {
        Self { caller, lists: Mutex::new(BTreeMap::new()) }
    }

    async fn list(&self, clock: &dyn Clock, call: Call, life: Duration) -> Result<Arc<Listing>, CallError> {
        let list = {
            let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
            let empty = || SharedList { held: Mutex::new(None), reading: SharedFlight::new() };
            Arc::clone(lists.entry(call.path.key()).or_insert_with(|| Arc::new(empty())))
        };
        if let Some(listing) = list.held(clock.now(), life) {
            return Ok(listing);
        }
        list.reading
            .fly(async {
                if let Some(listing) = list.held(clock.now(), life) {
                    return Ok(listing);
                }
                let doing = call.purpose.doing.clone();
                let reply = self.caller.send(call).await?;
                let listing = Listing::parse(reply.body.expose_bytes())
                    .map(Arc::new)
                    .ok_or_else(|| CallError::before(bad_answer(&doing, "the answer is not a list")))?;
                let held = Some((clock.now(), Arc::clone(&listing)));
                *list.held.lock().unwrap_or_else(PoisonError::into_inner) = held;
                Ok(listing)
            })
            .await
    }
}

impl SharedList {
    fn held(&self, now: Instant, life: Duration) -> Option<Arc<Listing>> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref()
            .filter(|(read, _)| now.saturating_duration_since(*read) < life)
            .map(|(_, listing)| Arc::clone(listing))
    }
}

/// A thing that the configuration names by name or id.
pub(super) struct Named {
    what: &'static str,
    wanted: String,
    /// The place that it is looked for in.
    on: Option<String>,
    setting: String,
    known: Mutex<Option<String>>,
}

impl Named {
    /// `what` and `setting` are for messages: `deployment`, `` `deployment` of target orders ``.
    pub(super) fn new(what: &'static str, wanted: &str, setting: String) -> Self {
        // No name can be taken for an id: the longest name of a secret has 35 characters, and a
        // deployment's name is a DNS label that people choose.
        let is_id = wanted.len() == 36 && Uuid::parse_str(wanted).is_ok();
        Self::known_if(is_id, what, wanted, None, setting)
    }

    /// A thing whose name is its id.
    pub(super) fn by_id(what: &'static str, wanted: &str, setting: String) -> Self {
        Self::known_if(true, what, wanted, None, setting)
    }

    /// A thing whose id is a number. Its name may be taken in several places.
    pub(super) fn numbered(what: &'static str, wanted: &str, on: Option<&str>, setting: String) -> Self {
        let is_id = wanted.bytes().all(|byte| byte.is_ascii_digit());
        Self::known_if(is_id, what, wanted, on, setting)
    }

    fn known_if(is_id: bool, what: &'static str, wanted: &str, on: Option<&str>, setting: String) -> Self {
        let known = Mutex::new(is_id.then(|| wanted.to_owned()));
        Self { what, wanted: wanted.to_owned(), on: on.map(str::to_owned), setting, known }
    }

    /// What it is.
    pub(super) fn what(&self) -> &'static str {
        self.what
    }

    /// As the configuration says it.
    pub(super) fn wanted(&self) -> &str {
        &self.wanted
    }

    /// The setting that names it.
    pub(super) fn setting(&self) -> &str {
        &self.setting
    }

    /// Its id; `list` makes the call that lists its kind, where the id is not known.
    pub(super) async fn id(
        &self,
        directory: &Directory,
        clock: &dyn Clock,
        list: impl FnOnce() -> Call,
    ) -> Result<String, Unlisted> {
        match self.known() {
            Some(id) => Ok(id),
            None => self.find(directory, clock, list(), LIST_LIFE).await,
        }
    }

    /// Its id, whatever was known, by a list that is read now.
    pub(super) async fn id_now(
        &self,
        directory: &Directory,
        clock: &dyn Clock,
        list: Call,
    ) -> Result<String, Unlisted> {
        self.find(directory, clock, list, Duration::ZERO).await
    }

    async fn find(
        &self,
        directory: &Directory,
        clock: &dyn Clock,
        list: Call,
        life: Duration,
    ) -> Result<String, Unlisted> {
        let listing = directory.list(clock, list, life).await?;
        let id = listing.find(self.what, &self.wanted, self.on.as_deref(), &self.setting)?;
        *self.lock() = Some(id.clone());
        Ok(id)
    }

    /// Whether a list that is at most as old as `life` says that it is on its way to another state. No
    /// is no proof of rest: the list may not tell, or not show it.
    pub(super) async fn rolls(
        &self,
        directory: &Directory,
        clock: &dyn Clock,
        list: impl FnOnce() -> Call,
        life: Duration,
    ) -> Result<bool, Failure> {
        let Some(id) = self.known() else { return Ok(false) };
        let listing = directory.list(clock, list(), life).await?;
        Ok(listing.rolls(&id))
    }

    /// The id, if it is known.
    pub(super) fn known(&self) -> Option<String> {
        self.lock().clone()
    }

    /// Notes the id that Anypoint gave it when it was created.
    pub(super) fn learn(&self, id: String) {
        *self.lock() = Some(id);
    }

    /// Forgets an id that led nowhere. True where a look-up may give another one: the thing was
    /// made anew under its name.
    pub(super) fn forget(&self, stale: &str) -> bool {
        let mut known = self.lock();
        if self.wanted == stale || known.as_deref() != Some(stale) {
            return false;
        }
        *known = None;
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_needs_no_look_up_and_is_never_forgotten() {
        let id = "6f1f3c1e-7c1d-4b7a-9a43-0a6a3a1c0001";
        let named = Named::new("deployment", id, String::new());
        assert_eq!(named.lock().as_deref(), Some(id));
        assert!(!named.forget(id));
        let named = Named::new("deployment", "orders", String::new());
        *named.lock() = Some(id.to_owned());
        assert!(named.forget(id) && named.lock().is_none() && !named.forget(id));
    }
}
