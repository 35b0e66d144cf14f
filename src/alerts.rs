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
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::Clock;
use crate::config::Config;
use crate::model::{Failure, Retry, TargetName};
use crate::status::StatusBoard;
use crate::telemetry::audit::Audit;
use crate::telemetry::metrics::{AlertResult, Metrics};

use message::Alert;
use outbox::{InHand, Outbox};

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

/// What people were told, and what still waits to be published; cheap to clone.
#[derive(Clone, Default)]
pub struct Told(Arc<Past>);

#[derive(Default)]
struct Past {
    known: Mutex<BTreeMap<TargetName, watch::Told>>,
    outbox: Outbox,
}

/// Watches the board and tells.
pub struct Alerts {
    board: Arc<StatusBoard>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    settings: Settings,
    channel: Option<Arc<dyn Channel>>,
    audit: Arc<Audit>,
    told: Told,
}

impl Alerts {
    /// Alerts about the targets of `board`, to the log and to `channel`; what was `told` is not told again.
    pub fn new(
        board: Arc<StatusBoard>,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
        settings: Settings,
        channel: Option<Arc<dyn Channel>>,
        audit: Arc<Audit>,
        told: Told,
    ) -> Self {
        Self { board, metrics, clock, settings, channel, audit, told }
    }

    /// Watches and publishes for ever, side by side: a topic that does not answer holds up no look.
    pub async fn run(&self) {
        tokio::join!(self.watch(), self.publish());
    }

    async fn watch(&self) {
        let tick = (self.settings.stale_after / 10).clamp(SHORTEST_TICK, LONGEST_TICK);
        let mut ticks = tokio::time::interval(tick);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look();
        }
    }

    /// One look at every target.
    fn look(&self) {
        let now = self.clock.timestamp();
        // Those that people know to be stale.
        let mut told = self.told.0.known.lock().unwrap_or_else(PoisonError::into_inner);
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
            && let Some(older) = self.told.0.outbox.put(alert)
        {
            self.metrics.alert(older.kind, AlertResult::Superseded);
        }
    }

    /// Publishes what waits, one after the other: what fails for one alert fails for the next as well.
    async fn publish(&self) {
        let Some(channel) = &self.channel else { return };
        loop {
            let in_hand = self.told.0.outbox.next().await;
            let Some(alert) = in_hand.alert() else { continue };
            let kind = alert.kind;
            match channel.publish(&alert.subject(), &alert.message()).await {
                Ok(()) => {
                    in_hand.over();
                    self.metrics.alert(kind, AlertResult::Published);
                }
                Err(failure) => self.failed(in_hand, &failure).await,
            }
        }
    }

    async fn failed(&self, mut in_hand: InHand<'_>, failure: &Failure) {
        let tries = in_hand.failed();
        let Some(Alert { kind, target, .. }) = in_hand.alert() else { return };
        let (kind, alert, target) = (*kind, kind.as_str(), target.as_str());
        let (code, next_step) = (failure.code.as_str(), failure.next_step.as_str());
        if failure.retry == Retry::Never || tries >= outbox::TRIES {
            tracing::error!(target, alert, code, error = %failure, next_step, "alert not published: given up");
            in_hand.over();
            return self.metrics.alert(kind, AlertResult::GivenUp);
        }
        tracing::warn!(target, alert, code, error = %failure, next_step, "alert not published: tried again");
        self.metrics.alert(kind, AlertResult::Failed);
        let pause = outbox::pause(tries, &self.settings);
        if in_hand.put_back() {
            self.metrics.alert(kind, AlertResult::Superseded);
        }
        wait(pause).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "nothing else waits for it, and it ends with the relay")]
async fn wait(pause: Duration) {
    tokio::time::sleep(pause).await;
}
