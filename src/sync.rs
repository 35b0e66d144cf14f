//! The one path that every change takes: observe, plan, apply, confirm, record.
//!
//! [`run`] is one pass over one target. It is given no event: what to write follows from what AWS serves
//! and what the target shows, so a duplicate, a replay, a lost notification and a restart all end in the
//! same place. It never sleeps: it says what comes next and frees its worker.
//!
//! It guarantees: values live from the read to the write inside [`apply`] and nowhere else; no write
//! starts with a version that is known to be superseded; all fields of a secret come from one version;
//! nothing counts as delivered before the next look at the target proves it.
//!
//! It does not guarantee that Anypoint applies writes in order: it has no conditional writes. A write
//! that lands late is found by a later look and written over.

mod ended;
pub mod follow;
pub mod forecast;
pub mod gate;
pub mod memory;
pub mod plan;
pub mod ports;
pub mod values;
pub mod versions;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use jiff::Timestamp;

use crate::clock::Clock;
use crate::model::{
    Failure, FailureCode, Next, Outcome, Receipt, Retry, Roll, SecretRef, Stamp, TargetName, VersionSeen,
    Wanted, WantedDigest,
};
use crate::telemetry::traces::{Step, step};

pub use ended::{Ended, WriteEnd, Wrote};
use ended::{Stop, awaiting_roll, by_retry, doubted, moved_between_reads};
use follow::{Leaders, Standing};
use gate::Gate;
use memory::{Held, Memory, TargetMemory};
use plan::{Leave, Plan, Why, plan};
use ports::{Observation, Observed, Proof, Secrets, Stage, Target, TargetSpec};
use values::Values;
use versions::{Verdict, VersionLog};

/// What every run shares.
pub struct Sync {
    /// AWS.
    pub secrets: Arc<dyn Secrets>,
    /// What is known about the order of versions.
    pub versions: Arc<VersionLog>,
    /// What is known about the targets.
    pub memory: Arc<Memory>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Between two looks at a target that is confirming.
    pub poll: Duration,
    /// What holds writes back.
    pub gates: BTreeMap<TargetName, Gate>,
    /// Which targets follow which.
    pub leaders: Arc<Leaders>,
}

/// One pass over `target`. `claim_roll` asks for a roll slot just before a write that restarts something.
pub async fn run(
    sync: &Sync,
    target: &dyn Target,
    leave: Leave,
    claim_roll: &(dyn Fn() -> bool + std::marker::Sync),
) -> Ended {
    let mut pass = Pass::over(sync, target);
    let (outcome, next) = match pass.go(target, leave, claim_roll).await {
        Ok(ended) => ended,
        Err(Stop::NotYet(outcome, after)) => (outcome, Next::Again { after, roll: pass.roll }),
        Err(Stop::AwaitRoll) => (Outcome::retrying(awaiting_roll()), Next::AwaitRoll),
        Err(Stop::NothingDue(outcome)) => (outcome, Next::Done),
        Err(Stop::Failed(failure)) => by_retry(failure, pass.roll),
    };
    pass.end(outcome, next)
}

struct Pass<'a> {
    sync: &'a Sync,
    spec: &'a TargetSpec,
    memory: TargetMemory,
    /// What others could wait for, as it was before.
    held_before: Held,
    /// The receipt that the target shows, once it was looked at.
    shown: Option<Receipt>,
    /// Whether its last roll failed, so that it runs with something else than it shows.
    failing: bool,
    roll: Roll,
    wanted: Option<Wanted>,
    wrote: Option<Wrote>,
    steps: Option<(Timestamp, Timestamp)>,
    proved_now: bool,
    proved_since: Option<Timestamp>,
    notes: Vec<String>,
}

/// What a look led to.
struct Decided {
    wanted: Wanted,
    observed: Box<dyn Observed>,
    plan: Plan,
}

impl<'a> Pass<'a> {
    fn over(sync: &'a Sync, target: &'a dyn Target) -> Self {
        let spec = target.spec();
        let memory = sync.memory.of(&spec.name);
        Pass {
            sync,
            spec,
            roll: if memory.pending.is_some() { Roll::Unknown } else { Roll::Over },
            held_before: memory.held(),
            memory,
            shown: None,
            failing: false,
            wanted: None,
            wrote: None,
            steps: None,
            proved_now: false,
            proved_since: None,
            notes: Vec::new(),
        }
    }

