//! What is known about the order in which AWSCURRENT moved, per secret.
//!
//! Reads of Secrets Manager are eventually consistent, and notifications are duplicated, reordered and
//! replayed. This log tells a fresh read from a stale one and a rollback from both:
//!
//! - a version that an event named is waited for, for a bounded time however many are named; then
//!   AWSCURRENT has the last word;
//! - an event that is older than the last known move changes nothing;
//! - a move back to an earlier version that no event named needs two equal reads some seconds apart, because a
//!   stale read looks just like a rollback. So does a description that is older than one seen before, by the
//!   secret's last change, and a value of another version than was just described, where no date tells.
//!
//! It guarantees that no version it calls current is one that it knows to be superseded. It does not
//! guarantee that AWS has not moved on since. Memory is bounded by the number of configured secrets.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::model::{Moment, SecretRef, VersionId, VersionSeen};

/// How many superseded versions are remembered per secret. AWS keeps about a hundred versions; only
/// those that a stale read or a replayed event may still show matter.
const REMEMBERED: usize = 32;

/// First pause before a stale read is repeated; doubled each time, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What a read is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be written.
    Current,
    /// It may be stale: read again after this long.
    Wait(Duration, Doubt),
}

/// Why a read is not believed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// An event named another version.
    AnotherWasNamed,
    /// It goes back to an earlier version, and no event said so.
    GoesBack,
}

/// The newest version that is known of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latest {
    /// The version.
    pub version: VersionId,
    /// Since when it has been current by AWS's clock, where that is known.
    pub since: Option<Timestamp>,
}

impl Latest {
    fn of(version: &VersionId, since: Option<Moment>) -> Self {
        Self { version: version.clone(), since: since.map(Timestamp::from) }
    }
}

/// The log over all configured secrets.
pub struct VersionLog {
    freshness: Duration,
    settle: Duration,
    tracks: Arc<Mutex<BTreeMap<SecretRef, Box<Track>>>>,
}

#[derive(Clone, Debug, Default)]
struct Track {
    current: Option<VersionSeen>,
    /// When `current` became so by AWS's clock: the naming event's time, else the secret's last change.
    moved_at: Option<Moment>,
    /// The latest change of the secret, of whatever kind, that a read has shown.
    newest_changed: Option<Moment>,
    /// Creation of the newest version that a value read showed as current.
    newest_created: Option<Moment>,
    superseded: VecDeque<VersionId>,
    /// Apart, as the next is, because it is there only while a move is under way.
    named: Option<Box<Named>>,
    /// A version that a read went back to, and when that was first seen.
    back_to: Option<Box<(VersionId, Instant)>>,
    /// Until when an event's word for the current version outweighs reads that go back behind it.
    vouched_until: Option<Instant>,
    /// The version that was believed although it goes back: it is not doubted again when its value is
    /// read.
    rolled_back_to: Option<VersionId>,
}

#[derive(Clone, Debug)]
struct Named {
    version: VersionId,
    at: Option<Moment>,
    until: Instant,
    pause: Duration,
}

impl VersionLog {
    /// `freshness`: how long a named version is waited for. `settle`: time between the two reads of a
    /// move back.
    pub fn new(freshness: Duration, settle: Duration) -> Self {
        Self { freshness, settle, tracks: Arc::default() }
    }

    /// The same log, whoever learns of it, with other times.
    pub fn with_times(&self, freshness: Duration, settle: Duration) -> Self {
        Self { freshness, settle, tracks: Arc::clone(&self.tracks) }
    }

