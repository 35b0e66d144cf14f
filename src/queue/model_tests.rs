//! The queue against a naive model: a list of keys that is scanned from end to end, with the rules
//! written down one by one, and random operations on both. What one answers the other has to answer,
//! and after each operation every key has to look the same.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::model::Roll;

const SETTINGS: Settings = Settings {
    retry_base: Duration::from_millis(100),
    retry_cap: Duration::from_secs(1),
    slow_retry: Duration::from_secs(3),
};
const MAX_ROLLING: usize = 2;
const KEYS: usize = 6;

/// Group and coalescing of each key: zero to three share a group with roll slots.
fn policy(key: usize) -> Policy {
    let group: Option<Arc<str>> = match key {
        0..=3 => Some("rolling".into()),
        4 => Some("other".into()),
        _ => None,
    };
    let (coalesce, cap) = [(0, 0), (50, 120), (50, 120), (0, 0), (30, 60), (0, 0)][key];
    Policy { group, coalesce: Duration::from_millis(coalesce), coalesce_cap: Duration::from_millis(cap) }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    Nothing,
    Due,
    Waiting,
    Backoff,
    AwaitRoll,
    Running,
    Parked,
}

#[derive(Clone, Debug)]
struct ModelKey {
    place: Where,
    /// Until when it is paused, and whether somebody has to end it.
    pause: Option<(Instant, bool)>,
    attempts: u32,
    observe_only: bool,
    insists: bool,
    /// Adds since the last take.
    adds: Vec<(Instant, Reason)>,
    /// Adds in its note.
    count: u64,
    /// End of a backoff, a wait or the slow timer.
    by_itself: Option<Instant>,
    no_early_before: Option<Instant>,
    slow_at: Option<Instant>,
    /// When it is due, and as the how-manieth it was made so.
    due: Option<(Instant, u64)>,
    /// The place in which it was taken.
    taken: Option<(Instant, u64)>,
    rolling: bool,
    asked_for_roll: Option<u64>,
}

struct Model {
    keys: Vec<ModelKey>,
    cool: [Option<Instant>; 2],
    /// Until when the line of a group stands.
    line: [Option<Instant>; 2],
    counter: u64,
    closed: bool,
}

impl ModelKey {
    fn end_wait(&mut self, now: Instant) {
        if self.place == Where::Waiting {
            self.by_itself = Some(now);
            self.no_early_before = None;
        }
    }
}

impl Model {
    fn new() -> Self {
        let key = ModelKey {
            place: Where::Nothing,
            pause: None,
            attempts: 0,
            observe_only: false,
            insists: false,
            adds: Vec::new(),
            count: 0,
            by_itself: None,
            no_early_before: None,
            slow_at: None,
            due: None,
            taken: None,
            rolling: false,
            asked_for_roll: None,
        };
        Self { keys: vec![key; KEYS], cool: [None; 2], line: [None; 2], counter: 0, closed: false }
    }

    fn paused(&self, key: usize, now: Instant) -> bool {
        self.keys[key].pause.is_some_and(|(until, open)| open || until > now)
    }

    fn pause(&mut self, index: usize, until: Option<Instant>, now: Instant) -> Result<(), Refused> {
        if self.closed {
            return Err(Refused::Closed);
        }
        self.keys[index].pause = Some((until.unwrap_or(now), until.is_none()));
        if self.keys[index].place != Where::Running {
            self.stand_back(index, now);
        }
        Ok(())
    }

    fn resume(&mut self, index: usize, now: Instant) -> Result<bool, Refused> {
        if self.closed {
            return Err(Refused::Closed);
        }
        let paused = self.paused(index, now);
        self.keys[index].pause = None;
        Ok(paused)
    }

