//! One failure type for everything a run meets, with its own retry decision and next step.
//!
//! The decision is made where the failure is understood (the AWS or Anypoint client); the queue
//! only obeys it. Texts never hold a value or an unredacted remote body.

use std::fmt;
use std::time::Duration;

/// What is to be done after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Again with exponential backoff; never given up.
    Backoff,
    /// Again no sooner than the other side asked (already clamped), and nothing else to the same
    /// host and API family before then.
    CoolDown(Duration),
    /// Its turn at the other side comes after this long. Nothing failed, so it is no step of a backoff,
    /// and it concerns this target alone.
    Turn(Duration),
    /// The rate limit that it shares with its group is taken for this long: all of them come back then,
    /// each in its place. Nothing failed here either.
    Line(Duration),
    /// Nothing will change by itself: parked until the wanted state, the configuration or a person
    /// changes something.
    Never,
    /// As `Never`, but somebody may mend it elsewhere (a permission, a missing object): looked at
    /// again on a slow timer.
    Slowly,
}

macro_rules! failure_codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)+) => {
        /// A closed set, used as a metric label and in status answers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum FailureCode { $($(#[$doc])* $variant,)+ }

        impl FailureCode {
            /// Every code, in declaration order.
            pub const ALL: &'static [FailureCode] = &[$(FailureCode::$variant,)+];

            /// The stable text of the code.
            pub fn as_str(self) -> &'static str {
                match self { $(FailureCode::$variant => $text,)+ }
            }
        }
    };
}

failure_codes! {
    /// AWS or Anypoint refused for lack of permission.
    Denied = "denied",
    /// The relay's own credentials were refused, freshly read and all.
    Unauthenticated = "unauthenticated",
    /// The secret, deployment, group or shared secret does not exist.
    NotFound = "not_found",
    /// The secret's content does not fit the mapping: a missing field, not JSON, wrong type.
    BadValue = "bad_value",
    /// A length or name limit of the target would be broken.
    TooLong = "too_long",
    /// The target refused the request as invalid.
    Rejected = "rejected",
    /// The write would lose a value that the configuration does not own.
    WouldLose = "would_lose",
    /// The other side is in a state that conflicts; usually passes.
    Conflict = "conflict",
    /// Over the target's limit of things (HTTP 402).
    OverQuota = "over_quota",
    /// Told to slow down.
    RateLimited = "rate_limited",
    /// The other side failed, or could not be reached.
    Unavailable = "unavailable",
    /// No answer in time.
    Timeout = "timeout",
    /// An answer that breaks the contract: not JSON, a missing field, too large.
    BadAnswer = "bad_answer",
    /// The roll failed; the application may run with the old value.
    RollFailed = "roll_failed",
    /// The roll did not end within its time limit.
    RollOverdue = "roll_overdue",
    /// The write waits for its hours, or for a canary.
    Held = "held",
    /// A bug of the relay: a panic in a run.
    Internal = "internal",
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a run did not bring its target in sync.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The class, for metrics and machines.
    pub code: FailureCode,
    /// What failed, on what: one line, lower case, no full stop, no value.
    pub message: String,
    /// What a person can do about it, as precisely as is known.
    pub next_step: String,
    /// What the queue does about it.
    pub retry: Retry,
    /// The permission that is missing, by AWS's name of the action, where one is known to be.
    pub lacks: Option<&'static str>,
}

impl Failure {
    /// A failure with everything said.
    pub fn new(
        code: FailureCode,
        retry: Retry,
        message: impl Into<String>,
        next_step: impl Into<String>,
    ) -> Self {
        Self { code, message: message.into(), next_step: next_step.into(), retry, lacks: None }
    }

    /// For want of this permission.
    pub fn lacking(self, action: &'static str) -> Self {
        Self { lacks: Some(action), ..self }
    }
}
