//! The only place that wires everything: from a checked configuration to a running relay.
//!
//! [`App::build`] brings the parts together, [`App::bind`] takes the addresses, [`Bound::run`] works until
//! the lifecycle drains. [`App::sync_once`] is the same relay without listeners, for jobs.

mod parts;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::middleware::map_response_with_state;
use futures_util::StreamExt;
use tokio::net::{TcpListener, TcpSocket};

use crate::admin::{self, AdminState, Door};
use crate::alerts::Alerts;
use crate::anypoint;
use crate::aws::{Access, CertificateStore, SecretsManager, SnsConfirmer, SnsHttp};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config};
use crate::credential::{CredentialReader, Credentials};
use crate::http::serve::Bounds;
use crate::http::{self, Readiness};
use crate::index::SecretIndex;
use crate::ingress::{self, IngressState, Parts};
use crate::intake::{Desk, ReplayMemory};
use crate::lifecycle::Lifecycle;
use crate::model::{Outcome, TargetName};
use crate::outbound::{Lookup, SystemLookup};
use crate::queue::{Note, Queue, Reason};
use crate::reconcile::{Intervals, Reconcile};
use crate::status::StatusBoard;
use crate::sync::Sync;
use crate::sync::forecast::{Forecast, forecast};
use crate::sync::ports::{Secrets, TargetSpec};
use crate::sync::versions::VersionLog;
use crate::telemetry::audit::{Audit, Entry};
use crate::telemetry::metrics::Metrics;
use crate::worker::Workshop;
use parts::{
    Certificates, Confirmer, TokenKeys, alerts_topic, build_queue, build_stations, gates, leaders,
    open_audit, open_connections, open_memory, secrets_of,
};

/// Connections of the hooks at once, or twice the concurrent requests if those are more. Half of the
/// 1,024 file handles that a process commonly has are left for the way to AWS and Anypoint.
const MIN_CONNECTIONS: usize = 256;
/// When a job first says what it waits for; each pause after that is twice as long, up to the next.
const FIRST_WORD: Duration = Duration::from_secs(1);
const LONGEST_SILENCE: Duration = Duration::from_secs(30);
/// Connections that are made and not accepted yet. The one too many is dropped without a word, and its
/// client tries again only after 1 s and 3 s, which is most of EventBridge's 5. Linux allows no more.
const BACKLOG: u32 = 4096;
/// Connections of the admin listener at once.
const ADMIN_CONNECTIONS: usize = 64;

