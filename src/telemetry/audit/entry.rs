//! What the audit says: one entry for each decision.
//!
//! Guarantees: an entry is made of names, ids, codes, times and the words that a sender gave as its reason;
//! no value and no digest of one has a place in it. Versions are AWS's ids, cut as the status page cuts them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Entry {
    /// The relay starts.
    Start {
        /// Its version.
        version: &'static str,
        /// What it was started as.
        command: &'static str,
        /// How many targets are configured.
        targets: usize,
    },
    /// Another configuration took over.
    Reloaded {
        /// Targets that there were not before.
        added: Vec<String>,
        /// Targets that there are no longer.
        removed: Vec<String>,
        /// Targets that are set up in another way.
        changed: Vec<String>,
        /// Other parts of the configuration.
        parts: Vec<&'static str>,
    },
    /// The relay ends, in the order that `how` says.
    End {
        /// The word for that.
        how: &'static str,
    },
    /// A verified notification was taken, and its work enqueued.
    Accepted(Notification),
    /// The same by hand: a trigger, with the key that vouched for it and the reason that its sender gave.
    Manual(Notification),
    /// An operator acted on a target of the running relay.
    Operated(Operation),
    /// Notifications that were refused.
    Refused(Answers),
    /// Notifications that were taken, and needed no work.
    Noted(Answers),
    /// A write was started.
    Written(Run),
    /// A target has what is wanted: proved, or taken where it offers no proof.
    Confirmed(Run),
    /// Nothing more is tried for a target until something changes.
    Parked(Run),
    /// An application is not meant to run, so nothing is owed to it.
    Stopped(Run),
    /// People were told of a target: that it is stale, still is, or no longer is.
    Alert {
        /// Which of these.
        alert: &'static str,
        /// The target.
        target: String,
        /// Since when AWS is, or was, ahead.
        stale_since: Timestamp,
        /// How its last run ended.
        #[serde(skip_serializing_if = "Option::is_none")]
        outcome: Option<&'static str>,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<&'static str>,
    },
    /// AWS reported that it did not rotate a secret.
    NotRotated {
        /// What it reported.
        change: &'static str,
        /// The secret, as it is configured.
        secret: String,
        /// The event.
        event_id: String,
    },
}

/// A notification that was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Notification {
    /// The hook.
    pub route: &'static str,
    /// The request that brought it.
    pub request_id: String,
    /// The id by which a repetition of it is known.
    pub id: String,
    /// The secret that it names, in its own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// The version that it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The target that it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// How many targets were enqueued.
    pub enqueued: usize,
    /// Which key vouched for it, where keys have names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// Why, in its sender's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What an operator had done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Operation {
    /// What.
    pub action: &'static str,
    /// With which target.
    pub target: String,
    /// Why, in the operator's words.
    pub reason: String,
    /// When a pause ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// What the operator's token allows.
    pub role: &'static str,
    /// Where that token stands; none where none was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// The address that the request came from.
    pub peer: String,
    /// The request.
    pub request_id: String,
}

/// Equal answers to notifications.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answers {
    /// The hook.
    pub route: &'static str,
    /// The code of the answer.
    pub code: &'static str,
    /// How many there were.
    pub count: u64,
    /// When the first of them was given.
    pub since: Timestamp,
    /// The request of the last of them.
    pub request_id: String,
}

/// What a run did with a target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Run {
    /// The target.
    pub target: String,
    /// Its kind.
    pub kind: &'static str,
    /// What made the run due.
    pub reasons: String,
    /// The newest request behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The newest event behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// Why it wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<&'static str>,
    /// Whether the write was taken, is ambiguous, or did not happen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<&'static str>,
    /// How it ended.
    pub outcome: &'static str,
    /// The failure, if it ended in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// The version of each secret that was wanted.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<String, String>,
}
