//! From a verified hint to keys in the queue: the one place that knows the index, the memory of ids and
//! the queue together.
//!
//! It guarantees: an id is remembered in the same step that enqueues its work or gives its alert, so a hint
//! that was answered `closed` is new when it comes again; a secret that no target names is never asked for; a hint costs a
//! look-up that does not depend on the number of targets. Memory is bounded: ids by count and age, the rest
//! by configuration.

mod replay;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::Clock;
use crate::index::{Matches, SecretIndex};
use crate::ingress::ports::{Alert, Answer, DedupId, Hint, Intake, Subject, TargetReport, Ticket};
use crate::model::{Change, Event, Outcome, SecretMention, TargetName};
use crate::queue::{Note, Queue, Reason, Refused};
use crate::status::{Notice, StatusBoard};
use crate::sync::versions::VersionLog;
use crate::telemetry::audit::{Audit, Entry, Notification};
use crate::telemetry::metrics::{Metrics, RotationAlert, Route, Verdict};
use crate::telemetry::traces;

pub use replay::{Limits as ReplayLimits, ReplayMemory};

/// Implements what the hooks hand on to.
pub struct Desk {
    /// Which targets use a secret.
    pub index: SecretIndex,
    /// Where the keys go.
    pub queue: Arc<Queue<TargetName>>,
    /// Learns which version an event named.
    pub versions: Arc<VersionLog>,
    /// Learns about rotations that failed.
    pub board: Arc<StatusBoard>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Records what is accepted.
    pub audit: Arc<Audit>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids that were acted on.
    pub seen: Arc<Mutex<ReplayMemory>>,
}

/// What a hint asks for.
enum Work {
    Keys(Vec<TargetName>),
    /// It is done: people were told.
    Told(Answer),
    Nothing(Answer),
}

impl Desk {
    fn seen(&self) -> MutexGuard<'_, ReplayMemory> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, hint: &Hint) -> Work {
        match &hint.subject {
            Subject::Event(event) => self.work_of_event(event),
            Subject::Secret(text) => {
                let mention = SecretMention { text: text.clone(), region: None, account: None };
                Self::targets_or_none(self.index.find(&mention).targets())
            }
            Subject::Target(target) if self.board.knows(target) => Work::Keys(vec![target.clone()]),
            Subject::Target(_) => Work::Nothing(Answer::NotConfigured),
            Subject::All => Work::Keys(self.board.targets()),
        }
    }

    fn work_of_event(&self, event: &Event) -> Work {
        let matches = self.index.find(&event.secret);
        if matches.is_empty() {
            return Work::Nothing(Answer::NotConfigured);
        }
        for secret in matches.secrets() {
            self.board.notified(secret, event, self.clock.timestamp());
        }
        match &event.change {
            Change::Value => {
                self.learn_version(event, &matches);
                Work::Keys(matches.targets())
            }
            Change::RotationFailed | Change::RotationAbandoned => {
                self.alert_rotation(event, &matches);
                Work::Told(Answer::NotOfInterest(event.change.as_str()))
            }
            Change::Ignored(why) => Work::Nothing(Answer::NotOfInterest(why.as_str())),
        }
    }

    fn notice(&self, hint: &Hint, enqueued: usize) -> Notice {
        let (secret, event_id) = match &hint.subject {
            Subject::Event(event) => (Some(event.secret.text.clone()), Some(event.id.clone())),
            Subject::Secret(secret) => (Some(secret.clone()), None),
            Subject::Target(_) | Subject::All => (None, None),
        };
        Notice {
            at: self.clock.timestamp(),
            route: hint.route.as_str(),
            verdict: Verdict::Accepted.as_str(),
            code: None,
            request_id: hint.request_id.clone(),
            event_id,
            secret,
            enqueued,
            count: 1,
        }
    }

    fn targets_or_none(targets: Vec<TargetName>) -> Work {
        if targets.is_empty() { Work::Nothing(Answer::NotConfigured) } else { Work::Keys(targets) }
    }

    fn learn_version(&self, event: &Event, of: &Matches<'_>) {
        let Some(version) = &event.version else { return };
        for secret in of.secrets() {
            self.versions.named(secret, version.clone(), event.at, self.clock.now());
        }
    }

    fn alert_rotation(&self, event: &Event, of: &Matches<'_>) {
        for secret in of.secrets() {
            tracing::error!(
                %secret,
                event_id = %event.id,
                change = event.change.as_str(),
                "AWS did not rotate the secret; nothing is forwarded; look at the log of its rotation function"
            );
            self.audit.record(Entry::NotRotated {
                change: event.change.as_str(),
                secret: secret.to_string(),
                event_id: event.id.clone(),
            });
        }
        if let Some(alert) = RotationAlert::of(&event.change) {
            self.metrics.rotation_alert(alert);
        }
    }

    fn enqueue(&self, hint: &Hint, targets: Vec<TargetName>) -> Answer {
        let reason = match hint.route {
            Route::Trigger => Reason::Manual,
            Route::Sns | Route::EventBridge => Reason::Notification,
        };
        let mut ticket = Ticket::default();
        for target in targets {
            let mut note = Note::new(reason, self.clock.timestamp()).with_request(&hint.request_id);
            note = note.with_origins(traces::origin().into());
            if let Subject::Event(event) = &hint.subject {
                note = note.with_event(&event.id);
            }
            // Read before the add: the run that sees the hint starts after this one.
            let run = self.board.runs_started(&target);
            match self.queue.add(&target, note) {
                Ok(_) => ticket.targets.push((target, run)),
                Err(Refused::Closed) => return Answer::Closed,
                Err(Refused::Unknown) => {}
            }
        }
        Answer::Accepted(ticket)
    }
}

