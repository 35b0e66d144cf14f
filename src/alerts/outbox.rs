//! What is still to be published: of each target the newest alert, in the order in which they came.
//!
//! Bounded by the number of targets, because a newer alert takes the place of the one before.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::Settings;
use super::message::Alert;

/// How often an alert is tried. With pauses of a second to five minutes that is a good quarter of an hour.
pub(super) const TRIES: u32 = 12;

/// An alert on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) alert: Alert,
    /// Tries that failed.
    pub(super) tries: u32,
}

/// The alerts that nobody publishes right now.
#[derive(Default)]
pub(super) struct Outbox {
    waiting: Mutex<VecDeque<Waiting>>,
    came: Notify,
}

impl Outbox {
    /// Puts an alert last, and gives the one about the same target that is not needed any more.
    pub(super) fn put(&self, alert: Alert) -> Option<Alert> {
        let older = {
            let mut waiting = self.lock();
            let place = waiting.iter().position(|other| other.alert.target == alert.target);
            let older = place.and_then(|place| waiting.remove(place));
            waiting.push_back(Waiting { alert, tries: 0 });
            older
        };
        self.came.notify_one();
        older.map(|older| older.alert)
    }

    /// Takes the first one in hand, once there is one.
    pub(super) async fn next(&self) -> InHand<'_> {
        loop {
            // One that comes between the look and the wait leaves a permit.
            if let Some(first) = self.lock().pop_front() {
                return InHand { outbox: self, waiting: Some(first) };
            }
            self.came.notified().await;
        }
    }

    /// Puts one that was taken out first again. True if it is dropped, because a newer one has come.
    fn put_back(&self, failed: Waiting) -> bool {
        let mut waiting = self.lock();
        let superseded = waiting.iter().any(|other| other.alert.target == failed.alert.target);
        if !superseded {
            waiting.push_front(failed);
        }
        superseded
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An alert that is being published. It waits again if nobody says what became of it.
pub(super) struct InHand<'a> {
    outbox: &'a Outbox,
    waiting: Option<Waiting>,
}

impl InHand<'_> {
    /// The alert.
    pub(super) fn alert(&self) -> Option<&Alert> {
        self.waiting.as_ref().map(|waiting| &waiting.alert)
    }

    /// It is published, or given up.
    pub(super) fn over(mut self) {
        self.waiting = None;
    }

    /// One more try failed; gives how many.
    pub(super) fn failed(&mut self) -> u32 {
        let Some(waiting) = &mut self.waiting else { return 0 };
        waiting.tries += 1;
        waiting.tries
    }

    /// It is tried again. True if it is dropped, because a newer one about the same target has come.
    pub(super) fn put_back(mut self) -> bool {
        self.waiting.take().is_some_and(|waiting| self.outbox.put_back(waiting))
    }
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            // One that came meanwhile is the newer one.
            self.outbox.put_back(waiting);
        }
    }
}

/// How long to wait after this many tries of one alert.
pub(super) fn pause(tries: u32, settings: &Settings) -> Duration {
    let doublings = 2_u32.saturating_pow(tries.saturating_sub(1));
    settings.retry_base.saturating_mul(doublings).min(settings.retry_cap)
}
