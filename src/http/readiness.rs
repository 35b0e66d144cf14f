//! Whether the relay takes work, and why not.
//!
//! Live is not ready: a relay that drains, or has not yet looked at its secrets once, is alive and
//! must not be restarted for it, only spared.

use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::{HeaderValue, header};
use axum::response::Response;

use super::{ErrorCode, Problem};

/// A reason not to be ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotReady {
    /// Parts are still being put together.
    Starting,
    /// The first reconcile was not tried yet.
    FirstReconcile,
    /// Shutting down.
    Draining,
}

impl NotReady {
    /// Stable text for the probe's answer.
    pub fn as_str(self) -> &'static str {
        match self {
            NotReady::Starting => "starting",
            NotReady::FirstReconcile => "the first reconcile was not tried yet",
            NotReady::Draining => "draining",
        }
    }
}

/// The relay's state as probes and hooks see it. It only ever moves forward.
#[derive(Debug, Default)]
pub struct Readiness {
    started: AtomicBool,
    reconciled: AtomicBool,
    draining: AtomicBool,
}

impl Readiness {
    /// The intake is open: hooks are answered.
    pub fn started(&self) {
        self.started.store(true, Ordering::Release);
    }

    /// The first reconcile was tried, with or without success.
    pub fn reconciled(&self) {
        self.reconciled.store(true, Ordering::Release);
    }

    /// Shutting down: hooks are told to come again.
    pub fn draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Everything that stands in the way of being ready; empty when ready.
    pub fn reasons(&self) -> Vec<NotReady> {
        let mut reasons = Vec::new();
        if !self.started.load(Ordering::Acquire) {
            reasons.push(NotReady::Starting);
        }
        if !self.reconciled.load(Ordering::Acquire) {
            reasons.push(NotReady::FirstReconcile);
        }
        if self.draining.load(Ordering::Acquire) {
            reasons.push(NotReady::Draining);
        }
        reasons
    }

    /// Whether hooks may be worked on. The first reconcile is not needed for that: what arrives
    /// before it is queued like the rest.
    pub fn admit(&self) -> Result<(), Problem> {
        if self.draining.load(Ordering::Acquire) {
            return Err(Problem::new(ErrorCode::Draining, "send it again; another instance may answer"));
        }
        if !self.started.load(Ordering::Acquire) {
            return Err(Problem::new(ErrorCode::Starting, "send it again in a moment"));
        }
        Ok(())
    }

    /// While draining, every answer is the last of its connection: the next request belongs to another
    /// instance.
    pub fn farewell(&self, response: &mut Response) {
        if self.draining.load(Ordering::Acquire) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_needs_a_start_and_a_tried_reconcile() {
        let readiness = Readiness::default();
        assert_eq!(readiness.reasons(), [NotReady::Starting, NotReady::FirstReconcile]);
        readiness.started();
        assert!(readiness.admit().is_ok());
        assert_eq!(readiness.reasons(), [NotReady::FirstReconcile]);
        readiness.reconciled();
        assert_eq!(readiness.reasons(), []);
    }

    #[test]
    fn draining_ends_it() {
        let readiness = Readiness::default();
        readiness.started();
        readiness.reconciled();
        readiness.draining();
        assert_eq!(readiness.reasons(), [NotReady::Draining]);
        assert_eq!(readiness.admit().unwrap_err().code(), ErrorCode::Draining);
    }
}
