//! The keyed work queue as a state machine: no clock, no lock, no waiting of its own.
//!
//! Guarantees, each held by a test of that name in `tests.rs` and all of them by a comparison with
//! a naive model:
//! - never two runs of a key at once; any number of adds before a start is one run; adds during a
//!   run cause exactly one more;
//! - a storm of adds neither resets nor outruns a backoff: one early run per period, none inside
//!   the group's cool-down, `attempts` kept; a key that waits for another one is due at once when
//!   that one has gone ahead, however many early runs there were;
//! - a parked key is looked at when something is added, and run in full only by a person, a changed
//!   configuration or, where it was parked slowly, its timer;
//! - a paused key starts no run until the pause is over; what was said meanwhile is kept, collapses as ever
//!   and is due then; it keeps nobody from a roll slot;
//! - fair order: once a key is due and neither it nor its group is held back, every other key is taken at
//!   most once before it; a key that is told to wait in line keeps its place;
//! - memory grows with the registered keys only, and every operation costs O(log n).
//!
//! Not guaranteed: anything over a crash. The reconcile at start finds what was due.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::agenda::{Agenda, Due, Hold, Slot};
use super::backoff::{Jitter, Settings};
use super::entry::{Entry, Pause, Policy, State, later};
use super::groups::{GroupId, Groups};
use super::note::Note;
use super::snapshot::{GroupSnapshot, Held, KeySnapshot, Phase, Snapshot};
use super::turn::{Added, Refused, Take, Taken};
use crate::model::{Next, Roll};

/// See the head of this file.
#[derive(Clone)]
pub struct WorkQueue<K> {
    settings: Settings,
    jitter: Jitter,
    slots: HashMap<K, Slot>,
    entries: Vec<Entry<K>>,
    groups: Groups,
    agenda: Agenda,
    running: usize,
    closed: bool,
}

impl<K: Clone + Eq + Hash> WorkQueue<K> {
    /// A queue without keys.
    pub fn new(settings: Settings, jitter: Jitter) -> Self {
        Self {
            settings,
            jitter,
            slots: HashMap::new(),
            entries: Vec::new(),
            groups: Groups::default(),
            agenda: Agenda::default(),
            running: 0,
            closed: false,
        }
    }

    /// Makes a key known, or changes its policy from the next add on.
    pub fn register(&mut self, key: K, policy: &Policy) {
        let slot = *self.slots.entry(key.clone()).or_insert(self.entries.len());
        if slot == self.entries.len() {
            self.entries.push(Entry::new(key));
        }
        let group = policy.group.as_ref().map(|name| self.groups.id(name));
        let entry = &mut self.entries[slot];
        entry.group = group;
        entry.coalesce = policy.coalesce;
        entry.coalesce_cap = policy.coalesce_cap;
    }

    /// Bounds how many keys of a group roll at once (at least one; without this, any number). A
    /// raised limit takes effect when the next slot is freed or asked for.
    pub fn set_max_rolling(&mut self, group: &Arc<str>, max: usize) {
        let id = self.groups.id(group);
        self.groups.set_max_rolling(id, max);
    }

    /// Says that a pass over `key` is due.
    pub fn add(&mut self, key: &K, note: Note, now: Instant) -> Result<Added, Refused> {
        if self.closed {
            return Err(Refused::Closed);
        }
        let slot = *self.slots.get(key).ok_or(Refused::Unknown)?;
        let entry = &mut self.entries[slot];
        entry.asked(now);
        if entry.state == State::Running {
            entry.fresh.get_or_insert_default().merge(note);
            return Ok(Added::Dirty);
        }
        let unparks = note.unparks();
        if note.frees() {
            entry.end_wait(now);
        }
        entry.take_in(note);
        Ok(self.wake(slot, unparks, now))
    }

    /// The next thing to do.
    pub fn take(&mut self, now: Instant) -> Take<K> {
        if self.closed {
            return if self.is_over() { Take::Closed } else { Take::Empty };
        }
        let (groups, entries) = (&self.groups, &self.entries);
        match self.agenda.pop(now, |slot| hold(&entries[slot], groups)) {
            Due::Never => Take::Empty,
            Due::At(at) => Take::WaitUntil(at),
            Due::Now(slot) => Take::Run(self.start(slot, now)),
        }
    }

