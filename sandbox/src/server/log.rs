//! What a server was asked and what it answered, for tests to look at. Bounded: the oldest go first.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;

use crate::time;

/// How many requests are kept.
const KEPT: usize = 20_000;
/// How many bytes of a body are kept.
const BODY_KEPT: usize = 256 * 1024;

/// One request and its answer.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Position in the order of arrival, from 0.
    pub seq: u64,
    /// When it had arrived as a whole.
    pub at: Timestamp,
    /// Its method.
    pub method: Method,
    /// Its path, without the query.
    pub path: String,
    /// Its query, empty when it has none.
    pub query: String,
    /// What the server calls it, e.g. the operation of an AWS call; may be empty.
    pub tag: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body (the first 256 KiB).
    pub body: Bytes,
    /// The status of the answer; none while it is being worked on, or if none was given.
    pub status: Option<StatusCode>,
    /// The fault that was applied, if any but latency.
    pub fault: Option<&'static str>,
}

/// The requests of one server; clones are the same log.
#[derive(Clone, Debug, Default)]
pub struct RequestLog(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    kept: VecDeque<Recorded>,
}

impl RequestLog {
    /// How many requests have arrived since the start.
    pub fn count(&self) -> u64 {
        self.state().next
    }

    /// The requests that are kept, oldest first.
    pub fn all(&self) -> Vec<Recorded> {
        self.state().kept.iter().cloned().collect()
    }

    /// Those of the kept requests for which `pick` holds.
    pub fn matching(&self, pick: impl Fn(&Recorded) -> bool) -> Vec<Recorded> {
        self.state().kept.iter().filter(|request| pick(request)).cloned().collect()
    }

    /// How many of the kept requests `pick` holds for.
    pub fn count_of(&self, pick: impl Fn(&Recorded) -> bool) -> usize {
        self.state().kept.iter().filter(|request| pick(request)).count()
    }

    /// Waits until `pick` holds for at least `count` of the kept requests, and gives them.
    ///
    /// # Panics
    /// After `limit`, naming `what`.
    pub async fn wait_for(
        &self,
        what: &str,
        limit: Duration,
        count: usize,
        pick: impl Fn(&Recorded) -> bool,
    ) -> Vec<Recorded> {
        time::wait_for(what, limit, || Some(self.matching(&pick)).filter(|found| found.len() >= count)).await
    }

    /// Forgets what is kept; the count goes on.
    pub fn clear(&self) {
        self.state().kept.clear();
    }

    pub(crate) fn arrived(&self, mut request: Recorded) -> u64 {
        request.body.truncate(BODY_KEPT);
        let mut state = self.state();
        let seq = state.next;
        request.seq = seq;
        state.next += 1;
        if state.kept.len() == KEPT {
            state.kept.pop_front();
        }
        state.kept.push_back(request);
        seq
    }

    pub(crate) fn answered(&self, seq: u64, status: Option<StatusCode>) {
        let mut state = self.state();
        let Some(first) = state.kept.front().map(|request| request.seq) else { return };
        let index = seq.checked_sub(first).and_then(|index| usize::try_from(index).ok());
        if let Some(request) = index.and_then(|index| state.kept.get_mut(index)) {
            request.status = status;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