    /// Notes that an event named `version` as current at `at`.
    pub fn named(&self, secret: &SecretRef, version: VersionId, at: Option<Timestamp>, now: Instant) {
        let at = at.map(Moment::from);
        self.with(secret, |track| {
            let known = track.current.as_ref().is_some_and(|seen| seen.version == version);
            if known {
                track.moved_at = track.moved_at.max(at);
                return;
            }
            // Events carry whole seconds: one of the same second may be the later one, and to wait for
            // its version for a while does no harm.
            let second = |at: Moment| Timestamp::from(at).as_second();
            let outdated = |other: Option<Moment>| {
                matches!((at, other), (Some(at), Some(other)) if second(at) < second(other))
            };
            let older_than_known = outdated(track.moved_at);
            let older_than_named = track.named.as_ref().is_some_and(|named| outdated(named.at));
            let repeated = track.named.as_ref().is_some_and(|named| named.version == version);
            if !(older_than_known || older_than_named || repeated) {
                // Whoever may send events can name one version after the other; the wait ends all the same.
                let waiting = track.named.as_ref().map(|named| named.until).filter(|until| *until > now);
                let until = waiting.unwrap_or(now + self.freshness);
                track.named = Some(Box::new(Named { version, at, until, pause: FIRST_PAUSE }));
            }
        });
    }

    /// Judges a read of AWSCURRENT. `changed` is the secret's last change, where the read shows it;
    /// `delivered` is the newest that the target is known to have been given of this secret, which stands in
    /// for the log after a restart.
    pub fn judge(
        &self,
        secret: &SecretRef,
        read: &VersionSeen,
        changed: Option<Timestamp>,
        delivered: Option<&VersionSeen>,
        now: Instant,
    ) -> Verdict {
        let changed = changed.map(Moment::from);
        self.with(secret, |track| {
            if let Some(wait) = track.wait_for_named(&read.version, now) {
                return Verdict::Wait(wait, Doubt::AnotherWasNamed);
            }
            let is_behind = track.is_behind(changed);
            if track.already_believed(read, delivered) {
                // A description that shows the version in doubt does not speak against it.
                track.back_to.take_if(|doubted| doubted.0 != read.version);
                if track.is_rolled_back_to(read) && read.created.is_some() {
                    track.believe(read.clone(), changed, now + self.freshness);
                }
                return Verdict::Current;
            }
            if track.cannot_be_placed(read) {
                track.supersede(read.version.clone());
            }
            let goes_back = is_behind || track.goes_back(read, delivered);
            if goes_back
                && !track.is_named_later(&read.version)
                && let Some(wait) = track.wait_for_second_read(&read.version, self.settle, now)
            {
                return Verdict::Wait(wait, Doubt::GoesBack);
            }
            track.rolled_back_to = goes_back.then(|| read.version.clone());
            track.believe(read.clone(), changed, now + self.freshness);
            Verdict::Current
        })
    }

    /// The newest version that AWS or an event spoke of.
    pub fn latest(&self, secret: &SecretRef) -> Option<Latest> {
        self.with(secret, |track| match (&track.named, &track.current) {
            (Some(named), _) => Some(Latest::of(&named.version, named.at)),
            (None, Some(current)) => Some(Latest::of(&current.version, track.moved_at)),
            (None, None) => None,
        })
    }

    /// Another log that has seen the same.
    #[cfg(test)]
    pub(crate) fn copy(&self) -> Self {
        let tracks = self.tracks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { freshness: self.freshness, settle: self.settle, tracks: Arc::new(Mutex::new(tracks)) }
    }

