//! A relay at work: its listeners, and what works behind them, which another configuration can take the place
//! of.
//!
//! Guarantees: sockets stay open over a change, so no sender is refused for it; what is notified meanwhile
//! waits in the next queue; no run of the next configuration starts before the last run of the one before is
//! over, so there is one writer per target at any time; a configuration that can't be put in force changes
//! nothing. What changes is a restart without its gap: every target is looked at again, and what is known
//! ([`super::kept`]) is kept.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::App;
use crate::admin::{self, AdminState};
use crate::config::{Changes, Config};
use crate::http;
use crate::http::envelope::Sealed;
use crate::http::serve::{Bounds, Listening, Switch};
use crate::ingress;
use crate::lifecycle::Lifecycle;
use crate::model::TargetName;
use crate::queue::Queue;
use crate::reconcile::Intervals;
use crate::status::StatusBoard;
use crate::telemetry::audit::{Audit, Entry};

/// Connections of the hooks at once, or twice the concurrent requests if those are more. Half of the
/// 1,024 file handles that a process commonly has are left for the way to AWS and Anypoint.
const MIN_CONNECTIONS: usize = 256;
/// Connections of the admin listener at once.
const ADMIN_CONNECTIONS: usize = 64;
/// Given to the requests that the last configuration still answers, before its queue takes no more. Those that
/// wait for an outcome take longer, but have enqueued their work by then.
const HANDOVER: Duration = Duration::from_secs(1);

/// A configuration that is to take the place of the running one.
pub struct Reload {
    /// The configuration.
    pub config: Config,
    /// Whether somebody asked for it: then it is done though nothing differs, so that what the configuration
    /// refers to is read again.
    pub asked: bool,
}

/// A relay with its addresses taken.
pub struct Bound {
    pub(super) app: App,
    pub(super) hooks: Listening,
    pub(super) admin: Option<Listening>,
}

impl Bound {
    /// Where the hooks are.
    pub fn hooks_addr(&self) -> io::Result<SocketAddr> {
        self.hooks.listener.local_addr()
    }

    /// Where the admin listener is.
    pub fn admin_addr(&self) -> Option<io::Result<SocketAddr>> {
        self.admin.as_ref().map(|admin| admin.listener.local_addr())
    }

    /// The board, for those who embed the relay.
    pub fn board(&self) -> Arc<StatusBoard> {
        Arc::clone(&self.app.kept.board)
    }

    /// The queue, for those who embed the relay: until another configuration takes over.
    pub fn queue(&self) -> Arc<Queue<TargetName>> {
        Arc::clone(&self.app.workshop.queue)
    }

    /// The audit, for those who end the relay otherwise than by a drain.
    pub fn audit(&self) -> Arc<Audit> {
        Arc::clone(&self.app.kept.audit)
    }

    /// Works until the lifecycle drains, then lets running syncs finish within `deadline`.
    pub async fn run(self, lifecycle: Lifecycle, deadline: Duration) -> Result<(), String> {
        let (_nobody, never) = mpsc::channel(1);
        self.run_reloading(lifecycle, deadline, never).await
    }

    /// The same, and puts each configuration in force that comes.
    pub async fn run_reloading(
        self,
        lifecycle: Lifecycle,
        deadline: Duration,
        mut reloads: mpsc::Receiver<Reload>,
    ) -> Result<(), String> {
        let Self { app, hooks, admin } = self;
        app.audit_start("serve");
        let fronts = Fronts { hooks: Switch::new(app.hooks()), admin: app.admin().map(Switch::new) };
        let over = CancellationToken::new();
        let connections = MIN_CONNECTIONS.max(2 * app.config.limits.concurrency);
        app.listen(&lifecycle, "hooks", hooks, fronts.hooks.clone(), connections, &over);
        if let (Some(admin), Some(front)) = (admin, &fronts.admin) {
            app.listen(&lifecycle, "admin", admin, front.clone(), ADMIN_CONNECTIONS, &over);
        }
        let mut working = app.start(lifecycle.child());
        working.app.kept.readiness.started();
        loop {
            tokio::select! {
                () = working.lifecycle.draining() => break,
                Some(reload) = reloads.recv() => {
                    // Large, and rare.
                    working = Box::pin(working.reload(&lifecycle, &fronts, reload, deadline)).await;
                }
            }
        }
        let App { kept, workshop, .. } = &working.app;
        kept.readiness.draining();
        workshop.queue.close();
        let since = Instant::now();
        let ended = working.lifecycle.ended(deadline).await;
        // Until here whoever came was told that the relay drains, and what it did could be watched.
        over.cancel();
        lifecycle.drain();
        let ended = ended.and(lifecycle.ended(deadline.saturating_sub(since.elapsed())).await);
        kept.end(if ended.is_ok() { "drained" } else { "failed" }).await;
        ended
    }
}

/// The routers of the listeners.
struct Fronts {
    hooks: Switch,
    admin: Option<Switch>,
}

impl Fronts {
    /// From now on requests are answered by `app`. Returns when those that came before have their answer, or
    /// when [`HANDOVER`] is over.
    async fn hand_over(&self, app: &App) {
        let rest = self.hooks.put(app.hooks());
        if let (Some(front), Some(router)) = (&self.admin, app.admin()) {
            // Its requests change nothing that is lost.
            drop(front.put(router));
        }
        // Those that take longer wait for an outcome.
        tokio::time::timeout(HANDOVER, rest.over()).await.ok();
    }
}

/// A configuration that is in force.
struct Working {
    app: App,
    lifecycle: Lifecycle,
}

