//! Why a key is queued: a note explains a run in logs and on the status page, and never decides what
//! the run writes.
//!
//! Guarantees: constant size however often notes are merged; no value can be in it, only ids.

use std::fmt;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::telemetry::traces::Origins;

/// Longest id that is kept, in bytes: request ids come from outside.
const ID_LIMIT: usize = 128;

/// What made a key due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A verified notification named one of the target's secrets.
    Notification,
    /// The relay has just started, so that nothing is known yet about what the target shows.
    Start,
    /// The scan on its timer found a difference, or could not tell.
    Reconcile,
    /// A person asked for the target to be brought in sync, whatever was given up.
    Manual,
    /// The configuration changed.
    Config,
    /// What it waited for has come: its canary, or the target that it follows, has gone ahead.
    Freed,
    /// A person asked for a look, as a notification would.
    Look,
}

impl Reason {
    /// Every reason, in declaration order.
    pub const ALL: [Reason; 7] = [
        Reason::Notification,
        Reason::Start,
        Reason::Reconcile,
        Reason::Manual,
        Reason::Config,
        Reason::Freed,
        Reason::Look,
    ];

    /// Stable text for logs and status.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Notification => "notification",
            Reason::Start => "start",
            Reason::Reconcile => "reconcile",
            Reason::Manual => "manual",
            Reason::Config => "config",
            Reason::Freed => "freed",
            Reason::Look => "look",
        }
    }

    /// Whether it gives a parked key a full run: a person and a changed configuration do, everything
    /// else brings a look only.
    pub fn unparks(self) -> bool {
        match self {
            Reason::Manual | Reason::Config => true,
            Reason::Notification | Reason::Start | Reason::Reconcile | Reason::Freed | Reason::Look => false,
        }
    }

    /// Whether somebody outside named the target or one of its secrets.
    fn tells(self) -> bool {
        match self {
            Reason::Notification | Reason::Manual | Reason::Look => true,
            Reason::Start | Reason::Reconcile | Reason::Config | Reason::Freed => false,
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
    /// When the first notification or person spoke of it.
    pub told: Option<Timestamp>,
    /// The spans that it came from, where there are traces.
    #[serde(skip)]
    pub origins: Origins,
}

impl Note {
    /// The note of one add at `at`.
    pub fn new(reason: Reason, at: Timestamp) -> Self {
        let told = reason.tells().then_some(at);
        Self { reasons: Reasons(reason.bit()), count: 1, first_seen: Some(at), told, ..Self::default() }
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

    /// With what it came from.
    pub fn with_origins(mut self, origins: Origins) -> Self {
        self.origins = origins;
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

    /// Whether the scan on its timer came upon it, and nobody had told of it. What the relay catches up with
    /// at its start does not count: senders may be about to repeat what they could not deliver before.
    pub fn only_reconcile(&self) -> bool {
        let others = [Reason::Notification, Reason::Start, Reason::Manual, Reason::Config, Reason::Look];
        self.reasons.contains(Reason::Reconcile) && !others.iter().any(|other| self.reasons.contains(*other))
    }

    /// Takes in a later note: its ids replace ours, the first times stay.
    pub fn merge(&mut self, later: Note) {
        self.reasons.0 |= later.reasons.0;
        self.event_id = later.event_id.or(self.event_id.take());
        self.request_id = later.request_id.or(self.request_id.take());
        self.count = self.count.saturating_add(later.count);
        self.first_seen = self.first_seen.or(later.first_seen);
        self.told = self.told.or(later.told);
        self.origins.merge(later.origins);
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
    fn it_was_told_when_the_first_notification_or_person_spoke() {
        let mut note = Note::new(Reason::Reconcile, at(1));
        assert_eq!(note.told, None);
        for (reason, second) in [(Reason::Freed, 2), (Reason::Manual, 3), (Reason::Notification, 4)] {
            note.merge(Note::new(reason, at(second)));
        }
        assert_eq!((note.first_seen, note.told), (Some(at(1)), Some(at(3))));
    }

    #[test]
    fn only_the_timer_corrects_and_only_what_nobody_told() {
        for (reasons, corrects) in [
            (&[Reason::Reconcile][..], true),
            (&[Reason::Reconcile, Reason::Freed], true),
            (&[Reason::Freed], false),
            (&[Reason::Start], false),
            (&[Reason::Start, Reason::Reconcile], false),
            (&[Reason::Reconcile, Reason::Notification], false),
            (&[Reason::Manual, Reason::Reconcile], false),
            (&[Reason::Look, Reason::Reconcile], false),
            (&[Reason::Reconcile, Reason::Config], false),
        ] {
            let mut note = Note::default();
            for reason in reasons {
                note.merge(Note::new(*reason, at(1)));
            }
            assert_eq!(note.only_reconcile(), corrects, "{reasons:?}");
        }
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
        note.merge(Note::new(Reason::Notification, at(7)));
        assert_eq!(
            serde_json::to_value(&note).unwrap(),
            serde_json::json!({
                "reasons": ["notification", "reconcile", "freed"], "event_id": null, "request_id": null,
                "count": 3, "first_seen": "1970-01-01T00:00:00Z", "told": "1970-01-01T00:00:07Z"
            })
        );
    }
}
