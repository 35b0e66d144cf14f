//! The admin listener: probes, metrics, status, and the hands of an operator on a target.
//!
//! Guarantees: what it shows is free of values; a GET changes nothing. It binds to loopback unless told otherwise,
//! and to any other address only with a token ([`Door`]); probes need none, and actions an operator's.

mod actions;
mod dashboard;
mod door;
mod events;
mod status;

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use tokio::sync::{Mutex, Semaphore};
use tower::ServiceBuilder;
use tower_http::timeout::TimeoutLayer;

use crate::clock::Clock;
use crate::http::envelope::Sealed;
use crate::http::routes::{Endpoint, Listener};
use crate::http::{Problem, Readiness, probes, routes};
use crate::model::{Action, TargetName};
use crate::queue::Queue;
use crate::status::StatusBoard;
use crate::sync::memory::Memory;
use crate::telemetry::audit::Audit;
use crate::telemetry::metrics::{self, Metrics};

pub use door::Door;
use door::Need;
pub use status::StatusPage;
use status::TargetPage;

/// Largest body of an action: a reason and a duration.
const MAX_BODY: usize = 4096;
/// Longest time that an action may take, its body included.
const LIMIT: Duration = Duration::from_secs(10);

/// The parts that the admin listener shows and acts on, as `crate::app` hands them over.
pub struct Parts {
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
    /// Where pauses are kept.
    pub memory: Arc<Memory>,
    /// Records actions.
    pub audit: Arc<Audit>,
    /// Who may ask.
    pub door: Door,
}

/// What the handlers share; cheap to clone.
#[derive(Clone)]
pub struct AdminState {
    parts: Arc<Parts>,
    /// Held by the action that is being carried out.
    acting: Arc<Mutex<()>>,
    /// Places of those who watch.
    watchers: Arc<Semaphore>,
}

impl AdminState {
    /// Over these parts.
    pub fn new(parts: Parts) -> Self {
        let watchers = Arc::new(Semaphore::new(events::WATCHERS));
        Self { parts: Arc::new(parts), acting: Arc::default(), watchers }
    }
}

impl Deref for AdminState {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

/// The router of the private listener.
pub fn router(state: AdminState) -> Sealed {
    let guarded = |need: Need, handler: MethodRouter<AdminState>| {
        handler.route_layer(from_fn_with_state((state.door.clone(), need), door::pass))
    };
    let read = |handler| guarded(Need::Read, handler);
    let action = |action: Action| {
        let handler =
            post(move |state, path, id, caller, body| actions::act(action, state, path, id, caller, body));
        let limit = TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, LIMIT);
        let bounds = ServiceBuilder::new().layer(limit).layer(DefaultBodyLimit::max(MAX_BODY));
        guarded(Need::Act, handler.layer(bounds))
    };
    let router = routes::router(Listener::Admin, |endpoint| match endpoint {
        Endpoint::Health => Some(probes::health()),
        Endpoint::Ready => Some(probes::ready(Arc::clone(&state.readiness))),
        Endpoint::Metrics => Some(read(get(show_metrics))),
        Endpoint::Status => Some(read(get(show_status))),
        Endpoint::Target => Some(read(get(show_target))),
        Endpoint::Dashboard => Some(dashboard::page()),
        Endpoint::DashboardStyle => Some(dashboard::style()),
        Endpoint::DashboardScript => Some(dashboard::script()),
        Endpoint::Events => Some(guarded(Need::Watch, get(events::watch))),
        Endpoint::Retry => Some(action(Action::Retry)),
        Endpoint::SyncNow => Some(action(Action::Sync)),
        Endpoint::Pause => Some(action(Action::Pause)),
        Endpoint::Resume => Some(action(Action::Resume)),
        Endpoint::Sns | Endpoint::EventBridge | Endpoint::Trigger => None,
    });
    let router = router.layer(from_fn_with_state(state.door.clone(), door::at_home));
    let (metrics, readiness) = (Arc::clone(&state.metrics), Arc::clone(&state.readiness));
    let last = move |route, response: &mut Response| {
        metrics.request(route, response.status().as_u16());
        readiness.farewell(response);
    };
    Sealed::new(router.with_state(state), last)
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

async fn show_target(State(state): State<AdminState>, Path(name): Path<String>) -> Result<Response, Problem> {
    let target = actions::known(&state, &name)?;
    Ok(axum::Json(TargetPage::of(&state, &target)).into_response())
}

#[cfg(test)]
mod tests;
