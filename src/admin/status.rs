//! The status JSON: the board, with what stands beside it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::AdminState;
use crate::http::NotReady;
use crate::model::TargetName;
use crate::queue::KeySnapshot;
use crate::status::{Status, TargetStatus};

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
        let lines: BTreeMap<&str, &KeySnapshot<TargetName>> =
            queue.keys.iter().map(|line| (line.key.as_str(), line)).collect();
        for target in &mut status.targets {
            if let Some(line) = lines.get(target.target.as_str()) {
                complete(target, line, now);
            }
        }
        Self {
            version: env!("CARGO_PKG_VERSION"),
            not_ready: state.readiness.reasons().into_iter().map(NotReady::as_str).collect(),
            queue: queue.counts().map(|(phase, count)| (phase.as_str(), count)).collect(),
            status,
        }
    }
}

/// The body of `GET /targets/{target}`, and of the event that a target has changed.
#[derive(Debug, Serialize)]
pub(super) struct TargetPage {
    /// The moment.
    at: Timestamp,
    target: TargetStatus,
}

impl TargetPage {
    /// The page as of now, of a target that is configured.
    pub(super) fn of(state: &AdminState, target: &TargetName) -> Option<Self> {
        Some(Self { at: state.clock.timestamp(), target: target_now(state, target)? })
    }
}

/// How the target stands now.
pub(super) fn target_now(state: &AdminState, target: &TargetName) -> Option<TargetStatus> {
    let now = state.clock.timestamp();
    let mut status = state.board.target(target, now)?;
    if let Some(line) = state.queue.line(target) {
        complete(&mut status, &line, now);
    }
    Some(status)
}

/// What the queue knows of it.
fn complete(status: &mut TargetStatus, line: &KeySnapshot<TargetName>, now: Timestamp) {
    status.phase = Some(line.phase.as_str());
    status.held_back = line.held_back();
    status.next_try = line.next_try_in.and_then(|wait| now.checked_add(wait).ok());
}
