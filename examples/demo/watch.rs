//! What happens, as it happens: read from the sandbox's histories and the relay's status board, never
//! made up. Each thing is shown once, with the time since what it follows from.

use std::time::Duration;

use anypoint_relay::model::Outcome;
use anypoint_relay::status::{Did, RunLine, RunNo, TargetStatus};
use anypoint_sandbox::anypoint::DeploymentWrite;
use anypoint_sandbox::aws::Held;
use jiff::Timestamp;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::screen::{Screen, Tone};
use crate::stage::{Stage, now};
use crate::telling::{Channel, Told};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(4);

/// One thing that happened.
struct Fact {
    at: Timestamp,
    tone: Tone,
    text: String,
    remark: Option<String>,
    /// Times are counted from here on.
    origin: bool,
}

impl Fact {
    fn new(at: Timestamp, tone: Tone, text: impl Into<String>) -> Self {
        Self { at, tone, text: text.into(), remark: None, origin: false }
    }
}

/// The observer of one chapter: it shows what is new since it was made.
pub(crate) struct Watch<'s> {
    stage: &'s Stage,
    screen: Screen,
    channels: Vec<(Channel, usize)>,
    rotations: usize,
    first_write: usize,
    writes: usize,
    replicas: Vec<usize>,
    run: RunNo,
    failed_writes: usize,
    last_trouble: String,
    shown: bool,
    zero: Timestamp,
    accepted: bool,
    in_sync: Option<Duration>,
}

impl<'s> Watch<'s> {
    /// From now on.
    pub(crate) fn new(stage: &'s Stage, screen: Screen, channels: Vec<Channel>) -> Self {
        let history = stage.backend.app.history();
        let counted = |channel: Channel| {
            let told = channel.told().len();
            (channel, told)
        };
        Self {
            stage,
            screen,
            channels: channels.into_iter().map(counted).collect(),
            rotations: stage.backend.secret.history().len(),
            first_write: history.writes.len(),
            writes: history.writes.len(),
            replicas: history.replicas.iter().map(Vec::len).collect(),
            run: newest(stage.status().as_ref()),
            failed_writes: 0,
            last_trouble: String::new(),
            shown: false,
            zero: now(),
            accepted: false,
            in_sync: None,
        }
    }

    /// Shows what happens until the relay has proved the current value at the target and, where it is
    /// told, has taken the notification. Gives how long the proof took; none after `limit`.
    pub(crate) async fn until_in_sync(&mut self, limit: Duration) -> Option<Duration> {
        let started = Instant::now();
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while started.elapsed() < limit && !self.stage.has_ended() {
            looks.tick().await;
            self.show();
            let told = self.channels.is_empty() || self.accepted;
            if let Some(after) = self.in_sync.filter(|_| told) {
                return Some(after);
            }
        }
        None
    }

    /// Shows what happens until the relay ends.
    pub(crate) async fn forever(&mut self) {
        let mut looks = interval(LOOK);
        while !self.stage.has_ended() {
            looks.tick().await;
            self.show();
        }
    }

    /// How often the relay has changed the deployment since the watch began.
    pub(crate) fn writes_of_the_relay(&self) -> usize {
        let writes = self.stage.backend.app.history().writes;
        writes.iter().skip(self.first_write).filter(|write| self.is_ours(write)).count()
    }

    /// Why the proof did not come.
    pub(crate) fn why_not(&self) -> String {
        let status = self.stage.status();
        let failure = status.as_ref().and_then(|status| status.failure.as_ref());
        match (failure, status.as_ref().and_then(|status| status.outcome)) {
            _ if self.stage.has_ended() => "the relay ended".to_owned(),
            _ if self.in_sync.is_some() => "the notification was not accepted".to_owned(),
            (Some(failure), _) => format!("{} (next: {})", failure.message, failure.next_step),
            (None, outcome) => format!("the relay says: {}", outcome.unwrap_or("nothing yet")),
        }
    }

    /// Shows what is new.
    fn show(&mut self) {
        let mut facts = self.news();
        facts.sort_by_key(|fact| fact.at);
        for fact in facts {
            if fact.origin {
                if self.shown {
                    self.screen.gap();
                }
                self.zero = fact.at;
                self.in_sync = None;
            }
            self.shown = true;
            self.screen.step(since(self.zero, fact.at), fact.tone, &fact.text);
            if let Some(remark) = &fact.remark {
                self.screen.remark(Tone::Faint, remark);
            }
        }
        self.look_for_proof();
    }

    fn news(&mut self) -> Vec<Fact> {
        let mut facts = Vec::new();
        self.rotations(&mut facts);
        self.deliveries(&mut facts);
        self.deployment(&mut facts);
        self.runs(&mut facts);
        facts
    }

