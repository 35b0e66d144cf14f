//! The status board: what each target and each secret looks like now, for people, for metrics and for
//! a trigger that waits for the outcome.
//!
//! Guarantees: it grows with the configuration only (a bounded history per target, bounded texts),
//! holds no value, tells those who watch what has changed ([`StatusBoard::news`]), and counts staleness as long as AWS is ahead: from the earliest time at which it
//! was heard to be, until a run that started after that ends settled.
//!
//! Not guaranteed: anything over a restart. The next reconcile says again since when AWS is ahead,
//! from what AWS itself remembers.

mod journal;
mod record;
mod secret;
mod target;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::watch;

use crate::model::{Event, FailureCode, Outcome, Pause, SecretRef, TargetName};

pub use journal::{News, Notice, Place};
pub use record::{
    Delivery, Did, FailureView, RunLine, RunNo, RunRecord, ShortVersions, Versions, short_versions,
};
pub use secret::{Heard, SecretStatus};
pub use target::TargetStatus;

use journal::Journal;
use secret::SecretEntry;
use target::TargetEntry;

/// After so many failed tries, credentials that are missing or refused count as final for a command that
/// runs once: nobody changes them while it runs. Not after the first, because what hands them out (STS, a
/// metadata service, a secret that holds them) may have a bad moment.
const CREDENTIAL_TRIES: u32 = 3;

/// Everything at one moment: the status JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// The moment.
    pub at: Timestamp,
    /// Every configured target, by name.
    pub targets: Vec<TargetStatus>,
    /// Every configured secret, by id.
    pub secrets: Vec<SecretStatus>,
    /// Verified notifications, newest first.
    pub notifications: Vec<Notice>,
    /// Notifications that were refused: the newest for each hook and code, with the number of all of them.
    pub refused: Vec<Notice>,
}

/// The newest run of a target that came to an end other than `confirming`.
type Ended = Option<LastRun>;

#[derive(Clone)]
struct LastRun {
    run: RunNo,
    outcome: Outcome,
    /// Failed tries since the target was last done, this one included.
    attempts: u32,
}

impl LastRun {
    fn is_final(&self) -> bool {
        match &self.outcome {
            Outcome::Retrying(failure) => {
                failure.code == FailureCode::Unauthenticated && self.attempts >= CREDENTIAL_TRIES
            }
            _ => true,
        }
    }
}

struct Line {
    entry: Mutex<TargetEntry>,
    ended: Mutex<Waited>,
}

/// How the last run ended, and who waits for that: hardly ever anybody, and a channel is larger than all the rest.
#[derive(Default)]
struct Waited {
    last: Ended,
    told: Option<Box<watch::Sender<Ended>>>,
}

impl Waited {
    fn end(&mut self, run: LastRun) {
        self.told.take_if(|told| told.is_closed());
        if let Some(told) = &self.told {
            told.send_replace(Some(run.clone()));
        }
        self.last = Some(run);
    }

    fn subscribe(&mut self) -> watch::Receiver<Ended> {
        let last = || Box::new(watch::Sender::new(self.last.clone()));
        self.told.get_or_insert_with(last).subscribe()
    }
}

/// The board. Targets and secrets that are not configured are ignored everywhere.
pub struct StatusBoard {
    targets: RwLock<BTreeMap<TargetName, Arc<Line>>>,
    /// Without an order, because each event looks for one: in a large tree that is a wait for memory at each step.
    secrets: Mutex<HashMap<SecretRef, SecretEntry>>,
    journal: Mutex<Journal>,
    /// The place of the newest entry of the journal.
    newest: watch::Sender<Place>,
}

impl StatusBoard {
    /// A board for what is configured.
    pub fn new(
        targets: impl IntoIterator<Item = TargetName>,
        secrets: impl IntoIterator<Item = SecretRef>,
    ) -> Self {
        let board = Self {
            targets: RwLock::default(),
            secrets: Mutex::default(),
            journal: Mutex::default(),
            newest: watch::Sender::new(0),
        };
        board.configure(targets, secrets);
        board
    }