    /// Takes a roll slot of the key's group for a run that is under way; call it before a write that
    /// rolls. `false` means that the run has to end with [`Next::AwaitRoll`]. The slot is kept until
    /// the run ends, and after it for as long as runs end with a roll that is not [`Roll::Over`].
    pub fn claim_roll(&mut self, key: &K) -> bool {
        let Some(entry) = self.slots.get(key).map(|slot| &mut self.entries[*slot]) else {
            return false;
        };
        match (entry.state, entry.roll, entry.group) {
            (State::Running, Some(_), _) | (State::Running, None, None) => true,
            (State::Running, None, Some(group)) => {
                let free = self.groups.claim(group);
                entry.roll = free.then_some(group);
                free
            }
            _ => false,
        }
    }

    /// Ends the run of a key that was taken. Of a key that is not running it changes nothing.
    pub fn finish(&mut self, key: &K, next: Next, now: Instant) {
        let Some(&slot) = self.slots.get(key) else { return };
        if self.entries[slot].state != State::Running {
            return;
        }
        // Without a group there is no line to stand in.
        let next = match (next, self.entries[slot].group) {
            (Next::InLine { after }, None) => Next::Again { after, roll: Roll::Unknown },
            _ => next,
        };
        self.running -= 1;
        self.settle_roll(slot, next, now);
        let delay = match next {
            Next::Retry { .. } => self.backoff(self.entries[slot].attempts),
            Next::Again { after, .. } | Next::InLine { after } => after,
            Next::Park { .. } => self.settings.slow_retry,
            Next::Done | Next::AwaitRoll => Duration::ZERO,
        };
        let entry = &mut self.entries[slot];
        entry.rest(next, delay, now);
        let fresh = entry.fresh.take();
        let unparks = fresh.as_ref().is_some_and(|fresh| fresh.unparks());
        if let Some(fresh) = fresh {
            if fresh.frees() {
                entry.end_wait(now);
            }
            entry.take_in(*fresh);
        }
        if self.closed {
            return entry.drop_due();
        }
        if let (Next::InLine { .. }, Some(group)) = (next, entry.group) {
            self.groups.hold(group, later(now, delay));
            self.agenda.put_back(slot);
        }
        if self.entries[slot].window.is_some() {
            self.wake(slot, unparks, now);
        } else if let Some(due) = self.entries[slot].planned {
            self.agenda.put(slot, due);
        }
        if next == Next::AwaitRoll {
            self.await_roll(slot, now);
        }
        if self.entries[slot].pause.holds(now) {
            self.stand_back(slot, now);
        }
    }

    /// No run of the key starts before `until`, or before [`WorkQueue::resume`] where there is no such time. A
    /// run under way goes on. In place of an earlier pause.
    pub fn pause(&mut self, key: &K, until: Option<Instant>, now: Instant) -> Result<(), Refused> {
        let slot = self.open_slot(key)?;
        self.entries[slot].pause = until.map_or(Pause::Open, Pause::Until);
        if self.entries[slot].state != State::Running {
            self.stand_back(slot, now);
        }
        self.agenda.release(slot);
        Ok(())
    }

    /// Ends a pause: what is due runs. Gives whether there was one.
    pub fn resume(&mut self, key: &K, now: Instant) -> Result<bool, Refused> {
        let slot = self.open_slot(key)?;
        let paused = std::mem::replace(&mut self.entries[slot].pause, Pause::None);
        self.agenda.release(slot);
        Ok(paused.holds(now))
    }

    /// No key of the group starts before `until`. A cool-down is only ever lengthened; of a group
    /// that no key has it is ignored.
    pub fn cool_down(&mut self, group: &str, until: Instant) {
        self.groups.cool_down(group, until);
    }

    /// Refuses adds from now on and drops what is due but not running: the reconcile at the next
    /// start finds it again. Runs under way go on; [`WorkQueue::take`] says [`Take::Closed`] when the
    /// last of them is finished.
    pub fn close(&mut self) {
        self.closed = true;
        self.agenda.clear();
        self.groups.forget_waiting();
        for entry in &mut self.entries {
            if entry.state != State::Running {
                entry.drop_due();
            }
        }
    }