    fn rotations(&mut self, facts: &mut Vec<Fact>) {
        let history = self.stage.backend.secret.history();
        for held in history.iter().skip(self.rotations) {
            let text = format!("AWSCURRENT moved to {}, user {}", short(&held.version_id), user(held));
            facts.push(Fact { origin: true, ..Fact::new(held.since, Tone::Plain, text) });
        }
        self.rotations = history.len();
    }

    fn deliveries(&mut self, facts: &mut Vec<Fact>) {
        for (channel, seen) in &mut self.channels {
            let told = channel.told();
            for Told { at, text, accepted } in told.iter().skip(*seen) {
                self.accepted |= accepted;
                facts.push(Fact::new(*at, Tone::Plain, text));
            }
            *seen = told.len();
        }
    }

    fn deployment(&mut self, facts: &mut Vec<Fact>) {
        let history = self.stage.backend.app.history();
        for write in history.writes.iter().skip(self.writes) {
            let version = short(&write.version);
            facts.push(if self.is_ours(write) {
                let text = format!("written, all properties at once: deployment version {version}");
                Fact::new(write.at, Tone::Plain, text)
            } else {
                let text = format!("the {} wrote the old password: deployment version {version}", write.by);
                Fact { origin: true, ..Fact::new(write.at, Tone::Trouble, text) }
            });
        }
        self.writes = history.writes.len();

        let count = history.replicas.len();
        self.replicas.resize(count, 0);
        for (place, (ran, seen)) in history.replicas.iter().zip(&mut self.replicas).enumerate() {
            for one in ran.iter().skip(*seen) {
                let (tone, what) = if self.stage.backend.is_current(&one.secure) {
                    (Tone::Plain, "new")
                } else {
                    (Tone::Trouble, "old")
                };
                let text = format!("replica {} of {count} runs the {what} value", place + 1);
                facts.push(Fact::new(one.from, tone, text));
            }
            *seen = ran.len();
        }
    }

    fn runs(&mut self, facts: &mut Vec<Fact>) {
        let Some(status) = self.stage.status() else { return };
        let known = std::mem::replace(&mut self.run, newest(Some(&status)));
        for line in status.history.iter().rev().filter(|line| line.run > known) {
            facts.extend(self.trouble(&status, line));
        }
    }

    /// A failed write is always shown; what a run waits for, once.
    fn trouble(&mut self, status: &TargetStatus, line: &RunLine) -> Option<Fact> {
        let failure = line.failure.as_ref()?;
        if line.did == Did::Wrote {
            self.failed_writes += 1;
            let stale = status.stale_since.map_or(Duration::ZERO, |stale| since(stale, line.at.into()));
            let text = format!("write {} failed, stale for {:.1} s", self.failed_writes, stale.as_secs_f64());
            let remark = Some(failure.message.clone());
            return Some(Fact { remark, ..Fact::new(line.at.into(), Tone::Trouble, text) });
        }
        let repeated = self.last_trouble == failure.message;
        self.last_trouble.clone_from(&failure.message);
        (!repeated).then(|| Fact::new(line.at.into(), Tone::Trouble, &failure.message))
    }

    /// In sync is the first run that says so after the relay's own write of this chapter, for the version
    /// that AWS serves.
    fn look_for_proof(&mut self) {
        let writes = self.stage.backend.app.history().writes;
        let Some(write) = writes.last().filter(|write| self.is_ours(write) && write.at >= self.zero) else {
            return;
        };
        let Some(status) = self.stage.status().filter(|_| self.in_sync.is_none()) else { return };
        let version = self.stage.backend.secret.current_version();
        if !status.delivered.values().all(|delivered| *delivered == short(&version)) {
            return;
        }
        let says_so = |line: &&RunLine| line.outcome == Outcome::InSync.label() && line.at > write.at.into();
        if let Some(line) = status.history.iter().rev().find(says_so) {
            let after = since(self.zero, line.at.into());
            let text =
                format!("in sync: {} proved by the last successful deployment version", short(&version));
            self.screen.step(after, Tone::Good, &text);
            self.in_sync = Some(after);
        }
    }

    fn is_ours(&self, write: &DeploymentWrite) -> bool {
        write.by == self.stage.backend.anypoint.client_id()
    }
}

/// The first eight characters, which is what people compare.
pub(crate) fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

fn user(held: &Held) -> String {
    held.value.field("username").unwrap_or_default()
}

fn newest(status: Option<&TargetStatus>) -> RunNo {
    status.and_then(|status| status.history.first()).map(|line| line.run).unwrap_or_default()
}

fn since(zero: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(zero)).unwrap_or_default()
}
