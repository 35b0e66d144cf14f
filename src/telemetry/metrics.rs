//! The metrics of the relay, in OpenMetrics text for Prometheus to fetch.
//!
//! Guarantees: methods take typed labels only, so the number of time series is bounded by the closed
//! sets in `labels` and by the configured targets; a target that is not configured is not counted. The one
//! label that changes, the head of the audit, has one series at a time.

mod labels;
mod names;
mod targets;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

use crate::model::{Outcome, RefusalReason, TargetName};

pub use labels::{
    AlertKind, AlertResult, Kind, QueuePhase, RotationAlert, Route, SpanResult, StatusClass, Verdict,
    WriteResult,
};
use labels::{
    OfAuditHead, OfBuild, OfListener, OfNotification, OfPhase, OfRefusal, OfRequest, OfRotationAlert, OfRun,
    OfSpan, OfStaleAlert, OfWrite, ReasonLabel,
};
pub use names::Name;
use targets::Targets;

/// The `Content-Type` of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const RUN_BUCKETS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// From an endpoint that answers at once, over rolls of minutes, to a roll window that opens in the night.
const CONFIRMED_BUCKETS: [f64; 15] =
    [0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14_400.0, 43_200.0, 86_400.0];

/// All metrics. Methods are cheap and may be called from anywhere.
pub struct Metrics {
    registry: Registry,
    targets: Arc<Targets>,
    runs: Family<OfRun, Counter>,
    run_duration: Histogram,
    writes: Family<OfWrite, Counter>,
    rotation_to_confirmed: Histogram,
    event_to_confirmed: Histogram,
    alerts: Family<OfStaleAlert, Counter>,
    notifications: Family<OfNotification, Counter>,
    refused: Family<OfRefusal, Counter>,
    rotation_alerts: Family<OfRotationAlert, Counter>,
    queue_keys: Family<OfPhase, Gauge>,
    audit_entries: Counter,
    audit_lost: Counter,
    audit_head: Family<OfAuditHead, Gauge>,
    /// The label that is shown now.
    audit_head_shown: Mutex<Option<OfAuditHead>>,
    certificates: Family<OfListener, Gauge>,
    trace_spans: Family<OfSpan, Counter>,
    requests: Family<OfRequest, Counter>,
}

impl Metrics {
    /// Metrics for the configured targets; what alerts look at exists from the start with value 0.
    pub fn new(targets: impl IntoIterator<Item = TargetName>) -> Self {
        let mut registry = Registry::default();
        let build: Family<OfBuild, Gauge> = family(&mut registry, Name::BuildInfo);
        build.get_or_create(&OfBuild { version: env!("CARGO_PKG_VERSION") }).set(1);
        let run_duration = Histogram::new(RUN_BUCKETS);
        register(&mut registry, Name::RunDuration, run_duration.clone());
        let rotation_to_confirmed = Histogram::new(CONFIRMED_BUCKETS);
        register(&mut registry, Name::RotationToConfirmed, rotation_to_confirmed.clone());
        let event_to_confirmed = Histogram::new(CONFIRMED_BUCKETS);
        register(&mut registry, Name::EventToConfirmed, event_to_confirmed.clone());
        let (audit_entries, audit_lost) = (Counter::default(), Counter::default());
        register(&mut registry, Name::AuditEntries, audit_entries.clone());
        register(&mut registry, Name::AuditLost, audit_lost.clone());
        let of_targets = Arc::new(Targets::default());
        registry.register_collector(Box::new(Arc::clone(&of_targets)));
        let metrics = Self {
            targets: of_targets,
            runs: family(&mut registry, Name::Runs),
            run_duration,
            writes: family(&mut registry, Name::Writes),
            rotation_to_confirmed,
            event_to_confirmed,
            alerts: family(&mut registry, Name::Alerts),
            notifications: family(&mut registry, Name::Notifications),
            refused: family(&mut registry, Name::Refused),
            rotation_alerts: family(&mut registry, Name::RotationAlerts),
            queue_keys: family(&mut registry, Name::QueueKeys),
            audit_entries,
            audit_lost,
            audit_head: family(&mut registry, Name::AuditHead),
            certificates: family(&mut registry, Name::CertificateNotAfter),
            audit_head_shown: Mutex::default(),
            trace_spans: family(&mut registry, Name::TraceSpans),
            requests: family(&mut registry, Name::Requests),
            registry,
        };
        metrics.configure(targets);
        for alert in RotationAlert::ALL {
            drop(metrics.rotation_alerts.get_or_create(&OfRotationAlert { alert: *alert }));
        }
        for kind in AlertKind::ALL {
            for result in AlertResult::ALL {
                drop(metrics.alerts.get_or_create(&OfStaleAlert { kind: *kind, result: *result }));
            }
        }
        for result in SpanResult::ALL {
            drop(metrics.trace_spans.get_or_create(&OfSpan { result: *result }));
        }
        metrics.queue_keys([]);
        metrics
    }

    /// From now on these targets are counted; the series of those that go end.
    pub fn configure(&self, targets: impl IntoIterator<Item = TargetName>) {
        self.targets.configure(targets);
    }