    /// Others of its group get what a paused key has of it.
    fn stand_back(&mut self, index: usize, now: Instant) {
        self.counter += 1;
        let counter = self.counter;
        let key = &mut self.keys[index];
        key.rolling = false;
        if key.place == Where::AwaitRoll {
            key.place = Where::Due;
            key.asked_for_roll = None;
            key.by_itself = Some(now);
            key.due = Some((now, counter));
        }
        self.grant(now);
    }

    fn cooling(&self, key: usize) -> Option<Instant> {
        match key {
            0..=3 => self.cool[0].max(self.line[0]),
            4 => self.cool[1].max(self.line[1]),
            _ => None,
        }
    }

    /// When it may run, being due; never while somebody has to end its pause.
    fn at(&self, index: usize, due: Instant) -> Option<Instant> {
        let due = self.cooling(index).map_or(due, |until| due.max(until));
        match self.keys[index].pause {
            Some((_, true)) => None,
            Some((until, false)) => Some(due.max(until)),
            None => Some(due),
        }
    }

    fn add(&mut self, index: usize, reason: Reason, now: Instant) -> Result<Added, Refused> {
        let (person, freed) = (reason == Reason::Manual, reason == Reason::Freed);
        if self.closed {
            return Err(Refused::Closed);
        }
        let key = &mut self.keys[index];
        key.adds.push((now, reason));
        key.count += 1;
        if key.place == Where::Running {
            return Ok(Added::Dirty);
        }
        key.insists |= person;
        if freed {
            key.end_wait(now);
        }
        Ok(self.heed(index, person, now))
    }

    /// What an add means for a key that is not running.
    fn heed(&mut self, index: usize, person: bool, now: Instant) -> Added {
        self.counter += 1;
        let counter = self.counter;
        let policy = policy(index);
        let key = &mut self.keys[index];
        if person && key.observe_only {
            key.observe_only = false;
            key.attempts = 0;
        }
        if key.place == Where::AwaitRoll {
            return Added::Coalesced;
        }
        let (first, last) = (key.adds[0].0, key.adds[key.adds.len() - 1].0);
        let mut wish = (last + policy.coalesce).min(first + policy.coalesce_cap).max(now);
        if let Some(from) = key.no_early_before {
            wish = wish.max(from);
        }
        if let Some(planned) = key.by_itself {
            wish = wish.min(planned.max(now));
        }
        let before = key.due;
        match before {
            Some((due, _)) if due <= now => {}
            Some((_, order)) => key.due = Some((wish, order)),
            None => key.due = Some((wish, counter)),
        }
        let place = key.place;
        if matches!(place, Where::Nothing | Where::Parked) {
            key.place = Where::Due;
        }
        match place {
            Where::Nothing => Added::Queued,
            Where::Parked => Added::Woken,
            Where::Waiting | Where::Backoff
                if before.is_some_and(|(due, _)| Some(due) >= key.by_itself && due > now && wish < due) =>
            {
                Added::Early
            }
            _ => Added::Coalesced,
        }
    }

    fn take(&mut self, now: Instant) -> Take<usize> {
        if self.closed {
            let running = self.keys.iter().any(|key| key.place == Where::Running);
            return if running { Take::Empty } else { Take::Closed };
        }
        let mut best: Option<(Instant, u64, usize)> = None;
        let mut soonest: Option<Instant> = None;
        for (index, key) in self.keys.iter().enumerate() {
            let Some((due, order)) = key.due else { continue };
            let Some(at) = self.at(index, due) else { continue };
            if at <= now {
                best = Some(best.map_or((due, order, index), |best| best.min((due, order, index))));
            } else {
                soonest = Some(soonest.map_or(at, |soonest| soonest.min(at)));
            }
        }
        let Some((_, _, index)) = best else { return soonest.map_or(Take::Empty, Take::WaitUntil) };
        let key = &mut self.keys[index];
        let early = matches!(key.place, Where::Waiting | Where::Backoff) && key.by_itself > Some(now);
        if early {
            key.no_early_before = key.no_early_before.max(key.by_itself);
        }
        if key.slow_at.is_some_and(|at| at <= now) {
            key.observe_only = false;
        }
        if !key.observe_only {
            key.slow_at = None;
        }
        key.place = Where::Running;
        key.adds.clear();
        key.taken = key.due.take();
        key.by_itself = None;
        Take::Run(Taken {
            key: index,
            note: Note { count: key.count, ..Note::default() },
            attempts: key.attempts,
            observe_only: key.observe_only,
            insists: key.insists,
        })
    }

