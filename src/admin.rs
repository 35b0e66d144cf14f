//! The admin listener: probes, metrics and status.
//!
//! Guarantees: it only reads, and what it reads is free of values. It binds to loopback unless told otherwise, and
//! to any other address only with a token ([`Door`]); probes need none.

mod door;
mod status;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::clock::Clock;
use crate::http::routes::{Endpoint, Listener};
use crate::http::{Readiness, envelope, probes, routes};
use crate::model::TargetName;
use crate::queue::Queue;
use crate::status::StatusBoard;
use crate::telemetry::metrics::{self, Metrics};

pub use door::Door;
pub use status::StatusPage;

/// What the admin listener reads.
#[derive(Clone)]
pub struct AdminState {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether the relay takes work.
    pub readiness: Arc<Readiness>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Targets and secrets.
    pub board: Arc<StatusBoard>,
    /// What is due.
    pub queue: Arc<Queue<TargetName>>,
    /// Who may ask.
    pub door: Door,
}

/// The router of the private listener.
pub fn router(state: AdminState) -> Router {
    let guarded = || from_fn_with_state(state.door.clone(), door::pass);
    let router = routes::router(Listener::Admin, |endpoint| match endpoint {
        Endpoint::Health => Some(probes::health()),
        Endpoint::Ready => Some(probes::ready(Arc::clone(&state.readiness))),
        Endpoint::Metrics => Some(get(show_metrics).layer(guarded())),
        Endpoint::Status => Some(get(show_status).layer(guarded())),
        Endpoint::Sns | Endpoint::EventBridge | Endpoint::Trigger => None,
    });
    let metrics = Arc::clone(&state.metrics);
    let count = move |route, status: StatusCode| metrics.request(route, status.as_u16());
    envelope::wrap(router, count).with_state(state)
}

/// Staleness and queue depth change by themselves, so they are taken when they are asked for.
async fn show_metrics(State(state): State<AdminState>) -> Response {
    for (target, seconds) in state.board.stale_seconds(state.clock.timestamp()) {
        state.metrics.stale_seconds(&target, seconds);
    }
    state.metrics.queue_keys(state.queue.snapshot().counts());
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], state.metrics.encode()).into_response()
}

async fn show_status(State(state): State<AdminState>) -> Response {
    axum::Json(StatusPage::of(&state)).into_response()
}

#[cfg(test)]
mod tests;