    /// How long AWS has been ahead of a target.
    pub fn stale_seconds(&self, target: &TargetName, seconds: f64) {
        self.targets.stale_seconds(target, seconds);
    }

    /// How the last run of a target ended.
    pub fn outcome(&self, target: &TargetName, outcome: &Outcome) {
        self.targets.outcome(target, outcome);
    }

    /// A run ended after it held a worker for `duration`.
    pub fn run(&self, kind: Kind, outcome: &Outcome, duration: Duration) {
        self.runs.get_or_create(&OfRun { kind, outcome: outcome.into() }).inc();
        self.run_duration.observe(duration.as_secs_f64());
    }

    /// A write was tried.
    pub fn write(&self, kind: Kind, result: WriteResult) {
        self.writes.get_or_create(&OfWrite { kind, result }).inc();
    }

    /// A target was found changed by somebody else.
    pub fn foreign_write(&self, target: &TargetName) {
        self.targets.foreign_write(target);
    }

    /// A change in AWS has reached a target that only the reconcile sent a run to.
    pub fn correction(&self, target: &TargetName) {
        self.targets.correction(target);
    }

    /// A target is in sync again, so long after AWS had moved.
    pub fn rotation_to_confirmed(&self, took: Duration) {
        self.rotation_to_confirmed.observe(took.as_secs_f64());
    }

    /// A target is in sync again, so long after a notification had told of the change in AWS.
    pub fn event_to_confirmed(&self, took: Duration) {
        self.event_to_confirmed.observe(took.as_secs_f64());
    }

    /// Something became of an alert.
    pub fn alert(&self, kind: AlertKind, result: AlertResult) {
        self.alerts.get_or_create(&OfStaleAlert { kind, result }).inc();
    }

    /// A notification was answered.
    pub fn notification(&self, route: Route, verdict: Verdict) {
        self.notifications.get_or_create(&OfNotification { route, verdict }).inc();
    }

    /// A request did not prove who sent it.
    pub fn refused(&self, route: Route, reason: RefusalReason) {
        self.refused.get_or_create(&OfRefusal { route, reason: ReasonLabel(reason) }).inc();
    }

    /// AWS reported a rotation that did not come about.
    pub fn rotation_alert(&self, alert: RotationAlert) {
        self.rotation_alerts.get_or_create(&OfRotationAlert { alert }).inc();
    }

    /// How many keys stand where; a phase that is not named has none.
    pub fn queue_keys(&self, keys: impl IntoIterator<Item = (QueuePhase, usize)>) {
        let mut counts = [0_i64; QueuePhase::ALL.len()];
        for (phase, count) in keys {
            counts[phase as usize] = i64::try_from(count).unwrap_or(i64::MAX);
        }
        for (phase, count) in QueuePhase::ALL.iter().zip(counts) {
            self.queue_keys.get_or_create(&OfPhase { phase: *phase }).set(count);
        }
    }

    /// An entry was written to the audit.
    pub fn audit_entry(&self) {
        self.audit_entries.inc();
    }

    /// An entry of the audit is lost.
    pub fn audit_lost(&self) {
        self.audit_lost.inc();
    }

    /// The audit ends with this entry now, the one with the number `seq`.
    pub fn audit_head(&self, head: &str, seq: u64) {
        let labels = OfAuditHead { head: head.to_owned() };
        let mut shown = self.audit_head_shown.lock().unwrap_or_else(PoisonError::into_inner);
        // The new one first, so that there is always one to be fetched.
        self.audit_head.get_or_create(&labels).set(i64::try_from(seq).unwrap_or(i64::MAX));
        if let Some(before) = shown.replace(labels.clone())
            && before != labels
        {
            self.audit_head.remove(&before);
        }
    }

    /// The listener, by a name of the program, shows a certificate that ends then.
    pub fn certificate(&self, listener: &'static str, not_after: Timestamp) {
        self.certificates.get_or_create(&OfListener { listener }).set(not_after.as_second());
    }

    /// This became of so many spans.
    pub fn trace_spans(&self, result: SpanResult, count: u64) {
        self.trace_spans.get_or_create(&OfSpan { result }).inc_by(count);
    }

    /// A request was answered. `route` is a path of the table of routes or a word for none: a text of the
    /// program, never of the request.
    pub fn request(&self, route: &'static str, status: u16) {
        self.requests.get_or_create(&OfRequest { route, status_class: StatusClass::of(status) }).inc();
    }

    /// Everything as OpenMetrics text.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        encode(&mut text, &self.registry).ok();
        text
    }
}

fn family<S, M>(registry: &mut Registry, name: Name) -> Family<S, M>
where
    S: EncodeLabelSet + Clone + std::hash::Hash + Eq + std::fmt::Debug + Send + Sync + 'static,
    M: Default + 'static,
    Family<S, M>: Metric + Clone,
{
    let family = Family::default();
    register(registry, name, Clone::clone(&family));
    family
}

fn register(registry: &mut Registry, name: Name, metric: impl Metric) {
    registry.register(stem(name), name.help(), metric);
}

/// The name without the suffix of a counter, which the encoder appends itself.
fn stem(name: Name) -> &'static str {
    name.as_str().strip_suffix("_total").unwrap_or(name.as_str())
}

#[cfg(test)]
mod tests;
