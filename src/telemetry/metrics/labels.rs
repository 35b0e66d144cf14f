//! The closed label sets. A label that is not here, or a target's name, cannot become a time series.

use std::fmt;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};

use crate::config::{StoreKind, TargetKind};
use crate::model::{Change, Outcome, RefusalReason};

macro_rules! label_values {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// Every value, in declaration order.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// The label's text.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)+ }
            }
        }

        impl EncodeLabelValue for $name {
            fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
                EncodeLabelValue::encode(&self.as_str(), encoder)
            }
        }
    };
}

label_values! {
    /// Which way a notification came.
    Route {
        /// SNS over HTTPS.
        Sns = "sns",
        /// An EventBridge API destination.
        EventBridge = "eventbridge",
        /// The signed manual trigger.
        Trigger = "trigger",
    }
}

label_values! {
    /// What became of a notification.
    Verdict {
        /// Verified, and its work enqueued.
        Accepted = "accepted",
        /// Verified, seen before.
        Duplicate = "duplicate",
        /// Verified, and of no interest.
        Ignored = "ignored",
        /// Verified, but no target takes this secret.
        NotConfigured = "not_configured",
        /// Verified: AWS reports a failed or abandoned rotation.
        Alert = "alert",
        /// A subscription was confirmed.
        Confirmed = "confirmed",
        /// A subscription could not be confirmed now.
        NotConfirmed = "not_confirmed",
        /// Verified: the subscription was removed.
        Unsubscribed = "unsubscribed",
        /// A bad or missing signature, key or password.
        BadSignature = "bad_signature",
        /// Proved, but not allowed: an unlisted topic, outside the time window.
        Forbidden = "forbidden",
        /// Not what the route takes.
        Malformed = "malformed",
        /// Larger than allowed.
        TooLarge = "too_large",
        /// From an address that failed too often; not looked at.
        Throttled = "throttled",
        /// The relay starts, drains, is overloaded or could not fetch a certificate.
        Unavailable = "unavailable",
    }
}

label_values! {
    /// What a run works on.
    Kind {
        /// A Mule application.
        Application = "application",
        /// A shared secret.
        SharedSecret = "shared_secret",
        /// A keystore.
        Keystore = "keystore",
        /// A truststore.
        Truststore = "truststore",
        /// A certificate.
        Certificate = "certificate",
        /// The seed document's call.
        SecretValue = "secret_value",
        /// A signed request.
        Http = "http",
    }
}

impl From<&TargetKind> for Kind {
    fn from(kind: &TargetKind) -> Self {
        match kind {
            TargetKind::Application(_) => Kind::Application,
            TargetKind::SharedSecret(_) => Kind::SharedSecret,
            TargetKind::Store(store) => match store.content.kind() {
                StoreKind::Keystore => Kind::Keystore,
                StoreKind::Truststore => Kind::Truststore,
                StoreKind::Certificate => Kind::Certificate,
            },
            TargetKind::SecretValue(_) => Kind::SecretValue,
            TargetKind::Http(_) => Kind::Http,
        }
    }
}

label_values! {
    /// How a write ended.
    WriteResult {
        /// The target took it.
        Taken = "taken",
        /// It may have taken effect all the same: a timeout, a reset, a 5xx.
        Ambiguous = "ambiguous",
        /// It certainly did not happen.
        Failed = "failed",
    }
}

label_values! {
    /// What became of a span.
    SpanResult {
        /// The collector took it.
        Sent = "sent",
        /// The collector did not take it, or did not answer.
        NotTaken = "not_taken",
        /// Too many waited for the collector.
        LeftOut = "left_out",
    }
}

label_values! {
    /// Where a key stands in the queue.
    QueuePhase {
        /// Nothing is due.
        Idle = "idle",
        /// Due.
        Queued = "queued",
        /// Goes on by itself later.
        Waiting = "waiting",
        /// Failed, tried again later.
        Backoff = "backoff",
        /// Waits for a roll slot.
        AwaitingRoll = "awaiting_roll",
        /// A run is under way.
        Running = "running",
        /// Nothing is tried until something changes.
        Parked = "parked",
        /// A person paused it.
        Paused = "paused",
    }
}

