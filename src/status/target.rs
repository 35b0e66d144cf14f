//! What the board knows about one target: the last runs, and since when AWS is ahead of it.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::Serialize;

use crate::model::{Moment, Outcome, Pause};

use super::record::{Delivery, Did, FailureView, RunLine, RunNo, RunRecord, ShortVersions, Versions};

/// Runs that are kept.
const HISTORY: usize = 20;

/// The status of one target.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TargetStatus {
    /// Its name.
    pub target: String,
    /// How it stands, in one word: the last outcome, `due` before the first run ended, or `paused`.
    pub state: &'static str,
    /// What a person can do now.
    pub next_step: String,
    /// The pause that it is in.
    pub paused: Option<Pause>,
    /// Where it stands in the queue: what the queue says, so the board leaves it open.
    pub phase: Option<&'static str>,
    /// Whether a run waits for the end of the pause; left open as well.
    pub held_back: bool,
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
    /// The last write, step by step.
    pub delivery: Option<Delivery>,
    /// The last runs, newest first.
    pub history: Vec<RunLine>,
}

/// What stays of the last run beside its line in the history.
struct Last {
    outcome: Outcome,
    /// Since when it is so.
    since: Moment,
    attempts: u32,
    notes: Vec<String>,
}

/// There may be a hundred thousand of these, so what most targets are without lies apart.
#[derive(Default)]
pub(super) struct TargetEntry {
    runs: u64,
    running_since: Option<Moment>,
    /// The last run, and since when the outcome has had its label.
    last: Option<Last>,
    wanted: Versions,
    delivered: Versions,
    /// Since when AWS has been ahead, of what the run under way can have seen.
    stale: Option<Moment>,
    /// The same, of what was heard after that run had started: its success does not answer it.
    stale_meanwhile: Option<Moment>,
    delivery: Option<Delivery>,
    history: VecDeque<RunLine>,
    pause: Option<Box<Pause>>,
}

impl TargetEntry {
    pub(super) fn runs_started(&self) -> RunNo {
        RunNo(self.runs)
    }

    pub(super) fn start(&mut self, at: Timestamp) -> RunNo {
        self.runs += 1;
        self.running_since = Some(at.into());
        self.stale = earliest(self.stale, self.stale_meanwhile);
        self.stale_meanwhile = None;
        RunNo(self.runs)
    }

    pub(super) fn finish(&mut self, run: RunNo, mut record: RunRecord) {
        record.bound();
        self.running_since = None;
        if record.outcome.is_settled() {
            self.stale = self.stale_meanwhile.take();
        } else {
            self.stale = earliest(self.stale, self.stale_meanwhile);
            self.stale_meanwhile = None;
        }
        let since = match &self.last {
            Some(last) if last.outcome.label() == record.outcome.label() => last.since,
            _ => record.at.into(),
        };
        if let Some(wanted) = record.wanted.take() {
            self.wanted = wanted;
        }
        if let Some(delivered) = record.delivered.take() {
            self.delivered = delivered;
        }
        if let Some(last) = &self.last
            && record.did != Did::Wrote
            && record.notes.is_empty()
        {
            record.notes.clone_from(&last.notes);
        }
        if let Some(written) = record.written.take() {
            self.delivery = Some(written);
        }
        if let (true, Some(delivery)) = (record.proved, &mut self.delivery) {
            delivery.confirmed.get_or_insert(record.at.into());
        }
        if self.history.len() == HISTORY {
            self.history.pop_back();
        }
        // One at a time: most targets of a large configuration have run once or twice.
        self.history.reserve_exact(1);
        self.history.push_front(RunLine {
            run,
            at: record.at.into(),
            outcome: record.outcome.label(),
            did: record.did,
            duration_seconds: record.duration.as_secs_f64(),
            reasons: record.reasons,
            told: record.told.map(Moment::from),
            why: record.why,
            write: record.write,
            proved: record.proved,
            event_id: record.event_id,
            request_id: record.request_id,
            failure: record.outcome.failure().map(|failure| Box::new(failure.into())),
        });
        let RunRecord { outcome, attempts, notes, .. } = record;
        self.last = Some(Last { outcome, since, attempts, notes });
    }

