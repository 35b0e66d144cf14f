//! What the board knows about one target: the last runs, and since when AWS is ahead of it.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::Serialize;

use crate::model::Outcome;

use super::record::{Did, FailureView, RunLine, RunNo, RunRecord, ShortVersions};

/// Runs that are kept.
const HISTORY: usize = 20;

/// The status of one target.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TargetStatus {
    /// Its name.
    pub target: String,
    /// The last outcome, as [`Outcome::label`] says it; none before the first run ended.
    pub outcome: Option<&'static str>,
    /// Since when the outcome is that one.
    pub since: Option<Timestamp>,
    /// Why it is not in sync.
    pub failure: Option<FailureView>,
    /// Since when the run under way is.
    pub running_since: Option<Timestamp>,
    /// Since when AWS has been ahead of it.
    pub stale_since: Option<Timestamp>,
    /// The same as a duration; 0 when AWS is not ahead.
    pub stale_seconds: f64,
    /// What AWS serves as current, short version by secret.
    pub wanted: ShortVersions,
    /// What the target is proved to hold, short version by secret.
    pub delivered: ShortVersions,
    /// Failed tries since it was last done.
    pub attempts: u32,
    /// When it is tried again by itself: what the queue says, so the board leaves it open.
    pub next_try: Option<Timestamp>,
    /// Id of the newest event behind the last run.
    pub event_id: Option<String>,
    /// Id of the newest request behind the last run.
    pub request_id: Option<String>,
    /// What a person should know about the last write, until the next one.
    pub notes: Vec<String>,
    /// The last runs, newest first.
    pub history: Vec<RunLine>,
}

#[derive(Default)]
pub(super) struct TargetEntry {
    runs: u64,
    running_since: Option<Timestamp>,
    /// The last run, and since when the outcome has had its label.
    last: Option<(RunRecord, Timestamp)>,
    wanted: ShortVersions,
    delivered: ShortVersions,
    /// Since when AWS has been ahead, of what the run under way can have seen.
    stale: Option<Timestamp>,
    /// The same, of what was heard after that run had started: its success does not answer it.
    stale_meanwhile: Option<Timestamp>,
    history: VecDeque<RunLine>,
}

impl TargetEntry {
    pub(super) fn runs_started(&self) -> RunNo {
        RunNo(self.runs)
    }

    pub(super) fn start(&mut self, at: Timestamp) -> RunNo {
        self.runs += 1;
        self.running_since = Some(at);
        self.stale = self.stale_since();
        self.stale_meanwhile = None;
        RunNo(self.runs)
    }

    pub(super) fn finish(&mut self, run: RunNo, mut record: RunRecord) {
        record.bound();
        self.running_since = None;
        if record.outcome.is_settled() {
            self.stale = self.stale_meanwhile.take();
        } else {
            self.stale = self.stale_since();
            self.stale_meanwhile = None;
        }
        let since = match &self.last {
            Some((last, since)) if last.outcome.label() == record.outcome.label() => *since,
            _ => record.at,
        };
        if let Some(wanted) = &record.wanted {
            self.wanted.clone_from(wanted);
        }
        if let Some(delivered) = &record.delivered {
            self.delivered.clone_from(delivered);
        }
        if let Some((last, _)) = &self.last
            && record.did != Did::Wrote
            && record.notes.is_empty()
        {
            record.notes.clone_from(&last.notes);
        }
        if self.history.len() == HISTORY {
            self.history.pop_back();
        }
        self.history.push_front(RunLine {
            run,
            at: record.at,
            outcome: record.outcome.label(),
            did: record.did,
            duration_seconds: record.duration.as_secs_f64(),
            failure: record.outcome.failure().map(FailureView::from),
        });
        self.last = Some((record, since));
    }

    /// AWS has been ahead since `since`, as somebody else than the run under way heard.
    pub(super) fn hear_stale(&mut self, since: Timestamp) {
        let known = if self.running_since.is_some() { &mut self.stale_meanwhile } else { &mut self.stale };
        *known = earliest(*known, Some(since));
    }

    /// AWS has been ahead since `since`, as the run under way found.
    pub(super) fn find_stale(&mut self, since: Timestamp) {
        self.stale = earliest(self.stale, Some(since));
    }

    pub(super) fn clear_stale(&mut self) {
        self.stale = None;
        self.stale_meanwhile = None;
    }

    pub(super) fn stale_since(&self) -> Option<Timestamp> {
        earliest(self.stale, self.stale_meanwhile)
    }

    pub(super) fn stale_seconds(&self, now: Timestamp) -> f64 {
        // The event's time is by AWS's clock, which may be ahead of ours.
        self.stale_since().map_or(0.0, |since| now.duration_since(since).as_secs_f64().max(0.0))
    }

    pub(super) fn status(&self, target: &str, now: Timestamp) -> TargetStatus {
        let last = self.last.as_ref().map(|(record, _)| record);
        TargetStatus {
            target: target.to_owned(),
            outcome: last.map(|record| record.outcome.label()),
            since: self.last.as_ref().map(|(_, since)| *since),
            failure: last.and_then(|record| record.outcome.failure()).map(FailureView::from),
            running_since: self.running_since,
            stale_since: self.stale_since(),
            stale_seconds: self.stale_seconds(now),
            wanted: self.wanted.clone(),
            delivered: self.delivered.clone(),
            attempts: last.map_or(0, |record| record.attempts),
            next_try: None,
            event_id: last.and_then(|record| record.event_id.clone()),
            request_id: last.and_then(|record| record.request_id.clone()),
            notes: last.map(|record| record.notes.clone()).unwrap_or_default(),
            history: self.history.iter().cloned().collect(),
        }
    }

    pub(super) fn outcome(&self) -> Option<&Outcome> {
        self.last.as_ref().map(|(record, _)| &record.outcome)
    }
}

fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
