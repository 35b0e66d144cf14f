//! How a run ends: what the target's state is now, and what the queue does next.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::plan::Why;
use super::versions::Doubt;
use crate::model::{Failure, FailureCode, Next, Outcome, Retry, Roll, SecretRef, VersionSeen, Wanted};
use crate::telemetry::traces::Ending;

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// The state of the target.
    pub outcome: Outcome,
    /// What the queue does next.
    pub next: Next,
    /// What was wanted, where that could be found out.
    pub wanted: Option<Wanted>,
    /// The versions of the last proved delivery, where the receipt had room for them.
    pub delivered: Option<BTreeMap<SecretRef, VersionSeen>>,
    /// The write, if one was started.
    pub wrote: Option<Wrote>,
    /// When the values of that write had been read, and when it had been answered, or not in time.
    pub steps: Option<(Timestamp, Timestamp)>,
    /// Whether this run proved a write, its own or an earlier one.
    pub proved_now: bool,
    /// Whether those that wait for this target, behind a canary or as a call that follows, should look again.
    pub frees_others: bool,
    /// Since when AWS had been ahead of what was held before, where the proved write brought a change in AWS.
    pub proved_since: Option<Timestamp>,
    /// Since when AWS has been ahead of the target; none if it is not.
    pub stale_since: Option<Timestamp>,
    /// Things a person should know.
    pub notes: Vec<String>,
}

impl Ended {
    /// A run that got nowhere.
    pub fn failed(failure: Failure) -> Self {
        let (outcome, next) = by_retry(failure, Roll::Over);
        Self {
            outcome,
            next,
            wanted: None,
            delivered: None,
            wrote: None,
            steps: None,
            proved_now: false,
            frees_others: false,
            proved_since: None,
            stale_since: None,
            notes: Vec::new(),
        }
    }
}

/// A write that was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrote {
    /// Why.
    pub why: Why,
    /// How it ended.
    pub end: WriteEnd,
}

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteEnd {
    /// The target took it.
    Taken,
    /// Nobody knows whether it took effect, or will.
    Ambiguous,
    /// It certainly did not happen.
    Failed,
}

impl WriteEnd {
    /// Stable text for audit and status.
    pub fn as_str(self) -> &'static str {
        match self {
            WriteEnd::Taken => "taken",
            WriteEnd::Ambiguous => "ambiguous",
            WriteEnd::Failed => "failed",
        }
    }
}

/// A run's way to stop early, with what is to be told about it.
pub(super) enum Stop {
    Failed(Failure),
    NotYet(Outcome, Duration),
    AwaitRoll,
    NothingDue(Outcome),
}

impl Ending for Stop {
    fn code(&self) -> Option<&'static str> {
        match self {
            Stop::Failed(failure) => failure.code(),
            Stop::NotYet(..) | Stop::AwaitRoll | Stop::NothingDue(_) => None,
        }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Stop::Failed(failure)
    }
}

/// What a failure means for the target and the queue. A parked target frees its slot: a roll of it that
/// goes on has been given up already.
pub(super) fn by_retry(failure: Failure, roll: Roll) -> (Outcome, Next) {
    match failure.retry {
        Retry::Backoff => (Outcome::retrying(failure), Next::Retry { no_sooner_than: None, roll }),
        Retry::CoolDown(after) => {
            (Outcome::retrying(failure), Next::Retry { no_sooner_than: Some(after), roll })
        }
        Retry::Turn(after) => (Outcome::retrying(failure), Next::Again { after, roll }),
        Retry::Line(after) => (Outcome::retrying(failure), Next::InLine { after }),
        Retry::Never => (Outcome::parked(failure), Next::Park { slowly: false }),
        Retry::Slowly => (Outcome::parked(failure), Next::Park { slowly: true }),
    }
}

/// The wait for a read that can be believed.
pub(super) fn doubted(secret: &SecretRef, doubt: Doubt) -> Failure {
    let what = match doubt {
        Doubt::AnotherWasNamed => "an event named a version that AWS does not serve as current yet",
        Doubt::GoesBack => "AWS serves an earlier version than before, and no event said so",
    };
    Failure::new(
        FailureCode::Unavailable,
        Retry::Backoff,
        format!("secret {secret}: {what}"),
        "nothing; it is read again until it is certain",
    )
}

/// Another try at reads between which AWSCURRENT moved.
pub(super) fn moved_between_reads(secret: &SecretRef) -> Failure {
    Failure::new(
        FailureCode::Unavailable,
        Retry::Backoff,
        format!("secret {secret}: it was rotated while it was read under two names"),
        "nothing; it is read again",
    )
}

/// The wait for a roll slot.
pub(super) fn awaiting_roll() -> Failure {
    Failure::new(
        FailureCode::Conflict,
        Retry::Backoff,
        "waiting for a roll slot of the connection",
        "nothing; raise `max_rolling` if the environment can bear more rolls at once",
    )
}
