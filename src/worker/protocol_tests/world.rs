//! The world of the model: AWS that moves a label, an Anypoint without conditional writes, notifications that
//! get lost or doubled, and one or two relays.

use std::fmt::Write;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use super::ports::{Answer, Ask};
use super::relay::{ModelClock, Relay};
use crate::clock::Clock;
use crate::model::Receipt;
use crate::sync::memory::Memory;

/// How long after a move a read may still show the state before it.
const STALE: Duration = Duration::from_secs(1);

/// How far is explored: how often each thing may happen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) relays: usize,
    /// Runs of different relays exclude one another, and what is remembered is shared.
    pub(super) lease: bool,
    /// Moves of AWSCURRENT, forward or back.
    pub(super) moves: u8,
    /// How often each notification may come.
    pub(super) deliveries: u8,
    /// Answers that get lost although the write has landed, or never does.
    pub(super) lost: u8,
    /// Writes that land later than they should.
    pub(super) late: u8,
    pub(super) crashes: u8,
    /// Deployments by somebody else that bring the first value back and carry our receipt.
    pub(super) foreign: u8,
    /// Whether reads may be stale.
    pub(super) stale: bool,
}

impl Bounds {
    pub(super) const ONE_RELAY: Self = Self {
        relays: 1,
        lease: false,
        moves: 0,
        deliveries: 0,
        lost: 0,
        late: 0,
        crashes: 0,
        foreign: 0,
        stale: false,
    };
}

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// AWSCURRENT moves to this version.
    Move(u8),
    /// The notification of this move comes.
    Notify { relay: usize, moved: u8 },
    /// The timer of the reconcile.
    Reconcile { relay: usize },
    /// A worker takes the key.
    Take { relay: usize },
    /// The question that stands is answered.
    Answer { relay: usize, reply: Reply },
    /// The process dies; the write that it had just sent, if any, lands later.
    Crash { relay: usize },
    /// The write that was late lands.
    Land(usize),
    /// A pipeline deploys the first value again.
    Foreign,
    /// Time passes until something is due.
    Wait,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Fresh,
    Stale,
    /// The write lands, and the answer comes.
    Taken,
    /// The write lands, and the answer gets lost.
    TakenUnheard,
    /// The write lands some time.
    Late,
    /// The write never lands.
    Never,
}

/// What the properties ask.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) wrote_superseded: bool,
    /// If everything has come to rest: whether it is as it should be.
    pub(super) at_rest: Option<bool>,
    pub(super) landed_old: bool,
    pub(super) writes: u32,
}

#[derive(Clone, Debug)]
struct Written {
    version: u8,
    receipt: Receipt,
}

pub(super) struct World {
    bounds: Bounds,
    clock: ModelClock,
    /// Versions in the order in which they became current.
    moves: Vec<u8>,
    moved_at: Instant,
    /// How often the notification of each move has come, per relay.
    notified: Vec<Vec<u8>>,
    /// What the application runs with.
    version: u8,
    /// The receipt that it shows, and its mark.
    receipt: Option<Written>,
    mark: u32,
    late: Vec<Written>,
    /// The last move of AWSCURRENT that what was sent by anybody proves.
    written: u8,
    relays: Vec<Relay>,
    holder: Option<usize>,
    /// Since the last thing that a reconcile may have to mend, each relay has begun one.
    reconciled: Vec<bool>,
    facts: Facts,
}

