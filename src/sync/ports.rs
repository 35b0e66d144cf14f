//! What the sync path needs of the outside, as traits. `crate::aws` and `crate::anypoint` implement
//! them; `crate::app` brings both sides together.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::model::{Failure, Mark, Receipt, SecretRef, TargetName, VersionSeen};
use crate::sync::values::Values;
use crate::telemetry::traces::Ending;

/// What AWS says about a secret without showing its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretState {
    /// The version under AWSCURRENT.
    pub current: VersionSeen,
    /// When anything about the secret last changed.
    pub last_changed: Option<Timestamp>,
}

/// A value with the version it belongs to. All fields of one write come from one of these per secret.
pub struct FetchedSecret {
    /// The full ARN, where the answer has one: it tells which references mean the same secret.
    pub arn: Option<String>,
    /// The version.
    pub seen: VersionSeen,
    /// The value.
    pub content: SecretContent,
}

/// Text or binary, as AWS stores it.
pub enum SecretContent {
    /// `SecretString`
    Text(crate::secret::SecretValue),
    /// `SecretBinary`
    Binary(crate::secret::SecretValue),
}

/// Secrets Manager, always asked by stage AWSCURRENT.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The current version (DescribeSecret: no value is read).
    async fn current(&self, secret: &SecretRef) -> Result<SecretState, Failure>;
    /// The current value (GetSecretValue by stage AWSCURRENT).
    async fn fetch(&self, secret: &SecretRef) -> Result<FetchedSecret, Failure>;
}

/// How a kind proves that a write took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It carries our receipt itself, and says when the state is in force.
    Receipt,
    /// It has no room for a receipt but shows a mark that moves with each write.
    Mark,
    /// It shows nothing later, but takes a write only with the answer that was agreed on as proof.
    Answer,
    /// It shows nothing: a 2xx is all there is.
    None,
}

/// What does not change about a target while a configuration is in force.
#[derive(Clone, Debug)]
pub struct TargetSpec {
    /// Its name.
    pub name: TargetName,
    /// Every secret it depends on, in order, each once.
    pub secrets: Box<[SecretRef]>,
    /// Value-free fingerprint of its mapping.
    pub mapping: String,
    /// What it can show.
    pub proof: Proof,
    /// Whether a write restarts something and takes a roll slot.
    pub rolls: bool,
    /// Whether a newer version is written while our own roll is under way.
    pub supersede: bool,
    /// Longest time that a confirmation may take.
    pub confirm_limit: std::time::Duration,
}

/// Whether the target is at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// What it shows is in force.
    Settled,
    /// A write, ours or another's, is still taking effect.
    Rolling,
    /// No write is taking effect, yet it does not run: it may have crashed over the old value.
    Down,
    /// The last write did not take effect; what runs may be older than what is shown.
    Failed(String),
    /// It is not meant to run.
    Stopped,
    /// It does not exist; a write makes it.
    Missing,
}

/// What a target shows, free of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The receipt that it carries, where it can carry one.
    pub receipt: Option<Receipt>,
    /// The mark that moves with each write by anybody.
    pub mark: Option<Mark>,
    /// Whether it is at rest.
    pub stage: Stage,
    /// Why a write would do harm, if it would.
    pub refusal: Option<Failure>,
    /// Whether `Settled` is known, or only not contradicted: fields that prove it were absent.
    pub provable: bool,
}

/// One thing that takes values.
#[async_trait]
pub trait Target: Send + Sync {
    /// Its fixed side.
    fn spec(&self) -> &Arc<TargetSpec>;
    /// Whether it is only told about this secret of its own: then the value is never read.
    fn only_watches(&self, _secret: &SecretRef) -> bool {
        false
    }
    /// Whether a look would go out soon; else when its turn comes. Asked first, so that a target that
    /// waits for its turn costs nothing.
    fn ready(&self) -> Result<(), Failure> {
        Ok(())
    }
    /// Whether a write of ours is certainly still taking effect, told at less cost than by a look: one
    /// answer, at most `tick` old, may serve many targets. No means only that a look has to tell.
    async fn still_rolls(&self, _tick: std::time::Duration) -> bool {
        false
    }
    /// Looks at it; the answer is the only way to write to it.
    async fn observe(&self) -> Result<Box<dyn Observed>, Failure>;
}

/// A target that was just looked at.
pub trait Observed: Send {
    /// What was seen.
    fn observation(&self) -> &Observation;
    /// Builds the write on top of what was seen, and sends nothing; `receipt.before` is the mark that was
    /// seen. The error is why it must not be sent: a refusal, a value that does not fit.
    fn prepare(self: Box<Self>, values: &Values, receipt: &Receipt) -> Result<Box<dyn Write>, Failure>;
}

/// A write that is built.
#[async_trait]
pub trait Write: Send {
    /// Gathers what it needs beside the values, such as credentials of the relay's own; sends nothing. The error is
    /// why it could not be sent.
    async fn gather(&mut self) -> Result<(), Failure> {
        Ok(())
    }
    /// Sends it; what was not gathered before is gathered now.
    async fn send(self: Box<Self>) -> Result<Applied, ApplyError>;
}

/// A write that the target took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The target's mark after the write, where the answer shows it.
    pub mark: Option<Mark>,
    /// Things that a person should know: names another writer added meanwhile, for example.
    pub notes: Vec<String>,
}

/// A write that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplyError {
    /// Why.
    pub failure: Failure,
    /// Whether it may have taken effect all the same, now or later: a timeout, a reset, a 5xx.
    pub ambiguous: bool,
}

impl Ending for ApplyError {
    fn code(&self) -> Option<&'static str> {
        self.failure.code()
    }
}

impl ApplyError {
    /// A write that certainly did not happen.
    pub fn before(failure: Failure) -> Self {
        Self { failure, ambiguous: false }
    }
}
