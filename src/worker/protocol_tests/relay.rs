//! One relay of the model: the real queue, memory and version log, and the run under way.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::ports::{Answer, Application, Ask, Port, secret, time, version};
use crate::clock::Clock;
use crate::model::TargetName;
use crate::queue::{Note, Phase, Policy, Reason, Settings, Take, WorkQueue};
use crate::sync::memory::{Memory, TargetMemory};
use crate::sync::plan::Leave;
use crate::sync::ports::{Secrets, Target};
use crate::sync::versions::VersionLog;
use crate::sync::{self, Ended, Sync};

/// Longer than reads are stale.
const SETTLE: Duration = Duration::from_secs(2);
const FRESHNESS: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_secs(1);

/// Monotonic time that the checker moves; the wall clock stands, as nothing here is compared with it.
#[derive(Clone)]
pub(super) struct ModelClock(pub(super) Arc<Mutex<Instant>>);

impl Clock for ModelClock {
    fn now(&self) -> Instant {
        *self.0.lock().unwrap()
    }

    fn timestamp(&self) -> Timestamp {
        time(90)
    }
}

struct Running {
    future: Pin<Box<dyn Future<Output = Ended> + Send>>,
    /// Where it started and what it was told: together, what it will do.
    from: TargetMemory,
    leave: Leave,
    told: Vec<Answer>,
}

pub(super) struct Relay {
    queue: WorkQueue<TargetName>,
    sync: Arc<Sync>,
    port: Port,
    clock: ModelClock,
    running: Option<Running>,
    last: Option<&'static str>,
    /// The last move of AWSCURRENT that its reads prove.
    pub(super) knows: u8,
}

fn key() -> TargetName {
    TargetName::parse("orders-api").unwrap()
}

impl Relay {
    /// It starts with this memory, and reconciles.
    pub(super) fn start(clock: &ModelClock, memory: Arc<Memory>) -> Self {
        let settings = Settings { retry_base: RETRY, retry_cap: RETRY, slow_retry: RETRY };
        let mut queue = WorkQueue::new(settings, Arc::new(|limit| limit));
        queue.register(key(), &Policy::default());
        let mut relay = Self::of(queue, VersionLog::new(FRESHNESS, SETTLE), memory, clock.clone());
        relay.add(Reason::Reconcile);
        relay
    }

    /// Another one in the same state. A run cannot be copied, so none may be under way.
    pub(super) fn copy(&self, clock: &ModelClock, memory: Arc<Memory>) -> Self {
        assert!(!self.is_running(), "a run cannot be copied");
        let copy = Self::of(self.queue.clone(), self.sync.versions.copy(), memory, clock.clone());
        Self { last: self.last, knows: self.knows, ..copy }
    }

    fn of(
        queue: WorkQueue<TargetName>,
        versions: VersionLog,
        memory: Arc<Memory>,
        clock: ModelClock,
    ) -> Self {
        let port = Port::default();
        let sync = Sync {
            secrets: Arc::new(port.clone()) as Arc<dyn Secrets>,
            versions: Arc::new(versions),
            memory,
            clock: Arc::new(clock.clone()),
            poll: POLL,
            gates: BTreeMap::new(),
            leaders: Arc::default(),
        };
        Self { queue, sync: Arc::new(sync), port, clock, running: None, last: None, knows: 0 }
    }

    pub(super) fn memory(&self) -> &Arc<Memory> {
        &self.sync.memory
    }

    pub(super) fn has_seen(&mut self, moved: u8) {
        self.knows = self.knows.max(moved);
    }

    fn add(&mut self, reason: Reason) {
        self.queue.add(&key(), Note::new(reason, time(0)), self.clock.now()).unwrap();
    }

    pub(super) fn reconcile(&mut self) {
        self.add(Reason::Reconcile);
    }

    /// A notification says that this version became current as the `moved`th.
    pub(super) fn notified(&mut self, number: u8, moved: u8) {
        let now = self.clock.now();
        self.sync.versions.named(&secret(), version(number), Some(time(moved)), now);
        self.add(Reason::Notification);
    }

    pub(super) fn asked(&self) -> Option<Ask> {
        self.running.as_ref().and_then(|_| self.port.asked())
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// When the next run may start, if one is due at all.
    pub(super) fn due(&self) -> Option<Instant> {
        let now = self.clock.now();
        let line = self.queue.snapshot(now).of(&key()).unwrap().clone();
        line.next_try_in.map(|wait| now + wait)
    }

    /// Whether nothing is due and nothing will be by itself.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.snapshot(self.clock.now()).of(&key()).unwrap().phase == Phase::Idle
    }

    /// Whether its last run ended in sync.
    pub(super) fn is_in_sync(&self) -> bool {
        self.last == Some("in_sync")
    }

    /// A worker takes the key.
    pub(super) fn take(&mut self) {
        let Take::Run(taken) = self.queue.take(self.clock.now()) else { panic!("nothing is due") };
        let leave = super::super::leave(&taken);
        let (sync, target) = (Arc::clone(&self.sync), Application::new(self.port.clone()));
        let future = Box::pin(async move { sync::run(&sync, &target as &dyn Target, leave, &|| true).await });
        self.running = Some(Running { future, from: self.sync.memory.of(&key()), leave, told: Vec::new() });
        self.go_on();
    }

    /// The run is told this and goes on to its next question, or to its end.
    pub(super) fn answer(&mut self, answer: Answer) {
        if let Some(running) = &mut self.running {
            running.told.push(answer.clone());
        }
        self.port.answer(answer);
        self.go_on();
    }

    fn go_on(&mut self) {
        let Some(running) = &mut self.running else { return };
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(ended) = running.future.as_mut().poll(&mut context) {
            self.running = None;
            self.last = Some(ended.outcome.label());
            self.queue.finish(&key(), ended.next, self.clock.now());
        }
    }

    /// Everything that decides what it does next.
    pub(super) fn shape(&self) -> String {
        let run = self.running.as_ref().map(|run| (&run.from, run.leave, &run.told));
        format!(
            "{} {} {:?} {run:?} {:?} {}",
            self.queue.shape(),
            self.sync.versions.shape(),
            self.sync.memory.of(&key()),
            self.last,
            self.knows
        )
    }
}
