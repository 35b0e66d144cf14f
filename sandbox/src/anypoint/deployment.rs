//! One application, of any platform, as a state machine: specification, replicas, roll.
//!
//! Time is an argument. [`Deployment::advance`] applies every step of a roll that fell due since it
//! was last called, at the time it fell due, so the history is exact although nothing runs in the
//! background. A roll replaces replicas one after another; a failed one takes them back.

mod slot;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

pub(crate) use self::slot::Slot;
use super::history::{AppHistory, DeploymentWrite, Map, Ran, ReplicaView, RollResult};
use super::rules::Rules;

/// How replicas are replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpdateStrategy {
    /// One after another; the others go on serving.
    #[default]
    Rolling,
    /// All are stopped first.
    Recreate,
}

impl UpdateStrategy {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Rolling => "rolling",
            Self::Recreate => "recreate",
        }
    }
}

/// Whether an application is meant to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DesiredState {
    /// It is.
    #[default]
    Started,
    /// It is not.
    Stopped,
    /// It has been taken off its target.
    Undeployed,
}

impl DesiredState {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Started => "STARTED",
            Self::Stopped => "STOPPED",
            Self::Undeployed => "UNDEPLOYED",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Started, Self::Stopped, Self::Undeployed].into_iter().find(|state| state.as_str() == text)
    }
}

/// What makes a roll go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Each replica takes so long.
    PerReplica(Duration),
    /// Only the test does: `step_roll`, `finish_roll`, `fail_roll`.
    Manual,
}

/// Where a deployment stands, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Applying,
    Settled,
    Failed,
}

/// The platform that it runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    /// CloudHub 2.0 or Runtime Fabric.
    ApplicationManager,
    /// CloudHub 1.0.
    CloudHub {
        /// Names that its `mule-artifact.json` makes it hide; they stay hidden whoever writes them.
        hidden: BTreeSet<String>,
    },
    /// A server or server group.
    Hybrid { server: String, server_id: u64 },
}

/// Who writes.
#[derive(Clone, Debug)]
pub(crate) struct Author {
    pub(crate) client: String,
    pub(crate) token: String,
}

impl Author {
    /// Somebody whose requests are not simulated.
    pub(crate) fn outside(name: &str) -> Self {
        Self { client: name.to_owned(), token: String::new() }
    }
}

/// One version of the specification.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) version: String,
    pub(crate) properties: Map,
    pub(crate) secure: Map,
}

impl Config {
    fn new(properties: Map, secure: Map) -> Arc<Self> {
        Arc::new(Self { version: uuid::Uuid::new_v4().to_string(), properties, secure })
    }
}

#[derive(Debug)]
struct Roll {
    to: Arc<Config>,
    pace: Pace,
    next: usize,
    due: Option<Timestamp>,
    will_fail: bool,
    write: Option<usize>,
}

/// One application.
#[derive(Debug)]
pub(crate) struct Deployment {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) home: Home,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
    pub(crate) desired_state: DesiredState,
    pub(crate) strategy: UpdateStrategy,
    pub(crate) pace: Pace,
    pub(crate) fail_next: u32,
    pub(crate) removed: bool,
    /// What a GET showed before the last write, and for how many more GETs it will.
    pub(crate) lag: Option<(Phase, u32)>,
    /// The other services of `application.configuration` (logging, scheduling).
    pub(crate) other_configuration: serde_json::Map<String, serde_json::Value>,
    spec: Arc<Config>,
    last_good: Option<Arc<Config>>,
    original: Arc<Config>,
    slots: Vec<Slot>,
    /// What replicas ran with that a scale-down took away.
    retired: Vec<Vec<Ran>>,
    roll: Option<Roll>,
    failed: bool,
    writes: Vec<DeploymentWrite>,
}

