//! From the bytes of a verified notification to hints: what SNS and EventBridge have in common.
//!
//! Guarantees: every event of the notification is offered on its own, under its own id; when the
//! intake closes half-way the answer is 503, and of the repetition only the rest is new. The heaviest
//! result makes the answer: accepted, duplicate, alerted, not configured, not of interest.

use super::IngressState;
use super::answer::Verdict;
use super::ports::{Answer, DedupId, Hint, Subject};
use crate::events;
use crate::http::{ErrorCode, Problem, RequestId};
use crate::model::{Change, Event, EventError};
use crate::telemetry::metrics::Route;

/// What came of a notification, and why where that is worth a word.
pub(super) type Sum = (Verdict, Option<&'static str>);

/// Offers every event of a verified notification for which `allowed` finds no objection.
pub(super) fn events(
    state: &IngressState,
    route: Route,
    id: &RequestId,
    notification: &[u8],
    allowed: impl Fn(&Event) -> Result<(), &'static str>,
) -> Result<Sum, Problem> {
    let events = match events::parse(notification) {
        Ok(events) => events,
        Err(error) => return not_events(route, &error),
    };
    let mut heaviest: Option<Sum> = None;
    for event in events {
        let sum = match allowed(&event) {
            Ok(()) => one(state, route, id, event)?,
            Err(objection) => (Verdict::NotOfInterest, Some(objection)),
        };
        heaviest = Some(heaviest.map_or(sum, |heaviest| heaviest.max(sum)));
    }
    Ok(heaviest.unwrap_or((Verdict::NotOfInterest, None)))
}

fn one(state: &IngressState, route: Route, id: &RequestId, event: Event) -> Result<Sum, Problem> {
    let alerting = matches!(event.change, Change::RotationFailed | Change::RotationAbandoned);
    let hint = Hint {
        id: DedupId::event(&event.id),
        route,
        request_id: id.as_str().to_owned(),
        subject: Subject::Event(event),
        reason: None,
        key_id: None,
    };
    match state.intake().offer(hint) {
        Answer::Accepted(_) => Ok((Verdict::Accepted, None)),
        Answer::Duplicate => Ok((Verdict::Duplicate, None)),
        Answer::NotConfigured => Ok((Verdict::NotConfigured, None)),
        Answer::NotOfInterest(why) if alerting => Ok((Verdict::Alerted, Some(why))),
        Answer::NotOfInterest(why) => Ok((Verdict::NotOfInterest, Some(why))),
        Answer::Closed => Err(closed(state)),
    }
}

/// The intake takes nothing: said in the words of the readiness, which knows why.
pub(super) fn closed(state: &IngressState) -> Problem {
    let draining = || Problem::new(ErrorCode::Draining, "send it again; another instance may answer");
    state.readiness().admit().err().unwrap_or_else(draining)
}

/// A topic may carry anything, so what is no event there is not of interest; to EventBridge a body
/// that is no event was a wrong rule, and it should show there as a failure.
fn not_events(route: Route, error: &EventError) -> Result<Sum, Problem> {
    match (error, route) {
        (EventError::NotSecretsManager(_), _) => Ok((Verdict::NotOfInterest, Some("not_secrets_manager"))),
        (EventError::NotJson, Route::Sns) => Ok((Verdict::NotOfInterest, Some("not_an_event"))),
        (EventError::NotJson, Route::EventBridge | Route::Trigger) | (EventError::Field { .. }, _) => {
            Err(Problem::new(ErrorCode::Malformed, error.to_string()))
        }
    }
}
