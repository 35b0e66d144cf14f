//! The gate around every hook: readiness on the way in, and for triggers whether their address failed too
//! often; on the way out one count for each answer, its place on the status board, and one log line for each refusal.
//!
//! Guarantees: refusals can't fill the log. EventBridge repeats a 401 for a day and strangers repeat
//! whatever they like, so each (hook, code, reason) is logged once per [`LOG_EVERY`], with the number of
//! those left out. What AWS sends is never slowed for its address.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::response::{IntoResponse, Response};

use super::answer::Verdict;
use super::{IngressState, body};
use crate::http::{ErrorCode, Problem, RequestId, peer, routes};
use crate::model::RefusalReason;
use crate::status::Notice;
use crate::telemetry::metrics::{Route, Verdict as Counted};
use crate::telemetry::traces::Arriving;

/// Shortest time between two log lines of one kind.
pub(super) const LOG_EVERY: Duration = Duration::from_secs(30);

/// What refusals are logged apart by.
type Sort = (Route, ErrorCode, Option<RefusalReason>);

/// Which refusals were logged when. There are no more entries than combinations of hook, code and reason.
#[derive(Default)]
pub(super) struct Quiet(Mutex<HashMap<Sort, (Instant, u64)>>);

impl Quiet {
    /// Whether to log now; then, how many were left out since the last line.
    fn left_out(&self, sort: Sort, now: Instant) -> Option<u64> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.get_mut(&sort) {
            Some((last, left_out)) if now.saturating_duration_since(*last) < LOG_EVERY => {
                *left_out += 1;
                None
            }
            Some(entry) => Some(std::mem::replace(entry, (now, 0)).1),
            None => {
                seen.insert(sort, (now, 0));
                Some(0)
            }
        }
    }
}

/// Lets a request through to `next`, the hook of `route`, and sees to what became of it.
pub(super) async fn pass<F: Future<Output = Response>>(
    state: &IngressState,
    route: Route,
    request: Request,
    next: impl FnOnce(RequestId, Request) -> F,
) -> Response {
    let id = RequestId::given(&request);
    // AWS's senders share addresses; whoever triggers has one of its own, or shares it with colleagues.
    let address = (route == Route::Trigger).then(|| peer::client(&request, &state.limits().trusted_proxies));
    let may_try = address.map_or(Ok(()), |address| state.failures().admit(address, state.clock().now()));
    let mut arriving = None;
    let response = match (state.readiness().admit(), may_try) {
        (Ok(()), Ok(())) => {
            let request_id = || id.as_str().to_owned();
            let path = routes::path_of(request.uri().path()).unwrap_or_default();
            arriving = state.traces().arrives(path, request.headers(), request_id);
            Arriving::around(arriving.as_ref(), next(id.clone(), request)).await
        }
        (Err(problem), _) => {
            body::spill(request, state.limits()).await;
            problem.into_response()
        }
        (Ok(()), Err(wait)) => throttled(wait).into_response(),
    };
    let id = id.as_str();
    let answered = |verdict: Counted| {
        if let Some(arriving) = &arriving {
            arriving.answered(response.status().as_u16(), verdict.as_str());
        }
    };
    if let Some(problem) = Problem::of(&response) {
        log(state, route, &problem);
        state.audit().refused(route, problem.code().as_str(), id);
        if let Some(reason) = problem.refusal() {
            state.metrics().refused(route, reason);
            if let Some(address) = address {
                state.failures().failed(address, state.clock().now());
            }
        }
        let counted = of_code(problem.code());
        state.metrics().notification(route, counted);
        answered(counted);
        show(state, route, counted, Some(problem.code()), id);
    } else if let Some(verdict) = response.extensions().get() {
        let counted = of_verdict(*verdict);
        state.metrics().notification(route, counted);
        answered(counted);
        // What is accepted has an entry of its own, with all that is known of it.
        if counted != Counted::Accepted {
            state.audit().noted(route, counted.as_str(), id);
            show(state, route, counted, None, id);
        }
    }
    response
}