    /// Whether it is closed and the last run is finished.
    pub fn is_over(&self) -> bool {
        self.closed && self.running == 0
    }

    /// Everything that the queue knows.
    pub fn snapshot(&self, now: Instant) -> Snapshot<K> {
        let keys = self.entries.iter().enumerate().map(|(slot, entry)| self.line(slot, entry, now)).collect();
        let groups = self.groups.iter().map(|group| GroupSnapshot {
            name: group.name.to_string(),
            cool_for: group.cool_until.filter(|until| *until > now).map(|until| until - now),
            rolling: group.rolling,
            waiting: group.waiting.len(),
        });
        Snapshot { keys, groups: groups.collect(), closed: self.closed }
    }

    /// The keys that stand so, in the order in which they were registered.
    pub fn keys_where(&self, pick: impl Fn(Phase, Option<Held>) -> bool, now: Instant) -> Vec<K> {
        let entries = self.entries.iter().enumerate();
        let picked = entries.filter(|(slot, entry)| {
            let (phase, paused) = self.stand(*slot, entry, now);
            pick(phase, paused)
        });
        picked.map(|(_, entry)| entry.key.clone()).collect()
    }

    /// What it knows of one key.
    pub fn line_of(&self, key: &K, now: Instant) -> Option<KeySnapshot<K>> {
        let slot = *self.slots.get(key)?;
        Some(self.line(slot, &self.entries[slot], now))
    }

    /// Everything that decides what happens next, but the order among keys, as text.
    #[cfg(test)]
    pub(crate) fn shape(&self) -> String {
        let entries = self.entries.iter().enumerate().map(|(slot, entry)| {
            let Entry { state, pause, attempts, observe_only, insists, window, planned, early_from, slow_at, roll, .. } =
                entry;
            let fresh = entry.fresh.as_ref().map_or((false, false), |note| (note.unparks(), note.frees()));
            let due = self.agenda.due(slot);
            format!(
                "{state:?} {pause:?} {attempts} {observe_only} {insists} {window:?} {planned:?} {early_from:?} {slow_at:?} \
                 {roll:?} {fresh:?} {due:?}"
            )
        });
        entries.collect::<Vec<_>>().join(";")
    }

    fn open_slot(&self, key: &K) -> Result<Slot, Refused> {
        if self.closed {
            return Err(Refused::Closed);
        }
        self.slots.get(key).copied().ok_or(Refused::Unknown)
    }

    /// What a paused key has of its group goes to the others: its place in the line, and its roll slot. A roll of
    /// its own that goes on meanwhile is one more than the limit, for minutes; kept, the slot would hold the
    /// others up for as long as the pause.
    fn stand_back(&mut self, slot: Slot, now: Instant) {
        let entry = &mut self.entries[slot];
        if let (State::AwaitRoll, Some(group)) = (entry.state, entry.group) {
            self.groups.leave(group, slot);
            self.go_on(slot, now);
        } else if let Some(group) = entry.roll.take() {
            self.groups.release(group);
            self.grant(group, now);
        }
    }

    /// Makes the key due as its state, its window and what was planned say.
    fn wake(&mut self, slot: Slot, unparks: bool, now: Instant) -> Added {
        let entry = &mut self.entries[slot];
        if unparks && entry.observe_only {
            entry.observe_only = false;
            entry.attempts = 0;
        }
        let was = entry.state;
        if matches!(was, State::Idle | State::Parked) {
            entry.state = State::Pending;
        }
        if was == State::AwaitRoll {
            return Added::Coalesced;
        }
        let before = self.agenda.due(slot);
        // What is due already keeps its place; a window moves it no more.
        let due = entry.due().filter(|_| before.is_none_or(|before| before > now));
        let planned = entry.planned;
        if let Some(due) = due {
            self.agenda.put(slot, due.max(now));
        }
        match was {
            State::Idle => Added::Queued,
            State::Parked => Added::Woken,
            State::Waiting | State::Backoff if before >= planned && due.is_some() && due < before => {
                Added::Early
            }
            _ => Added::Coalesced,
        }
    }