    async fn go(
        &mut self,
        target: &dyn Target,
        leave: Leave,
        claim_roll: &(dyn Fn() -> bool + std::marker::Sync),
    ) -> Result<(Outcome, Next), Stop> {
        let Decided { wanted, observed, plan } = self.decide(target, leave).await?;
        let seen = observed.observation();
        match plan {
            Plan::Nothing(outcome) => {
                if outcome != Outcome::Stopped {
                    self.prove(Some(seen)).await?;
                }
                Ok((outcome, Next::Done))
            }
            Plan::Wait(outcome) => {
                let roll = if seen.stage == Stage::Down { Roll::Over } else { Roll::UnderWay };
                Ok((outcome, self.poll(roll)))
            }
            Plan::Park(failure) => {
                self.memory.give_up(wanted.digest(), &failure);
                self.remember().await?;
                Ok(by_retry(failure, Roll::Over))
            }
            Plan::Write(why) => {
                if self.spec.rolls && !claim_roll() {
                    return Err(Stop::AwaitRoll);
                }
                self.apply(target, observed, wanted, why).await?;
                step(Step::Confirm, self.look_again()).await
            }
        }
    }

    /// Looks at AWS and at the target, and decides.
    async fn decide(&mut self, target: &dyn Target, leave: Leave) -> Result<Decided, Stop> {
        target.ready()?;
        let wanted = self.observe_aws().await?;
        self.wanted = Some(wanted.clone());
        self.follow(&wanted)?;
        if self.may_still_roll(&wanted) && step(Step::Confirm, target.still_rolls(self.sync.poll)).await {
            self.roll = Roll::UnderWay;
            // A failure that a look finds after this is another one.
            self.memory.seen_without_failure();
            self.remember().await?;
            return Err(Stop::NotYet(Outcome::Confirming, self.sync.poll));
        }
        let observed = step(Step::Lookup, target.observe()).await?;
        let seen = observed.observation();
        let rolls = self.spec.rolls && seen.stage == Stage::Rolling;
        self.roll = if rolls { Roll::UnderWay } else { Roll::Over };
        self.shown.clone_from(&seen.receipt);
        self.failing = matches!(seen.stage, Stage::Failed(_));
        let now = self.sync.clock.timestamp();
        self.memory.note_rest(seen, now);
        self.remember().await?;
        let plan = plan(self.spec, &wanted, seen, &self.memory, now, leave);
        if matches!(plan, Plan::Write(_)) && leave != Leave::Insist && seen.stage != Stage::Down {
            let gate = self.sync.gates.get(&self.spec.name);
            let others = |name: &TargetName| self.sync.memory.of(name);
            if let Some((failure, after)) = gate.and_then(|gate| gate.holds(&wanted, now, others)) {
                return Err(Stop::NotYet(Outcome::retrying(failure), after));
            }
        }
        Ok(Decided { wanted, observed, plan })
    }

    /// Whether all that is due is the end of a roll of our own that the target answered to and that has
    /// time left; anything else takes a look.
    fn may_still_roll(&self, wanted: &Wanted) -> bool {
        let now = self.sync.clock.timestamp();
        self.spec.rolls
            && self.memory.pending.as_ref().is_some_and(|pending| {
                let in_time = plan::lasted(pending.since, now) <= self.spec.confirm_limit;
                pending.answered && pending.receipt.is_of(wanted) && in_time
            })
    }

    /// The current version of each secret, without reading a value.
    async fn observe_aws(&self) -> Result<Wanted, Stop> {
        let reads = self.spec.secrets.iter().map(|secret| async move {
            let state = step(Step::Describe(secret), self.sync.secrets.current(secret)).await?;
            self.judge(secret, &state.current, state.last_changed)?;
            Ok::<_, Stop>((secret.clone(), state.current))
        });
        let versions: BTreeMap<SecretRef, VersionSeen> = try_join_all(reads).await?.into_iter().collect();
        let leader = self.sync.leaders.get(&self.spec.name).map(|leader| self.sync.memory.of(&leader.name));
        Ok(Wanted { versions, mapping: follow::mapping(&self.spec.mapping, leader.as_ref()) })
    }

    /// Waits for the target that this one follows, if it does.
    fn follow(&self, wanted: &Wanted) -> Result<(), Stop> {
        let Some(leader) = self.sync.leaders.get(&self.spec.name) else { return Ok(()) };
        match leader.standing(&self.sync.memory.of(&leader.name), wanted) {
            Standing::There => Ok(()),
            Standing::Behind => Err(Stop::NotYet(Outcome::retrying(leader.awaited()), follow::LOOK_AGAIN)),
            Standing::Stopped => Err(Stop::NothingDue(Outcome::Stopped)),
        }
    }