    fn rolling(&self) -> usize {
        self.keys[..4].iter().filter(|key| key.rolling).count()
    }

    fn waiting_for_roll(&self) -> Option<usize> {
        let asked = |index: &usize| self.keys[*index].asked_for_roll;
        (0..KEYS).filter(|index| asked(index).is_some()).min_by_key(|index| asked(index))
    }

    fn claim(&mut self, index: usize) -> bool {
        let key = &self.keys[index];
        if index > 3 || key.rolling {
            // The other groups have no limit; what they hold is not compared.
            self.keys[index].rolling |= index == 4;
            return true;
        }
        let free = self.rolling() < MAX_ROLLING && self.waiting_for_roll().is_none();
        self.keys[index].rolling = free;
        free
    }

    fn finish(&mut self, index: usize, end: Next, now: Instant) {
        self.counter += 1;
        let counter = self.counter;
        let end = match end {
            Next::InLine { after } if index > 4 => Next::Again { after, roll: Roll::Unknown },
            _ => end,
        };
        if let (Next::InLine { after }, false) = (end, self.closed) {
            let line = &mut self.line[usize::from(index == 4)];
            *line = (*line).max(Some(now + after));
        }
        let key = &mut self.keys[index];
        let during: Vec<Reason> = key.adds.iter().map(|(_, reason)| *reason).collect();
        let person = during.contains(&Reason::Manual);
        key.rolling = match end {
            Next::Again { roll, .. } | Next::Retry { roll, .. } => match roll {
                Roll::UnderWay => index <= 4,
                Roll::Unknown => key.rolling,
                Roll::Over => false,
            },
            Next::InLine { .. } => key.rolling,
            _ => false,
        };
        let unanswered = match end {
            Next::Retry { .. } | Next::InLine { .. } | Next::AwaitRoll => true,
            Next::Again { roll, .. } => roll != Roll::UnderWay,
            Next::Done | Next::Park { .. } => false,
        };
        key.insists = (key.insists && unanswered) || person;
        match end {
            Next::Done => {
                key.place = Where::Nothing;
                key.attempts = 0;
                key.observe_only = false;
                key.no_early_before = None;
                key.slow_at = None;
                key.count = during.len() as u64;
            }
            Next::Again { after, .. } => {
                key.place = Where::Waiting;
                key.by_itself = Some(now + after);
            }
            Next::InLine { .. } => {
                key.place = Where::Due;
                key.due = key.taken;
            }
            Next::Retry { no_sooner_than, .. } => {
                let mut delay = SETTINGS.retry_base;
                for _ in 0..key.attempts {
                    delay = (delay * 2).min(SETTINGS.retry_cap);
                }
                key.place = Where::Backoff;
                key.attempts += 1;
                let asked = no_sooner_than.map(|wait| now + wait);
                key.no_early_before = key.no_early_before.max(asked);
                key.by_itself = key.no_early_before.max(Some(now + delay / 2));
            }
            Next::AwaitRoll => {
                key.place = Where::AwaitRoll;
                key.asked_for_roll = Some(counter);
            }
            Next::Park { slowly } => {
                key.place = Where::Parked;
                key.observe_only = true;
                key.no_early_before = None;
                key.slow_at = slowly.then_some(key.slow_at.unwrap_or(now + SETTINGS.slow_retry));
                key.by_itself = key.slow_at;
            }
        }
        if during.contains(&Reason::Freed) {
            key.end_wait(now);
        }
        if self.closed {
            self.drop_due(index);
            return;
        }
        self.grant(now);
        if during.is_empty() {
            self.counter += 1;
            let key = &mut self.keys[index];
            if key.due.is_none() && key.place != Where::AwaitRoll {
                key.due = key.by_itself.map(|at| (at, self.counter));
            }
        } else {
            self.heed(index, person, now);
        }
        if self.paused(index, now) {
            self.stand_back(index, now);
        }
    }