    /// From now on the board is for these: what stays keeps its history, what goes is forgotten.
    pub fn configure(
        &self,
        targets: impl IntoIterator<Item = TargetName>,
        secrets: impl IntoIterator<Item = SecretRef>,
    ) {
        let mut lines = self.targets.write().unwrap_or_else(PoisonError::into_inner);
        let mut last = std::mem::take(&mut *lines);
        let line = || Arc::new(Line { entry: Mutex::default(), ended: Mutex::default() });
        let kept = |target: TargetName| {
            let line = last.remove(&target).unwrap_or_else(line);
            (target, line)
        };
        *lines = targets.into_iter().map(kept).collect();
        lock(&self.journal).keep(|target| lines.contains_key(target));
        let mut entries = lock(&self.secrets);
        let mut last = std::mem::take(&mut *entries);
        let kept = |secret: SecretRef| {
            let entry = last.remove(&secret).unwrap_or_default();
            (secret, entry)
        };
        *entries = secrets.into_iter().map(kept).collect();
    }

    /// A run of the target starts.
    pub fn started(&self, target: &TargetName, at: Timestamp) -> RunNo {
        let run = self.with(target, |entry| entry.start(at)).unwrap_or_default();
        self.changed(target);
        run
    }

    /// A run of the target ended. One that settled ends the staleness that was known when it
    /// started, or that it found itself.
    pub fn finished(&self, target: &TargetName, run: RunNo, record: RunRecord) {
        let Some(line) = self.line(target) else { return };
        let ended = LastRun { run, outcome: record.outcome.clone(), attempts: record.attempts };
        let goes_on = record.goes_on || ended.outcome == Outcome::Confirming;
        lock(&line.entry).finish(run, record);
        if !goes_on {
            lock(&line.ended).end(ended);
        }
        self.changed(target);
    }

    /// How the target stands has changed, on the board or in the queue.
    pub fn changed(&self, target: &TargetName) {
        if self.knows(target) {
            self.tell(|journal| journal.touch(target));
        }
    }

    /// A notification was answered.
    pub fn heard(&self, notice: Notice) {
        self.tell(|journal| journal.hear(notice));
    }

    fn tell(&self, what: impl FnOnce(&mut Journal)) {
        let place = {
            let mut journal = lock(&self.journal);
            what(&mut journal);
            journal.last()
        };
        // Two who tell at once may come here in the other order.
        self.newest.send_if_modified(|newest| {
            let is_newer = place > *newest;
            *newest = place.max(*newest);
            is_newer
        });
    }

    /// The place of the newest piece of news, for those who wait for the next one.
    pub fn news(&self) -> watch::Receiver<Place> {
        self.newest.subscribe()
    }

    /// The first piece of news behind `place`, with its own place.
    pub fn news_after(&self, place: Place) -> Option<(Place, News)> {
        lock(&self.journal).after(place)
    }

    /// A person pauses the target, or, with none, ends its pause.
    pub fn set_pause(&self, target: &TargetName, pause: Option<Pause>) {
        self.with(target, |entry| entry.set_pause(pause));
        self.changed(target);
    }

    /// The pause that the target is in.
    pub fn pause(&self, target: &TargetName, now: Timestamp) -> Option<Pause> {
        self.with(target, |entry| entry.pause(now).cloned()).flatten()
    }

    /// Tells of the pauses that were over by themselves by `now`.
    pub fn end_pauses(&self, now: Timestamp) {
        for (target, line) in self.lines() {
            if lock(&line.entry).end_pause(now) {
                self.changed(&target);
            }
        }
    }

    /// The newest run of the target that has started. To be asked before the work that is then waited
    /// for is enqueued.
    pub fn runs_started(&self, target: &TargetName) -> RunNo {
        self.with(target, |entry| entry.runs_started()).unwrap_or_default()
    }

    /// How the target's last run ended.
    pub fn outcome(&self, target: &TargetName) -> Option<Outcome> {
        self.with(target, |entry| entry.outcome().cloned()).flatten()
    }

    /// A notification or a reconcile says that AWS has been ahead of the target since `since`. The
    /// earliest such time counts. A run that is under way may have looked before, so its success does
    /// not end this.
    pub fn set_stale(&self, target: &TargetName, since: Timestamp) {
        if self.with(target, |entry| entry.hear_stale(since)) == Some(true) {
            self.changed(target);
        }
    }

    /// The run that is under way found that AWS has been ahead since `since`.
    pub fn found_stale(&self, target: &TargetName, since: Timestamp) {
        self.with(target, |entry| entry.find_stale(since));
    }

    /// AWS is not ahead of the target, as was found without a run.
    pub fn clear_stale(&self, target: &TargetName) {
        self.with(target, TargetEntry::clear_stale);
    }

    /// Since when AWS has been ahead of the target.
    pub fn stale_since(&self, target: &TargetName) -> Option<Timestamp> {
        self.with(target, |entry| entry.stale_since()).flatten()
    }