/// One memory for each relay, or one for all where there is a lease: it belongs to what the lease protects.
fn memories(bounds: Bounds, mut memory: impl FnMut() -> Memory) -> impl Iterator<Item = Arc<Memory>> {
    let shared = bounds.lease.then(|| Arc::new(memory()));
    (0..bounds.relays).map(move |_| shared.clone().unwrap_or_else(|| Arc::new(memory())))
}

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl World {
    pub(super) fn new(bounds: Bounds) -> Self {
        let clock = ModelClock(Arc::new(Mutex::new(*START)));
        Self {
            bounds,
            moves: vec![1],
            moved_at: *START,
            notified: vec![vec![0]; bounds.relays],
            version: 0,
            receipt: None,
            mark: 1,
            late: Vec::new(),
            written: 0,
            relays: memories(bounds, Memory::volatile).map(|memory| Relay::start(&clock, memory)).collect(),
            holder: None,
            reconciled: vec![true; bounds.relays],
            facts: Facts::default(),
            clock,
        }
    }

    /// Another one in the same state; no run may be under way.
    pub(super) fn copy(&self) -> Self {
        let clock = ModelClock(Arc::new(Mutex::new(self.clock.now())));
        Self {
            bounds: self.bounds,
            moves: self.moves.clone(),
            moved_at: self.moved_at,
            notified: self.notified.clone(),
            version: self.version,
            receipt: self.receipt.clone(),
            mark: self.mark,
            late: self.late.clone(),
            written: self.written,
            relays: self.copies(&clock),
            holder: self.holder,
            reconciled: self.reconciled.clone(),
            facts: self.facts.clone(),
            clock,
        }
    }

    fn copies(&self, clock: &ModelClock) -> Vec<Relay> {
        let mut relays = self.relays.iter();
        let memory = || relays.next().expect("a relay for each memory").memory().detached();
        let memories: Vec<Arc<Memory>> = memories(self.bounds, memory).collect();
        self.relays.iter().zip(memories).map(|(relay, memory)| relay.copy(clock, memory)).collect()
    }

    pub(super) fn runs(&self) -> bool {
        self.relays.iter().any(Relay::is_running)
    }

    fn current(&self) -> u8 {
        self.moves[self.moves.len() - 1]
    }

    fn is_stale_time(&self) -> bool {
        self.moves.len() > 1 && self.clock.now() < self.moved_at + STALE
    }

    pub(super) fn enabled(&self) -> Vec<Action> {
        let mut all = Vec::new();
        if self.bounds.moves > 0 {
            let newest = self.moves.iter().max().map_or(1, |newest| newest + 1);
            all.push(Action::Move(newest));
            // A rollback goes to the version before.
            if let [.., before, _] = self.moves[..] {
                all.push(Action::Move(before));
            }
        }
        all.extend((0..self.late.len()).map(Action::Land));
        if self.bounds.foreign > 0 && self.receipt.is_some() {
            all.push(Action::Foreign);
        }
        for (index, relay) in self.relays.iter().enumerate() {
            let left = self.notified[index].iter().enumerate().filter(|(_, left)| **left > 0);
            all.extend(left.map(|(moved, _)| Action::Notify { relay: index, moved: small(moved) }));
            if self.bounds.crashes > 0 && relay.is_running() {
                all.push(Action::Crash { relay: index });
            }
            match relay.asked() {
                Some(ask) => {
                    let replies = self.replies(&ask).into_iter();
                    all.extend(replies.map(|reply| Action::Answer { relay: index, reply }));
                }
                None if relay.due().is_some_and(|due| due <= self.clock.now()) => {
                    let free = self.holder.is_none();
                    all.extend(free.then_some(Action::Take { relay: index }));
                }
                // Before reads are fresh it would prove nothing.
                None if relay.is_idle() && !self.reconciled[index] && !self.is_stale_time() => {
                    all.push(Action::Reconcile { relay: index });
                }
                None => {}
            }
        }
        if self.next_time().is_some() {
            all.push(Action::Wait);
        }
        all
    }

    /// Time passes between runs only.
    fn next_time(&self) -> Option<Instant> {
        let now = self.clock.now();
        if self.runs() {
            return None;
        }
        let due = self.relays.iter().filter_map(Relay::due).filter(|due| *due > now);
        due.chain(self.is_stale_time().then(|| self.moved_at + STALE)).min()
    }

    fn replies(&self, ask: &Ask) -> Vec<Reply> {
        match ask {
            Ask::Current | Ask::Fetch if self.bounds.stale && self.is_stale_time() => {
                vec![Reply::Fresh, Reply::Stale]
            }
            Ask::Current | Ask::Fetch | Ask::Observe => vec![Reply::Fresh],
            Ask::Send { .. } => {
                let mut replies = vec![Reply::Taken];
                if self.bounds.lost > 0 {
                    replies.extend([Reply::TakenUnheard, Reply::Never]);
                }
                if self.bounds.late > 0 {
                    replies.push(Reply::Late);
                }
                replies
            }
        }
    }

    pub(super) fn act(&mut self, action: Action) {
        match action {
            Action::Move(version) => {
                self.bounds.moves -= 1;
                self.moves.push(version);
                self.moved_at = self.clock.now();
                for left in &mut self.notified {
                    left.push(self.bounds.deliveries);
                }
                self.disturb();
            }
            Action::Notify { relay, moved } => {
                self.notified[relay][usize::from(moved)] -= 1;
                self.relays[relay].notified(self.moves[usize::from(moved)], moved);
            }
            Action::Reconcile { relay } => {
                self.reconciled[relay] = true;
                self.relays[relay].reconcile();
            }
            Action::Take { relay } => {
                self.holder = self.bounds.lease.then_some(relay);
                self.relays[relay].take();
                self.settle(relay);
            }
            Action::Answer { relay, reply } => self.answer(relay, reply),
            Action::Crash { relay } => {
                self.bounds.crashes -= 1;
                if let Some(Ask::Send { version, receipt }) = self.relays[relay].asked() {
                    self.goes_out(relay, version);
                    self.late.push(Written { version, receipt });
                }
                // What it had sent and nobody sees is forgotten with it.
                self.written = self.receipt.as_ref().map_or(0, |written| self.proves(written.version));
                self.holder = self.holder.filter(|holder| *holder != relay);
                let kept = self.bounds.lease.then(|| Arc::clone(self.relays[relay].memory()));
                self.relays[relay] =
                    Relay::start(&self.clock, kept.unwrap_or_else(|| Arc::new(Memory::volatile())));
                self.disturb();
                // It reconciles at its start; with stale reads that proves nothing.
                self.reconciled[relay] = !self.is_stale_time();
            }
            Action::Land(index) => {
                let Written { version, receipt } = self.late.remove(index);
                self.land(version, receipt);
                self.disturb();
            }
            Action::Foreign => {
                self.bounds.foreign -= 1;
                self.version = 0;
                self.mark += 1;
                self.disturb();
            }
            Action::Wait => {
                let next = self.next_time().expect("something is due");
                *self.clock.0.lock().unwrap() = next;
            }
        }
    }

    /// Something happened that only a look can find.
    fn disturb(&mut self) {
        self.reconciled.fill(false);
    }

    fn answer(&mut self, relay: usize, reply: Reply) {
        let ask = self.relays[relay].asked().expect("a question");
        let answer = match (ask, reply) {
            (Ask::Current | Ask::Fetch, reply) => {
                let moved = self.moves.len() - if reply == Reply::Stale { 2 } else { 1 };
                let proved = self.proves(self.moves[moved]);
                self.relays[relay].has_seen(proved);
                Answer::Version { version: self.moves[moved], moved: small(moved) }
            }
            (Ask::Observe, _) => {
                let receipt = self.receipt.clone();
                let proved = receipt.as_ref().map_or(0, |written| self.proves(written.version));
                self.relays[relay].has_seen(proved);
                Answer::Shown { receipt: receipt.map(|written| written.receipt), mark: self.mark }
            }
            (Ask::Send { version, receipt }, reply) => self.send(relay, version, receipt, reply),
        };
        self.relays[relay].answer(answer);
        self.settle(relay);
    }

    /// The move that a version proves to have happened: the first one to it, as a stale read shows the same.
    fn proves(&self, version: u8) -> u8 {
        small(self.moves.iter().position(|moved| *moved == version).expect("it was current once"))
    }

    /// A write goes out.
    fn goes_out(&mut self, relay: usize, version: u8) {
        let last = self.moves.iter().rposition(|moved| *moved == version).expect("it was current once");
        let newest = self.written.max(self.relays[relay].knows);
        self.facts.wrote_superseded |= small(last) < newest;
        self.facts.writes += 1;
        self.written = self.written.max(self.proves(version));
    }

    fn send(&mut self, relay: usize, version: u8, receipt: Receipt, reply: Reply) -> Answer {
        self.goes_out(relay, version);
        match reply {
            Reply::Late => {
                self.bounds.late -= 1;
                self.late.push(Written { version, receipt });
                return Answer::Lost;
            }
            Reply::TakenUnheard | Reply::Never => self.bounds.lost -= 1,
            _ => {}
        }
        if reply != Reply::Never {
            self.land(version, receipt);
        }
        if reply == Reply::Taken { Answer::Taken { mark: self.mark } } else { Answer::Lost }
    }

    fn land(&mut self, version: u8, receipt: Receipt) {
        self.facts.landed_old |= version != self.current();
        self.version = version;
        self.receipt = Some(Written { version, receipt });
        self.mark += 1;
    }

    /// A run that has ended gives its lease back.
    fn settle(&mut self, relay: usize) {
        if !self.relays[relay].is_running() {
            self.holder = self.holder.filter(|holder| *holder != relay);
        }
    }

    pub(super) fn facts(&self) -> Facts {
        let quiet = self.late.is_empty() && self.reconciled.iter().all(|reconciled| *reconciled);
        let at_rest = quiet && !self.is_stale_time() && self.relays.iter().all(Relay::is_idle);
        let right = self.version == self.current() && self.relays.iter().all(Relay::is_in_sync);
        Facts { at_rest: at_rest.then_some(right), writes: self.facts.writes.min(2), ..self.facts.clone() }
    }

    /// Everything that decides what may follow, as text: times as their distance from now, stamps in the order
    /// in which they appear.
    pub(super) fn shape(&self) -> String {
        let relays: Vec<String> = self.relays.iter().map(Relay::shape).collect();
        let text = format!(
            "{:?} {:?} {:?} {} {:?} {} {:?} {} {:?} {:?} {:?} {relays:?} moved {:?}",
            self.bounds,
            self.moves,
            self.notified,
            self.version,
            self.receipt,
            self.mark,
            self.late,
            self.written,
            self.holder,
            self.reconciled,
            self.facts(),
            self.is_stale_time().then_some(self.moved_at),
        );
        stamps_in_order(&distances(&text, self.clock.now()))
    }
}

