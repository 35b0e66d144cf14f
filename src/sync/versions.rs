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
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::model::{SecretRef, VersionId, VersionSeen};

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

/// The log over all configured secrets.
pub struct VersionLog {
    freshness: Duration,
    settle: Duration,
    tracks: Mutex<BTreeMap<SecretRef, Track>>,
}

#[derive(Clone, Debug, Default)]
struct Track {
    current: Option<VersionSeen>,
    /// When `current` became so by AWS's clock: the naming event's time, else the secret's last change.
    moved_at: Option<Timestamp>,
    /// The latest change of the secret, of whatever kind, that a read has shown.
    newest_changed: Option<Timestamp>,
    /// Creation of the newest version that a value read showed as current.
    newest_created: Option<Timestamp>,
    superseded: VecDeque<VersionId>,
    named: Option<Named>,
    /// A version that a read went back to, and when that was first seen.
    back_to: Option<(VersionId, Instant)>,
    /// Until when an event's word for the current version outweighs reads that go back behind it.
    vouched_until: Option<Instant>,
    /// The version that was believed although it goes back: it is not doubted again when its value is
    /// read.
    rolled_back_to: Option<VersionId>,
}

#[derive(Clone, Debug)]
struct Named {
    version: VersionId,
    at: Option<Timestamp>,
    until: Instant,
    pause: Duration,
}

impl VersionLog {
    /// `freshness`: how long a named version is waited for. `settle`: time between the two reads of a
    /// move back.
    pub fn new(freshness: Duration, settle: Duration) -> Self {
        Self { freshness, settle, tracks: Mutex::default() }
    }

