//! The status JSON: the board, with what stands beside it.

use std::collections::BTreeMap;
use std::time::Duration;

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
        let now = state.clock.timestamp();
        let mut status = state.board.snapshot(now);
        let due: BTreeMap<&str, Duration> =
            queue.keys.iter().filter_map(|line| Some((line.key.as_str(), line.next_try_in?))).collect();
        for target in &mut status.targets {
            let due = due.get(target.target.as_str());
            target.next_try = due.and_then(|wait| now.checked_add(*wait).ok());
        }
        Self {
            version: env!("CARGO_PKG_VERSION"),
            not_ready: state.readiness.reasons().into_iter().map(NotReady::as_str).collect(),
            queue: queue.counts().map(|(phase, count)| (phase.as_str(), count)).collect(),
            status,
        }
    }
}
