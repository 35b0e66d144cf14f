//! What a connection does, and the line of those that do nothing.
//!
//! Guarantees: a connection is in the line exactly while no request of it is worked on and no answer of it
//! is being sent. Bytes of a header do not count: a client that sends one now and then does nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

/// The connections that do nothing, in the order in which they began to.
#[derive(Default)]
pub(super) struct Idle(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    next: u64,
    waiting: BTreeMap<u64, Arc<Notify>>,
}

impl Idle {
    /// Lines up behind all others; gives the place in the line.
    fn join(&self, unwanted: &Arc<Notify>) -> u64 {
        let mut queue = self.queue();
        let number = queue.next;
        queue.next += 1;
        queue.waiting.insert(number, Arc::clone(unwanted));
        number
    }

    fn leave(&self, number: u64) {
        self.queue().waiting.remove(&number);
    }

    fn holds(&self, number: u64) -> bool {
        self.queue().waiting.contains_key(&number)
    }

    /// Tells the first in the line to close; false if there is none.
    pub(super) fn close_oldest(&self) -> bool {
        let oldest = self.queue().waiting.pop_first();
        // Kept for it, should it be at something else just now.
        oldest.inspect(|(_, unwanted)| unwanted.notify_one()).is_some()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether requests of the connection are being worked on or answered, and since when not.
pub(super) struct Activity {
    idle: Arc<Idle>,
    state: Mutex<State>,
    /// Nothing is left to answer, and the last answer said that it is the last.
    pub(super) over: Notify,
    /// Its place is needed.
    pub(super) unwanted: Arc<Notify>,
}

struct State {
    /// With HTTP/2, several at once.
    under_way: usize,
    idle_since: Instant,
    /// Its place among those that do nothing.
    number: u64,
    requests: u64,
    ends: bool,
}

impl Activity {
    pub(super) fn new(idle: &Arc<Idle>) -> Self {
        let unwanted = Arc::default();
        let number = idle.join(&unwanted);
        let state = State { under_way: 0, idle_since: Instant::now(), number, requests: 0, ends: false };
        Self { idle: Arc::clone(idle), state: Mutex::new(state), over: Notify::new(), unwanted }
    }

    /// A request is under way until the guard is dropped.
    pub(super) fn begin(activity: &Arc<Self>) -> Busy {
        let mut state = activity.state();
        if state.under_way == 0 {
            activity.idle.leave(state.number);
        }
        state.under_way += 1;
        state.requests += 1;
        Busy(Arc::clone(activity))
    }

    /// Since when nothing is under way; none while something is.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        (state.under_way == 0).then_some(state.idle_since)
    }

    /// Whether it was told to close, and has done nothing since.
    pub(super) fn is_dismissed(&self) -> bool {
        let state = self.state();
        state.under_way == 0 && !self.idle.holds(state.number)
    }

    pub(super) fn requests(&self) -> u64 {
        self.state().requests
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        let number = self.state().number;
        self.idle.leave(number);
    }
}

/// A request that is being worked on or answered.
pub(super) struct Busy(Arc<Activity>);

impl Busy {
    /// The connection ends when nothing is left to answer.
    pub(super) fn is_the_last(&self) {
        self.0.state().ends = true;
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let activity = &self.0;
        let mut state = activity.state();
        state.under_way -= 1;
        if state.under_way == 0 {
            state.idle_since = Instant::now();
            state.number = activity.idle.join(&activity.unwanted);
            if state.ends {
                activity.over.notify_one();
            }
        }
    }
}