impl Deployment {
    /// An application that runs with these maps since `now`.
    pub(crate) fn new(name: &str, properties: Map, secure: Map, pace: Pace, now: Timestamp) -> Self {
        let config = Config::new(properties, secure);
        let mut slot = Slot::empty();
        slot.run(name, &config, now);
        Self {
            id: uuid::Uuid::new_v4().to_string(),
            name: name.to_owned(),
            home: Home::ApplicationManager,
            created: now,
            modified: now,
            desired_state: DesiredState::Started,
            strategy: UpdateStrategy::Rolling,
            pace,
            fail_next: 0,
            removed: false,
            lag: None,
            other_configuration: serde_json::Map::new(),
            spec: Arc::clone(&config),
            last_good: Some(Arc::clone(&config)),
            original: config,
            slots: vec![slot],
            retired: Vec::new(),
            roll: None,
            failed: false,
            writes: Vec::new(),
        }
    }

    pub(crate) fn spec(&self) -> &Config {
        &self.spec
    }

    pub(crate) fn original(&self) -> &Config {
        &self.original
    }

    pub(crate) fn last_good(&self) -> Option<&Config> {
        self.last_good.as_deref()
    }

    pub(crate) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    pub(crate) fn is_rolling(&self) -> bool {
        self.roll.is_some()
    }

    pub(crate) fn phase(&self) -> Phase {
        match (&self.roll, self.failed) {
            (Some(_), _) => Phase::Applying,
            (None, true) => Phase::Failed,
            (None, false) => Phase::Settled,
        }
    }

    /// The phase that a GET shows: for a while after a write, that from before it.
    pub(crate) fn shown_phase(&self) -> Phase {
        self.lag.map_or_else(|| self.phase(), |(before, _)| before)
    }

    /// A GET has shown it.
    pub(crate) fn shown_once(&mut self) {
        self.lag = self.lag.filter(|(_, left)| *left > 1).map(|(before, left)| (before, left - 1));
    }

    pub(crate) fn any_running(&self) -> bool {
        self.slots.iter().any(|slot| slot.config().is_some())
    }

    /// Grows or shrinks to `count` replicas at once, without a roll.
    pub(crate) fn scale(&mut self, count: usize, now: Timestamp) {
        while self.slots.len() > count.max(1) {
            if let Some(mut slot) = self.slots.pop() {
                slot.stop(now);
                self.retired.push(slot.ran());
            }
        }
        while self.slots.len() < count.max(1) {
            let mut slot = Slot::empty();
            if self.desired_state == DesiredState::Started
                && let Some(config) = &self.last_good
            {
                slot.run(&self.name, config, now);
            }
            self.slots.push(slot);
        }
    }

    /// Stores new maps and starts a roll if the application is meant to run.
    pub(crate) fn write(&mut self, properties: Map, secure: Map, by: &Author, lag: u32, now: Timestamp) {
        let shown = self.phase();
        let config = Config::new(properties, secure);
        self.spec = Arc::clone(&config);
        self.modified = now;
        let rolls = self.desired_state == DesiredState::Started;
        self.end_roll(RollResult::Superseded, now);
        self.writes.push(DeploymentWrite {
            at: now,
            by: by.client.clone(),
            token: by.token.clone(),
            version: config.version.clone(),
            properties: config.properties.clone(),
            secure: config.secure.clone(),
            result: if rolls { RollResult::Rolling } else { RollResult::None },
            ended: (!rolls).then_some(now),
        });
        self.lag = (lag > 0).then_some((shown, lag));
        if rolls {
            self.start_roll(Some(self.writes.len() - 1), now);
        }
    }

    /// Notes a write that equals what is stored, where such a write starts nothing.
    pub(crate) fn note_unchanged(&mut self, by: &Author, now: Timestamp) {
        self.writes.push(DeploymentWrite {
            at: now,
            by: by.client.clone(),
            token: by.token.clone(),
            version: self.spec.version.clone(),
            properties: self.spec.properties.clone(),
            secure: self.spec.secure.clone(),
            result: RollResult::None,
            ended: Some(now),
        });
    }

    /// Starts or stops it.
    pub(crate) fn want(&mut self, state: DesiredState, now: Timestamp) {
        self.set_desired(state, now);
        if state == DesiredState::Started {
            self.start_roll(None, now);
        }
    }

