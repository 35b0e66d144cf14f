//! The hooks' router: from the table of routes, with what bounds a request.
//!
//! From outside in: request id, span and panic guard ([`crate::http::envelope`]), the gate, a place
//! among those that are worked on at once ([`super::places`]; who gets none is told so, not queued: the
//! sender's own retry is the queue), the time limit. The body limit is in [`super::body`]. Probes stand
//! outside the limits: a busy relay must not look dead.
//!
//! All of them are functions around the hook or the router, and no layers: each layer of a router is put into a box
//! of its own with each request, and so is what it stands around.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};

use super::places::Place;
use super::{IngressState, eventbridge, gate, places, sns, trigger};
use crate::http::envelope::Sealed;
use crate::http::routes::{Endpoint, Listener};
use crate::http::{RequestId, probes, routes};
use crate::telemetry::metrics::Route;

/// The router of the public listener.
pub fn router(state: IngressState) -> Sealed {
    let hooks = routes::router(Listener::Hooks, |endpoint| match endpoint {
        Endpoint::Sns => Some(hook(Route::Sns)),
        Endpoint::EventBridge => Some(hook(Route::EventBridge)),
        Endpoint::Trigger => Some(hook(Route::Trigger)),
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
    let (metrics, readiness) = (Arc::clone(state.metrics()), Arc::clone(state.readiness()));
    let last = move |route, response: &mut Response| {
        metrics.request(route, response.status().as_u16());
        readiness.farewell(response);
    };
    Sealed::new(hooks.with_state(state), last)
}

fn hook(route: Route) -> MethodRouter<IngressState> {
    post(move |State(state): State<IngressState>, request: Request| async move {
        gate::pass(&state, route, request, |id, request| {
            places::pass(state.places(), |place| receive(&state, route, id, place, request))
        })
        .await
    })
}

async fn receive(
    state: &IngressState,
    route: Route,
    id: RequestId,
    place: Place,
    request: Request,
) -> Response {
    let answer = match route {
        Route::Sns => state.in_time(sns::receive(state, &id, &place, request)).await,
        Route::EventBridge => state.in_time(eventbridge::receive(state, &id, &place, request)).await,
        // Its answer may be held back: it keeps the limit for all that comes before.
        Route::Trigger => trigger::receive(state, &id, &place, request).await,
    };
    answer.into_response()
}