    fn judge(&self, secret: &SecretRef, read: &VersionSeen, changed: Option<Timestamp>) -> Result<(), Stop> {
        let given = self.newest_given(secret);
        match self.sync.versions.judge(secret, read, changed, given, self.sync.clock.now()) {
            Verdict::Current => Ok(()),
            Verdict::Wait(after, doubt) => {
                Err(Stop::NotYet(Outcome::retrying(doubted(secret, doubt)), after))
            }
        }
    }

    /// What the last proved delivery held of this secret, or, after a restart, what the target says it
    /// was given.
    fn delivered_version(&self, secret: &SecretRef) -> Option<&VersionSeen> {
        let delivered = self.memory.delivered.as_ref().map(|delivered| &delivered.receipt);
        self.version_in(delivered.or(self.shown.as_ref())?, secret)
    }

    /// The newest version of this secret that the target was given, proved or not, as far as is known.
    fn newest_given(&self, secret: &SecretRef) -> Option<&VersionSeen> {
        let delivered = self.memory.delivered.as_ref().map(|delivered| &delivered.receipt);
        let pending = self.memory.pending.as_ref().map(|pending| &pending.receipt);
        let receipts = [delivered, pending, self.shown.as_ref()].into_iter().flatten();
        receipts.filter_map(|receipt| self.version_in(receipt, secret)).max_by_key(|seen| seen.created)
    }

