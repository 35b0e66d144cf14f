//! What is due, when, and never twice at once: a keyed work queue in memory.
//!
//! [`WorkQueue`] holds all the rules and takes the time as an argument. [`Queue`] puts it behind a
//! lock and lets workers wait for it. Keys are small and what is said about them ([`Note`]) holds no
//! value; nothing here is kept over a restart, because the reconcile at start finds every difference.

mod agenda;
mod backoff;
mod entry;
mod groups;
mod note;
mod snapshot;
mod state;
mod turn;

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod shell_model_tests;
#[cfg(test)]
mod shell_tests;
#[cfg(test)]
mod tests;

use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use crate::clock::Clock;
use crate::model::Next;

pub use backoff::{Jitter, Settings, full_jitter};
pub use entry::Policy;
pub use note::{Note, Reason, Reasons};
pub use snapshot::{GroupSnapshot, Held, KeySnapshot, Phase, Snapshot};
pub use state::WorkQueue;
pub use turn::{Added, Refused, Take, Taken};

/// A [`WorkQueue`] that many workers share. Its lock is held for one operation at a time, never over
/// an await.
pub struct Queue<K> {
    state: Mutex<WorkQueue<K>>,
    /// Told whenever a worker that waits may have waited for too long.
    changed: Notify,
    clock: Arc<dyn Clock>,
}

impl<K: Clone + Eq + Hash> Queue<K> {
    /// Shares a queue whose keys are registered. The clock's monotonic reading has to be Tokio's, as
    /// [`crate::clock::SystemClock`]'s is.
    pub fn new(queue: WorkQueue<K>, clock: Arc<dyn Clock>) -> Self {
        Self { state: Mutex::new(queue), changed: Notify::new(), clock }
    }

    /// Says that a pass over `key` is due.
    pub fn add(&self, key: &K, note: Note) -> Result<Added, Refused> {
        let added = self.lock().add(key, note, self.clock.now())?;
        match added {
            Added::Queued | Added::Woken | Added::Early => self.changed.notify_waiters(),
            // No pass comes sooner, so nobody waits for too long; a storm wakes nobody.
            Added::Coalesced | Added::Dirty => {}
        }
        Ok(added)
    }

    /// Waits for a key whose run may start; none once the queue is closed and the last run is over.
    /// The key is to be given back by [`Queue::finish`], whatever happens in its run. A call that is
    /// dropped while it waits takes nothing.
    pub async fn next(&self) -> Option<Taken<K>> {
        loop {
            // Interest comes first: `notify_waiters` reaches it from its creation on, so what is added
            // between the look and the wait still wakes us.
            let changed = self.changed.notified();
            let next = self.lock().take(self.clock.now());
            match next {
                Take::Run(taken) => return Some(taken),
                Take::Closed => return None,
                Take::Empty => changed.await,
                Take::WaitUntil(at) => {
                    // On timeout as on a change the queue is looked at again.
                    tokio::time::timeout_at(at.into(), changed).await.ok();
                }
            }
        }
    }

    /// Takes a roll slot for a run that is under way; see [`WorkQueue::claim_roll`].
    pub fn claim_roll(&self, key: &K) -> bool {
        self.lock().claim_roll(key)
    }

    /// Gives back a key that [`Queue::next`] handed out.
    pub fn finish(&self, key: &K, next: Next) {
        self.lock().finish(key, next, self.clock.now());
        self.changed.notify_waiters();
    }

    /// No run of the key starts before `until`, or before [`Queue::resume`]; see [`WorkQueue::pause`].
    pub fn pause(&self, key: &K, until: Option<Instant>) -> Result<(), Refused> {
        self.lock().pause(key, until, self.clock.now())?;
        // A roll slot may have been freed for another key.
        self.changed.notify_waiters();
        Ok(())
    }

    /// Ends a pause; gives whether there was one.
    pub fn resume(&self, key: &K) -> Result<bool, Refused> {
        let paused = self.lock().resume(key, self.clock.now())?;
        self.changed.notify_waiters();
        Ok(paused)
    }

    /// No key of the group starts before `until`.
    pub fn cool_down(&self, group: &str, until: Instant) {
        self.lock().cool_down(group, until);
    }

    /// Refuses adds and drops what is due; [`Queue::next`] gives nothing more, and ends everywhere
    /// when the last run is finished.
    pub fn close(&self) {
        self.lock().close();
        self.changed.notify_waiters();
    }

    /// Waits until the queue is closed and the last run is over: no run comes any more.
    pub async fn over(&self) {
        loop {
            let changed = self.changed.notified();
            if self.lock().is_over() {
                return;
            }
            changed.await;
        }
    }

    /// Everything that the queue knows.
    pub fn snapshot(&self) -> Snapshot<K> {
        self.lock().snapshot(self.clock.now())
    }

    /// The keys that stand so: less to copy under the lock than a snapshot.
    pub fn keys_where(&self, pick: impl Fn(Phase, Option<Held>) -> bool) -> Vec<K> {
        self.lock().keys_where(pick, self.clock.now())
    }

    /// What the queue knows of one key.
    pub fn line(&self, key: &K) -> Option<KeySnapshot<K>> {
        self.lock().line_of(key, self.clock.now())
    }

    /// Whether no run is under way and none will come without a further add, the slow timer of
    /// parked keys aside, and what waits for a person to end a pause.
    pub fn is_idle(&self) -> bool {
        self.snapshot().is_idle()
    }

    fn lock(&self) -> MutexGuard<'_, WorkQueue<K>> {
        // A panic inside the state machine leaves at worst one entry half changed; refusing all
        // work for good would be worse.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
