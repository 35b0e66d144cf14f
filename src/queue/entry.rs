//! What the queue knows about one key, and when that makes it due.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::groups::GroupId;
use super::note::{Note, Reason};
use crate::model::{Next, Roll};

/// How the queue treats a key.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The (host, API family) whose cool-downs and roll slots it shares; none means neither.
    pub group: Option<Arc<str>>,
    /// How long an add waits for others to join it: each further one starts the wait again.
    pub coalesce: Duration,
    /// The longest that the first add of a window may wait, however many follow.
    pub coalesce_cap: Duration,
}

/// The adds since the key was last taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    first: Instant,
    last: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing is due.
    Idle,
    /// A pass is due, or will be when its coalescing window closes.
    Pending,
    /// The last run asked to go on later.
    Waiting,
    /// The last run failed in a way that passes.
    Backoff,
    /// The last run may only go on with a roll slot, and none was free.
    AwaitRoll,
    /// A run is under way.
    Running,
    /// The last run failed in a way that does not pass by itself.
    Parked,
}

/// Until when no run of a key starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    None,
    Until(Instant),
    /// Until somebody ends it.
    Open,
}

impl Pause {
    pub(super) fn holds(self, now: Instant) -> bool {
        match self {
            Pause::None => false,
            Pause::Until(until) => until > now,
            Pause::Open => true,
        }
    }
}

/// There is one for each target, so notes, of which a key at rest has none, lie apart.
#[derive(Clone)]
pub(super) struct Entry<K> {
    pub(super) key: K,
    pub(super) group: Option<GroupId>,
    pub(super) coalesce: Duration,
    pub(super) coalesce_cap: Duration,
    pub(super) state: State,
    pub(super) pause: Pause,
    /// Failed tries since the key was last done.
    pub(super) attempts: u32,
    /// It was parked and nothing gave it a full run since.
    pub(super) observe_only: bool,
    /// A person's wish that no pass has answered to yet.
    pub(super) insists: bool,
    /// What was said since it was last done, but for what was said during the run under way.
    pub(super) note: Option<Box<Note>>,
    /// What was said during the run under way.
    pub(super) fresh: Option<Box<Note>>,
    pub(super) window: Option<Window>,
    /// When a pass comes of itself: the end of a backoff or a wait, the slow timer.
    pub(super) planned: Option<Instant>,
    /// No add brings a pass before then: the end of the period that an early run was last taken out
    /// of, or the earliest time that the other side asked for.
    pub(super) early_from: Option<Instant>,
    /// The slow timer of a parked key. Observing passes do not move it, or adds could put it off
    /// for ever.
    pub(super) slow_at: Option<Instant>,
    /// The group in which it takes a roll slot now.
    pub(super) roll: Option<GroupId>,
}

impl<K> Entry<K> {
    pub(super) fn new(key: K) -> Self {
        Self {
            key,
            group: None,
            coalesce: Duration::ZERO,
            coalesce_cap: Duration::ZERO,
            state: State::Idle,
            pause: Pause::None,
            attempts: 0,
            observe_only: false,
            insists: false,
            note: None,
            fresh: None,
            window: None,
            planned: None,
            early_from: None,
            slow_at: None,
            roll: None,
        }
    }

    /// Counts an add into the window.
    pub(super) fn asked(&mut self, now: Instant) {
        let first = self.window.map_or(now, |window| window.first);
        self.window = Some(Window { first, last: now });
    }

    /// What was said since the key was last done.
    pub(super) fn note(&self) -> Note {
        self.note.as_deref().cloned().unwrap_or_default()
    }

    /// Takes in what was said about the key.
    pub(super) fn take_in(&mut self, note: Note) {
        self.insists |= note.reasons.contains(Reason::Manual);
        self.note.get_or_insert_default().merge(note);
    }

    /// What the key waits for has come, so it is due without an early run. A backoff goes on.
    pub(super) fn end_wait(&mut self, now: Instant) {
        if self.state == State::Waiting {
            self.planned = Some(now);
            self.early_from = None;
        }
    }

    /// When the next pass is due: when it comes of itself, or sooner where an add asks for it.
    pub(super) fn due(&self) -> Option<Instant> {
        let asked = self.window.map(|window| {
            let ready = later(window.last, self.coalesce).min(later(window.first, self.coalesce_cap));
            self.early_from.map_or(ready, |from| ready.max(from))
        });
        match (asked, self.planned) {
            (Some(asked), Some(planned)) => Some(asked.min(planned)),
            (asked, planned) => asked.or(planned),
        }
    }

    /// Keeps early runs of one period down to one: called when the key is taken.
    pub(super) fn spend_early(&mut self, now: Instant) {
        if matches!(self.state, State::Waiting | State::Backoff) && self.planned > Some(now) {
            self.early_from = self.planned;
        }
    }

    /// What closing leaves of a key.
    pub(super) fn drop_due(&mut self) {
        if self.state != State::Parked {
            self.state = State::Idle;
        }
        self.window = None;
        self.planned = None;
    }

    /// The state in which a run leaves the key, before what was added during it.
    pub(super) fn rest(&mut self, next: Next, delay: Duration, now: Instant) {
        self.planned = None;
        if matches!(next, Next::Done | Next::Park { .. } | Next::Again { roll: Roll::UnderWay, .. }) {
            self.insists = false;
        }
        match next {
            Next::Done => {
                self.state = State::Idle;
                self.attempts = 0;
                self.observe_only = false;
                self.early_from = None;
                self.slow_at = None;
                self.note = None;
            }
            Next::Again { .. } => {
                self.state = State::Waiting;
                self.planned = Some(later(now, delay));
            }
            Next::InLine { .. } => self.state = State::Pending,
            Next::Retry { no_sooner_than, .. } => {
                let asked = no_sooner_than.map(|wait| later(now, wait));
                self.state = State::Backoff;
                self.attempts = self.attempts.saturating_add(1);
                self.early_from = self.early_from.max(asked);
                // An early run that failed does not shorten the period that it was taken out of.
                self.planned = self.early_from.max(Some(later(now, delay)));
            }
            Next::AwaitRoll => self.state = State::AwaitRoll,
            Next::Park { slowly } => {
                self.state = State::Parked;
                self.observe_only = true;
                self.early_from = None;
                self.slow_at = slowly.then(|| self.slow_at.unwrap_or_else(|| later(now, delay)));
                self.planned = self.slow_at;
            }
        }
    }
}

/// `now + delay` without overflow: nothing here waits longer than a year.
pub(super) fn later(now: Instant, delay: Duration) -> Instant {
    const YEAR: Duration = Duration::from_hours(365 * 24);
    now + delay.min(YEAR)
}