label_values! {
    /// The class of an answer.
    StatusClass {
        /// 1xx.
        Informational = "1xx",
        /// 2xx.
        Success = "2xx",
        /// 3xx.
        Redirect = "3xx",
        /// 429: told to slow down.
        TooMany = "429",
        /// Any other 4xx.
        ClientError = "4xx",
        /// 5xx.
        ServerError = "5xx",
        /// No status that HTTP has a class for.
        Other = "other",
    }
}

impl StatusClass {
    /// The class of an HTTP status.
    pub fn of(status: u16) -> Self {
        match status {
            100..=199 => StatusClass::Informational,
            200..=299 => StatusClass::Success,
            300..=399 => StatusClass::Redirect,
            429 => StatusClass::TooMany,
            400..=499 => StatusClass::ClientError,
            500..=599 => StatusClass::ServerError,
            _ => StatusClass::Other,
        }
    }
}

label_values! {
    /// What AWS reported about a rotation.
    RotationAlert {
        /// It could not rotate the secret.
        Failed = "rotation_failed",
        /// A pending version was given up.
        Abandoned = "rotation_abandoned",
    }
}

impl RotationAlert {
    /// The alert in an event, if it is one.
    pub fn of(change: &Change) -> Option<Self> {
        match change {
            Change::RotationFailed => Some(RotationAlert::Failed),
            Change::RotationAbandoned => Some(RotationAlert::Abandoned),
            Change::Value | Change::Ignored(_) => None,
        }
    }
}

label_values! {
    /// What an alert about a stale target says.
    AlertKind {
        /// AWS has been ahead of it for too long.
        Stale = "stale",
        /// It still is.
        StillStale = "still_stale",
        /// It no longer is.
        Healed = "healed",
    }
}

label_values! {
    /// What became of an alert. Each is logged once; the rest is about the topic.
    AlertResult {
        /// It is in the log.
        Logged = "logged",
        /// The topic took it.
        Published = "published",
        /// The topic did not take it; it is tried again.
        Failed = "failed",
        /// A newer one about the same target took its place before the topic had it.
        Superseded = "superseded",
        /// It is not tried again.
        GivenUp = "given_up",
    }
}

/// [`Outcome::label`] as a label's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct OutcomeLabel(&'static str);

impl From<&Outcome> for OutcomeLabel {
    fn from(outcome: &Outcome) -> Self {
        Self(outcome.label())
    }
}

impl EncodeLabelValue for OutcomeLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        EncodeLabelValue::encode(&self.0, encoder)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfRun {
    pub(super) kind: Kind,
    pub(super) outcome: OutcomeLabel,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfWrite {
    pub(super) kind: Kind,
    pub(super) result: WriteResult,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfNotification {
    pub(super) route: Route,
    pub(super) verdict: Verdict,
}

/// [`RefusalReason`] as a label's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ReasonLabel(pub(super) RefusalReason);

impl EncodeLabelValue for ReasonLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        EncodeLabelValue::encode(&self.0.as_str(), encoder)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfRefusal {
    pub(super) route: Route,
    pub(super) reason: ReasonLabel,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfPhase {
    pub(super) phase: QueuePhase,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfRequest {
    pub(super) route: &'static str,
    pub(super) status_class: StatusClass,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfSpan {
    pub(super) result: SpanResult,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfRotationAlert {
    pub(super) alert: RotationAlert,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfStaleAlert {
    pub(super) kind: AlertKind,
    pub(super) result: AlertResult,
}

/// Not of a closed set, so there is never more than one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfAuditHead {
    pub(super) head: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfListener {
    pub(super) listener: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfBuild {
    pub(super) version: &'static str,
}