    /// Notes that an event named `version` as current at `at`.
    pub fn named(&self, secret: &SecretRef, version: VersionId, at: Option<Timestamp>, now: Instant) {
        self.with(secret, |track| {
            let known = track.current.as_ref().is_some_and(|seen| seen.version == version);
            if known {
                track.moved_at = track.moved_at.max(at);
                return;
            }
            // Events carry whole seconds: one of the same second may be the later one, and to wait for
            // its version for a while does no harm.
            let outdated = |other: Option<Timestamp>| {
                matches!((at, other), (Some(at), Some(other)) if at.as_second() < other.as_second())
            };
            let older_than_known = outdated(track.moved_at);
            let older_than_named = track.named.as_ref().is_some_and(|named| outdated(named.at));
            let repeated = track.named.as_ref().is_some_and(|named| named.version == version);
            if !(older_than_known || older_than_named || repeated) {
                // Whoever may send events can name one version after the other; the wait ends all the same.
                let waiting = track.named.as_ref().map(|named| named.until).filter(|until| *until > now);
                let until = waiting.unwrap_or(now + self.freshness);
                track.named = Some(Named { version, at, until, pause: FIRST_PAUSE });
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
        self.with(secret, |track| {
            if let Some(wait) = track.wait_for_named(&read.version, now) {
                return Verdict::Wait(wait, Doubt::AnotherWasNamed);
            }
            let is_behind = track.is_behind(changed);
            if track.already_believed(read, delivered) {
                // A description that shows the version in doubt does not speak against it.
                track.back_to.take_if(|(doubted, _)| *doubted != read.version);
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
            (Some(named), _) => Some(Latest { version: named.version.clone(), since: named.at }),
            (None, Some(current)) => Some(Latest { version: current.version.clone(), since: track.moved_at }),
            (None, None) => None,
        })
    }

    /// Another log that has seen the same.
    #[cfg(test)]
    pub(crate) fn copy(&self) -> Self {
        let tracks = self.tracks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { freshness: self.freshness, settle: self.settle, tracks: Mutex::new(tracks) }
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
    fn is_behind(&mut self, changed: Option<Timestamp>) -> bool {
        let behind = changed.is_some() && changed < self.newest_changed;
        self.newest_changed = self.newest_changed.max(changed);
        behind
    }

    fn goes_back(&self, read: &VersionSeen, delivered: Option<&VersionSeen>) -> bool {
        let newest = self.newest_created.max(delivered.and_then(|seen| seen.created));
        let created_earlier = matches!((read.created, newest), (Some(read), Some(newest)) if read < newest);
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
        let first = match &self.back_to {
            Some((version, first)) if version == read => *first,
            _ => now,
        };
        self.back_to = Some((read.clone(), first));
        let left = settle.saturating_sub(now.duration_since(first));
        // Reads from several replicas may disagree for as long as a named version is waited for.
        let vouched = self.vouched_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        let wait = left.max(vouched.min(settle.max(FIRST_PAUSE)));
        (!wait.is_zero()).then_some(wait)
    }

    fn believe(&mut self, read: VersionSeen, changed: Option<Timestamp>, vouched_until: Instant) {
        let named = self.named.take_if(|named| named.version == read.version);
        let another = self.current.as_ref().is_none_or(|current| current.version != read.version);
        if named.is_some() || another {
            self.vouched_until = named.as_ref().map(|_| vouched_until);
        }
        let named_at = named.and_then(|named| named.at);
        self.back_to = None;
        self.superseded.retain(|version| *version != read.version);
        if read.created.is_some() {
            self.newest_created = read.created;
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

#[cfg(test)]
mod tests {
    use super::*;

    const FRESHNESS: Duration = Duration::from_secs(30);
    const SETTLE: Duration = Duration::from_secs(5);

    struct Bench {
        log: VersionLog,
        secret: SecretRef,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            Self {
                log: VersionLog::new(FRESHNESS, SETTLE),
                secret: SecretRef::new("prod/db", None, None).unwrap(),
                now: Instant::now(),
            }
        }

        fn named(&self, number: u8, at: i64) {
            self.log.named(&self.secret, version(number), Some(time(at)), self.now);
        }

        fn read(&self, number: u8) -> Verdict {
            self.log.judge(&self.secret, &seen(number), None, None, self.now)
        }

        fn describe(&self, number: u8) -> Verdict {
            let read = VersionSeen { version: version(number), created: None };
            self.log.judge(&self.secret, &read, None, None, self.now)
        }
    }

    fn version(number: u8) -> VersionId {
        VersionId::parse(&format!("00000000-0000-4000-8000-0000000000{number:02}")).unwrap()
    }

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    /// Versions are created in the order of their numbers.
    fn seen(number: u8) -> VersionSeen {
        VersionSeen { version: version(number), created: Some(time(i64::from(number) * 10)) }
    }

    #[test]
    fn a_read_that_is_older_than_the_named_version_is_repeated_for_a_bounded_time() {
        let mut bench = Bench::new();
        assert_eq!(bench.read(1), Verdict::Current);
        bench.named(2, 25);
        assert_eq!(bench.read(1), Verdict::Wait(FIRST_PAUSE, Doubt::AnotherWasNamed));
        assert_eq!(bench.read(1), Verdict::Wait(FIRST_PAUSE * 2, Doubt::AnotherWasNamed));
        assert_eq!(bench.read(2), Verdict::Current);
        bench.named(3, 35);
        bench.now += FRESHNESS;
        assert_eq!(bench.read(2), Verdict::Current, "AWSCURRENT has the last word");
    }

    #[test]
    fn names_that_keep_coming_do_not_hold_a_read_back_for_longer() {
        let mut bench = Bench::new();
        assert_eq!(bench.read(1), Verdict::Current);
        bench.named(2, 25);
        bench.now += FRESHNESS / 2;
        bench.named(3, 26);
        assert!(matches!(bench.read(1), Verdict::Wait(_, Doubt::AnotherWasNamed)));
        bench.now += FRESHNESS / 2;
        assert_eq!(bench.read(1), Verdict::Current);
        bench.named(4, 27);
        assert!(matches!(bench.read(1), Verdict::Wait(_, Doubt::AnotherWasNamed)), "a wait of its own");
    }

    #[test]
    fn a_replayed_event_of_a_superseded_version_is_not_waited_for() {
        let bench = Bench::new();
        bench.named(1, 15);
        assert_eq!(bench.read(1), Verdict::Current);
        bench.named(2, 25);
        assert_eq!(bench.read(2), Verdict::Current);
        bench.named(1, 15);
        assert_eq!(bench.read(2), Verdict::Current);
        assert!(matches!(bench.read(1), Verdict::Wait(_, Doubt::GoesBack)), "a replay names no rollback");
    }

    #[test]
    fn a_rollback_that_an_event_named_is_believed_at_once() {
        let bench = Bench::new();
        bench.named(1, 15);
        assert_eq!(bench.read(1), Verdict::Current);
        bench.named(2, 25);
        assert_eq!(bench.read(2), Verdict::Current);
        bench.named(1, 40);
        assert_eq!(bench.read(1), Verdict::Current);
    }

    #[test]
    fn a_move_back_that_no_event_named_needs_two_equal_reads() {
        let mut bench = Bench::new();
        assert_eq!(bench.read(1), Verdict::Current);
        assert_eq!(bench.read(2), Verdict::Current);
        assert_eq!(bench.read(1), Verdict::Wait(SETTLE, Doubt::GoesBack));
        bench.now += SETTLE / 2;
        assert_eq!(bench.read(1), Verdict::Wait(SETTLE / 2, Doubt::GoesBack));
        bench.now += SETTLE / 2;
        assert_eq!(bench.read(1), Verdict::Current);
    }

    #[test]
    fn two_stale_reads_right_after_an_event_do_not_outweigh_it() {
        let mut bench = Bench::new();
        assert_eq!(bench.read(1), Verdict::Current);
        bench.named(2, 25);
        assert_eq!(bench.describe(2), Verdict::Current);
        assert_eq!(bench.read(1), Verdict::Wait(SETTLE, Doubt::GoesBack));
        bench.now += SETTLE;
        assert_eq!(bench.describe(1), Verdict::Wait(SETTLE, Doubt::GoesBack));
        bench.now += FRESHNESS;
        assert_eq!(bench.read(1), Verdict::Current, "AWSCURRENT has the last word");
    }

    #[test]
    fn a_fresh_read_in_between_starts_the_two_reads_anew() {
        let mut bench = Bench::new();
        assert_eq!(bench.read(2), Verdict::Current);
        assert!(matches!(bench.read(1), Verdict::Wait(..)));
        assert_eq!(bench.read(2), Verdict::Current);
        bench.now += SETTLE;
        assert_eq!(bench.read(1), Verdict::Wait(SETTLE, Doubt::GoesBack));
    }

    #[test]
    fn a_stale_value_behind_a_fresh_description_is_not_believed() {
        let bench = Bench::new();
        assert_eq!(bench.read(2), Verdict::Current);
        assert_eq!(bench.describe(3), Verdict::Current);
        assert!(matches!(bench.read(2), Verdict::Wait(_, Doubt::GoesBack)));
        assert_eq!(bench.read(3), Verdict::Current);
    }

    #[test]
    fn after_a_restart_the_receipt_tells_that_a_read_goes_back() {
        let bench = Bench::new();
        let verdict = bench.log.judge(&bench.secret, &seen(1), None, Some(&seen(2)), bench.now);
        assert_eq!(verdict, Verdict::Wait(SETTLE, Doubt::GoesBack));
    }

    #[test]
    fn after_a_restart_a_rollback_is_believed_at_the_second_read_of_its_value() {
        let mut bench = Bench::new();
        let read = |bench: &Bench| {
            assert_eq!(bench.describe(1), Verdict::Current, "a description shows no creation date");
            bench.log.judge(&bench.secret, &seen(1), None, Some(&seen(2)), bench.now)
        };
        assert_eq!(read(&bench), Verdict::Wait(SETTLE, Doubt::GoesBack));
        bench.now += SETTLE;
        assert_eq!(read(&bench), Verdict::Current);
    }

    #[test]
    fn an_event_of_the_same_second_as_the_last_move_is_waited_for() {
        let bench = Bench::new();
        let changed = time(10) + Duration::from_millis(345);
        let verdict = bench.log.judge(&bench.secret, &seen(1), Some(changed), None, bench.now);
        assert_eq!(verdict, Verdict::Current);
        bench.named(2, 10);
        assert!(matches!(bench.read(1), Verdict::Wait(_, Doubt::AnotherWasNamed)));
    }

    #[test]
    fn a_value_of_another_version_than_was_just_described_is_read_again() {
        let mut bench = Bench::new();
        assert_eq!(bench.describe(2), Verdict::Current);
        assert_eq!(bench.read(1), Verdict::Wait(SETTLE, Doubt::GoesBack), "it may be stale");
        // A description that is stale as well does not make it right.
        assert!(matches!(bench.describe(1), Verdict::Wait(_, Doubt::GoesBack)));
        bench.now += SETTLE / 2;
        assert_eq!(bench.describe(2), Verdict::Current);
        assert_eq!(bench.read(2), Verdict::Current);
    }

    #[test]
    fn a_rotation_between_a_description_and_the_value_is_believed_after_a_while() {
        let mut bench = Bench::new();
        assert_eq!(bench.describe(1), Verdict::Current);
        assert_eq!(bench.read(2), Verdict::Wait(SETTLE, Doubt::GoesBack));
        bench.now += SETTLE;
        assert_eq!(bench.describe(2), Verdict::Current);
        assert_eq!(bench.read(2), Verdict::Current);
    }

    #[test]
    fn a_description_from_before_the_last_known_change_is_doubted() {
        let bench = Bench::new();
        let describe = |number: u8, changed: i64| {
            let read = VersionSeen { version: version(number), created: None };
            bench.log.judge(&bench.secret, &read, Some(time(changed)), None, bench.now)
        };
        assert_eq!(describe(1, 10), Verdict::Current);
        assert_eq!(describe(3, 30), Verdict::Current);
        assert_eq!(describe(2, 20), Verdict::Wait(SETTLE, Doubt::GoesBack));
        assert_eq!(describe(4, 40), Verdict::Current);
    }

    #[test]
    fn a_version_that_another_writer_has_overtaken_is_doubted_although_it_was_believed() {
        let bench = Bench::new();
        assert_eq!(bench.read(1), Verdict::Current);
        let given =
            |number: u8| bench.log.judge(&bench.secret, &seen(1), None, Some(&seen(number)), bench.now);
        assert_eq!(given(1), Verdict::Current);
        assert_eq!(given(2), Verdict::Wait(SETTLE, Doubt::GoesBack));
    }

    #[test]
    fn the_memory_of_superseded_versions_is_bounded() {
        let bench = Bench::new();
        for number in 0..99 {
            assert_eq!(bench.read(number), Verdict::Current);
        }
        let tracks = bench.log.tracks.lock().unwrap();
        assert_eq!(tracks[&bench.secret].superseded.len(), REMEMBERED);
    }
}
