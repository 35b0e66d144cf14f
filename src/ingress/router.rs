//! The hooks' router: from the table of routes, with the layers that bound a request.
//!
//! From outside in: request id, span and panic guard ([`crate::http::envelope`]), the gate, at most
//! so many requests at once (more are shed, not queued: the sender's own retry is the queue), the time
//! limit, the body limit. Probes stand outside the limits: a busy relay must not look dead.

use std::sync::Arc;

use axum::error_handling::HandleErrorLayer;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, post};
use axum::{BoxError, Router};
use tower::ServiceBuilder;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

use super::{IngressState, eventbridge, gate, sns, trigger};
use crate::http::routes::{Endpoint, Listener};
use crate::http::{ErrorCode, Problem, envelope, probes, routes};
use crate::telemetry::metrics::Route;

/// The router of the public listener.
pub fn router(state: IngressState) -> Router {
    let at_once = GlobalConcurrencyLimitLayer::new(state.limits().concurrency);
    let bounded = |route: Route, handler: MethodRouter<IngressState>| {
        let limits = state.limits();
        let layers = ServiceBuilder::new()
            .layer(from_fn_with_state((state.clone(), route), gate::pass))
            .layer(HandleErrorLayer::new(async |_: BoxError| {
                Problem::new(ErrorCode::Overloaded, "send it again in a moment")
            }))
            .layer(LoadShedLayer::new())
            .layer(at_once.clone())
            // A trigger may wait for its outcome; it keeps the limit for all that comes before.
            .option_layer((route != Route::Trigger).then(|| {
                TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, limits.request_timeout)
            }))
            .layer(RequestBodyLimitLayer::new(limits.body_bytes))
            .layer(DefaultBodyLimit::disable());
        handler.route_layer(layers)
    };
    let hooks = routes::router(Listener::Hooks, |endpoint| match endpoint {
        Endpoint::Sns => Some(bounded(Route::Sns, post(sns::receive))),
        Endpoint::EventBridge => Some(bounded(Route::EventBridge, post(eventbridge::receive))),
        Endpoint::Trigger => Some(bounded(Route::Trigger, post(trigger::receive))),
        Endpoint::Health => Some(probes::health()),
        Endpoint::Ready => Some(probes::ready(Arc::clone(state.readiness()))),
        Endpoint::Metrics | Endpoint::Status => None,
    });
    let metrics = Arc::clone(state.metrics());
    let count = move |route, status: StatusCode| metrics.request(route, status.as_u16());
    envelope::wrap(hooks, count).with_state(state)
}
