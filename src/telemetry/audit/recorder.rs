//! Makes entries into lines: numbers them, chains them, and shows the head.
//!
//! What cannot be written is counted, and the next line that can be says how many are missing before it
//! (`lost`). The chain goes on from the last line that was written, so its numbers have no gap.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;

use super::chain::{Head, Key, seal};
use super::entry::Entry;
use super::place::{Ending, Place};
use crate::telemetry::metrics::Metrics;

/// Shortest time between two log lines about entries that are lost.
const LOG_EVERY: Duration = Duration::from_secs(30);

/// An entry as it is written.
#[derive(Serialize)]
struct Numbered<'a> {
    seq: u64,
    time: Timestamp,
    #[serde(skip_serializing_if = "is_zero")]
    torn: u64,
    #[serde(skip_serializing_if = "is_zero")]
    lost: u64,
    #[serde(flatten)]
    entry: &'a Entry,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Entries that are in no line, counted by whoever loses one.
#[derive(Default)]
pub(super) struct Lost {
    since_last_line: AtomicU64,
    logged: std::sync::Mutex<Option<(Instant, u64)>>,
}

impl Lost {
    /// One more; `why` is for the log, which has it at a bounded rate.
    pub(super) fn count(&self, metrics: &Metrics, now: Instant, why: &dyn std::fmt::Display) {
        self.since_last_line.fetch_add(1, Ordering::Relaxed);
        metrics.audit_lost();
        let mut logged = self.logged.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match &mut *logged {
            Some((last, left_out)) if now.saturating_duration_since(*last) < LOG_EVERY => *left_out += 1,
            logged => {
                let left_out = logged.replace((now, 0)).map_or(0, |(_, left_out)| left_out);
                tracing::error!(reason = %why, left_out, "audit entry lost; the next line that is written says how many are");
            }
        }
    }
}

/// The end of a chain that grows.
pub(super) struct Recorder {
    key: Key,
    place: Box<dyn Place>,
    head: Head,
    torn: Vec<u8>,
    lost: Arc<Lost>,
    metrics: Arc<Metrics>,
    head_every: Duration,
    head_due: Option<Instant>,
    synced: bool,
}

impl Recorder {
    pub(super) fn new(
        key: Key,
        place: Box<dyn Place>,
        ending: Ending,
        head_every: Duration,
        (lost, metrics): (Arc<Lost>, Arc<Metrics>),
    ) -> Self {
        let Ending { head, torn } = ending;
        Self { key, place, head, torn, lost, metrics, head_every, head_due: None, synced: true }
    }

    /// Writes an entry, or counts it as lost.
    pub(super) fn write(&mut self, entry: &Entry, time: Timestamp, now: Instant) {
        let lost = self.lost.since_last_line.load(Ordering::Relaxed);
        let (seq, torn) = (self.head.seq + 1, self.torn.len() as u64);
        let written = serde_json::to_vec(&Numbered { seq, time, torn, lost, entry })
            .map_err(std::io::Error::other)
            .and_then(|object| {
                let (line, mac) = seal(&self.key, &self.head.mac, &self.torn, &object);
                self.place.append(&line).map(|()| mac)
            });
        match written {
            Ok(mac) => {
                self.head = Head { seq, mac };
                self.torn.clear();
                self.lost.since_last_line.fetch_sub(lost, Ordering::Relaxed);
                self.metrics.audit_entry();
                self.synced = false;
                self.head_due.get_or_insert(now);
            }
            Err(error) => self.lost.count(&self.metrics, now, &error),
        }
    }

    /// To be called whenever nothing waits to be written.
    pub(super) fn rest(&mut self, now: Instant) {
        if !self.synced {
            self.synced = true;
            if let Err(error) = self.place.sync() {
                // The line is in the file, so it counts as written; a crash of the machine may take it.
                tracing::warn!(%error, "the audit file could not be brought to disk");
            }
        }
        if self.head_due.is_some_and(|due| due <= now) {
            self.show_head();
            self.head_due = Some(now + self.head_every);
        }
    }

    /// The last look: what is written is brought to disk, and the head shown whatever the time.
    pub(super) fn end(mut self, now: Instant) {
        self.head_due = self.head_due.map(|_| now);
        self.rest(now);
    }

    /// Shows where the chain ends, for whoever wants to tell later that nothing was cut off.
    fn show_head(&self) {
        self.metrics.audit_head(&self.head.to_string(), self.head.seq);
        tracing::info!(head = %self.head, "audit head");
    }

    /// When the head is to be shown next; none before the first line.
    pub(super) fn head_due(&self) -> Option<Instant> {
        self.head_due
    }
}
