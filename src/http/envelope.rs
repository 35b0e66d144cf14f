//! What stands around the routers of both listeners: gives every request its id, and every error its body.
//!
//! Guarantees: each answer carries `x-request-id` and what browsers need to be told, and is counted under
//! its route; each error is an RFC 9457 problem, also those that a layer (timeout, body limit) or the router
//! (unknown path, wrong method) made without us.

use std::any::Any;
use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tower::ServiceExt;
use tracing::Instrument;

use super::request_id::HEADER;
use super::routes;
use super::{ErrorCode, Problem, RequestId};

/// What keeps a browser from making anything of an answer that was not meant for it; a page of ours says
/// otherwise itself. `Cache-Control`, so that no proxy answers in our place.
const FOR_BROWSERS: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
];

/// A router with request ids, problem bodies, a span and the panic guard around it; cheap to clone.
///
/// No layer of the router: that would be cloned, and put into a box, with each request.
#[derive(Clone)]
pub struct Sealed {
    router: Router,
    last: Arc<Last>,
}

/// Shown each answer before it goes, with its route (`none` for a path that has none).
type Last = dyn Fn(&'static str, &mut Response) + Send + Sync;

impl Sealed {
    /// `last` is shown each answer before it goes, with its route (`none` for a path that has none).
    pub fn new(router: Router, last: impl Fn(&'static str, &mut Response) + Send + Sync + 'static) -> Self {
        Self { router, last: Arc::new(last) }
    }

    /// The answer, whatever the request is.
    pub async fn answer(&self, request: Request) -> Response {
        let route = route_of(&request);
        let mut response = seal(route, request, &self.router).await;
        (self.last)(route, &mut response);
        response
    }
}

fn route_of(request: &Request) -> &'static str {
    routes::path_of(request.uri().path()).unwrap_or("none")
}

/// The panic's own text was printed by the panic hook; it is not repeated to the sender.
fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    Problem::new(ErrorCode::Internal, "the relay's log has the cause under this request id")
        .because("a handler panicked")
        .into_response()
}

async fn seal(route: &'static str, mut request: Request, router: &Router) -> Response {
    let id = RequestId::of(request.headers());
    request.extensions_mut().insert(id.clone());
    let began = Instant::now();
    // It names the route, not the path that was sent, and neither query, headers nor body. The trace is known once
    // the sender is proved.
    let (method, trace_id) = (request.method(), tracing::field::Empty);
    let span = tracing::info_span!("request", %method, route, request_id = id.as_str(), trace_id);
    let answering = router.clone().oneshot(request).instrument(span.clone());
    let mut response = match AssertUnwindSafe(answering).catch_unwind().await {
        Ok(Ok(response)) => response,
        Err(panic) => panicked(panic),
    };
    if tracing::enabled!(tracing::Level::DEBUG) {
        let (status, latency_us) = (response.status().as_u16(), began.elapsed().as_micros());
        span.in_scope(|| tracing::debug!(status, latency_us, "answered"));
    }
    if let Some(problem) = Problem::of(&response).map(Cow::into_owned)
        && let Ok(body) = serde_json::to_vec(&problem.body(&id))
    {
        *response.body_mut() = Body::from(body);
        problem.add_headers(response.headers_mut());
    }
    for (name, value) in FOR_BROWSERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    if let Some(value) = id.header_value() {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::routing::get;

    use super::*;
    use crate::http::ProblemBody;
    use crate::http::problem::CONTENT_TYPE;

    async fn ask(router: Sealed, request: Request) -> (Response, Option<ProblemBody>) {
        let mut response = router.answer(request).await;
        let body = std::mem::take(response.body_mut());
        let bytes = axum::body::to_bytes(body, 10_000).await.unwrap();
        (response, serde_json::from_slice(&bytes).ok())
    }

    fn app() -> Sealed {
        async fn broken() -> &'static str {
            panic!("canary")
        }
        Sealed::new(
            Router::new().route("/fine", get(|| async { "fine" })).route("/broken", get(broken)),
            |_, _| {},
        )
    }

    fn request(method: &str, path: &str) -> Request {
        Request::builder().method(method).uri(path).header(HEADER, "mine").body(Body::empty()).unwrap()
    }

    #[tokio::test]
    async fn an_unknown_path_and_a_wrong_method_are_problems_too() {
        let (response, body) = ask(app(), request("GET", "/nowhere")).await;
        assert_eq!(response.status(), 404);
        assert_eq!(response.headers()[header::CONTENT_TYPE], CONTENT_TYPE);
        assert_eq!(body.unwrap().code, "not_found");

        let (response, body) = ask(app(), request("POST", "/fine")).await;
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()[header::ALLOW], "GET,HEAD");
        assert_eq!(body.unwrap().code, "method_not_allowed");
    }

    #[tokio::test]
    async fn a_panic_is_a_500_that_does_not_tell_its_text() {
        let (response, body) = ask(app(), request("GET", "/broken")).await;
        let body = body.unwrap();
        assert_eq!((response.status().as_u16(), body.code.as_str()), (500, "internal"));
        assert!(!body.detail.contains("canary"));
    }

    #[tokio::test]
    async fn the_request_id_is_in_every_answer_and_every_problem() {
        let (response, _) = ask(app(), request("GET", "/fine")).await;
        assert_eq!(response.headers()[HEADER], "mine");
        let (response, body) = ask(app(), request("GET", "/nowhere")).await;
        assert_eq!(response.headers()[HEADER], "mine");
        assert_eq!(body.unwrap().request_id, "mine");
    }
}
