//! Tells people that a target has been stale for too long, and when it no longer is: in the log, and
//! through an SNS topic where one is configured.
//!
//! It looks at the one number, `relay_target_stale_seconds`, and not at outcomes: a parked target and one
//! that waits for its hours are told of when they have been behind for long enough, a paused one too, and said
//! to be paused; one that is not meant to run owes nothing, so it is never told of.
//!
//! It guarantees: one alert when a target has been stale for `stale_after`, one more at each `repeat` while
//! it stays so, and one when it heals, however often the clock is read; no value is in any of them; no run
//! ever waits for it. A publication that fails is tried again, `outbox::TRIES` times in all, and what waits
//! is bounded by the number of targets.
//!
//! It does not guarantee anything over a restart: since when a target is stale comes from AWS and survives
//! one, so what is still stale is told of once more; what healed meanwhile is not.

mod message;
mod outbox;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::Clock;
use crate::config::Config;
use crate::model::{Failure, Retry, TargetName};
use crate::status::StatusBoard;
use crate::telemetry::audit::Audit;
use crate::telemetry::metrics::{AlertResult, Metrics};

use message::Alert;
use outbox::{Outbox, Waiting};
use watch::Told;

/// How often the clock is read, within a tenth of `stale_after`.
const LONGEST_TICK: Duration = Duration::from_secs(5);
const SHORTEST_TICK: Duration = Duration::from_millis(10);

/// Where alerts go besides the log.
#[async_trait]
pub trait Channel: Send + Sync {
    /// Publishes one. The subject is plain ASCII on one line, of less than 100 characters.
    async fn publish(&self, subject: &str, message: &str) -> Result<(), Failure>;
}

/// When people are told, and how hard it is tried.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a target may be stale before that.
    pub stale_after: Duration,
    /// Between two alerts while it stays so.
    pub repeat: Duration,
    /// First pause after a publication that failed; doubled with each further one.
    pub retry_base: Duration,
    /// Longest such pause.
    pub retry_cap: Duration,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        let (alerts, queue) = (&config.alerts, &config.queue);
        Self {
            stale_after: alerts.stale_after,
            repeat: alerts.repeat,
            retry_base: queue.retry_base,
            retry_cap: queue.retry_cap,
        }
    }
}

/// Watches the board and tells.
pub struct Alerts {
    board: Arc<StatusBoard>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    settings: Settings,
    channel: Option<Arc<dyn Channel>>,
    audit: Arc<Audit>,
    outbox: Outbox,
}

impl Alerts {
    /// Alerts about the targets of `board`, to the log and to `channel`.
    pub fn new(
        board: Arc<StatusBoard>,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
        settings: Settings,
        channel: Option<Arc<dyn Channel>>,
        audit: Arc<Audit>,
    ) -> Self {
        Self { board, metrics, clock, settings, channel, audit, outbox: Outbox::default() }
    }

    /// Watches and publishes for ever, side by side: a topic that does not answer holds up no look.
    pub async fn run(&self) {
        tokio::join!(self.watch(), self.publish());
    }

    async fn watch(&self) {
        let tick = (self.settings.stale_after / 10).clamp(SHORTEST_TICK, LONGEST_TICK);
        let mut ticks = tokio::time::interval(tick);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut told = BTreeMap::new();
        loop {
            ticks.tick().await;
            self.look(&mut told);
        }
    }

    /// One look at every target. `told` has those that people know to be stale.
    fn look(&self, told: &mut BTreeMap<TargetName, Told>) {
        let now = self.clock.timestamp();
        for target in self.board.targets() {
            let since = self.board.stale_since(&target);
            let (known, word) = watch::judge(told.remove(&target), since, now, &self.settings);
            if let Some((kind, since)) = word {
                let outcome = self.board.outcome(&target);
                let paused = self.board.pause(&target, now).is_some();
                self.tell(Alert::new(kind, &target, (since, now), outcome.as_ref(), paused));
            }
            if let Some(known) = known {
                told.insert(target, known);
            }
        }
    }

    fn tell(&self, alert: Alert) {
        alert.log();
        self.audit.record(alert.entry());
        self.metrics.alert(alert.kind, AlertResult::Logged);
        if self.channel.is_some()
            && let Some(older) = self.outbox.put(alert)
        {
            self.metrics.alert(older.kind, AlertResult::Superseded);
        }
    }

    /// Publishes what waits, one after the other: what fails for one alert fails for the next as well.
    async fn publish(&self) {
        let Some(channel) = &self.channel else { return };
        loop {
            let waiting = self.outbox.next().await;
            let (kind, alert) = (waiting.alert.kind, &waiting.alert);
            match channel.publish(&alert.subject(), &alert.message()).await {
                Ok(()) => self.metrics.alert(kind, AlertResult::Published),
                Err(failure) => self.failed(waiting, &failure).await,
            }
        }
    }

    async fn failed(&self, mut waiting: Waiting, failure: &Failure) {
        let Alert { kind, target, .. } = &waiting.alert;
        let (kind, alert, target) = (*kind, kind.as_str(), target.as_str());
        let (code, next_step) = (failure.code.as_str(), failure.next_step.as_str());
        waiting.tries += 1;
        if failure.retry == Retry::Never || waiting.tries >= outbox::TRIES {
            tracing::error!(target, alert, code, error = %failure, next_step, "alert not published: given up");
            return self.metrics.alert(kind, AlertResult::GivenUp);
        }
        tracing::warn!(target, alert, code, error = %failure, next_step, "alert not published: tried again");
        self.metrics.alert(kind, AlertResult::Failed);
        let pause = outbox::pause(waiting.tries, &self.settings);
        if self.outbox.put_back(waiting) {
            self.metrics.alert(kind, AlertResult::Superseded);
        }
        wait(pause).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "nothing else waits for it, and it ends with the relay")]
async fn wait(pause: Duration) {
    tokio::time::sleep(pause).await;
}
