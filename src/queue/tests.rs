//! One test per rule of the queue, and the bench that they share: a queue with the time beside it.

mod backoff;
mod coalescing;
mod fairness;
mod jumps;
mod parking;
mod pauses;
mod rolls;
mod runs;
mod snapshots;

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::*;
use crate::model::Roll;

const BASE: Duration = Duration::from_secs(10);
const CAP: Duration = Duration::from_mins(5);
const SLOW: Duration = Duration::from_mins(15);

pub(super) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) const RETRY: Next = Next::Retry { no_sooner_than: None, roll: Roll::Over };
const PARKED: Next = Next::Park { slowly: false };
pub(super) const PARKED_SLOWLY: Next = Next::Park { slowly: true };

pub(super) fn work_queue(keys: &[&'static str], policy: &Policy) -> WorkQueue<&'static str> {
    let settings = Settings { retry_base: BASE, retry_cap: CAP, slow_retry: SLOW };
    // No jitter: the longest delay.
    let mut queue = WorkQueue::new(settings, Arc::new(|limit| limit));
    for key in keys {
        queue.register(*key, policy);
    }
    queue
}

pub(super) fn note(reason: Reason) -> Note {
    Note::new(reason, Timestamp::UNIX_EPOCH)
}

pub(super) fn grouped() -> Policy {
    Policy { group: Some("host".into()), ..Policy::default() }
}

pub(super) fn coalescing() -> Policy {
    Policy { group: None, coalesce: secs(5), coalesce_cap: secs(12) }
}

/// A queue and the time.
struct Bench {
    queue: WorkQueue<&'static str>,
    start: Instant,
    now: Instant,
}

impl Bench {
    fn new(keys: &[&'static str], policy: &Policy) -> Self {
        let now = Instant::now();
        Self { queue: work_queue(keys, policy), start: now, now }
    }

    fn at(&mut self, seconds: u64) -> &mut Self {
        self.now = self.start + secs(seconds);
        self
    }

    fn notify(&mut self, key: &'static str) -> Added {
        self.queue.add(&key, note(Reason::Notification), self.now).unwrap()
    }

    fn person(&mut self, key: &'static str) -> Added {
        self.queue.add(&key, note(Reason::Manual), self.now).unwrap()
    }

    fn take(&mut self) -> Option<Taken<&'static str>> {
        match self.queue.take(self.now) {
            Take::Run(taken) => Some(taken),
            Take::WaitUntil(at) => {
                assert!(at > self.now, "told to wait for a time that has come");
                None
            }
            Take::Empty | Take::Closed => None,
        }
    }

    fn take_key(&mut self) -> Option<&'static str> {
        self.take().map(|taken| taken.key)
    }

    fn finish(&mut self, key: &'static str, end: Next) -> &mut Self {
        self.queue.finish(&key, end, self.now);
        self
    }

    fn run(&mut self, key: &'static str, end: Next) -> &mut Self {
        assert_eq!(self.take_key(), Some(key), "at {:?}", self.now - self.start);
        self.finish(key, end)
    }

    /// Seconds from the start at which the queue wants to be asked again.
    fn waits_until(&mut self) -> Option<u64> {
        match self.queue.take(self.now) {
            Take::WaitUntil(at) => Some((at - self.start).as_secs()),
            Take::Empty => None,
            other => panic!("{other:?}"),
        }
    }

    fn phase(&self, key: &'static str) -> Phase {
        self.queue.snapshot(self.now).of(&key).unwrap().phase
    }
}
