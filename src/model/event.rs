//! What a verified notification says, once parsed: which secret, which version if told, what
//! happened. A hint; it never decides what is written.

use jiff::Timestamp;

use super::VersionId;

/// Which form the notification had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// `Secret Label Updated`, sent by Secrets Manager itself since July 2026.
    Native,
    /// `AWS API Call via CloudTrail`.
    ApiCall,
    /// `AWS Service Event via CloudTrail`.
    ServiceEvent,
    /// The small form that an EventBridge input transformer can produce (docs/ARCHITECTURE.md).
    Transformed,
}

impl Shape {
    /// Stable text for metrics and `inspect`.
    pub fn as_str(self) -> &'static str {
        match self {
            Shape::Native => "native",
            Shape::ApiCall => "api_call",
            Shape::ServiceEvent => "service_event",
            Shape::Transformed => "transformed",
        }
    }
}

/// How the event names the secret: a full ARN, a partial one or a name, as its sender wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretMention {
    /// The ARN or name.
    pub text: String,
    /// The region of the event, for names.
    pub region: Option<String>,
    /// The account of the event, for names.
    pub account: Option<String>,
}

/// Why an event needs no work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ignored {
    /// `detail.errorCode` is set: the API call failed.
    FailedCall,
    /// A label other than AWSCURRENT moved.
    OtherLabel,
    /// The new version is not current yet.
    Pending,
    /// `TestRotation*`.
    TestRotation,
    /// A read; reacting to reads would be a loop.
    Read,
    /// `events!...`: EventBridge's own secret.
    EventBridgeOwn,
    /// An API call or service event that does not change the current value.
    NotAValueChange,
}

impl Ignored {
    /// Stable text for metrics and `inspect`.
    pub fn as_str(self) -> &'static str {
        match self {
            Ignored::FailedCall => "failed_call",
            Ignored::OtherLabel => "other_label",
            Ignored::Pending => "pending",
            Ignored::TestRotation => "test_rotation",
            Ignored::Read => "read",
            Ignored::EventBridgeOwn => "eventbridge_own",
            Ignored::NotAValueChange => "not_a_value_change",
        }
    }
}

/// What happened to the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The current value has, or may have, changed.
    Value,
    /// AWS could not rotate the secret: noted and alerted, nothing forwarded.
    RotationFailed,
    /// A pending version was given up: noted and alerted, nothing forwarded.
    RotationAbandoned,
    /// Nothing that the relay acts on.
    Ignored(Ignored),
}

impl Change {
    /// Stable text for metrics and `inspect`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Change::Value => "value",
            Change::RotationFailed => "rotation_failed",
            Change::RotationAbandoned => "rotation_abandoned",
            Change::Ignored(why) => why.as_str(),
        }
    }
}

/// A parsed notification about one secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The event's own id; the same over all routes, so duplicates show.
    pub id: String,
    /// Its form.
    pub shape: Shape,
    /// What happened.
    pub change: Change,
    /// The secret.
    pub secret: SecretMention,
    /// The version that became current, where the event says it.
    pub version: Option<VersionId>,
    /// When it happened, by AWS's clock.
    pub at: Option<Timestamp>,
}

/// Why a verified notification holds no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Not JSON, or not an object.
    #[error("the notification is not a JSON object")]
    NotJson,
    /// A field is missing or has the wrong type.
    #[error("{field}: {expected}")]
    Field {
        /// Path of the field.
        field: &'static str,
        /// What would be right.
        expected: &'static str,
    },
    /// JSON of a kind that says nothing about a secret.
    #[error("not an event of Secrets Manager: {0}")]
    NotSecretsManager(&'static str),
}
