//! The only place that wires everything: from a checked configuration to a running relay.
//!
//! [`App::build`] brings the parts together, [`App::bind`] takes the addresses, [`Bound::run_reloading`] works
//! until the lifecycle drains. [`App::sync_once`] is the same relay without listeners, for jobs.

mod kept;
mod look;
mod parts;
mod serving;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::net::{TcpListener, TcpSocket};

use crate::admin::Door;
use crate::alerts::Alerts;
use crate::anypoint::{self, Connections};
use crate::aws::{Access, CertificateStore, SecretsManager, SnsConfirmer, SnsHttp};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config};
use crate::credential::{CredentialReader, Credentials};
use crate::http::serve::Listening;
use crate::http::tls::{Tls, TlsError};
use crate::index::SecretIndex;
use crate::ingress::{IngressState, Parts};
use crate::intake::Desk;
use crate::lifecycle::Lifecycle;
use crate::model::{Outcome, TargetName};
use crate::outbound::{Lookup, SystemLookup};
use crate::queue::{Note, Reason};
use crate::reconcile::Reconcile;
use crate::sync::Sync;
use crate::sync::forecast::{Forecast, forecast};
use crate::sync::ports::Secrets;
use crate::telemetry::audit::Entry;
use crate::worker::Workshop;
use kept::Kept;
use parts::{
    Certificates, Confirmer, TokenKeys, alerts_topic, build_queue, build_stations, gates, leaders,
    open_connections, secrets_of,
};
pub use serving::{Bound, Reload};