    /// How long AWS has been ahead of each target, in seconds; 0 where it is not.
    pub fn stale_seconds(&self, now: Timestamp) -> Vec<(TargetName, f64)> {
        let seconds =
            |(name, line): &(TargetName, Arc<Line>)| (name.clone(), lock(&line.entry).stale_seconds(now));
        self.lines().iter().map(seconds).collect()
    }

    /// A verified event about a secret was heard at `at`.
    pub fn notified(&self, secret: &SecretRef, event: &Event, at: Timestamp) {
        if let Some(entry) = lock(&self.secrets).get_mut(secret) {
            entry.hear(event, at);
        }
    }

    /// Everything, as of `now`.
    pub fn snapshot(&self, now: Timestamp) -> Status {
        let lines = self.lines();
        let targets = lines.iter().map(|(name, line)| lock(&line.entry).status(name.as_str(), now));
        let secrets = self.secrets();
        let targets = targets.collect();
        let journal = lock(&self.journal);
        let (notifications, refused) = (journal.recent(), journal.refused());
        Status { at: now, targets, secrets, notifications, refused }
    }

    fn secrets(&self) -> Vec<SecretStatus> {
        let entries = lock(&self.secrets);
        let mut entries: Vec<(&SecretRef, &SecretEntry)> = entries.iter().collect();
        entries.sort_unstable_by_key(|(secret, _)| *secret);
        entries.into_iter().map(|(secret, entry)| entry.status(secret)).collect()
    }

    /// The status of one target, as of `now`.
    pub fn target(&self, target: &TargetName, now: Timestamp) -> Option<TargetStatus> {
        self.with(target, |entry| entry.status(target.as_str(), now))
    }

    /// Every configured target.
    pub fn targets(&self) -> Vec<TargetName> {
        self.lines().into_iter().map(|(name, _)| name).collect()
    }

    /// Whether there is such a target.
    pub fn knows(&self, target: &TargetName) -> bool {
        self.line(target).is_some()
    }

    /// Waits, for `limit` at most, until a run that started after `after_run` has ended and does not go
    /// on by itself, and says how. None when the time is over, or if there is no such target.
    pub async fn wait_settled(
        &self,
        target: &TargetName,
        after_run: RunNo,
        limit: Duration,
    ) -> Option<Outcome> {
        let mut ended = lock(&self.line(target)?.ended).subscribe();
        let newer = |ended: &Ended| ended.as_ref().is_some_and(|ended| ended.run > after_run);
        let wait = tokio::time::timeout(limit, ended.wait_for(newer));
        let ended = wait.await.ok()?.ok()?;
        ended.as_ref().map(|ended| ended.outcome.clone())
    }

    /// Waits for a run of the target that ended otherwise than by a failure that passes, and gives its
    /// outcome. Credentials that are missing or refused at the third failed try do not pass. After `limit`:
    /// `confirming`, or the last failure. None if nothing is known by then, or there is no such target.
    pub async fn wait_final(&self, target: &TargetName, limit: Duration) -> Option<Outcome> {
        let mut ended = lock(&self.line(target)?.ended).subscribe();
        // However the wait ends, what is known then is the answer.
        tokio::time::timeout(limit, ended.wait_for(is_final)).await.ok();
        let last = ended.borrow().as_ref().map(|ended| ended.outcome.clone());
        match (last, self.outcome(target)) {
            (None | Some(Outcome::Retrying(_)), Some(Outcome::Confirming)) => Some(Outcome::Confirming),
            (last, _) => last,
        }
    }

    /// Whether [`StatusBoard::wait_final`] would wait.
    pub fn awaits_final(&self, target: &TargetName) -> bool {
        self.line(target).is_some_and(|line| !is_final(&lock(&line.ended).last))
    }

    fn with<T>(&self, target: &TargetName, look: impl FnOnce(&mut TargetEntry) -> T) -> Option<T> {
        Some(look(&mut lock(&self.line(target)?.entry)))
    }

    fn line(&self, target: &TargetName) -> Option<Arc<Line>> {
        self.targets.read().unwrap_or_else(PoisonError::into_inner).get(target).cloned()
    }

    /// By name.
    fn lines(&self) -> Vec<(TargetName, Arc<Line>)> {
        let lines = self.targets.read().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(|(name, line)| (name.clone(), Arc::clone(line))).collect()
    }
}

fn is_final(ended: &Ended) -> bool {
    ended.as_ref().is_some_and(LastRun::is_final)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change leaves a state that can be shown.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
