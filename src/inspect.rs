//! What the relay would make of a captured notification, check by check, offline.
//!
//! The ingress stops at the first refusal; here every check is made and told, whatever the earlier ones
//! said. A test holds that both come to the same verdict. Nothing here acts on a message, so it may look
//! into unverified ones; the verdict stands beside what it shows.

mod report;
mod sns;

use jiff::Timestamp;
use serde_json::Value;

use crate::events;
use crate::index::SecretIndex;
use crate::model::{Change, Event, EventError};
use crate::verify::sns::Rules;

pub use report::{Check, EventView, NotificationKind, Report};

/// What a notification is held against.
#[derive(Clone, Copy, Debug)]
pub struct Inspection<'c> {
    /// The time that counts as the present.
    pub at: Timestamp,
    /// The certificate that `SigningCertURL` names, as PEM.
    pub certificate: Option<&'c [u8]>,
    /// What the configuration says about SNS; without it the topic is not checked.
    pub rules: Option<Rules<'c>>,
    /// The configured secrets; without it no targets are named.
    pub index: Option<&'c SecretIndex>,
}

/// Makes every check of an SNS envelope or an EventBridge event.
pub fn inspect(body: &[u8], inspection: &Inspection<'_>) -> Report {
    if is_envelope(body) { sns::inspect(body, inspection) } else { event_alone(body, inspection) }
}

/// Text that is no JSON is reported as a broken envelope: that is what has a form to break.
fn is_envelope(body: &[u8]) -> bool {
    let keys = ["Type", "TopicArn", "Signature", "SigningCertURL"];
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => keys.iter().any(|key| object.contains_key(*key)),
        Ok(_) => false,
        Err(_) => true,
    }
}

fn event_alone(body: &[u8], inspection: &Inspection<'_>) -> Report {
    let parsed = events::parse(body);
    let message_type = parsed.as_ref().ok().and_then(|events| Some(events.first()?.shape.as_str()));
    let event = match &parsed {
        Ok(events) => Check::passed("event", format!("{} recognised", count(events))),
        Err(error) => Check::failed("event", error.to_string()),
    };
    let authenticity = "EventBridge signs nothing: the sender is proved by the connection's credential, \
                        which is checked when the request arrives and is not part of the event";
    let mut report = Report::new(NotificationKind::EventBridge, message_type);
    report.checks = vec![event, Check::passed("authenticity", authenticity.to_owned())];
    report.conclude(parsed, inspection.index);
    report
}

fn count(events: &[Event]) -> String {
    if events.len() == 1 { "one event".to_owned() } else { format!("{} events", events.len()) }
}

impl Report {
    /// Adds the verdict, the events and what they would touch.
    fn conclude(&mut self, parsed: Result<Vec<Event>, EventError>, index: Option<&SecretIndex>) {
        self.verified = self.checks.iter().all(|check| check.ok);
        let events = match parsed {
            Ok(events) => events,
            Err(error) => {
                self.event_error = Some(error.to_string());
                return;
            }
        };
        let touched = events.iter().filter(|event| event.change == Change::Value);
        let targets = touched.filter_map(|event| Some(index?.find(&event.secret).targets())).flatten();
        self.targets = targets.map(|target| target.to_string()).collect();
        let mut views = events.iter().map(EventView::of);
        self.event = views.next();
        self.more_events = views.collect();
    }
}

#[cfg(test)]
mod tests;