impl Working {
    /// Puts another configuration in force, if it can be, and gives what works then.
    async fn reload(self, parent: &Lifecycle, fronts: &Fronts, reload: Reload, deadline: Duration) -> Self {
        let running = &self.app.config;
        let changes = Changes::between(running, &reload.config);
        if !changes.at_next_start.is_empty() {
            let settings = changes.at_next_start.join(", ");
            tracing::warn!(settings, "changed settings that are in force after the next start only");
        }
        if changes.is_empty_now() && !reload.asked {
            return self;
        }
        let next = match self.app.again(reload.config.while_running(running)).await {
            Ok(next) => next,
            Err(error) => {
                let error = error.whole();
                tracing::error!(
                    error,
                    "the configuration cannot be put in force, the last one stays; mend it"
                );
                return self;
            }
        };
        next.configure();
        fronts.hand_over(&next).await;
        self.app.workshop.queue.close();
        self.lifecycle.drain();
        tracing::info!("another configuration takes over when the runs under way are over");
        if let Err(reason) = self.lifecycle.ended(deadline).await {
            tracing::error!(reason, "a part of the last configuration failed");
        }
        for warning in &next.config.warnings {
            tracing::warn!("{warning}");
        }
        let [added, removed, altered] =
            [&changes.added, &changes.removed, &changes.changed].map(|list| names(list));
        tracing::info!(
            added = added.join(", "),
            removed = removed.join(", "),
            changed = altered.join(", "),
            parts = changes.parts.join(", "),
            targets = next.config.targets.len(),
            "the configuration was reloaded; every target is looked at"
        );
        next.kept.audit.record(Entry::Reloaded { added, removed, changed: altered, parts: changes.parts });
        if parent.is_draining() {
            // Asked to end meanwhile: nothing begins any more.
            return Self { app: next, lifecycle: parent.child() };
        }
        next.start(parent.child())
    }
}

fn names(targets: &[TargetName]) -> Vec<String> {
    targets.iter().map(|target| target.as_str().to_owned()).collect()
}

impl App {
    /// Lets the parts work.
    fn start(self, lifecycle: Lifecycle) -> Working {
        self.restore_pauses();
        self.start_workers(&lifecycle);
        self.start_reconcile(&lifecycle);
        self.start_alerts(&lifecycle);
        Working { app: self, lifecycle }
    }

    /// Puts the pauses that were kept in force again. Not for a job: who starts one wants its targets in sync.
    fn restore_pauses(&self) {
        let (now, instant) = (self.kept.clock.timestamp(), self.kept.clock.now());
        let kept = self.kept.memory.pauses();
        for (target, pause) in kept.into_iter().filter(|(_, pause)| pause.holds(now)) {
            let until = pause.until.map(|until| Duration::try_from(until.duration_since(now)));
            let until = until.map(|left| instant + left.unwrap_or_default());
            // A target that is configured no more is not known; its pause is kept in case it comes back.
            if self.workshop.queue.pause(&target, until).is_ok() {
                tracing::warn!(%target, since = %pause.since, reason = pause.reason, "the target is still paused");
                self.kept.board.set_pause(&target, Some(pause));
            }
        }
    }

    fn start_reconcile(&self, lifecycle: &Lifecycle) {
        let every = Intervals {
            secrets: self.config.reconcile.interval,
            targets: self.config.reconcile.targets_interval,
        };
        let (reconcile, readiness, draining) =
            (Arc::clone(&self.reconcile), Arc::clone(&self.kept.readiness), lifecycle.clone());
        lifecycle.spawn("reconcile", async move {
            let scanned = |scan: crate::reconcile::Scan| {
                readiness.reconciled();
                tracing::info!(
                    compared = scan.compared,
                    enqueued = scan.enqueued,
                    unknown = scan.unknown,
                    "reconciled"
                );
            };
            tokio::select! {
                () = reconcile.run(every, scanned) => {}
                () = draining.draining() => {}
            }
        });
    }

    fn start_alerts(&self, lifecycle: &Lifecycle) {
        let (alerts, draining) = (Arc::clone(&self.alerts), lifecycle.clone());
        lifecycle.spawn("alerts", async move {
            tokio::select! {
                () = alerts.run() => {}
                () = draining.draining() => {}
            }
        });
    }

    fn hooks(&self) -> Sealed {
        ingress::router(self.ingress.clone())
    }

    fn admin(&self) -> Option<Sealed> {
        let state = AdminState::new(admin::Parts {
            board: Arc::clone(&self.kept.board),
            metrics: Arc::clone(&self.kept.metrics),
            queue: Arc::clone(&self.workshop.queue),
            readiness: Arc::clone(&self.kept.readiness),
            clock: Arc::clone(&self.kept.clock),
            memory: Arc::clone(&self.kept.memory),
            audit: Arc::clone(&self.kept.audit),
            door: self.door.clone()?,
        });
        Some(admin::router(state))
    }

    /// Serves until `over`, under a name of ours. A request that never ends must not hold the end.
    fn listen(
        &self,
        lifecycle: &Lifecycle,
        name: &'static str,
        listening: Listening,
        front: Switch,
        connections: usize,
        over: &CancellationToken,
    ) {
        let bounds = Bounds::of(connections, self.config.limits.request_timeout);
        let (tls, over) = (listening.tls.clone(), over.clone());
        lifecycle.spawn(name, async move {
            http::serve::serve(listening, front, bounds, over.cancelled()).await;
        });
        if let Some(tls) = tls {
            let (metrics, draining) = (Arc::clone(&self.kept.metrics), lifecycle.clone());
            metrics.certificate(name, tls.expires());
            lifecycle.spawn("TLS files", async move {
                tokio::select! {
                    () = tls.watch(|expires| metrics.certificate(name, expires)) => {}
                    () = draining.draining() => {}
                }
            });
        }
    }
}
