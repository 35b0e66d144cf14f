//! What the hooks need of the rest, as traits. `crate::app` brings both sides together.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::model::{Event, Failure, Outcome, TargetName, TopicArn};
use crate::status::RunNo;
use crate::telemetry::metrics::Route;

/// The id by which a repeated notification is known again. Events keep their own id over all routes,
/// so one event that comes through SNS and EventBridge is one; it also stands for the SNS message
/// around it, whose id says less: the same event published twice has two.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DedupId(String);

impl DedupId {
    /// The id of an event.
    pub fn event(id: &str) -> Self {
        Self::bounded("event:", id)
    }

    /// The `webhook-id` of a trigger. A space of its own: a trigger can't use up an event's id.
    pub fn trigger(id: &str) -> Self {
        Self::bounded("trigger:", id)
    }

    /// The id of an SNS message that is about a subscription and holds no event.
    pub fn message(id: Uuid) -> Self {
        Self(format!("message:{id}"))
    }

    /// Long ids are remembered as their digest, so that one id costs a bounded amount of memory.
    fn bounded(space: &str, id: &str) -> Self {
        if id.len() <= 128 {
            return Self(format!("{space}{id}"));
        }
        Self(format!("{space}sha256:{}", STANDARD.encode(Sha256::digest(id.as_bytes()))))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DedupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A verified reason to look at something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// To be remembered in the step that enqueues the work, and only then.
    pub id: DedupId,
    /// The hook.
    pub route: Route,
    /// The request that brought it.
    pub request_id: String,
    /// What to look at.
    pub subject: Subject,
    /// Why, in the sender's words: 256 characters at most, no control characters.
    pub reason: Option<String>,
    /// Which of the configured keys vouched for it, where keys have names.
    pub key_id: Option<String>,
}

/// What a hint is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Whatever uses the secret of this event.
    Event(Event),
    /// Whatever uses this secret: a name, a partial or a full ARN.
    Secret(String),
    /// One target.
    Target(TargetName),
    /// Every target.
    All,
}

/// What became of a hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Enqueued and its id remembered.
    Accepted(Ticket),
    /// The id was seen before, and its work enqueued or its alert given then.
    Duplicate,
    /// No target uses the secret, or there is no such target.
    NotConfigured,
    /// An event that changes no current value; the text is a metric label.
    NotOfInterest(&'static str),
    /// The queue takes nothing any more. Not remembered: the hint is new when it comes again.
    Closed,
}

/// A claim on the outcome of what a hint enqueued.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ticket {
    /// Each target with its newest run at the moment of the hint: the outcome that counts is that of a
    /// later one.
    pub targets: Vec<(TargetName, RunNo)>,
}

impl Ticket {
    /// A report of each target as it stands right after the hint: due.
    pub fn due(&self) -> Vec<TargetReport> {
        let due = |(target, _): &(TargetName, RunNo)| TargetReport { target: target.clone(), outcome: None };
        self.targets.iter().map(due).collect()
    }
}

/// How one target of a ticket stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetReport {
    /// The target.
    pub target: TargetName,
    /// How a run after the ticket's ended, or that it is still confirming; none while it is due.
    pub outcome: Option<Outcome>,
}

/// Something a person should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alert {
    /// Somebody ended the relay's subscription.
    Unsubscribed {
        /// The topic.
        topic: TopicArn,
    },
    /// A subscription waits for a person (`confirm: off`).
    ConfirmByHand {
        /// The topic.
        topic: TopicArn,
    },
    /// A subscription could not be confirmed; SNS tries a few times more.
    ConfirmationFailed {
        /// The topic.
        topic: TopicArn,
        /// Why.
        failure: Failure,
    },
}

/// Takes the hints.
#[async_trait]
pub trait Intake: Send + Sync {
    /// Enqueues the work that the hint asks for, or says why not. Never waits.
    fn offer(&self, hint: Hint) -> Answer;
    /// Waits until every target of the ticket is settled or failing, or `limit` is over, or the relay
    /// drains. One report per target of the ticket.
    async fn settle(&self, ticket: Ticket, limit: Duration) -> Vec<TargetReport>;
    /// Whether the notification with this id was acted on.
    fn knows(&self, id: &DedupId) -> bool;
    /// Remembers a notification that was acted on and is no hint.
    fn remember(&self, id: &DedupId);
    /// Passes an alert on.
    fn alert(&self, alert: Alert);
}

/// Why there is no certificate now; a later try may succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("certificate unavailable: {0}")]
pub struct CertificateFault(pub String);

/// Where SNS signing certificates come from. Only asked with addresses that passed the rules.
#[async_trait]
pub trait Certificates: Send + Sync {
    /// The PEM file at `url`.
    async fn fetch(&self, url: &str) -> Result<Arc<[u8]>, CertificateFault>;
    /// What [`Self::fetch`] gave for `url` cannot be read as a certificate: not to be given again.
    fn reject(&self, url: &str, pem: &Arc<[u8]>);
}

/// Why an issuer's keys cannot be had now; a later try may succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the issuer's keys could not be fetched: {0}")]
pub struct TokenKeysFault(pub String);

/// Where the keys of the issuer of bearer tokens come from.
#[async_trait]
pub trait TokenKeys: Send + Sync {
    /// The file with the keys as the issuer publishes it now, of bounded size and within a bounded time.
    async fn fetch(&self) -> Result<Bytes, TokenKeysFault>;
}

/// Confirms subscriptions.
#[async_trait]
pub trait Confirmer: Send + Sync {
    /// Confirms the subscription of `topic` that `token` belongs to.
    async fn confirm(&self, topic: &TopicArn, token: &str) -> Result<(), Failure>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trigger_cannot_use_up_the_id_of_an_event() {
        assert_ne!(DedupId::event("a"), DedupId::trigger("a"));
    }

    #[test]
    fn a_long_id_takes_bounded_memory_and_stays_distinct() {
        let (one, two) = ("a".repeat(100_000), "a".repeat(100_001));
        assert_ne!(DedupId::event(&one), DedupId::event(&two));
        assert!(DedupId::event(&one).as_str().len() < 100);
    }
}