    fn start(&mut self, slot: Slot, now: Instant) -> Taken<K> {
        self.running += 1;
        let entry = &mut self.entries[slot];
        entry.spend_early(now);
        entry.state = State::Running;
        entry.planned = None;
        entry.window = None;
        if entry.slow_at.is_some_and(|at| at <= now) {
            entry.observe_only = false;
        }
        if !entry.observe_only {
            entry.slow_at = None;
        }
        Taken {
            key: entry.key.clone(),
            note: entry.note(),
            attempts: entry.attempts,
            observe_only: entry.observe_only,
            insists: entry.insists,
        }
    }

    fn backoff(&self, attempts: u32) -> Duration {
        let limit = self.settings.limit(attempts);
        (self.jitter)(limit).min(limit)
    }

    /// Keeps or frees the roll slot of a run that ended.
    fn settle_roll(&mut self, slot: Slot, next: Next, now: Instant) {
        let entry = &mut self.entries[slot];
        let roll = match next {
            Next::Again { roll, .. } | Next::Retry { roll, .. } => roll,
            Next::InLine { .. } => Roll::Unknown,
            Next::Done | Next::AwaitRoll | Next::Park { .. } => Roll::Over,
        };
        match (roll, entry.roll, entry.group) {
            (Roll::UnderWay, None, Some(group)) => {
                entry.roll = Some(group);
                self.groups.force(group);
            }
            (Roll::Over, Some(group), _) => {
                entry.roll = None;
                self.groups.release(group);
                self.grant(group, now);
            }
            _ => {}
        }
    }

    fn await_roll(&mut self, slot: Slot, now: Instant) {
        let Some(group) = self.entries[slot].group else {
            // Without a group there is no limit to wait for.
            return self.go_on(slot, now);
        };
        self.groups.wait(group, slot);
        // A slot may have been freed since the claim was refused.
        self.grant(group, now);
    }

    fn grant(&mut self, group: GroupId, now: Instant) {
        if self.closed {
            return;
        }
        while let Some(slot) = self.groups.grant(group) {
            self.entries[slot].roll = Some(group);
            self.go_on(slot, now);
        }
    }

    fn go_on(&mut self, slot: Slot, now: Instant) {
        let entry = &mut self.entries[slot];
        entry.state = State::Pending;
        entry.planned = Some(now);
        self.agenda.put(slot, now);
    }

    fn line(&self, slot: Slot, entry: &Entry<K>, now: Instant) -> KeySnapshot<K> {
        let due = self.agenda.due(slot);
        let next_try = due.and_then(|due| match hold(entry, &self.groups) {
            Hold::Free => Some(due),
            Hold::Until(until) => Some(due.max(until)),
            Hold::ForGood => None,
        });
        let (phase, paused) = self.stand(slot, entry, now);
        KeySnapshot {
            key: entry.key.clone(),
            phase,
            attempts: entry.attempts,
            next_try_in: next_try.map(|at| at.saturating_duration_since(now)),
            dirty: entry.state == State::Running && entry.window.is_some(),
            rolling: entry.roll.is_some(),
            paused,
            note: entry.note(),
        }
    }

    /// Where a key stands, and what its pause holds back.
    fn stand(&self, slot: Slot, entry: &Entry<K>, now: Instant) -> (Phase, Option<Held>) {
        let paused = entry.pause.holds(now);
        let phase = match entry.state {
            State::Running => Phase::Running,
            _ if paused => Phase::Paused,
            State::Idle => Phase::Idle,
            State::Pending => Phase::Queued,
            State::Waiting => Phase::Waiting,
            State::Backoff => Phase::Backoff,
            State::AwaitRoll => Phase::AwaitingRoll,
            State::Parked => Phase::Parked,
        };
        (phase, paused.then(|| self.agenda.due(slot).map_or(Held::Nothing, |_| Held::Run)))
    }
}

/// Whether a run of the key may start, now or later.
fn hold<K>(entry: &Entry<K>, groups: &Groups) -> Hold {
    let group = groups.held_until(entry.group);
    match entry.pause {
        Pause::Open => Hold::ForGood,
        Pause::Until(until) => Hold::Until(group.map_or(until, |group| group.max(until))),
        Pause::None => group.map_or(Hold::Free, Hold::Until),
    }
}
