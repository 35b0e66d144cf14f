//! Workers: take a key, run its target, tell the queue, the board, the metrics and the log.
//!
//! It guarantees: a key that was taken is always given back, and a panic inside a run parks that target
//! and nothing else. One log line per run, at the end, with target and request id.

mod record;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use opentelemetry::KeyValue;

use crate::clock::Clock;
use crate::model::{Failure, FailureCode, Moment, Next, Outcome, Retry, TargetName};
use crate::queue::{Note, Queue, Reason, Taken};
use crate::status::{Delivery, Did, RunRecord, StatusBoard, Versions};
use crate::sync::plan::{Leave, Why};
use crate::sync::ports::Target;
use crate::sync::{self, Ended, Sync, WriteEnd};
use crate::telemetry::audit::Audit;
use crate::telemetry::metrics::{Kind, Metrics, WriteResult};
use crate::telemetry::traces::{Ending, Span, Traces};

/// A target as the workers know it.
pub struct Station {
    /// The target.
    pub target: Arc<dyn Target>,
    /// Its kind, a metric label.
    pub kind: Kind,
    /// The queue's group that it belongs to.
    pub group: Option<Arc<str>>,
    /// The groups that its cool-downs hold back, its own among them.
    pub cools: Vec<Arc<str>>,
}

/// What the workers share.
pub struct Workshop {
    /// The path.
    pub sync: Sync,
    /// The targets.
    pub stations: BTreeMap<TargetName, Station>,
    /// Where the keys come from.
    pub queue: Arc<Queue<TargetName>>,
    /// What is shown.
    pub board: Arc<StatusBoard>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What is recorded.
    pub audit: Arc<Audit>,
    /// What follows runs.
    pub traces: Arc<Traces>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Workshop {
    /// Works until the queue is closed and its last run is over.
    pub async fn work(&self) {
        while let Some(taken) = self.queue.next().await {
            self.run(taken).await;
        }
    }
}

impl Workshop {
    async fn run(&self, taken: Taken<TargetName>) {
        let Some(station) = self.stations.get(&taken.key) else {
            // Only configured targets are registered; a key without a station is at least given back.
            self.queue.finish(&taken.key, Next::Done);
            return;
        };
        let started = self.clock.now();
        let run = self.board.started(&taken.key, self.clock.timestamp());
        let span = self.span(&taken, station);
        let claim = || self.queue.claim_roll(&taken.key);
        let pass = sync::run(&self.sync, station.target.as_ref(), leave(&taken), &claim);
        // What a panic leaves behind is a cloned memory of one target, which is dropped with the run.
        let ended = match AssertUnwindSafe(span.around(pass)).catch_unwind().await {
            Ok(ended) => ended,
            Err(_panic) => panicked(),
        };
        let took = self.clock.now().duration_since(started);

        self.cool_down(station, &ended.outcome);
        self.board_stale(&taken.key, &ended);
        let before = self.board.outcome(&taken.key);
        for entry in record::entries(&taken, station.kind, before.as_ref(), &ended) {
            self.audit.record(entry);
        }
        self.board.finished(&taken.key, run, self.record(&taken, &ended, took));
        self.count(station, &taken, &ended, took);
        if ended.frees_others {
            self.wake_those_behind(&taken.key, &span);
        }
        log(&taken, &ended, took, span.trace_id().as_deref());
        end(&span, &ended);
        self.queue.finish(&taken.key, ended.next);
        // When it is tried again is known only now.
        self.board.changed(&taken.key);
    }

    fn span(&self, taken: &Taken<TargetName>, station: &Station) -> Span {
        let note = &taken.note;
        self.traces.run(&taken.key, station.kind, &note.origins, || {
            [
                KeyValue::new("relay.run.reasons", note.reasons.to_string()),
                KeyValue::new("relay.run.asked", i64::try_from(note.count).unwrap_or(i64::MAX)),
            ]
        })
    }

    /// Targets whose write waited for this one look again at once.
    fn wake_those_behind(&self, ahead: &TargetName, span: &Span) {
        let gates = self.sync.gates.iter();
        let behind = gates.filter(|(_, gate)| gate.canaries.iter().any(|canary| canary.name == *ahead));
        let followers = self.sync.leaders.iter().filter(|(_, leader)| leader.name == *ahead);
        for target in behind.map(|(target, _)| target).chain(followers.map(|(target, _)| target)) {
            let note = Note::new(Reason::Freed, self.clock.timestamp()).with_origins(span.origin().into());
            // A queue that is closing refuses; the reconcile of the next start finds what is left.
            self.queue.add(target, note).ok();
        }
    }

    /// A host that asked for a pause gets it from every target behind the same limit.
    fn cool_down(&self, station: &Station, outcome: &Outcome) {
        if let Some(Failure { retry: Retry::CoolDown(pause), .. }) = outcome.failure() {
            let until = self.clock.now() + *pause;
            for group in &station.cools {
                self.queue.cool_down(group, until);
            }
        }
    }

    fn board_stale(&self, target: &TargetName, ended: &Ended) {
        if ended.outcome.is_settled() {
            return;
        }
        let known = ended.stale_since.or_else(|| self.board.stale_since(target));
        self.board.found_stale(target, known.unwrap_or_else(|| self.clock.timestamp()));
    }

