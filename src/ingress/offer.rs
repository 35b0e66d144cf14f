//! From the bytes of a verified notification to hints: what SNS and EventBridge have in common.
//!
//! Guarantees: every event of the notification is offered on its own, under its own id; when the
//! intake closes half-way the answer is 503, and of the repetition only the rest is new.

use super::IngressState;
use super::answer::Verdict;
use super::ports::{Answer, DedupId, Hint, Route, Subject};
use crate::events;
use crate::http::{ErrorCode, Problem, RequestId};
use crate::model::{Event, EventError};

/// What is known about a verified notification beside its content.
pub(super) struct Notification<'a> {
    pub(super) route: Route,
    pub(super) request_id: &'a RequestId,
    /// The id of an event that has none of its own, by its place.
    pub(super) fallback: &'a dyn Fn(usize) -> Option<DedupId>,
    /// Why events such as this one do not count, if they do not.
    pub(super) allowed: &'a dyn Fn(&Event) -> Result<(), &'static str>,
}

/// What came of one event. The order is their weight: of several the heaviest makes the answer.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Result1 {
    NotOfInterest(&'static str),
}
