//! The endpoint of the `http` targets: it keeps what it is sent as soon as it comes, so that no delay of an
//! answer can change the order of what it holds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anypoint_sandbox::anypoint::Map;
use anypoint_sandbox::faults::Faults;
use anypoint_sandbox::server::Server;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::routing::post;
use http::StatusCode;
use jiff::Timestamp;
use serde_json::Value;

use crate::arrivals::now;

/// What came, by the last part of the address.
type Letters = Arc<Mutex<BTreeMap<String, Vec<(Timestamp, Map)>>>>;

/// A running endpoint.
#[derive(Debug)]
pub(crate) struct Endpoint {
    server: Server,
    letters: Letters,
}

impl Endpoint {
    pub(crate) async fn start() -> Self {
        let letters = Letters::default();
        let router = Router::new().route("/{name}", post(take)).with_state(Arc::clone(&letters));
        Self { server: Server::start(router, Faults::none()).await, letters }
    }

    /// The address for this name.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.server.url())
    }

    pub(crate) fn faults(&self) -> &Faults {
        self.server.faults()
    }

    /// What came for this name, oldest first: the values, and each secret's version under its name.
    pub(crate) fn received(&self, name: &str) -> Vec<(Timestamp, Map)> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned().unwrap_or_default()
    }
}

async fn take(State(letters): State<Letters>, Path(name): Path<String>, body: Bytes) -> StatusCode {
    let Ok(body) = serde_json::from_slice::<Value>(&body) else { return StatusCode::BAD_REQUEST };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let values = body["values"].as_object().into_iter().flatten();
    let versions = body["secrets"].as_array().into_iter().flatten();
    let map = values
        .map(|(name, value)| (name.clone(), text(value)))
        .chain(versions.map(|secret| (text(&secret["id"]), text(&secret["version"]))))
        .collect();
    letters.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default().push((now(), map));
    StatusCode::NO_CONTENT
}
