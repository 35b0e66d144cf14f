//! `/healthz` and `/readyz`, the same on both listeners.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use serde::{Deserialize, Serialize};

use super::{ErrorCode, NotReady, Problem, Readiness};

/// The answer of a probe that is content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// `ok` or `ready`.
    pub status: String,
}

fn content(status: &str) -> Response {
    Json(Probe { status: status.to_owned() }).into_response()
}

/// Alive: the process answers. Nothing else is asked, because a restart mends nothing else.
pub fn health<S: Clone + Send + Sync + 'static>() -> MethodRouter<S> {
    get(async || content("ok"))
}

/// Ready, or every reason why not.
pub fn ready<S: Clone + Send + Sync + 'static>(readiness: Arc<Readiness>) -> MethodRouter<S> {
    get(async move || {
        let reasons: Vec<&str> = readiness.reasons().into_iter().map(NotReady::as_str).collect();
        if reasons.is_empty() {
            content("ready")
        } else {
            Problem::new(ErrorCode::NotReady, reasons.join(", ")).into_response()
        }
    })
}
