//! The report of `inspect`, as JSON and as text.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::model::Event;

/// What sort of notification it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NotificationKind {
    /// An SNS envelope.
    Sns,
    /// An event as EventBridge posts it.
    EventBridge,
}

/// One check and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its stable name.
    pub check: &'static str,
    /// Whether it refuses nothing. A check that was not asked for is `true` and says so.
    pub ok: bool,
    /// What was found.
    pub detail: String,
}

impl Check {
    pub(super) fn passed(check: &'static str, detail: String) -> Self {
        Self { check, ok: true, detail }
    }

    pub(super) fn failed(check: &'static str, detail: String) -> Self {
        Self { check, ok: false, detail }
    }
}

/// An event as the report shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventView {
    /// The event's own id.
    pub id: String,
    /// Its form.
    pub shape: &'static str,
    /// What happened, or why it is ignored.
    pub change: &'static str,
    /// The secret as the event names it.
    pub secret: String,
    /// The version that became current, where told.
    pub version: Option<String>,
    /// The event's region.
    pub region: Option<String>,
    /// The event's account.
    pub account: Option<String>,
    /// When it happened.
    pub time: Option<String>,
}

impl EventView {
    pub(super) fn of(event: &Event) -> Self {
        Self {
            id: event.id.clone(),
            shape: event.shape.as_str(),
            change: event.change.as_str(),
            secret: event.secret.text.clone(),
            version: event.version.as_ref().map(ToString::to_string),
            region: event.secret.region.clone(),
            account: event.secret.account.clone(),
            time: event.at.map(|at| at.to_string()),
        }
    }
}

/// What the relay would make of a notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What sort of notification it is.
    pub kind: NotificationKind,
    /// `Type` of an envelope, shape of an event; none where it is not known.
    #[serde(rename = "type")]
    pub message_type: Option<&'static str>,
    /// Whether every check passed: the exit code.
    pub verified: bool,
    /// The checks, in the order in which the ingress makes them.
    pub checks: Vec<Check>,
    /// The event in it.
    pub event: Option<EventView>,
    /// Further events, where the notification is an array.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub more_events: Vec<EventView>,
    /// Why there is no event, where there could be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_error: Option<String>,
    /// The targets that would be looked at, if it is verified.
    pub targets: BTreeSet<String>,
}

impl Report {
    pub(super) fn new(kind: NotificationKind, message_type: Option<&'static str>) -> Self {
        Self {
            kind,
            message_type,
            verified: false,
            checks: Vec::new(),
            event: None,
            more_events: Vec::new(),
            event_error: None,
            targets: BTreeSet::new(),
        }
    }
}

/// For people. Holds no text of the notification that was not checked for its characters.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            NotificationKind::Sns => "SNS message",
            NotificationKind::EventBridge => "EventBridge event",
        };
        writeln!(f, "{kind}, {}", self.message_type.unwrap_or("of unknown type"))?;
        for Check { check, ok, detail } in &self.checks {
            writeln!(f, "  {} {check:<21} {detail}", if *ok { "ok  " } else { "FAIL" })?;
        }
        writeln!(f, "verdict: {}", if self.verified { "verified" } else { "refused" })?;
        for event in self.event.iter().chain(&self.more_events) {
            write!(f, "event:   {} ({}) of {:?}", event.change, event.shape, event.secret)?;
            for (word, value) in [("version", &event.version), ("at", &event.time)] {
                if let Some(value) = value {
                    write!(f, ", {word} {value}")?;
                }
            }
            writeln!(f)?;
        }
        if let Some(error) = &self.event_error {
            writeln!(f, "event:   none: {error}")?;
        }
        let targets: Vec<&str> = self.targets.iter().map(String::as_str).collect();
        writeln!(f, "targets: {}", if targets.is_empty() { "none".to_owned() } else { targets.join(", ") })
    }
}