    pub(super) fn set_pause(&mut self, pause: Option<Pause>) {
        self.pause = pause.map(Box::new);
    }

    pub(super) fn pause(&self, now: Timestamp) -> Option<&Pause> {
        self.pause.as_deref().filter(|pause| pause.holds(now))
    }

    /// Forgets a pause that is over; gives whether there was one.
    pub(super) fn end_pause(&mut self, now: Timestamp) -> bool {
        self.pause.take_if(|pause| !pause.holds(now)).is_some()
    }

    /// AWS has been ahead since `since`, as somebody else than the run under way heard. Gives whether that is
    /// news.
    pub(super) fn hear_stale(&mut self, since: Timestamp) -> bool {
        let before = self.stale_since();
        let known = if self.running_since.is_some() { &mut self.stale_meanwhile } else { &mut self.stale };
        *known = earliest(*known, Some(since.into()));
        self.stale_since() != before
    }

    /// AWS has been ahead since `since`, as the run under way found.
    pub(super) fn find_stale(&mut self, since: Timestamp) {
        self.stale = earliest(self.stale, Some(since.into()));
    }

    pub(super) fn clear_stale(&mut self) {
        self.stale = None;
        self.stale_meanwhile = None;
    }

    pub(super) fn stale_since(&self) -> Option<Timestamp> {
        earliest(self.stale, self.stale_meanwhile).map(Timestamp::from)
    }

    pub(super) fn stale_seconds(&self, now: Timestamp) -> f64 {
        // The event's time is by AWS's clock, which may be ahead of ours.
        self.stale_since().map_or(0.0, |since| now.duration_since(since).as_secs_f64().max(0.0))
    }

    pub(super) fn status(&self, target: &str, now: Timestamp) -> TargetStatus {
        let last = self.last.as_ref();
        let line = self.history.front();
        let outcome = last.map(|record| &record.outcome);
        let paused = self.pause(now).cloned();
        TargetStatus {
            target: target.to_owned(),
            state: match (&paused, outcome) {
                (Some(_), _) => "paused",
                (None, Some(outcome)) => outcome.label(),
                (None, None) => "due",
            },
            next_step: next_step(target, paused.as_ref(), outcome),
            paused,
            phase: None,
            held_back: false,
            outcome: last.map(|record| record.outcome.label()),
            since: last.map(|last| last.since.into()),
            failure: last.and_then(|record| record.outcome.failure()).map(FailureView::from),
            running_since: self.running_since.map(Timestamp::from),
            stale_since: self.stale_since(),
            stale_seconds: self.stale_seconds(now),
            wanted: self.wanted.shown(),
            delivered: self.delivered.shown(),
            attempts: last.map_or(0, |record| record.attempts),
            next_try: None,
            event_id: line.and_then(|line| line.event_id.clone()),
            request_id: line.and_then(|line| line.request_id.clone()),
            notes: last.map(|record| record.notes.clone()).unwrap_or_default(),
            delivery: self.delivery.clone(),
            history: self.history.iter().cloned().collect(),
        }
    }

    pub(super) fn outcome(&self) -> Option<&Outcome> {
        self.last.as_ref().map(|last| &last.outcome)
    }
}

fn next_step(target: &str, paused: Option<&Pause>, outcome: Option<&Outcome>) -> String {
    if paused.is_some() {
        return format!("when its reason is gone: anypoint-relay resume {target} --reason TEXT");
    }
    let step = match outcome {
        None => "wait: its first look has not ended",
        Some(Outcome::InSync) => "nothing",
        Some(Outcome::Accepted) => "look at the target itself if in doubt: this kind offers no proof",
        Some(Outcome::Confirming) => "wait: what was written is being taken up",
        Some(Outcome::Stopped) => "start it in Runtime Manager: then what is due is written",
        Some(Outcome::Retrying(failure) | Outcome::Parked(failure)) => return failure.next_step.clone(),
    };
    step.to_owned()
}

fn earliest(one: Option<Moment>, other: Option<Moment>) -> Option<Moment> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