/// Why the relay could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A connection.
    #[error(transparent)]
    Connection(#[from] anypoint::OpenError),
    /// A target.
    #[error(transparent)]
    Target(#[from] anypoint::BuildError),
    /// The audit.
    #[error("the audit cannot be kept: {0}")]
    Audit(#[from] crate::telemetry::audit::OpenError),
    /// The audit's key.
    #[error("the key of `audit` cannot be read")]
    AuditKey(#[source] crate::credential::CredentialError),
    /// A sender's credential.
    #[error("a credential of `ingress` cannot be read")]
    Credential(#[from] crate::credential::CredentialError),
    /// A token of the admin listener.
    #[error("a token of `admin` cannot be read")]
    Token(#[source] crate::credential::CredentialError),
    /// The way to the SNS hosts.
    #[error(transparent)]
    Sns(#[from] crate::aws::SetupError),
    /// The way to the issuer of EventBridge's tokens.
    #[error(transparent)]
    Issuer(#[from] crate::jwks::SetupError),
    /// The receipts file.
    #[error("the receipts file {0} cannot be used: {1}")]
    Receipts(String, io::Error),
    /// An address.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
}

/// What the relay takes from the machine that it runs on.
#[derive(Clone)]
pub struct Edges {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How names become addresses, but those of AWS's own API ([`Access::with_http_client`]).
    pub lookup: Arc<dyn Lookup>,
}

impl Default for Edges {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), lookup: Arc::new(SystemLookup) }
    }
}

/// The relay, wired.
pub struct App {
    config: Config,
    clock: Arc<dyn Clock>,
    readiness: Arc<Readiness>,
    workshop: Arc<Workshop>,
    reconcile: Arc<Reconcile>,
    alerts: Arc<Alerts>,
    audit: Arc<Audit>,
    ingress: IngressState,
    /// Of the admin listener, if there is one.
    door: Option<Door>,
}

impl App {
    /// Brings the parts together. Reads credentials of the senders; calls neither AWS's services nor
    /// Anypoint.
    pub async fn build(config: Config, access: Access, edges: Edges) -> Result<Self, BuildError> {
        let access = Arc::new(access);
        let aws = Arc::new(SecretsManager::new(Arc::clone(&access)));
        let credentials: Arc<dyn Credentials> =
            Arc::new(CredentialReader::new(Some(Arc::clone(&aws) as Arc<dyn Credentials>)));
        let secrets: Arc<dyn Secrets> = aws;

        let connections = open_connections(&config, &credentials, &edges)?;
        let stations = build_stations(&config, &connections, &credentials, &edges)?;
        let Edges { clock, lookup } = edges;
        let specs: Vec<TargetSpec> = stations.values().map(|station| station.target.spec().clone()).collect();

        let metrics = Arc::new(Metrics::new(stations.keys().cloned()));
        let audit = Arc::new(open_audit(&config, &credentials, &metrics, &clock).await?);
        let board = Arc::new(StatusBoard::new(stations.keys().cloned(), secrets_of(&specs)));
        let queue = Arc::new(build_queue(&config, &stations, &clock));
        let versions = Arc::new(VersionLog::new(config.aws.freshness, config.aws.settle));
        let memory = Arc::new(open_memory(&config)?);
        let leaders = Arc::new(leaders(&config, &stations));

        let reconcile = Arc::new(Reconcile {
            secrets: Arc::clone(&secrets),
            memory: Arc::clone(&memory),
            board: Arc::clone(&board),
            queue: Arc::clone(&queue),
            specs,
            leaders: Arc::clone(&leaders),
            clock: Arc::clone(&clock),
        });
        let sync = Sync {
            secrets,
            versions: Arc::clone(&versions),
            memory,
            clock: Arc::clone(&clock),
            poll: config.queue.confirm_poll,
            gates: gates(&config),
            leaders,
        };
        let desk = Desk {
            index: SecretIndex::of(&config),
            queue: Arc::clone(&queue),
            versions,
            board: Arc::clone(&board),
            metrics: Arc::clone(&metrics),
            audit: Arc::clone(&audit),
            clock: Arc::clone(&clock),
            seen: Mutex::new(ReplayMemory::new((&config.ingress).into())),
        };
        let workshop = Arc::new(Workshop {
            sync,
            stations,
            queue,
            board,
            metrics: Arc::clone(&metrics),
            audit: Arc::clone(&audit),
            clock: Arc::clone(&clock),
        });

        let alerts = Alerts::new(
            Arc::clone(&workshop.board),
            Arc::clone(&metrics),
            Arc::clone(&clock),
            (&config).into(),
            alerts_topic(&config, &access),
            Arc::clone(&audit),
        );
        let emulator = config.ingress.sns.as_ref().map(|sns| sns.emulator.clone()).unwrap_or_default();
        let confirm = config.ingress.sns.as_ref().map_or(config::Confirm::Off, |sns| sns.confirm);
        let token_keys = TokenKeys::of(&config.ingress, &lookup)?;
        let sns_http = SnsHttp::new(&emulator, lookup)?;
        let readiness = Arc::new(Readiness::default());
        let door = match &config.admin {
            Some(admin) => {
                let (reader, clock) = (Arc::clone(&credentials), Arc::clone(&clock));
                Some(Door::open(admin, &config.limits, reader, clock).await.map_err(BuildError::Token)?)
            }
            None => None,
        };
        let parts = Parts {
            clock: Arc::clone(&clock),
            readiness: Arc::clone(&readiness),
            intake: Arc::new(desk),
            board: Arc::clone(&workshop.board),
            certificates: Arc::new(Certificates(CertificateStore::new(sns_http.clone(), Arc::clone(&clock)))),
            confirmer: Arc::new(Confirmer(SnsConfirmer::new(confirm, access, sns_http))),
            token_keys,
            credentials,
            metrics,
            audit: Arc::clone(&audit),
        };
        let ingress = IngressState::open(&config.ingress, config.limits.clone(), parts).await?;
        let alerts = Arc::new(alerts);
        Ok(Self { config, clock, readiness, workshop, reconcile, alerts, audit, ingress, door })
    }

    /// Takes the addresses.
    #[expect(clippy::unused_async, reason = "sockets need a runtime around them, which `async` says")]
    pub async fn bind(self) -> Result<Bound, BuildError> {
        let hooks = listen(self.config.listen)?;
        let admin = match &self.config.admin {
            Some(admin) => Some(listen(admin.listen)?),
            None => None,
        };
        Ok(Bound { app: self, hooks, admin })
    }

    /// Brings the named targets, or all, in sync once, and says how each ended. Failures that pass are
    /// tried again until `limit` is over; credentials that are missing or refused are given up before.
    /// `progress` is told what is being waited for, ever more rarely.
    pub async fn sync_once(
        self,
        targets: &[TargetName],
        limit: Duration,
        progress: impl Fn(&[(TargetName, Option<Outcome>)]),
    ) -> Vec<(TargetName, Option<Outcome>)> {
        let board = Arc::clone(&self.workshop.board);
        let targets = if targets.is_empty() { board.targets() } else { targets.to_vec() };
        let lifecycle = Lifecycle::default();
        self.audit_start("sync");
        self.start_workers(&lifecycle);
        for target in &targets {
            let note = Note::new(Reason::Manual, self.clock.timestamp());
            // Only a closed queue or an unknown target refuse; both show as a target without outcome.
            self.workshop.queue.add(target, note).ok();
        }
        let waits =
            targets.iter().map(async |target| (target.clone(), board.wait_final(target, limit).await));
        let mut waits = std::pin::pin!(futures_util::future::join_all(waits));
        let mut silence = FIRST_WORD;
        let outcomes = loop {
            if let Ok(outcomes) = tokio::time::timeout(silence, &mut waits).await {
                break outcomes;
            }
            let waiting = targets.iter().filter(|target| board.awaits_final(target));
            progress(&waiting.map(|target| (target.clone(), board.outcome(target))).collect::<Vec<_>>());
            silence = (2 * silence).min(LONGEST_SILENCE);
        };
        lifecycle.drain();
        self.workshop.queue.close();
        lifecycle.abort();
        self.audit.end("done").await;
        outcomes
    }

    /// Foretells what a run would do with the named targets, or with all; writes nothing anywhere.
    pub async fn forecast(&self, targets: &[TargetName]) -> Vec<(TargetName, Forecast)> {
        let sync = &self.workshop.sync;
        let sync = Sync {
            secrets: Arc::clone(&sync.secrets),
            versions: Arc::clone(&sync.versions),
            memory: Arc::new(sync.memory.detached()),
            clock: Arc::clone(&sync.clock),
            poll: sync.poll,
            gates: sync.gates.clone(),
            leaders: Arc::clone(&sync.leaders),
        };
        let chosen = self.workshop.stations.iter();
        let chosen = chosen.filter(|(name, _)| targets.is_empty() || targets.contains(name));
        let looks = chosen.map(|(name, station)| {
            let (sync, target) = (&sync, Arc::clone(&station.target));
            async move {
                loop {
                    let foretold = forecast(sync, target.as_ref()).await;
                    let Some(turn) = foretold.turn() else { return (name.clone(), foretold) };
                    pause(turn).await;
                }
            }
        });
        futures_util::stream::iter(looks).buffered(self.config.queue.workers).collect().await
    }

    fn audit_start(&self, command: &'static str) {
        let targets = self.config.targets.len();
        self.audit.record(Entry::Start { version: env!("CARGO_PKG_VERSION"), command, targets });
    }

    fn start_workers(&self, lifecycle: &Lifecycle) {
        for _ in 0..self.config.queue.workers {
            let workshop = Arc::clone(&self.workshop);
            lifecycle.spawn("worker", async move { workshop.work().await });
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a forecast holds no worker, and its turn comes at a known time"
)]
async fn pause(turn: Duration) {
    tokio::time::sleep(turn).await;
}

/// A relay with its addresses taken.
pub struct Bound {
    app: App,
    hooks: TcpListener,
    admin: Option<TcpListener>,
}

impl Bound {
    /// Where the hooks are.
    pub fn hooks_addr(&self) -> io::Result<SocketAddr> {
        self.hooks.local_addr()
    }

    /// Where the admin listener is.
    pub fn admin_addr(&self) -> Option<io::Result<SocketAddr>> {
        self.admin.as_ref().map(TcpListener::local_addr)
    }

    /// The board, for those who embed the relay.
    pub fn board(&self) -> Arc<StatusBoard> {
        Arc::clone(&self.app.workshop.board)
    }

    /// The queue, for those who embed the relay.
    pub fn queue(&self) -> Arc<Queue<TargetName>> {
        Arc::clone(&self.app.workshop.queue)
    }

    /// The audit, for those who end the relay otherwise than by a drain.
    pub fn audit(&self) -> Arc<Audit> {
        Arc::clone(&self.app.audit)
    }

    /// Works until the lifecycle drains, then lets running syncs finish within `deadline`.
    pub async fn run(self, lifecycle: Lifecycle, deadline: Duration) -> Result<(), String> {
        let Self { app, hooks, admin } = self;
        app.audit_start("serve");
        app.restore_pauses();
        app.start_workers(&lifecycle);
        app.start_reconcile(&lifecycle);
        app.start_alerts(&lifecycle);
        app.start_listeners(&lifecycle, hooks, admin);
        app.readiness.started();

        lifecycle.draining().await;
        app.readiness.draining();
        app.workshop.queue.close();
        let ended = lifecycle.ended(deadline).await;
        app.audit.end(if ended.is_ok() { "drained" } else { "failed" }).await;
        ended
    }
}

impl App {
    /// Puts the pauses that were kept in force again. Not for a job: who starts one wants its targets in sync.
    fn restore_pauses(&self) {
        let (now, instant) = (self.clock.timestamp(), self.clock.now());
        let kept = self.workshop.sync.memory.pauses();
        for (target, pause) in kept.into_iter().filter(|(_, pause)| pause.holds(now)) {
            let until = pause.until.map(|until| Duration::try_from(until.duration_since(now)));
            let until = until.map(|left| instant + left.unwrap_or_default());
            // A target that is configured no more is not known; its pause is kept in case it comes back.
            if self.workshop.queue.pause(&target, until).is_ok() {
                tracing::warn!(%target, since = %pause.since, reason = pause.reason, "the target is still paused");
                self.workshop.board.set_pause(&target, Some(pause));
            }
        }
    }

    fn start_reconcile(&self, lifecycle: &Lifecycle) {
        let every = Intervals {
            secrets: self.config.reconcile.interval,
            targets: self.config.reconcile.targets_interval,
        };
        let (reconcile, readiness, draining) =
            (Arc::clone(&self.reconcile), Arc::clone(&self.readiness), lifecycle.clone());
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

    fn start_listeners(&self, lifecycle: &Lifecycle, hooks: TcpListener, admin: Option<TcpListener>) {
        let connections = MIN_CONNECTIONS.max(2 * self.config.limits.concurrency);
        self.serve(lifecycle, "hooks listener", hooks, ingress::router(self.ingress.clone()), connections);
        if let (Some(admin), Some(door)) = (admin, &self.door) {
            let state = AdminState::new(admin::Parts {
                board: Arc::clone(&self.workshop.board),
                metrics: Arc::clone(&self.workshop.metrics),
                queue: Arc::clone(&self.workshop.queue),
                readiness: Arc::clone(&self.readiness),
                clock: Arc::clone(&self.clock),
                memory: Arc::clone(&self.workshop.sync.memory),
                audit: Arc::clone(&self.audit),
                door: door.clone(),
            });
            self.serve(lifecycle, "admin listener", admin, admin::router(state), ADMIN_CONNECTIONS);
        }
    }

    /// Serves until the last run of a drain is over: until then whoever comes is told that the relay
    /// drains, and what it does can be watched. A request that never ends must not hold the end.
    fn serve(
        &self,
        lifecycle: &Lifecycle,
        name: &'static str,
        listener: TcpListener,
        router: Router,
        connections: usize,
    ) {
        let queue = Arc::clone(&self.workshop.queue);
        let router =
            router.layer(map_response_with_state(Arc::clone(&self.readiness), http::readiness::farewell));
        let bounds = Bounds::of(connections, self.config.limits.request_timeout);
        lifecycle.spawn(name, async move {
            http::serve::serve(listener, router, bounds, queue.over()).await;
        });
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, BuildError> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // As `TcpListener::bind` does, so that a restart finds the port free.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|error| BuildError::Listen(address, error))
}
