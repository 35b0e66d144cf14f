//! Carries out the schedule, then waits until everything is in sync.

use std::collections::BTreeMap;
use std::time::Duration;

use anypoint_sandbox::anypoint::App;
use anypoint_sandbox::aws::{Secret, Value};
use fastrand::Rng;
use serde_json::Value as Json;
use tokio::time::{Instant, interval, sleep_until};

use crate::collect;
use crate::faults::Weather;
use crate::options::Options;
use crate::pipeline;
use crate::relay::Relay;
use crate::report::Progress;
use crate::schedule::{Act, Planned, Rotation};
use crate::tell::Senders;
use crate::verdict;
use crate::world::{World, password};

/// Between two looks at what was answered.
const COLLECT: Duration = Duration::from_millis(500);
/// Between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(2);
/// Between two looks at whether everything is in sync.
const LOOK: Duration = Duration::from_millis(200);
/// Between two wishes of a person for the same target.
const ASK_AGAIN: Duration = Duration::from_secs(4);
/// What a person mends and asks for, as the runbook says: nothing else unparks these.
const FOR_A_PERSON: [&str; 3] = ["roll_failed", "roll_overdue", "would_lose"];

/// What was done to the world.
#[derive(Clone, Debug, Default)]
pub(crate) struct Done {
    pub(crate) forward: u64,
    pub(crate) back: u64,
    pub(crate) abandoned: u64,
    pub(crate) redeploys: u64,
    pub(crate) gusts: u64,
    /// Targets that a person had to ask for at the end, by the code of the failure.
    pub(crate) asked: BTreeMap<String, u64>,
}

/// How it ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Calm {
    /// Until the last target was in sync; none if that did not happen in time.
    pub(crate) after: Option<Duration>,
}

pub(crate) struct Driver<'w> {
    world: &'w World,
    options: &'w Options,
    relay: &'w Relay,
    weather: Weather,
    senders: Senders,
    rng: Rng,
    pub(crate) done: Done,
    progress: Progress,
}

impl<'w> Driver<'w> {
    pub(crate) fn new(
        world: &'w World,
        options: &'w Options,
        relay: &'w Relay,
        weather: Weather,
        senders: Senders,
        rng: Rng,
    ) -> Self {
        let progress = Progress::new(Instant::now());
        Self { world, options, relay, weather, senders, rng, done: Done::default(), progress }
    }

    pub(crate) fn senders(&self) -> &Senders {
        &self.senders
    }

    /// The storm, to its end.
    pub(crate) async fn storm(&mut self, plan: &[Planned]) {
        let started = Instant::now();
        self.progress = Progress::new(started);
        let (mut collect, mut progress) = (interval(COLLECT), interval(PROGRESS));
        let mut plan = plan.iter();
        let mut next = plan.next();
        let end = started + self.options.duration;
        loop {
            let due = next.map_or(end, |planned| started + planned.at);
            tokio::select! {
                biased;
                () = sleep_until(due) => match next {
                    Some(planned) => {
                        self.act(planned.act);
                        next = plan.next();
                    }
                    None => return,
                },
                _ = collect.tick() => {
                    self.weather.settle();
                    self.senders.collect(self.world);
                }
                _ = progress.tick() => self.show(),
            }
        }
    }

    fn show(&self) {
        let behind = verdict::lost(&collect::now_held(self.world)).len();
        self.progress.line(self.world, self.relay, self.senders.tally(), &self.done, behind);
    }