fn small(number: usize) -> u8 {
    u8::try_from(number).expect("a small model")
}

/// Instants as milliseconds from `now`.
fn distances(text: &str, now: Instant) -> String {
    let base = seconds(&format!("{now:?}")).expect("the form in which an instant is shown");
    let mut parts = text.split("Instant { ");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let at = seconds(&format!("Instant {{ {part}")).expect("the form in which an instant is shown");
        let (_, rest) = part.split_once('}').expect("its end");
        write!(out, "{}ms{rest}", (at - base) / 1_000_000).unwrap();
    }
    out
}

/// Nanoseconds of `Instant { tv_sec: 1, tv_nsec: 2 }`.
fn seconds(text: &str) -> Option<i128> {
    let (_, text) = text.split_once("tv_sec: ")?;
    let (sec, text) = text.split_once(", tv_nsec: ")?;
    let nsec = text.split(|c: char| !c.is_ascii_digit()).next()?;
    Some(sec.parse::<i128>().ok()? * 1_000_000_000 + nsec.parse::<i128>().ok()?)
}

/// `Stamp("...")` as `Stamp(n)`.
fn stamps_in_order(text: &str) -> String {
    let mut known: Vec<&str> = Vec::new();
    let mut parts = text.split("Stamp(");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (stamp, rest) = part.split_once(')').expect("its end");
        let place = known.iter().position(|other| *other == stamp).unwrap_or_else(|| {
            known.push(stamp);
            known.len() - 1
        });
        write!(out, "Stamp({place}){rest}").unwrap();
    }
    out
}
