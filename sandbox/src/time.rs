//! The sandbox's own clock: real time, read in one place.
//!
//! A fake of somebody else's service has its own time, so it takes no clock from the tests; what tests
//! can set are the delays (each part says which).

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// The wall clock.
#[expect(clippy::disallowed_methods, reason = "the sandbox plays other people's machines")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// Lets `duration` pass.
#[expect(clippy::disallowed_methods, reason = "latency and retry delays are what a sandbox is for")]
pub(crate) async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Waits until `probe` answers, looking every few milliseconds.
///
/// # Panics
/// After `limit`, naming `what` was waited for.
pub async fn wait_for<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(started.elapsed() < limit, "waited {limit:?} in vain for: {what}");
        pause(Duration::from_millis(4)).await;
    }
}

/// Waits until `probe` is true; see [`wait_for`].
pub async fn wait_until(what: &str, limit: Duration, mut probe: impl FnMut() -> bool) {
    wait_for(what, limit, || probe().then_some(())).await;
}
