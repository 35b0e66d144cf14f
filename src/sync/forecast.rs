//! What a run would do now, found out without doing it.
//!
//! It takes the steps of [`run`](super::run) up to the write: the same look, the same decision, the same
//! body, which is then dropped. So it reads values, and a value that does not fit is foretold as well.
//! It writes nothing, takes no roll slot, and remembers nothing if its memory is a copy
//! ([`Memory::detached`](super::memory::Memory::detached)).
//!
//! It does not foresee what changes between the forecast and the run, nor what Anypoint refuses for
//! reasons that a look does not show, such as a scope that only the write needs.

use std::collections::BTreeMap;
use std::time::Duration;

use super::plan::{Leave, Plan, Why};
use super::ports::Target;
use super::{Decided, Pass, Stop, Sync, awaiting_roll};
use crate::model::{Failure, Outcome, Receipt, Retry, SecretRef, Stamp, VersionSeen, Wanted};

/// What a run would do, and from which versions to which.
#[derive(Debug)]
pub struct Forecast {
    /// The step.
    pub step: Step,
    /// What is wanted, where AWS could be asked.
    pub wanted: Option<Wanted>,
    /// The versions that the target is known to hold.
    pub held: BTreeMap<SecretRef, VersionSeen>,
}

/// What a run would do.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing; the outcome says how far that is proved.
    Nothing(Outcome),
    /// Write.
    Write(Why),
    /// Wait for something that ends by itself.
    Wait(Outcome),
    /// Refuse to write, or to repeat what failed.
    Refuse(Failure),
    /// It cannot be told: AWS or the target could not be looked at.
    Unknown(Failure),
}

impl Forecast {
    /// The time until its turn, where requests of others came first and nothing was looked at.
    pub fn turn(&self) -> Option<Duration> {
        match &self.step {
            Step::Unknown(Failure { retry: Retry::Turn(turn) | Retry::Line(turn), .. }) => Some(*turn),
            _ => None,
        }
    }
}

/// Foretells a run over `target`.
pub async fn forecast(sync: &Sync, target: &dyn Target) -> Forecast {
    let mut pass = Pass::over(sync, target);
    let step = match pass.foresee(target).await {
        Ok(step) => step,
        Err(Stop::NotYet(outcome, _)) => Step::Wait(outcome),
        Err(Stop::AwaitRoll) => Step::Wait(Outcome::retrying(awaiting_roll())),
        Err(Stop::NothingDue(outcome)) => Step::Nothing(outcome),
        Err(Stop::Failed(failure)) => Step::Unknown(failure),
    };
    let known = |secret: &SecretRef| Some((secret.clone(), pass.delivered_version(secret)?.clone()));
    let held = pass.spec.secrets.iter().filter_map(known).collect();
    Forecast { step, wanted: pass.wanted, held }
}

impl Pass<'_> {
    async fn foresee(&mut self, target: &dyn Target) -> Result<Step, Stop> {
        let Decided { wanted, observed, plan } = self.decide(target, Leave::Write).await?;
        Ok(match plan {
            Plan::Nothing(outcome) => Step::Nothing(outcome),
            Plan::Wait(outcome) => Step::Wait(outcome),
            Plan::Park(failure) => Step::Refuse(failure),
            Plan::Write(why) => {
                let values = self.fetch(target).await?;
                let receipt = Receipt::of(&wanted, Stamp::fresh(), observed.observation().mark.clone());
                let mut write = match observed.prepare(&values, &receipt) {
                    Ok(write) => write,
                    Err(failure) => return Ok(Step::Refuse(failure)),
                };
                match write.gather().await {
                    Ok(()) => Step::Write(why),
                    Err(failure) if matches!(failure.retry, Retry::Never | Retry::Slowly) => {
                        Step::Refuse(failure)
                    }
                    Err(failure) => Step::Unknown(failure),
                }
            }
        })
    }
}
