//! What the handlers share.

use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::eventbridge::EventBridgeHook;
use super::gate::Quiet;
use super::places::Places;
use super::ports::{Certificates, Confirmer, Intake, TokenKeys};
use super::sns::SnsHook;
use super::trigger::TriggerHook;
use crate::clock::Clock;
use crate::config::{Ingress, Limits};
use crate::credential::{CredentialError, Credentials};
use crate::http::failures::Failures;
use crate::http::{ErrorCode, Problem, Readiness};
use crate::status::StatusBoard;
use crate::telemetry::audit::Audit;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::Traces;

/// The outside of the hooks, as `crate::app` hands it over.
pub struct Parts {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether the relay takes work.
    pub readiness: Arc<Readiness>,
    /// Takes the hints.
    pub intake: Arc<dyn Intake>,
    /// SNS signing certificates.
    pub certificates: Arc<dyn Certificates>,
    /// Confirms SNS subscriptions.
    pub confirmer: Arc<dyn Confirmer>,
    /// The keys of the issuer of bearer tokens; none where the configuration names no issuer.
    pub token_keys: Option<Arc<dyn TokenKeys>>,
    /// Reads the senders' credentials.
    pub credentials: Arc<dyn Credentials>,
    /// Shows answers.
    pub board: Arc<StatusBoard>,
    /// Counts answers.
    pub metrics: Arc<Metrics>,
    /// Records answers.
    pub audit: Arc<Audit>,
    /// Follows requests.
    pub traces: Arc<Traces>,
}

struct Inner {
    limits: Limits,
    parts: Parts,
    quiet: Quiet,
    failures: Failures,
    places: Places,
    waiters: Semaphore,
    sns: Option<SnsHook>,
    eventbridge: Option<EventBridgeHook>,
    trigger: Option<TriggerHook>,
}

/// The hooks' state; cheap to clone.
#[derive(Clone)]
pub struct IngressState(Arc<Inner>);

impl IngressState {
    /// Reads the credentials of the enabled hooks. `limits` and `config` are in force until the end.
    pub async fn open(config: &Ingress, limits: Limits, parts: Parts) -> Result<Self, CredentialError> {
        let sns = config.sns.as_ref().map(SnsHook::new);
        let eventbridge = match &config.eventbridge {
            Some(config) => Some(EventBridgeHook::open(config, &parts).await?),
            None => None,
        };
        let trigger = match &config.trigger {
            Some(config) => Some(TriggerHook::open(config, &parts).await?),
            None => None,
        };
        // A waiting trigger holds one of the concurrent requests; AWS's senders keep half of them.
        let waiters = Semaphore::new((limits.concurrency / 2).clamp(1, 32));
        let (quiet, failures) = (Quiet::default(), Failures::new(limits.failed_attempts));
        let places = Places::new(&limits);
        Ok(Self(Arc::new(Inner {
            limits,
            parts,
            quiet,
            failures,
            places,
            waiters,
            sns,
            eventbridge,
            trigger,
        })))
    }

    /// What comes of a request, unless it takes longer than one may.
    ///
    /// No `async fn`, which would hold `work` twice, as its argument and as what it waits for.
    pub(super) fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, Problem>>,
    ) -> impl Future<Output = Result<T, Problem>> {
        let late = |_| Err(Problem::new(ErrorCode::Timeout, "nothing was lost that the sender sends again"));
        timeout(self.0.limits.request_timeout, work).map(move |end| end.unwrap_or_else(late))
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.0.parts.clock
    }

    pub(super) fn readiness(&self) -> &Arc<Readiness> {
        &self.0.parts.readiness
    }

    pub(super) fn intake(&self) -> &dyn Intake {
        &*self.0.parts.intake
    }

    pub(super) fn certificates(&self) -> &dyn Certificates {
        &*self.0.parts.certificates
    }

    pub(super) fn confirmer(&self) -> &dyn Confirmer {
        &*self.0.parts.confirmer
    }

    pub(super) fn metrics(&self) -> &Arc<Metrics> {
        &self.0.parts.metrics
    }

    pub(super) fn board(&self) -> &StatusBoard {
        &self.0.parts.board
    }

    pub(super) fn audit(&self) -> &Audit {
        &self.0.parts.audit
    }

    pub(super) fn traces(&self) -> &Traces {
        &self.0.parts.traces
    }

    pub(super) fn quiet(&self) -> &Quiet {
        &self.0.quiet
    }

    /// Who failed to sign a trigger.
    pub(super) fn failures(&self) -> &Failures {
        &self.0.failures
    }

    /// Places for requests that are worked on.
    pub(super) fn places(&self) -> &Places {
        &self.0.places
    }

    /// Places for triggers that wait for their outcome.
    pub(super) fn waiters(&self) -> &Semaphore {
        &self.0.waiters
    }

    pub(super) fn sns(&self) -> Option<&SnsHook> {
        self.0.sns.as_ref()
    }

    pub(super) fn eventbridge(&self) -> Option<&EventBridgeHook> {
        self.0.eventbridge.as_ref()
    }

    pub(super) fn trigger(&self) -> Option<&TriggerHook> {
        self.0.trigger.as_ref()
    }
}
