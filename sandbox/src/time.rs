//! The sandbox's own clock: real time, read in one place.
//!
//! A fake of somebody else's service has its own time, so it takes no clock from the tests; what tests
//! can set are the delays (each part says which).

use std::fmt::Display;
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

/// How long what is waited for may go unnoticed.
const BETWEEN_LOOKS: Duration = Duration::from_millis(4);

/// Waits until `probe` answers. It is looked at every few milliseconds: what happens in another process,
/// or behind a socket, sends no notice.
///
/// # Panics
/// After `limit`, naming `what` was waited for.
pub async fn wait_for<T>(what: impl Display, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        look_again(&what, started, limit).await;
    }
}

/// As [`wait_for`], for a probe that has to wait for its answer itself.
///
/// # Panics
/// After `limit`, naming `what` was waited for.
pub async fn ask_for<T>(what: impl Display, limit: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        look_again(&what, started, limit).await;
    }
}

async fn look_again(what: &impl Display, started: Instant, limit: Duration) {
    assert!(started.elapsed() < limit, "waited {limit:?} in vain for: {what}");
    pause(BETWEEN_LOOKS).await;
}

/// Waits until `probe` is true; see [`wait_for`].
pub async fn wait_until(what: impl Display, limit: Duration, mut probe: impl FnMut() -> bool) {
    wait_for(what, limit, || probe().then_some(())).await;
}
