//! How long a failed key waits: exponential with full jitter and a cap.
//!
//! Full jitter (uniform between nothing and the exponential delay) spreads the keys that failed
//! together best: AWS Architecture Blog, "Exponential Backoff And Jitter".

use std::sync::Arc;
use std::time::Duration;

/// Picks the delay within a limit. The queue never waits longer than the limit, whatever it returns.
pub type Jitter = Arc<dyn Fn(Duration) -> Duration + Send + Sync>;

/// A [`Jitter`] that is uniform in `[0, limit]`.
pub fn full_jitter() -> Jitter {
    Arc::new(|limit| limit.mul_f64(fastrand::f64()))
}

/// Times of the queue.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// First backoff.
    pub retry_base: Duration,
    /// Longest backoff.
    pub retry_cap: Duration,
    /// When a key that was parked slowly is tried again by itself.
    pub slow_retry: Duration,
}

impl From<&crate::config::Queue> for Settings {
    fn from(queue: &crate::config::Queue) -> Self {
        Self { retry_base: queue.retry_base, retry_cap: queue.retry_cap, slow_retry: queue.slow_retry }
    }
}

impl Settings {
    /// The longest delay after `attempts` failed tries before this one.
    pub(super) fn limit(&self, attempts: u32) -> Duration {
        self.retry_base.saturating_mul(2_u32.saturating_pow(attempts)).min(self.retry_cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings {
        retry_base: Duration::from_secs(2),
        retry_cap: Duration::from_mins(1),
        slow_retry: Duration::from_mins(15),
    };

    #[test]
    fn the_limit_doubles_up_to_the_cap_and_never_overflows() {
        let limits: Vec<u64> =
            [0, 1, 2, 4, 5, 31, 32, u32::MAX].into_iter().map(|n| SETTINGS.limit(n).as_secs()).collect();
        assert_eq!(limits, [2, 4, 8, 32, 60, 60, 60, 60]);
    }

    #[test]
    fn full_jitter_stays_within_its_limit_and_uses_all_of_it() {
        let jitter = full_jitter();
        let limit = Duration::from_secs(10);
        let delays: Vec<Duration> = (0..1000).map(|_| jitter(limit)).collect();
        assert!(delays.iter().all(|delay| *delay <= limit));
        assert!(delays.iter().any(|delay| *delay < limit / 4), "never short");
        assert!(delays.iter().any(|delay| *delay > limit * 3 / 4), "never long");
    }
}
