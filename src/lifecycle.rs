//! Starting, draining, ending: one value that is handed to everything that runs.
//!
//! The first SIGTERM or SIGINT starts the drain: no new work is accepted, running syncs may finish within
//! a deadline. A second signal, or the deadline, ends at once. A task that ends by itself before the
//! drain is a failure of the relay and starts the drain as well, so that it never limps on.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The shared side: what tasks look at and where they are started.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    drain: CancellationToken,
    abort: CancellationToken,
    tasks: TaskTracker,
    failure: Arc<Mutex<Option<String>>>,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self {
            drain: CancellationToken::new(),
            abort: CancellationToken::new(),
            tasks: TaskTracker::new(),
            failure: Arc::default(),
        }
    }
}

impl Lifecycle {
    /// One for parts that may end before the rest. It drains and is aborted with this one; what ends early in
    /// it drains it alone.
    pub fn child(&self) -> Self {
        Self {
            drain: self.drain.child_token(),
            abort: self.abort.child_token(),
            tasks: TaskTracker::new(),
            failure: Arc::default(),
        }
    }

    /// Runs `task` until it ends or the relay is aborted. A task that ends before the drain has failed.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let this = self.clone();
        self.tasks.spawn(async move {
            // A panic drops the guard while unwinding, so it counts as an early end too.
            let _guard = EarlyEnd { lifecycle: this.clone(), name };
            tokio::select! {
                () = task => {}
                () = this.abort.cancelled() => {}
            }
        });
    }

    /// Starts the drain.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Whether the drain has started.
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Returns when the drain starts.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Ends every task at once.
    pub fn abort(&self) {
        self.drain.cancel();
        self.abort.cancel();
    }

    /// Waits for the drain to start and then for all tasks, at most for `deadline`; what is left then is
    /// aborted. Returns why the relay ended, if it was not asked to.
    pub async fn ended(&self, deadline: Duration) -> Result<(), String> {
        self.draining().await;
        self.tasks.close();
        if tokio::time::timeout(deadline, self.tasks.wait()).await.is_err() {
            tracing::warn!(deadline_s = deadline.as_secs(), "drain deadline passed, ending what still runs");
            self.abort();
            self.tasks.wait().await;
        }
        match self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    /// Takes SIGTERM and SIGINT from now on; before, either ends the process at once. What is returned starts
    /// the drain at the first and aborts at the second.
    pub fn watch_signals(self) -> std::io::Result<impl Future<Output = ()>> {
        use tokio::signal::unix::{SignalKind, signal};

        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut next = async move || {
            tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            }
        };
        Ok(async move {
            let first = next().await;
            tracing::info!(signal = first, "draining: no new work, running syncs may finish");
            self.drain();
            let second = next().await;
            tracing::warn!(signal = second, "second signal: ending at once");
            self.abort();
        })
    }
}

struct EarlyEnd {
    lifecycle: Lifecycle,
    name: &'static str,
}

impl Drop for EarlyEnd {
    fn drop(&mut self) {
        if !self.lifecycle.is_draining() {
            let mut failure = self.lifecycle.failure.lock().unwrap_or_else(PoisonError::into_inner);
            failure.get_or_insert_with(|| format!("{} ended unexpectedly", self.name));
            self.lifecycle.drain.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_drain_waits_for_running_tasks() {
        let lifecycle = Lifecycle::default();
        let seen = lifecycle.clone();
        lifecycle.spawn("worker", async move { seen.draining().await });
        lifecycle.drain();
        assert_eq!(lifecycle.ended(Duration::from_secs(5)).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_end_within_the_deadline_is_aborted() {
        let lifecycle = Lifecycle::default();
        lifecycle.spawn("worker", std::future::pending());
        lifecycle.drain();
        assert_eq!(lifecycle.ended(Duration::from_secs(5)).await, Ok(()));
    }

    #[tokio::test]
    async fn a_child_ends_with_its_parent_and_not_the_other_way_round() {
        let parent = Lifecycle::default();
        let child = parent.child();
        child.drain();
        assert!(!parent.is_draining());
        let child = parent.child();
        child.spawn("part", async {});
        child.draining().await;
        assert!(!parent.is_draining());
        assert_eq!(child.ended(Duration::from_secs(5)).await, Err("part ended unexpectedly".to_owned()));
        let child = parent.child();
        child.spawn("part", std::future::pending());
        parent.abort();
        assert_eq!(child.ended(Duration::from_secs(5)).await, Ok(()));
    }

    #[tokio::test]
    async fn a_task_that_ends_by_itself_ends_the_relay() {
        let lifecycle = Lifecycle::default();
        lifecycle.spawn("worker", async {});
        assert_eq!(
            lifecycle.ended(Duration::from_secs(5)).await,
            Err("worker ended unexpectedly".to_owned())
        );
    }

    #[tokio::test]
    async fn a_task_that_panics_ends_the_relay() {
        let lifecycle = Lifecycle::default();
        lifecycle.spawn("worker", async { panic!("expected by the test") });
        assert_eq!(
            lifecycle.ended(Duration::from_secs(5)).await,
            Err("worker ended unexpectedly".to_owned())
        );
    }
}