    /// Receipts list versions in the order of the target's secrets; one of another mapping has another length
    /// or is left out.
    fn version_in<'r>(&self, receipt: &'r Receipt, secret: &SecretRef) -> Option<&'r VersionSeen> {
        let versions = &receipt.versions;
        if versions.len() != self.spec.secrets.len() {
            return None;
        }
        let place = self.spec.secrets.iter().position(|other| other == secret)?;
        versions.get(place)
    }

    fn delivered_versions(&self) -> Option<BTreeMap<SecretRef, VersionSeen>> {
        let receipt = &self.memory.delivered.as_ref()?.receipt;
        let secrets = self.spec.secrets.iter().cloned();
        (receipt.versions.len() == self.spec.secrets.len())
            .then(|| secrets.zip(receipt.versions.iter().cloned()).collect())
    }

    /// Fetches the values, writes them and drops them. The write is remembered before it starts.
    async fn apply(
        &mut self,
        target: &dyn Target,
        observed: Box<dyn Observed>,
        mut wanted: Wanted,
        why: Why,
    ) -> Result<(), Stop> {
        let values = self.fetch(target).await?;
        let read = self.sync.clock.timestamp();
        for (secret, seen) in values.versions() {
            wanted.versions.insert(secret.clone(), seen.clone());
        }
        let before = observed.observation().mark.clone();
        let receipt = Receipt::of(&wanted, Stamp::fresh(), before);
        self.wanted = Some(wanted);
        let mut write = match observed.prepare(&values, &receipt) {
            Ok(write) => write,
            Err(failure) => return self.failed(receipt.digest, failure).await,
        };
        drop(values);
        if let Err(failure) = write.gather().await {
            return self.failed(receipt.digest, failure).await;
        }

        let previous = self.memory.begin(&receipt, self.sync.clock.timestamp());
        self.remember().await?;
        let written = step(Step::Write, write.send()).await;

        let end = match &written {
            Ok(_) => WriteEnd::Taken,
            Err(error) if error.ambiguous => WriteEnd::Ambiguous,
            Err(_) => WriteEnd::Failed,
        };
        self.wrote = Some(Wrote { why, end });
        self.steps = Some((read, self.sync.clock.timestamp()));
        if self.spec.rolls && end != WriteEnd::Failed {
            self.roll = Roll::UnderWay;
        }
        match written {
            Ok(applied) => {
                self.notes.extend(applied.notes);
                self.memory.answered(applied.mark);
                self.remember().await
            }
            Err(error) => {
                if !error.ambiguous {
                    self.memory.pending = previous;
                }
                self.failed(receipt.digest, error.failure).await
            }
        }
    }

    /// Ends the write of the wanted state with this digest; a failure that does not pass gives it up.
    async fn failed(&mut self, digest: WantedDigest, failure: Failure) -> Result<(), Stop> {
        if matches!(failure.retry, Retry::Never | Retry::Slowly) {
            self.memory.give_up(digest, &failure);
        }
        self.remember().await?;
        Err(failure.into())
    }

    async fn fetch(&self, target: &dyn Target) -> Result<Values, Stop> {
        let written = self.spec.secrets.iter().filter(|secret| !target.only_watches(secret));
        let reads = written.map(|secret| async move {
            let fetched = step(Step::Fetch(secret), self.sync.secrets.fetch(secret)).await?;
            self.judge(secret, &fetched.seen, None)?;
            Ok::<_, Stop>((secret.clone(), fetched))
        });
        let mut values = Values::default();
        for (secret, fetched) in try_join_all(reads).await? {
            values.insert(secret, fetched);
        }
        match values.mixed() {
            Some(secret) => Err(moved_between_reads(secret).into()),
            None => Ok(values),
        }
    }

    /// After a write: if AWS has moved on meanwhile, at once again; else on to the proof.
    async fn look_again(&mut self) -> Result<(Outcome, Next), Stop> {
        let written = self.wanted.clone().map(|wanted| wanted.digest());
        let wanted = self.observe_aws().await?;
        if written != Some(wanted.digest()) {
            self.wanted = Some(wanted);
            return Ok((Outcome::Confirming, Next::Again { after: Duration::ZERO, roll: self.roll }));
        }
        let marked = self.memory.pending.as_ref().is_some_and(|pending| pending.mark.is_some());
        let outcome = match self.spec.proof {
            Proof::None if !self.spec.rolls => Outcome::Accepted,
            Proof::Answer if !self.spec.rolls => Outcome::InSync,
            Proof::Mark if marked => Outcome::InSync,
            Proof::None | Proof::Answer | Proof::Mark | Proof::Receipt => {
                return Ok((Outcome::Confirming, self.poll(self.roll)));
            }
        };
        self.prove(None).await?;
        Ok((outcome, Next::Done))
    }

    async fn prove(&mut self, seen: Option<&Observation>) -> Result<(), Stop> {
        // A first delivery follows a configuration, not a change in AWS.
        let behind = self.memory.delivered.as_ref().and_then(|_| self.stale_since());
        self.proved_now = self.memory.prove(seen);
        self.proved_since = behind.filter(|_| self.proved_now);
        self.remember().await
    }

    fn poll(&self, roll: Roll) -> Next {
        let roll = if self.spec.rolls { roll } else { Roll::Over };
        Next::Again { after: self.sync.poll, roll }
    }

    async fn remember(&self) -> Result<(), Stop> {
        self.sync.memory.keep(&self.spec.name, self.memory.clone()).await.map_err(|error| {
            Stop::Failed(Failure::new(
                FailureCode::Internal,
                Retry::Backoff,
                format!("the receipts file could not be written: {error}"),
                "make the folder of the file under `receipts` writable for the relay, or free space there",
            ))
        })
    }

    fn end(self, outcome: Outcome, next: Next) -> Ended {
        let delivered = self.delivered_versions();
        let frees_others = self.memory.held() != self.held_before;
        let stale_since = if outcome.is_settled() { None } else { self.stale_since() };
        Ended {
            outcome,
            next,
            wanted: self.wanted,
            delivered,
            wrote: self.wrote,
            steps: self.steps,
            proved_now: self.proved_now,
            frees_others,
            proved_since: self.proved_since,
            stale_since,
            notes: self.notes,
        }
    }

    /// Since when the first of the secrets has had a version that the target does not run with. What AWS
    /// could not be asked about is taken from the log: an event may have named a version. A secret of which
    /// the target is not known to have been given any version has no such time: AWS has not moved away from
    /// what was there, so what the target owes counts from when that was first seen.
    fn stale_since(&self) -> Option<Timestamp> {
        let behind = self.spec.secrets.iter().filter_map(|secret| {
            let latest = self.sync.versions.latest(secret)?;
            let held = self.delivered_version(secret)?;
            let runs = held.version == latest.version && !self.failed_before_start();
            if runs { None } else { latest.since }
        });
        behind.min()
    }

    /// Whether it shows a receipt of before the start whose roll failed: then that is not what it runs with.
    fn failed_before_start(&self) -> bool {
        self.failing && self.memory.is_blank()
    }
}

#[cfg(test)]
mod tests;
