//! What the queue shows of itself: for the status page, for metrics and for tests that wait until
//! nothing is due.

use std::time::Duration;

use serde::Serialize;

use crate::telemetry::metrics::QueuePhase;

use super::note::Note;

macro_rules! phases {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)+) => {
        /// Where a key stands.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Phase { $($(#[$doc])* $variant,)+ }

        impl Phase {
            /// Every phase, in declaration order.
            pub const ALL: &'static [Phase] = &[$(Phase::$variant,)+];

            /// Stable text for status and logs.
            pub fn as_str(self) -> &'static str {
                match self { $(Phase::$variant => $text,)+ }
            }
        }
    };
}

phases! {
    /// Nothing is due.
    Idle = "idle",
    /// Due, or waiting for its coalescing window to close.
    Queued = "queued",
    /// Goes on by itself later: a confirmation, or a wait.
    Waiting = "waiting",
    /// Failed, and tried again later.
    Backoff = "backoff",
    /// Waits for a roll slot of its group.
    AwaitingRoll = "awaiting_roll",
    /// A run is under way.
    Running = "running",
    /// Nothing is tried until something changes.
    Parked = "parked",
    /// A person paused it: no run starts.
    Paused = "paused",
}

impl From<Phase> for QueuePhase {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Idle => QueuePhase::Idle,
            Phase::Queued => QueuePhase::Queued,
            Phase::Waiting => QueuePhase::Waiting,
            Phase::Backoff => QueuePhase::Backoff,
            Phase::AwaitingRoll => QueuePhase::AwaitingRoll,
            Phase::Running => QueuePhase::Running,
            Phase::Parked => QueuePhase::Parked,
            Phase::Paused => QueuePhase::Paused,
        }
    }
}

/// What a pause holds back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// Nothing is due.
    Nothing,
    /// A run is due, or will be.
    Run,
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeySnapshot<K> {
    /// The key.
    pub key: K,
    /// Where it stands.
    pub phase: Phase,
    /// Failed tries since it was last done.
    pub attempts: u32,
    /// How long until its next run may start, its group's cool-down included; zero if it only waits
    /// for a worker, none if no time is set.
    pub next_try_in: Option<Duration>,
    /// An add came during the run under way.
    pub dirty: bool,
    /// It takes a roll slot of its group.
    pub rolling: bool,
    /// What waits for the end of its pause, if it is paused; a run may be under way.
    pub paused: Option<Held>,
    /// What was said about it since it was last done.
    pub note: Note,
}

impl<K> KeySnapshot<K> {
    /// Whether a run waits for the end of the pause.
    pub fn held_back(&self) -> bool {
        self.paused == Some(Held::Run)
    }
}

/// One group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupSnapshot {
    /// Its name.
    pub name: String,
    /// How long its cool-down still lasts.
    pub cool_for: Option<Duration>,
    /// Keys that take a roll slot.
    pub rolling: usize,
    /// Keys that wait for one.
    pub waiting: usize,
}

/// The queue at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Snapshot<K> {
    /// Every registered key, in the order in which they were registered.
    pub keys: Vec<KeySnapshot<K>>,
    /// Every group.
    pub groups: Vec<GroupSnapshot>,
    /// Whether adds are refused.
    pub closed: bool,
}

impl<K: PartialEq> Snapshot<K> {
    /// How many keys stand in `phase`.
    pub fn count(&self, phase: Phase) -> usize {
        self.keys.iter().filter(|key| key.phase == phase).count()
    }

    /// How many keys stand in each phase, for the metric.
    pub fn counts(&self) -> impl Iterator<Item = (QueuePhase, usize)> {
        Phase::ALL.iter().map(|phase| ((*phase).into(), self.count(*phase)))
    }

    /// The key's line.
    pub fn of(&self, key: &K) -> Option<&KeySnapshot<K>> {
        self.keys.iter().find(|line| line.key == *key)
    }

    /// Whether no run is under way and none will come without a further add, the slow timer of
    /// parked keys aside, and what waits for a person to end a pause.
    pub fn is_idle(&self) -> bool {
        self.keys.iter().all(|key| match key.phase {
            Phase::Idle | Phase::Parked => true,
            Phase::Paused => key.next_try_in.is_none(),
            _ => false,
        })
    }
}