/// Shows what became of a notification that was not accepted.
fn show(state: &IngressState, route: Route, verdict: Counted, code: Option<ErrorCode>, request_id: &str) {
    state.board().heard(Notice {
        at: state.clock().timestamp(),
        route: route.as_str(),
        verdict: verdict.as_str(),
        code: code.map(ErrorCode::as_str),
        request_id: request_id.to_owned(),
        count: 1,
        ..Notice::default()
    });
}

fn throttled(wait: Duration) -> Problem {
    Problem::new(
        ErrorCode::TooManyFailures,
        "mend the signature, and wait as long as Retry-After says; behind a proxy the relay needs \
         limits.trusted_proxies to tell senders apart",
    )
    .retry_in(wait)
}

fn of_verdict(verdict: Verdict) -> Counted {
    match verdict {
        Verdict::NotOfInterest => Counted::Ignored,
        Verdict::NotConfigured => Counted::NotConfigured,
        Verdict::Alerted => Counted::Alert,
        Verdict::Duplicate => Counted::Duplicate,
        Verdict::Accepted => Counted::Accepted,
        Verdict::Confirmed => Counted::Confirmed,
        Verdict::NotConfirmed => Counted::NotConfirmed,
        Verdict::Unsubscribed => Counted::Unsubscribed,
    }
}

fn of_code(code: ErrorCode) -> Counted {
    match code {
        ErrorCode::Malformed
        | ErrorCode::NotFound
        | ErrorCode::HookDisabled
        | ErrorCode::NotJson
        | ErrorCode::MethodNotAllowed => Counted::Malformed,
        ErrorCode::Unauthorized | ErrorCode::SignatureRefused | ErrorCode::RawDelivery => {
            Counted::BadSignature
        }
        ErrorCode::TriggerOutsideWindow
        | ErrorCode::TopicNotListed
        | ErrorCode::MessageOutsideWindow
        | ErrorCode::Forbidden
        | ErrorCode::CrossSite
        | ErrorCode::ForeignHost => Counted::Forbidden,
        ErrorCode::NotConfigured => Counted::NotConfigured,
        ErrorCode::Duplicate | ErrorCode::Conflict => Counted::Duplicate,
        ErrorCode::TooLarge => Counted::TooLarge,
        ErrorCode::TooManyFailures => Counted::Throttled,
        ErrorCode::ConfirmationFailed => Counted::NotConfirmed,
        ErrorCode::Internal
        | ErrorCode::CertificateUnavailable
        | ErrorCode::KeysUnavailable
        | ErrorCode::Starting
        | ErrorCode::Draining
        | ErrorCode::Overloaded
        | ErrorCode::Timeout
        | ErrorCode::NotReady => Counted::Unavailable,
    }
}

fn log(state: &IngressState, route: Route, problem: &Problem) {
    let now = state.clock().now();
    let sort = (route, problem.code(), problem.refusal());
    let Some(left_out) = state.quiet().left_out(sort, now) else { return };
    let (hook, code) = (route.as_str(), problem.code().as_str());
    let reason = problem.reason().unwrap_or(problem.detail());
    tracing::warn!(hook, code, reason, left_out, "notification refused");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_one_line_and_the_next_line_says_how_many_were_left_out() {
        let (quiet, start) = (Quiet::default(), Instant::now());
        let ask = |code, now| quiet.left_out((Route::EventBridge, code, None), now);
        assert_eq!(ask(ErrorCode::Unauthorized, start), Some(0));
        for _ in 0..1000 {
            assert_eq!(ask(ErrorCode::Unauthorized, start), None);
        }
        assert_eq!(ask(ErrorCode::Malformed, start), Some(0));
        assert_eq!(ask(ErrorCode::Unauthorized, start + LOG_EVERY), Some(1000));
        assert_eq!(ask(ErrorCode::Unauthorized, start + LOG_EVERY * 2), Some(0));
    }
}
