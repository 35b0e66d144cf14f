//! The hooks' router: from the table of routes, with the layers that bound a request.
//!
//! From outside in: request id, span and panic guard ([`crate::http::envelope`]), the gate, a place
//! among those that are worked on at once ([`super::places`]; who gets none is told so, not queued: the
//! sender's own retry is the queue), the time limit. The body limit is in [`super::body`]. Probes stand
//! outside the limits: a busy relay must not look dead.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, post};
use tower::ServiceBuilder;
use tower_http::timeout::TimeoutLayer;

use super::{IngressState, eventbridge, gate, places, sns, trigger};
use crate::http::routes::{Endpoint, Listener};
use crate::http::{envelope, probes, routes};
use crate::telemetry::metrics::Route;

/// The router of the public listener.
pub fn router(state: IngressState) -> Router {
    let bounded = |route: Route, handler: MethodRouter<IngressState>| {
        let limits = state.limits();
        let layers = ServiceBuilder::new()
            .layer(from_fn_with_state((state.clone(), route), gate::pass))
            .layer(from_fn_with_state(state.places().clone(), places::pass))
            // A trigger may wait for its outcome; it keeps the limit for all that comes before.
            .option_layer((route != Route::Trigger).then(|| {
                TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, limits.request_timeout)
            }));
        handler.route_layer(layers)
    };
    let hooks = routes::router(Listener::Hooks, |endpoint| match endpoint {
        Endpoint::Sns => Some(bounded(Route::Sns, post(sns::receive))),
        Endpoint::EventBridge => Some(bounded(Route::EventBridge, post(eventbridge::receive))),
        Endpoint::Trigger => Some(bounded(Route::Trigger, post(trigger::receive))),
        Endpoint::Health => Some(probes::health()),
        Endpoint::Ready => Some(probes::ready(Arc::clone(state.readiness()))),
        Endpoint::Metrics
        | Endpoint::Status
        | Endpoint::Target
        | Endpoint::Dashboard
        | Endpoint::DashboardStyle
        | Endpoint::DashboardScript
        | Endpoint::Events
        | Endpoint::Retry
        | Endpoint::SyncNow
        | Endpoint::Pause
        | Endpoint::Resume => None,
    });
    let metrics = Arc::clone(state.metrics());
    let count = move |route, status: StatusCode| metrics.request(route, status.as_u16());
    envelope::wrap(hooks, count).with_state(state)
}
