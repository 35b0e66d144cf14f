//! The time between two writes of ours to one entry: further apart than `modifiedAt` resolves, or the
//! second one would not show.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One second, which is what `modifiedAt` resolves, and one to spare for the server's clock.
pub(super) const SPACING: Duration = Duration::from_secs(2);

/// When we last wrote.
#[derive(Default)]
pub(super) struct Spacing(Mutex<Option<Instant>>);

impl Spacing {
    /// For how long a write would still be too soon.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = last.and_then(|last| (last + SPACING).checked_duration_since(now));
        left.filter(|left| !left.is_zero())
    }

    /// Notes a write, or with none that there was none; gives the one before it.
    pub(super) fn note(&self, at: Option<Instant>) -> Option<Instant> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), at)
    }
}