/// What the audit says of a hint that was accepted.
fn accepted(hint: Hint, enqueued: usize) -> Entry {
    let (secret, version, target) = match hint.subject {
        Subject::Event(event) => {
            (Some(event.secret.text), event.version.map(|version| version.to_string()), None)
        }
        Subject::Secret(secret) => (Some(secret), None, None),
        Subject::Target(target) => (None, None, Some(target.to_string())),
        Subject::All => (None, None, None),
    };
    let notification = Notification {
        route: hint.route.as_str(),
        request_id: hint.request_id,
        id: hint.id.as_str().to_owned(),
        secret,
        version,
        target,
        enqueued,
        key_id: hint.key_id,
        reason: hint.reason,
    };
    match hint.route {
        Route::Trigger => Entry::Manual(notification),
        Route::Sns | Route::EventBridge => Entry::Accepted(notification),
    }
}

#[async_trait]
impl Intake for Desk {
    fn offer(&self, hint: Hint) -> Answer {
        let now = self.clock.now();
        // Held over the enqueueing, so that of two equal hints at once only one counts.
        let mut seen = self.seen();
        if seen.knows(hint.id.as_str(), now) {
            return Answer::Duplicate;
        }
        let targets = match self.work(&hint) {
            Work::Keys(targets) => targets,
            Work::Told(answer) => {
                seen.remember(hint.id.as_str(), now);
                return answer;
            }
            Work::Nothing(answer) => return answer,
        };
        let answer = self.enqueue(&hint, targets);
        if let Answer::Accepted(ticket) = &answer {
            seen.remember(hint.id.as_str(), now);
            tracing::info!(
                route = hint.route.as_str(),
                request_id = hint.request_id,
                id = hint.id.as_str(),
                key_id = hint.key_id,
                reason = hint.reason,
                "notification accepted"
            );
            self.board.heard(self.notice(&hint, ticket.targets.len()));
            self.audit.record(accepted(hint, ticket.targets.len()));
        }
        answer
    }

    async fn settle(&self, ticket: Ticket, limit: Duration) -> Vec<TargetReport> {
        let waits = ticket.targets.into_iter().map(|(target, run)| async move {
            let settled = tokio::select! {
                biased;
                outcome = self.board.wait_settled(&target, run, limit) => outcome,
                // The relay drains and the last run is over: what is not settled now won't be.
                () = self.queue.over() => None,
            };
            let confirming = || self.board.outcome(&target).filter(|last| *last == Outcome::Confirming);
            let outcome = settled.or_else(confirming);
            TargetReport { target, outcome }
        });
        futures_util::future::join_all(waits).await
    }

    fn knows(&self, id: &DedupId) -> bool {
        self.seen().knows(id.as_str(), self.clock.now())
    }

    fn remember(&self, id: &DedupId) {
        self.seen().remember(id.as_str(), self.clock.now());
    }

    fn alert(&self, alert: Alert) {
        match alert {
            Alert::Unsubscribed { topic } => tracing::error!(
                %topic,
                "the relay was unsubscribed from the topic; subscribe it again, and see who ended it in CloudTrail"
            ),
            Alert::ConfirmByHand { topic } => tracing::warn!(
                %topic,
                "a subscription waits to be confirmed by hand (`confirm: off`)"
            ),
            Alert::ConfirmationFailed { topic, failure } => tracing::error!(
                %topic,
                code = %failure.code,
                error = %failure,
                next_step = failure.next_step,
                "the subscription could not be confirmed; SNS tries again a few times"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
