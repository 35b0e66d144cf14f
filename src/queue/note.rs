//! Why a key is queued: a note explains a run in logs and on the status page, and never decides what
//! the run writes.
//!
//! Guarantees: constant size however often notes are merged; no value can be in it, only ids.

use std::fmt;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// Longest id that is kept, in bytes: request ids come from outside.
const ID_LIMIT: usize = 128;

/// What made a key due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A verified notification named one of the target's secrets.
    Notification,
    /// The scan found a difference, or could not tell.
    Reconcile,
    /// A person asked.
    Manual,
    /// The configuration changed.
    Config,
    /// What it waited for has come: its canary, or the target that it follows, has gone ahead.
    Freed,
}

impl Reason {
    /// Every reason, in declaration order.
    pub const ALL: [Reason; 5] =
        [Reason::Notification, Reason::Reconcile, Reason::Manual, Reason::Config, Reason::Freed];

    /// Stable text for logs and status.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Notification => "notification",
            Reason::Reconcile => "reconcile",
            Reason::Manual => "manual",
            Reason::Config => "config",
            Reason::Freed => "freed",
        }
    }

    /// Whether it gives a parked key a full run: a person and a changed configuration do, everything
    /// else brings a look only.
    pub fn unparks(self) -> bool {
        match self {
            Reason::Manual | Reason::Config => true,
            Reason::Notification | Reason::Reconcile | Reason::Freed => false,
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of reasons.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Reasons(u8);

impl Reasons {
    /// Whether `reason` is among them.
    pub fn contains(self, reason: Reason) -> bool {
        self.0 & reason.bit() != 0
    }

    /// The reasons in declaration order.
    pub fn iter(self) -> impl Iterator<Item = Reason> {
        Reason::ALL.into_iter().filter(move |reason| self.contains(*reason))
    }
}

impl fmt::Debug for Reasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Reason::as_str)).finish()
    }
}

impl fmt::Display for Reasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, reason) in self.iter().enumerate() {
            if index > 0 {
                f.write_str("+")?;
            }
            f.write_str(reason.as_str())?;
        }
        Ok(())
    }
}

impl Serialize for Reasons {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Reason::as_str))
    }
}

/// Everything that was said about a key since it was last done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Note {
    /// All reasons.
    pub reasons: Reasons,
    /// Id of the newest event.
    pub event_id: Option<String>,
    /// Id of the newest request.
    pub request_id: Option<String>,
    /// How many adds it stands for.
    pub count: u64,
    /// When the first of them came.
    pub first_seen: Option<Timestamp>,
}

impl Note {
    /// The note of one add at `at`.
    pub fn new(reason: Reason, at: Timestamp) -> Self {
        Self { reasons: Reasons(reason.bit()), count: 1, first_seen: Some(at), ..Self::default() }
    }

    /// With the id of the event behind it, cut to 128 bytes.
    pub fn with_event(mut self, id: &str) -> Self {
        self.event_id = Some(bounded(id));
        self
    }

    /// With the id of the request behind it, cut to 128 bytes.
    pub fn with_request(mut self, id: &str) -> Self {
        self.request_id = Some(bounded(id));
        self
    }

    /// Whether a reason in it gives a parked key a full run.
    pub fn unparks(&self) -> bool {
        self.reasons.iter().any(Reason::unparks)
    }

    /// Whether it ends a wait.
    pub fn frees(&self) -> bool {
        self.reasons.contains(Reason::Freed)
    }

    /// Takes in a later note: its ids replace ours, the first time stays.
    pub fn merge(&mut self, later: Note) {
        self.reasons.0 |= later.reasons.0;
        self.event_id = later.event_id.or(self.event_id.take());
        self.request_id = later.request_id.or(self.request_id.take());
        self.count = self.count.saturating_add(later.count);
        self.first_seen = self.first_seen.or(later.first_seen);
    }
}

fn bounded(id: &str) -> String {
    id[..id.floor_char_boundary(ID_LIMIT)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_merged_note_has_the_newest_ids_and_the_first_time() {
        let mut note = Note::new(Reason::Notification, at(1)).with_event("e1").with_request("r1");
        note.merge(Note::new(Reason::Manual, at(2)).with_request("r2"));
        assert_eq!(note.event_id.as_deref(), Some("e1"));
        assert_eq!(note.request_id.as_deref(), Some("r2"));
        assert_eq!((note.count, note.first_seen), (2, Some(at(1))));
        assert_eq!(note.reasons.to_string(), "notification+manual");
    }

    #[test]
    fn only_a_person_or_a_configuration_unparks() {
        let unparking: Vec<_> = Reason::ALL.into_iter().filter(|r| Note::new(*r, at(1)).unparks()).collect();
        assert_eq!(unparking, [Reason::Manual, Reason::Config]);
    }

    #[test]
    fn a_long_id_is_cut_between_characters() {
        let note = Note::new(Reason::Manual, at(1)).with_request(&"é".repeat(100)).with_event(&"é".repeat(3));
        assert_eq!(note.request_id.map(|id| id.len()), Some(128));
        assert_eq!(note.event_id.as_deref(), Some("ééé"));
        let odd = Note::new(Reason::Manual, at(1)).with_event(&format!("x{}", "é".repeat(100)));
        assert_eq!(odd.event_id.map(|id| id.len()), Some(127));
    }

    #[test]
    fn the_json_of_a_note_lists_its_reasons() {
        let mut note = Note::new(Reason::Reconcile, at(0));
        note.merge(Note::new(Reason::Freed, at(5)));
        assert_eq!(
            serde_json::to_value(&note).unwrap(),
            serde_json::json!({
                "reasons": ["reconcile", "freed"], "event_id": null, "request_id": null,
                "count": 2, "first_seen": "1970-01-01T00:00:00Z"
            })
        );
    }
}