    /// Everything that decides later verdicts, as text.
    #[cfg(test)]
    pub(crate) fn shape(&self) -> String {
        format!("{:?}", self.tracks.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn with<T>(&self, secret: &SecretRef, use_track: impl FnOnce(&mut Track) -> T) -> T {
        let mut tracks = self.tracks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(track) = tracks.get_mut(secret) {
            return use_track(track);
        }
        use_track(tracks.entry(secret.clone()).or_default())
    }
}

impl Track {
    fn wait_for_named(&mut self, read: &VersionId, now: Instant) -> Option<Duration> {
        let named = self.named.as_mut()?;
        if named.version == *read {
            return None;
        }
        if now >= named.until {
            self.named = None;
            return None;
        }
        let wait = named.pause.min(named.until - now);
        named.pause = (named.pause * 2).min(LONGEST_PAUSE);
        Some(wait)
    }

    /// A version that only DescribeSecret showed so far has no creation date; the first value read of it
    /// is judged again with the date.
    fn already_believed(&self, read: &VersionSeen, delivered: Option<&VersionSeen>) -> bool {
        self.current.as_ref().is_some_and(|current| {
            let undoubted =
                current.created.is_some() || read.created.is_none() || self.is_rolled_back_to(read);
            current.version == read.version && undoubted && !self.was_overtaken(read, delivered)
        })
    }

    fn is_rolled_back_to(&self, read: &VersionSeen) -> bool {
        self.rolled_back_to.as_ref() == Some(&read.version)
    }

    /// Whether somebody else, a replica say, has given the target a newer version meanwhile.
    fn was_overtaken(&self, read: &VersionSeen, delivered: Option<&VersionSeen>) -> bool {
        let newest = delivered.and_then(|seen| seen.created);
        let newer = matches!((read.created, newest), (Some(read), Some(newest)) if read < newest);
        newer && !self.is_rolled_back_to(read)
    }

    /// Whether the secret was changed later than this read knows of.
    fn is_behind(&mut self, changed: Option<Moment>) -> bool {
        let behind = changed.is_some() && changed < self.newest_changed;
        self.newest_changed = self.newest_changed.max(changed);
        behind
    }

    fn goes_back(&self, read: &VersionSeen, delivered: Option<&VersionSeen>) -> bool {
        let newest = self.newest_created.max(delivered.and_then(created));
        let created_earlier = matches!((created(read), newest), (Some(read), Some(newest)) if read < newest);
        created_earlier || self.superseded.contains(&read.version)
    }

    /// Whether a value is of another version than the current one, of which only a description is known: one of
    /// the two reads was stale, or AWSCURRENT moved between them, and no date tells. It counts as the earlier
    /// one until it is read again after a while.
    fn cannot_be_placed(&self, read: &VersionSeen) -> bool {
        let described = self.current.as_ref().filter(|current| current.created.is_none());
        read.created.is_some() && described.is_some_and(|current| current.version != read.version)
    }

    fn supersede(&mut self, version: VersionId) {
        self.superseded.retain(|other| *other != version);
        self.superseded.push_back(version);
        if self.superseded.len() > REMEMBERED {
            self.superseded.pop_front();
        }
    }

    /// Whether an event that is later than the last known move named exactly this version. Without both
    /// times a replay can't be excluded.
    fn is_named_later(&self, version: &VersionId) -> bool {
        self.named.as_ref().is_some_and(|named| {
            named.version == *version
                && matches!((named.at, self.moved_at), (Some(at), Some(moved)) if at > moved)
        })
    }

    fn wait_for_second_read(&mut self, read: &VersionId, settle: Duration, now: Instant) -> Option<Duration> {
        let first = match self.back_to.as_deref() {
            Some((version, first)) if version == read => *first,
            _ => now,
        };
        self.back_to = Some(Box::new((read.clone(), first)));
        let left = settle.saturating_sub(now.duration_since(first));
        // Reads from several replicas may disagree for as long as a named version is waited for.
        let vouched = self.vouched_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        let wait = left.max(vouched.min(settle.max(FIRST_PAUSE)));
        (!wait.is_zero()).then_some(wait)
    }

    fn believe(&mut self, read: VersionSeen, changed: Option<Moment>, vouched_until: Instant) {
        let named = self.named.take_if(|named| named.version == read.version);
        let another = self.current.as_ref().is_none_or(|current| current.version != read.version);
        if named.is_some() || another {
            self.vouched_until = named.as_ref().map(|_| vouched_until);
        }
        let named_at = named.and_then(|named| named.at);
        self.back_to = None;
        self.superseded.retain(|version| *version != read.version);
        if read.created.is_some() {
            self.newest_created = created(&read);
        }
        let before = self.current.replace(read);
        let moved = match (&before, &self.current) {
            (Some(before), Some(after)) => before.version != after.version,
            _ => true,
        };
        if !moved {
            self.moved_at = self.moved_at.max(named_at);
            return;
        }
        self.moved_at = named_at.or(changed).or(self.moved_at);
        if let Some(before) = before {
            self.supersede(before.version);
        }
    }
}

fn created(seen: &VersionSeen) -> Option<Moment> {
    seen.created.map(Moment::from)
}

#[cfg(test)]
mod tests;