    /// The same without the roll of a start: a write follows, and brings its own.
    pub(crate) fn set_desired(&mut self, state: DesiredState, now: Timestamp) {
        self.desired_state = state;
        self.modified = now;
        self.end_roll(RollResult::Superseded, now);
        if state != DesiredState::Started {
            self.slots.iter_mut().for_each(|slot| slot.stop(now));
        }
    }

    /// The replicas die.
    pub(crate) fn crash(&mut self, now: Timestamp) {
        self.slots.iter_mut().for_each(|slot| slot.stop(now));
    }

    fn start_roll(&mut self, write: Option<usize>, now: Timestamp) {
        let will_fail = self.fail_next > 0;
        self.fail_next = self.fail_next.saturating_sub(1);
        self.failed = false;
        if self.strategy == UpdateStrategy::Recreate {
            self.slots.iter_mut().for_each(|slot| slot.stop(now));
        }
        self.roll = Some(Roll {
            to: Arc::clone(&self.spec),
            pace: self.pace,
            next: 0,
            due: due(self.pace, now),
            will_fail,
            write,
        });
    }

    fn end_roll(&mut self, result: RollResult, at: Timestamp) {
        if let Some(roll) = self.roll.take()
            && let Some(write) = roll.write.and_then(|index| self.writes.get_mut(index))
        {
            write.result = result;
            write.ended = Some(at);
        }
    }

    /// Applies what fell due up to `now`.
    pub(crate) fn advance(&mut self, rules: &Rules, now: Timestamp) {
        while let Some(at) = self.roll.as_ref().and_then(|roll| roll.due).filter(|due| *due <= now) {
            self.step(rules, at);
        }
    }

    /// Replaces the next replica; the last one ends the roll. False if there is no roll.
    pub(crate) fn step(&mut self, rules: &Rules, at: Timestamp) -> bool {
        let Some(roll) = &mut self.roll else { return false };
        let last = roll.next + 1 >= self.slots.len();
        if last && roll.will_fail {
            self.fail(rules, at);
            return true;
        }
        if let Some(slot) = self.slots.get_mut(roll.next) {
            slot.run(&self.name, &roll.to, at);
        }
        roll.next += 1;
        roll.due = due(roll.pace, at);
        if last {
            self.last_good = Some(Arc::clone(&roll.to));
            self.end_roll(RollResult::Succeeded, at);
        }
        true
    }

    /// Ends the roll with a failure: replicas go back to the last successful configuration, if the
    /// rules let them. False if there is no roll.
    pub(crate) fn fail(&mut self, rules: &Rules, at: Timestamp) -> bool {
        if self.roll.is_none() {
            return false;
        }
        self.end_roll(RollResult::Failed, at);
        self.failed = true;
        let back = self.last_good.as_ref().filter(|_| !rules.fallback_fails);
        for slot in &mut self.slots {
            match back {
                Some(good) if slot.config().is_some_and(|running| Arc::ptr_eq(running, good)) => {}
                Some(good) => slot.run(&self.name, good, at),
                None => slot.stop(at),
            }
        }
        if rules.failed_roll_reverts_spec
            && let Some(good) = &self.last_good
        {
            self.spec = Arc::clone(good);
            self.modified = at;
        }
        true
    }

    /// What each replica that runs now runs with.
    pub(crate) fn running(&self) -> Vec<ReplicaView> {
        self.slots.iter().filter_map(Slot::view).collect()
    }

    /// All that happened.
    pub(crate) fn history(&self) -> AppHistory {
        let replicas = self.slots.iter().map(Slot::ran).chain(self.retired.iter().cloned()).collect();
        AppHistory { replicas, writes: self.writes.clone() }
    }
}

fn due(pace: Pace, from: Timestamp) -> Option<Timestamp> {
    match pace {
        Pace::PerReplica(each) => from.checked_add(each).ok(),
        Pace::Manual => None,
    }
}

#[cfg(test)]
mod tests;