    /// Gives free slots to waiting keys, longest waiting first.
    fn grant(&mut self, now: Instant) {
        while self.rolling() < MAX_ROLLING
            && let Some(index) = self.waiting_for_roll()
        {
            self.counter += 1;
            let key = &mut self.keys[index];
            key.place = Where::Due;
            key.asked_for_roll = None;
            key.rolling = true;
            key.by_itself = Some(now);
            key.due = Some((now, self.counter));
        }
    }

    fn drop_due(&mut self, index: usize) {
        let key = &mut self.keys[index];
        if !matches!(key.place, Where::Parked | Where::Running) {
            key.place = Where::Nothing;
        }
        key.due = None;
        key.asked_for_roll = None;
    }

    fn close(&mut self) {
        self.closed = true;
        (0..KEYS).for_each(|index| self.drop_due(index));
    }
}

#[derive(Clone, Debug)]
enum Op {
    Add { key: usize, reason: Reason },
    Take,
    Claim { nth: usize },
    Finish { nth: usize, end: Next },
    CoolDown { group: usize, millis: u64 },
    Pause { key: usize, millis: Option<u64> },
    Resume { key: usize },
    Advance { millis: u64 },
    Close,
}

fn roll() -> impl Strategy<Value = Roll> + Clone {
    prop_oneof![Just(Roll::Over), Just(Roll::Unknown), Just(Roll::UnderWay)]
}

fn op() -> impl Strategy<Value = Op> {
    let reason =
        prop_oneof![3 => Just(Reason::Notification), 1 => Just(Reason::Manual), 1 => Just(Reason::Freed)];
    let end = prop_oneof![
        4 => Just(Next::Done),
        3 => (1..400_u64, roll())
            .prop_map(|(ms, roll)| Next::Again { after: Duration::from_millis(ms), roll }),
        2 => (1..400_u64).prop_map(|ms| Next::InLine { after: Duration::from_millis(ms) }),
        4 => roll().prop_map(|roll| Next::Retry { no_sooner_than: None, roll }),
        1 => (1..400_u64, roll())
            .prop_map(|(ms, roll)| Next::Retry { no_sooner_than: Some(Duration::from_millis(ms)), roll }),
        2 => any::<bool>().prop_map(|slowly| Next::Park { slowly }),
    ];
    prop_oneof![
        60 => (0..KEYS, reason).prop_map(|(key, reason)| Op::Add { key, reason }),
        60 => Just(Op::Take),
        25 => (0..KEYS).prop_map(|nth| Op::Claim { nth }),
        50 => (0..KEYS, end).prop_map(|(nth, end)| Op::Finish { nth, end }),
        5 => (0..2_usize, 1..300_u64).prop_map(|(group, millis)| Op::CoolDown { group, millis }),
        6 => (0..KEYS, prop::option::of(1..600_u64)).prop_map(|(key, millis)| Op::Pause { key, millis }),
        6 => (0..KEYS).prop_map(|key| Op::Resume { key }),
        40 => (0..150_u64).prop_map(|millis| Op::Advance { millis }),
        3 => (500..4000_u64).prop_map(|millis| Op::Advance { millis }),
        1 => Just(Op::Close),
    ]
}

