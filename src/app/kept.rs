//! What the relay goes on knowing when its configuration changes: everything that it would have to learn
//! again, or that people would miss, if it started anew.

use std::sync::{Arc, Mutex, PoisonError};

use super::{BuildError, Edges, parts};
use crate::alerts::Told;
use crate::clock::Clock;
use crate::config::Config;
use crate::credential::Credentials;
use crate::http::Readiness;
use crate::intake::ReplayMemory;
use crate::model::{SecretRef, TargetName};
use crate::outbound::Lookup;
use crate::status::StatusBoard;
use crate::sync::memory::Memory;
use crate::sync::versions::VersionLog;
use crate::telemetry::audit::Audit;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::Traces;

/// Shared by the configurations that follow one another; cheap to clone.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) lookup: Arc<dyn Lookup>,
    pub(super) readiness: Arc<Readiness>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) board: Arc<StatusBoard>,
    pub(super) audit: Arc<Audit>,
    pub(super) traces: Arc<Traces>,
    /// Receipts.
    pub(super) memory: Arc<Memory>,
    versions: Arc<VersionLog>,
    /// Ids of notifications.
    pub(super) seen: Arc<Mutex<ReplayMemory>>,
    /// What people were alerted of.
    pub(super) told: Told,
}

impl Kept {
    /// Nothing is known yet but what the files of the receipts and of the audit say.
    pub(super) async fn open(
        config: &Config,
        credentials: &Arc<dyn Credentials>,
        edges: Edges,
    ) -> Result<Self, BuildError> {
        let Edges { clock, lookup } = edges;
        let metrics = Arc::new(Metrics::new([]));
        let audit = Arc::new(parts::open_audit(config, credentials, &metrics, &clock).await?);
        let traces = Arc::new(parts::open_traces(config, credentials, &metrics, &clock, &lookup).await?);
        Ok(Self {
            lookup,
            readiness: Arc::default(),
            metrics,
            board: Arc::new(StatusBoard::new([], [])),
            audit,
            traces,
            memory: Arc::new(parts::open_memory(config)?),
            versions: Arc::new(VersionLog::new(config.aws.freshness, config.aws.settle)),
            seen: Arc::new(Mutex::new(ReplayMemory::new((&config.ingress).into()))),
            told: Told::default(),
            clock,
        })
    }

    /// The relay ends, as this word says: what waits for the disk or for the collector gets its last chance.
    pub(super) async fn end(&self, how: &'static str) {
        tokio::join!(self.audit.end(how), self.traces.end());
    }

    /// What is known of versions, judged with the times of `config`.
    pub(super) fn versions(&self, config: &Config) -> Arc<VersionLog> {
        Arc::new(self.versions.with_times(config.aws.freshness, config.aws.settle))
    }

    /// From now on these targets and secrets are shown and counted.
    pub(super) fn configure(
        &self,
        config: &Config,
        targets: impl IntoIterator<Item = TargetName> + Clone,
        secrets: impl IntoIterator<Item = SecretRef>,
    ) {
        self.board.configure(targets.clone(), secrets);
        self.metrics.configure(targets);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.bound((&config.ingress).into());
    }
}