    fn record(&self, taken: &Taken<TargetName>, ended: &Ended, took: Duration) -> RunRecord {
        let at = self.clock.timestamp();
        let did = match (ended.wrote, &ended.outcome) {
            (Some(_), _) => Did::Wrote,
            (None, Outcome::Confirming) => Did::Confirmed,
            (None, _) => Did::Observed,
        };
        let told = taken.note.told.or(taken.note.first_seen);
        let delivery = |(read, written): (Timestamp, Timestamp)| Delivery {
            notified: told.map(Moment::from),
            read: read.into(),
            written: written.into(),
            confirmed: None,
        };
        RunRecord {
            wanted: ended.wanted.as_ref().map(|wanted| Versions::of(&wanted.versions)),
            delivered: ended.delivered.as_ref().map(Versions::of),
            attempts: taken.attempts + u32::from(matches!(ended.next, Next::Retry { .. })),
            reasons: taken.note.reasons.iter().map(Reason::as_str).collect(),
            told,
            why: ended.wrote.map(|wrote| wrote.why.as_str()),
            write: ended.wrote.map(|wrote| wrote.end.as_str()),
            written: ended.steps.map(delivery),
            proved: ended.proved_now && ended.outcome == Outcome::InSync,
            goes_on: matches!(ended.next, Next::Again { .. } | Next::InLine { .. } | Next::AwaitRoll),
            event_id: taken.note.event_id.clone(),
            request_id: taken.note.request_id.clone(),
            notes: ended.notes.clone(),
            ..RunRecord::new(at, took, ended.outcome.clone(), did)
        }
    }

    fn count(&self, station: &Station, taken: &Taken<TargetName>, ended: &Ended, took: Duration) {
        self.metrics.run(station.kind, &ended.outcome, took);
        self.metrics.outcome(&taken.key, &ended.outcome);
        if let Some(wrote) = ended.wrote {
            if wrote.why == Why::ForeignWrite {
                self.metrics.foreign_write(&taken.key);
            }
            let result = match wrote.end {
                WriteEnd::Taken => WriteResult::Taken,
                WriteEnd::Ambiguous => WriteResult::Ambiguous,
                WriteEnd::Failed => WriteResult::Failed,
            };
            self.metrics.write(station.kind, result);
        }
        if let Some(since) = ended.proved_since {
            self.count_proof(taken, since);
        }
    }

    /// A change in AWS, current there since `since`, is proved at the target.
    fn count_proof(&self, taken: &Taken<TargetName>, since: Timestamp) {
        let now = self.clock.timestamp();
        // By AWS's clock, which may be ahead of ours.
        let waited = |since| Duration::try_from(now.duration_since(since)).unwrap_or_default();
        self.metrics.rotation_to_confirmed(waited(since));
        if let Some(told) = taken.note.told {
            // A target that was parked keeps its note: what was told before this change is of another one.
            self.metrics.event_to_confirmed(waited(told.max(since)));
        } else if taken.note.only_reconcile() {
            self.metrics.correction(&taken.key);
        }
    }
}

/// How far the run may go: a person's wish counts more than anything that was given up.
fn leave(taken: &Taken<TargetName>) -> Leave {
    if taken.insists {
        Leave::Insist
    } else if taken.observe_only {
        Leave::Look
    } else {
        Leave::Write
    }
}

fn end(span: &Span, ended: &Ended) {
    let wrote = ended.wrote.map(|wrote| KeyValue::new("relay.run.wrote", wrote.why.as_str()));
    let outcome = KeyValue::new("relay.run.outcome", ended.outcome.label());
    span.end(wrote.into_iter().chain([outcome]), ended.outcome.failure().and_then(Ending::code));
}

fn panicked() -> Ended {
    let failure = Failure::new(
        FailureCode::Internal,
        Retry::Never,
        "the run panicked: a bug of the relay",
        "report it with the log of this run; other targets are not affected",
    );
    Ended::failed(failure)
}

/// One line per run. A look that finds nothing to do is `debug`; everything else is for people.
fn log(taken: &Taken<TargetName>, ended: &Ended, took: Duration, trace_id: Option<&str>) {
    let target = taken.key.as_str();
    let outcome = ended.outcome.label();
    let wrote = ended.wrote.map(|wrote| wrote.why.as_str());
    let (event_id, request_id) = (taken.note.event_id.as_deref(), taken.note.request_id.as_deref());
    let reasons = taken.note.reasons.to_string();
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    for note in &ended.notes {
        tracing::warn!(target, event_id, request_id, trace_id, note, "note of a run");
    }
    match (&ended.outcome, ended.outcome.failure()) {
        (Outcome::Parked(_), Some(failure)) => tracing::error!(
            target, outcome, wrote, reasons, event_id, request_id, trace_id, took_ms,
            code = %failure.code, error = %failure, next_step = failure.next_step, "run ended"
        ),
        (_, Some(failure)) if matches!(failure.retry, Retry::Line(_)) => tracing::debug!(
            target, outcome, reasons, event_id, request_id, trace_id, took_ms, error = %failure, "run ended"
        ),
        (_, Some(failure)) => tracing::warn!(
            target, outcome, wrote, reasons, event_id, request_id, trace_id, took_ms,
            code = %failure.code, error = %failure, next_step = failure.next_step, "run ended"
        ),
        (_, None) if wrote.is_some() || ended.proved_now => {
            tracing::info!(
                target,
                outcome,
                wrote,
                reasons,
                event_id,
                request_id,
                trace_id,
                took_ms,
                "run ended"
            );
        }
        (_, None) => {
            tracing::debug!(target, outcome, reasons, event_id, request_id, trace_id, took_ms, "run ended");
        }
    }
}

#[cfg(test)]
mod protocol_tests;
#[cfg(test)]
mod tests;
