//! Time as an argument: every part that asks for the time asks a [`Clock`].
//!
//! Two readings, never mixed: [`Clock::now`] is monotonic and drives queues and deadlines;
//! [`Clock::timestamp`] is the wall clock, for what other systems stamped and for people.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    /// Monotonic time.
    fn now(&self) -> Instant;
    /// Wall-clock time.
    fn timestamp(&self) -> Timestamp;
}

/// The machine's clocks. Its monotonic reading is Tokio's, so a paused runtime pauses it as well.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn timestamp(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that stands still until told otherwise; both readings move together.
#[derive(Clone, Debug)]
pub struct TestClock(Arc<Mutex<(Instant, Timestamp)>>);

impl TestClock {
    /// A clock that shows `timestamp`.
    pub fn at(timestamp: Timestamp) -> Self {
        Self(Arc::new(Mutex::new((Instant::now(), timestamp))))
    }

    /// Moves both readings forward.
    pub fn advance(&self, by: Duration) {
        let mut both = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        both.0 += by;
        both.1 += by;
    }

    /// Makes the wall clock jump, as an NTP step does; the monotonic reading stays.
    pub fn jump_to(&self, timestamp: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1 = timestamp;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Instant {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn timestamp(&self) -> Timestamp {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}