/// When a job first says what it waits for; each pause after that is twice as long, up to the next.
const FIRST_WORD: Duration = Duration::from_secs(1);
const LONGEST_SILENCE: Duration = Duration::from_secs(30);
/// Connections that are made and not accepted yet. The one too many is dropped without a word, and its
/// client tries again only after 1 s and 3 s, which is most of EventBridge's 5. Linux allows no more.
const BACKLOG: u32 = 4096;

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
    /// What the collector is shown.
    #[error("a header of `traces` cannot be read")]
    TracesHeader(#[source] crate::credential::CredentialError),
    /// The same, of a form that no header has.
    #[error("a header of `traces`: {0}: a header is one line of visible characters")]
    NoHeader(String),
    /// The way to the collector.
    #[error("`traces`: {0}")]
    Traces(crate::outbound::BuildError),
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
    /// What a listener shows.
    #[error("`{0}`: {1}")]
    Tls(&'static str, TlsError),
    /// The receipts file.
    #[error("the receipts file {0} cannot be used: {1}")]
    Receipts(String, io::Error),
    /// An address.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
}

impl BuildError {
    /// In one line, with what is behind it.
    pub fn whole(&self) -> String {
        let causes = std::iter::successors(std::error::Error::source(self), |cause| cause.source());
        causes.fold(self.to_string(), |text, cause| format!("{text}: {cause}"))
    }
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
    access: Arc<Access>,
    kept: Kept,
    workshop: Arc<Workshop>,
    reconcile: Arc<Reconcile>,
    alerts: Arc<Alerts>,
    connections: Connections,
    ingress: IngressState,
    /// Of the admin listener, if there is one.
    door: Option<Door>,
}

impl App {
    /// Brings the parts together. Reads credentials of the senders; calls neither AWS's services nor
    /// Anypoint.
    pub async fn build(config: Config, access: Access, edges: Edges) -> Result<Self, BuildError> {
        let access = Arc::new(access);
        let kept = Kept::open(&config, &credentials(&secrets_manager(&access)), edges).await?;
        let app = Self::on(kept, config, access).await?;
        app.configure();
        Ok(app)
    }

    /// With another configuration, and all that is known by now. Changes nothing yet.
    async fn again(&self, config: Config) -> Result<Self, BuildError> {
        let access = Arc::new(self.access.with_settings(config.aws.clone()));
        Self::on(self.kept.clone(), config, access).await
    }

    async fn on(kept: Kept, config: Config, access: Arc<Access>) -> Result<Self, BuildError> {
        let aws = secrets_manager(&access);
        let credentials = credentials(&aws);
        let secrets: Arc<dyn Secrets> = aws;
        let edges = Edges { clock: Arc::clone(&kept.clock), lookup: Arc::clone(&kept.lookup) };
        let connections = open_connections(&config, &credentials, &edges)?;
        let stations = build_stations(&config, &connections, &credentials, &edges)?;
        let Edges { clock, lookup } = edges;
        let specs: Vec<_> = stations.values().map(|station| Arc::clone(station.target.spec())).collect();

        let (metrics, audit, board) =
            (Arc::clone(&kept.metrics), Arc::clone(&kept.audit), Arc::clone(&kept.board));
        let queue = Arc::new(build_queue(&config, &stations, &clock));
        let (versions, memory) = (kept.versions(&config), Arc::clone(&kept.memory));
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
            seen: Arc::clone(&kept.seen),
        };
        let workshop = Arc::new(Workshop {
            sync,
            stations,
            queue,
            board,
            metrics: Arc::clone(&metrics),
            audit: Arc::clone(&audit),
            traces: Arc::clone(&kept.traces),
            clock: Arc::clone(&clock),
        });

        let alerts = Alerts::new(
            Arc::clone(&workshop.board),
            Arc::clone(&metrics),
            Arc::clone(&clock),
            (&config).into(),
            alerts_topic(&config, &access),
            Arc::clone(&audit),
            kept.told.clone(),
        );
        let emulator = config.ingress.sns.as_ref().map(|sns| sns.emulator.clone()).unwrap_or_default();
        let confirm = config.ingress.sns.as_ref().map_or(config::Confirm::Off, |sns| sns.confirm);
        let token_keys = TokenKeys::of(&config.ingress, &lookup)?;
        let sns_http = SnsHttp::new(&emulator, lookup)?;
        let door = match &config.admin {
            Some(admin) => {
                let (reader, clock) = (Arc::clone(&credentials), Arc::clone(&clock));
                Some(Door::open(admin, &config.limits, reader, clock).await.map_err(BuildError::Token)?)
            }
            None => None,
        };
        let parts = Parts {
            clock: Arc::clone(&clock),
            readiness: Arc::clone(&kept.readiness),
            intake: Arc::new(desk),
            board: Arc::clone(&workshop.board),
            certificates: Arc::new(Certificates(CertificateStore::new(sns_http.clone(), clock))),
            confirmer: Arc::new(Confirmer(SnsConfirmer::new(confirm, Arc::clone(&access), sns_http))),
            token_keys,
            credentials,
            metrics,
            audit,
            traces: Arc::clone(&kept.traces),
        };
        let ingress = IngressState::open(&config.ingress, config.limits.clone(), parts).await?;
        let alerts = Arc::new(alerts);
        Ok(Self { config, access, kept, workshop, reconcile, alerts, connections, ingress, door })
    }

    /// From now on its targets are shown and counted.
    fn configure(&self) {
        let targets = self.workshop.stations.keys().cloned();
        self.kept.configure(&self.config, targets, secrets_of(&self.reconcile.specs));
    }

    /// Takes the addresses, and reads what the listeners show.
    pub async fn bind(self) -> Result<Bound, BuildError> {
        let config = &self.config;
        let hooks =
            Listening { listener: listen(config.listen)?, tls: load_tls("tls", config.tls.as_ref()).await? };
        let admin = match &config.admin {
            Some(admin) => {
                let tls = load_tls("admin.tls", admin.tls.as_ref()).await?;
                Some(Listening { listener: listen(admin.listen)?, tls })
            }
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
            let note = Note::new(Reason::Manual, self.kept.clock.timestamp());
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
        self.kept.end("done").await;
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
        self.kept.audit.record(Entry::Start { version: env!("CARGO_PKG_VERSION"), command, targets });
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

fn secrets_manager(access: &Arc<Access>) -> Arc<SecretsManager> {
    Arc::new(SecretsManager::new(Arc::clone(access)))
}

fn credentials(aws: &Arc<SecretsManager>) -> Arc<dyn Credentials> {
    Arc::new(CredentialReader::new(Some(Arc::clone(aws) as Arc<dyn Credentials>)))
}

async fn load_tls(
    setting: &'static str,
    files: Option<&config::Tls>,
) -> Result<Option<Arc<Tls>>, BuildError> {
    let Some(files) = files else { return Ok(None) };
    let tls = Tls::load(files).await.map_err(|error| BuildError::Tls(setting, error))?;
    Ok(Some(Arc::new(tls)))
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