fn compare(queue: &WorkQueue<usize>, model: &Model, now: Instant) -> Result<(), TestCaseError> {
    for (line, (index, key)) in queue.snapshot(now).keys.iter().zip(model.keys.iter().enumerate()) {
        let paused = model.paused(index, now);
        let phase = match key.place {
            Where::Running => Phase::Running,
            _ if paused => Phase::Paused,
            Where::Nothing => Phase::Idle,
            Where::Due => Phase::Queued,
            Where::Waiting => Phase::Waiting,
            Where::Backoff => Phase::Backoff,
            Where::AwaitRoll => Phase::AwaitingRoll,
            Where::Parked => Phase::Parked,
        };
        let next = key.due.and_then(|(due, _)| model.at(index, due));
        let next = next.map(|at| at.saturating_duration_since(now));
        prop_assert_eq!((index, line.phase), (index, phase));
        prop_assert_eq!((index, line.next_try_in), (index, next));
        prop_assert_eq!((index, line.attempts), (index, key.attempts));
        let held = if key.due.is_some() { Held::Run } else { Held::Nothing };
        prop_assert_eq!((index, line.paused), (index, paused.then_some(held)));
        prop_assert_eq!((index, line.rolling), (index, key.rolling));
        let dirty = key.place == Where::Running && !key.adds.is_empty();
        prop_assert_eq!((index, line.dirty), (index, dirty));
    }
    Ok(())
}

fn run(ops: Vec<Op>) -> Result<(), TestCaseError> {
    let mut queue = WorkQueue::new(SETTINGS, Arc::new(|limit| limit / 2));
    for key in 0..KEYS {
        queue.register(key, &policy(key));
    }
    queue.set_max_rolling(&"rolling".into(), MAX_ROLLING);
    let mut model = Model::new();
    let mut now = Instant::now();
    // Keys that run, with whether a claim was refused.
    let mut running: Vec<(usize, bool)> = Vec::new();
    for op in ops {
        match op {
            Op::Add { key, reason } => {
                let added = queue.add(&key, Note::new(reason, Timestamp::UNIX_EPOCH), now);
                prop_assert_eq!(added, model.add(key, reason, now));
            }
            Op::Take => {
                let mut took = queue.take(now);
                if let Take::Run(taken) = &mut took {
                    prop_assert!(running.iter().all(|(key, _)| *key != taken.key), "two runs of one key");
                    running.push((taken.key, false));
                    taken.note = Note { count: taken.note.count, ..Note::default() };
                }
                prop_assert_eq!(took, model.take(now));
            }
            Op::Claim { nth } if !running.is_empty() => {
                let nth = nth % running.len();
                let (key, refused) = &mut running[nth];
                let claimed = queue.claim_roll(key);
                prop_assert_eq!(claimed, model.claim(*key));
                *refused |= !claimed;
            }
            Op::Finish { nth, end } if !running.is_empty() => {
                let (key, refused) = running.remove(nth % running.len());
                // A run whose claim was refused ends as it was told to.
                let end = if refused { Next::AwaitRoll } else { end };
                queue.finish(&key, end, now);
                model.finish(key, end, now);
            }
            Op::Claim { .. } | Op::Finish { .. } => {}
            Op::CoolDown { group, millis } => {
                let until = now + Duration::from_millis(millis);
                queue.cool_down(["rolling", "other"][group], until);
                model.cool[group] = model.cool[group].max(Some(until));
            }
            Op::Pause { key, millis } => {
                let until = millis.map(|millis| now + Duration::from_millis(millis));
                prop_assert_eq!(queue.pause(&key, until, now), model.pause(key, until, now));
            }
            Op::Resume { key } => prop_assert_eq!(queue.resume(&key, now), model.resume(key, now)),
            Op::Advance { millis } => now += Duration::from_millis(millis),
            Op::Close => {
                queue.close();
                model.close();
            }
        }
        compare(&queue, &model, now)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn the_queue_does_what_a_naive_model_does(ops in prop::collection::vec(op(), 1..120)) {
        run(ops)?;
    }
}
