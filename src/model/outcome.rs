//! How a run ended, in the words that people, metrics and the status page share.

use std::fmt;

use super::Failure;

/// The state of a target after a run. A failure lies apart: outcomes are kept for each target, and most are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Proved: the target shows what AWS serves as current.
    InSync,
    /// The target took the value but offers no proof of it.
    Accepted,
    /// Written; the proof is awaited. Staleness keeps counting.
    Confirming,
    /// A passing failure, or a wait that ends by itself; tried again.
    Retrying(Box<Failure>),
    /// Nothing more is tried until something changes.
    Parked(Box<Failure>),
    /// The application is not meant to run; nothing is owed to it until it is started.
    Stopped,
}

impl Outcome {
    /// Every label that [`Outcome::label`] gives.
    pub const LABELS: &'static [&'static str] =
        &["in_sync", "accepted", "confirming", "retrying", "parked", "stopped"];

    /// A failure that passes, or a wait.
    pub fn retrying(failure: Failure) -> Self {
        Self::Retrying(Box::new(failure))
    }

    /// A failure that does not pass by itself.
    pub fn parked(failure: Failure) -> Self {
        Self::Parked(Box::new(failure))
    }

    /// The stable word for metrics and JSON.
    pub fn label(&self) -> &'static str {
        match self {
            Outcome::InSync => "in_sync",
            Outcome::Accepted => "accepted",
            Outcome::Confirming => "confirming",
            Outcome::Retrying(_) => "retrying",
            Outcome::Parked(_) => "parked",
            Outcome::Stopped => "stopped",
        }
    }

    /// Whether the wanted state is there as far as the target can show it.
    pub fn is_settled(&self) -> bool {
        matches!(self, Outcome::InSync | Outcome::Accepted | Outcome::Stopped)
    }

    /// The failure behind a retry or a parked target.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Outcome::Retrying(failure) | Outcome::Parked(failure) => Some(failure),
            Outcome::InSync | Outcome::Accepted | Outcome::Confirming | Outcome::Stopped => None,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label().replace('_', " "))
    }
}
