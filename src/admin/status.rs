//! The status JSON: the board, with what stands beside it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::AdminState;
use crate::http::NotReady;
use crate::status::Status;

/// The body of `GET /status`.
#[derive(Debug, Serialize)]
pub struct StatusPage {
    /// The relay's version.
    version: &'static str,
    /// Why the relay is not ready; empty when it is.
    not_ready: Vec<&'static str>,
    /// How many targets stand where in the queue.
    queue: BTreeMap<&'static str, usize>,
    /// Targets and secrets, at one moment.
    #[serde(flatten)]
    status: Status,
}

impl StatusPage {
    /// The page as of now.
    pub fn of(state: &AdminState) -> Self {
        let queue = state.queue.snapshot();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            not_ready: state.readiness.reasons().into_iter().map(NotReady::as_str).collect(),
            queue: queue.counts().map(|(phase, count)| (phase.as_str(), count)).collect(),
            status: state.board.snapshot(state.clock.timestamp()),
        }
    }
}
