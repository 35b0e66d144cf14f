//! What the hooks say when they take a request, and what a trigger asks for.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::http::RequestId;
use crate::ingress::ports::{TargetReport, Ticket};
use crate::model::Outcome;

/// What became of a request that was not refused. Among events, a later one outweighs an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Verified, but it tells of no change of a current value.
    NotOfInterest,
    /// Verified, but no target uses the secret.
    NotConfigured,
    /// AWS reports that it could not rotate a configured secret: nothing to forward, a person is told.
    Alerted,
    /// Its work was enqueued when it came the first time.
    Duplicate,
    /// Its work is enqueued.
    Accepted,
    /// The subscription is confirmed.
    Confirmed,
    /// The configuration leaves the confirmation to a person, who is told.
    NotConfirmed,
    /// Somebody ended the subscription; a person is told.
    Unsubscribed,
}

/// The answer to AWS's senders, which read the status alone; the body is for whoever replays a
/// request by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acknowledgement {
    /// What became of it.
    pub result: Verdict,
    /// Why it is not of interest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The id under which the log speaks of the request.
    pub request_id: String,
}

impl Acknowledgement {
    pub(super) fn respond(
        status: StatusCode,
        result: Verdict,
        detail: Option<&str>,
        id: &RequestId,
    ) -> Response {
        let request_id = id.as_str().to_owned();
        let body = Self { result, detail: detail.map(str::to_owned), request_id };
        marked((status, Json(body)).into_response(), result)
    }
}

/// Notes the verdict on the answer, for the tally.
fn marked(mut response: Response, verdict: Verdict) -> Response {
    response.extensions_mut().insert(verdict);
    response
}

/// The body of a trigger: exactly one of `secret`, `target` and `all`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TriggerRequest {
    /// Name, partial or full ARN of a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Name of a target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// `true` for every target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all: Option<bool>,
    /// For the log and the status page: at most 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The sum of a trigger's targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerResult {
    /// Enqueued; no outcome was asked for.
    Accepted,
    /// Every target is settled: in sync, accepted without proof, or stopped.
    Settled,
    /// None fails, but at least one is not settled yet.
    Confirming,
    /// At least one is parked or failing.
    Failed,
}

/// The answer to a trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TriggerAnswer {
    /// The sum.
    pub result: TriggerResult,
    /// The id under which the log speaks of the request.
    pub request_id: String,
    /// Each target that the trigger reaches.
    pub targets: Vec<TargetState>,
}

/// One target in a [`TriggerAnswer`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetState {
    /// Its name.
    pub target: String,
    /// `due`, or a label of [`Outcome`].
    pub state: String,
    /// The class of the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What a person can do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_step: Option<String>,
}

impl TargetState {
    /// The state of a target whose run did not end yet.
    pub const DUE: &'static str = "due";

    fn of(report: &TargetReport) -> Self {
        let failure = report.outcome.as_ref().and_then(Outcome::failure);
        Self {
            target: report.target.as_str().to_owned(),
            state: report.outcome.as_ref().map_or(Self::DUE, Outcome::label).to_owned(),
            code: failure.map(|failure| failure.code.as_str().to_owned()),
            message: failure.map(|failure| failure.message.clone()),
            next_step: failure.map(|failure| failure.next_step.clone()),
        }
    }
}

impl TriggerAnswer {
    /// The 202 of a trigger that does not wait.
    pub(super) fn accepted(ticket: &Ticket, id: &RequestId) -> Response {
        Self::respond(StatusCode::ACCEPTED, TriggerResult::Accepted, &ticket.due(), id)
    }

    /// The answer after a wait: 200, 202 or 502.
    pub(super) fn waited(reports: &[TargetReport], id: &RequestId) -> Response {
        let result = Self::sum(reports);
        let status = match result {
            TriggerResult::Settled => StatusCode::OK,
            TriggerResult::Accepted | TriggerResult::Confirming => StatusCode::ACCEPTED,
            TriggerResult::Failed => StatusCode::BAD_GATEWAY,
        };
        Self::respond(status, result, reports, id)
    }

    fn sum(reports: &[TargetReport]) -> TriggerResult {
        let failing = |report: &TargetReport| report.outcome.as_ref().is_some_and(|o| o.failure().is_some());
        let settled = |report: &TargetReport| report.outcome.as_ref().is_some_and(Outcome::is_settled);
        if reports.iter().any(failing) {
            TriggerResult::Failed
        } else if reports.iter().all(settled) {
            TriggerResult::Settled
        } else {
            TriggerResult::Confirming
        }
    }

    fn respond(
        status: StatusCode,
        result: TriggerResult,
        reports: &[TargetReport],
        id: &RequestId,
    ) -> Response {
        let targets = reports.iter().map(TargetState::of).collect();
        let body = Self { result, request_id: id.as_str().to_owned(), targets };
        marked((status, Json(body)).into_response(), Verdict::Accepted)
    }
}