    fn act(&mut self, act: Act) {
        let world = self.world;
        match act {
            Act::Rotate { secret, how, tell, copies } => {
                let Some(secret) = world.secrets.get(secret) else { return };
                let how = self.rotate(secret, how);
                self.senders.tell(world, secret, how, tell, copies);
            }
            Act::Redeploy { target, how } => {
                let number = usize::try_from(self.done.redeploys).unwrap_or_default();
                let Some(target) = world.targets.get(target) else { return };
                self.done.redeploys += u64::from(pipeline::redeploy(world, target, how, number));
            }
            Act::FailRoll { target } => {
                if let Some(app) = world.targets.get(target).and_then(|target| target.app()) {
                    app.fail_next_rolls(1);
                }
            }
            Act::Gust(gust, number) => {
                self.done.gusts += 1;
                self.weather.gust(world, gust, number);
            }
            Act::Land => drop(world.anypoint.release_held_writes()),
            Act::Shuffle(number) => Senders::shuffle(world, number),
            Act::Kill { signal, down } => self.relay.kill(signal, down),
        }
    }

    /// Moves AWSCURRENT; a secret that was never rotated cannot go back.
    fn rotate(&mut self, secret: &Secret, how: Rotation) -> Rotation {
        let next = |rng: &mut Rng| next_value(&secret.current_value(), &password(rng), rng.bool());
        match how {
            Rotation::Back if secret.history().len() > 1 => {
                secret.rollback();
                self.done.back += 1;
                return how;
            }
            Rotation::Abandoned => {
                secret.start_pending(next(&mut self.rng));
                secret.abandon_rotation();
                self.done.abandoned += 1;
                return how;
            }
            Rotation::Staged => {
                secret.start_pending(next(&mut self.rng));
                secret.finish_rotation();
            }
            Rotation::Put | Rotation::Back => drop(secret.rotate(next(&mut self.rng))),
        }
        self.done.forward += 1;
        if how == Rotation::Back { Rotation::Put } else { how }
    }

    /// The faults stop; waits until every target holds what AWS serves, and still does a while later.
    pub(crate) async fn calm(&mut self) -> Calm {
        let started = Instant::now();
        self.weather.end(self.world);
        Senders::shuffle(self.world, 1);
        pipeline::visitors_leave(self.world);
        let mut in_sync_since = None;
        let (mut looks, mut progress) = (interval(LOOK), interval(PROGRESS));
        let mut asked = BTreeMap::new();
        // Long enough for the relay to look at every target once more.
        let steady = self.world.looks_every() + Duration::from_secs(2);
        while started.elapsed() < self.options.converge + steady {
            tokio::select! {
                _ = progress.tick() => self.show(),
                _ = looks.tick() => {}
            }
            self.senders.collect(self.world);
            self.world.anypoint.release_held_writes();
            self.ask_for_parked(&mut asked);
            let rolling = self.world.targets.iter().filter_map(|target| target.app());
            let rests = !rolling.into_iter().any(App::is_rolling);
            if !(rests && verdict::lost(&collect::now_held(self.world)).is_empty()) {
                in_sync_since = None;
                continue;
            }
            let since = *in_sync_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= steady {
                break;
            }
        }
        let after = in_sync_since.map(|since| since.duration_since(started));
        Calm { after: after.filter(|after| *after <= self.options.converge) }
    }

    /// What a person does about targets that are parked until somebody does something.
    fn ask_for_parked(&mut self, asked: &mut BTreeMap<String, Instant>) {
        for (target, code) in self.relay.gauges().parked() {
            let lately = asked.get(&target).is_some_and(|at| at.elapsed() < ASK_AGAIN);
            if FOR_A_PERSON.contains(&code.as_str()) && !lately {
                self.senders.ask_for(self.world, &target);
                if asked.insert(target, Instant::now()).is_none() {
                    *self.done.asked.entry(code).or_default() += 1;
                }
            }
        }
    }
}

/// The value with another password and, for every other one, the other of its two users.
fn next_value(value: &Value, password: &str, switch: bool) -> Value {
    let mut json: Json = value.text().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    json["password"] = password.into();
    if switch && let Some(user) = json["username"].as_str() {
        let other = user.strip_suffix("_clone").map_or_else(|| format!("{user}_clone"), str::to_owned);
        json["username"] = other.into();
    }
    json.into()
}
