//! AWS and the target as a run sees them: each call is a question that stands until the checker answers it.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::model::{
    Failure, FailureCode, Mark, Receipt, Retry, SecretRef, Selector, TargetName, ValueSource,
};
use crate::model::{VersionId, VersionSeen};
use crate::secret::SecretValue;
use crate::sync::ports::{
    Applied, ApplyError, FetchedSecret, Observation, Observed, Proof, SecretContent, SecretState, Secrets,
    Stage, Target, TargetSpec, Write,
};
use crate::sync::values::Values;

/// What a run asks the outside.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    Current,
    Fetch,
    Observe,
    Send { version: u8, receipt: Receipt },
}

/// What it is told.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// The current version, and as the how-manieth it became so.
    Version { version: u8, moved: u8 },
    /// What the target shows.
    Shown { receipt: Option<Receipt>, mark: u32 },
    /// The write was taken; the target's mark after it.
    Taken { mark: u32 },
    /// No answer came.
    Lost,
}

/// The one place through which a run and the checker speak.
#[derive(Clone, Default)]
pub(super) struct Port(Arc<Mutex<(Option<Ask>, Option<Answer>)>>);

impl Port {
    /// The question that stands.
    pub(super) fn asked(&self) -> Option<Ask> {
        self.0.lock().unwrap().0.clone()
    }

    pub(super) fn answer(&self, answer: Answer) {
        *self.0.lock().unwrap() = (None, Some(answer));
    }

    async fn ask(&self, ask: Ask) -> Answer {
        let mut ask = Some(ask);
        poll_fn(|_| {
            let mut port = self.0.lock().unwrap();
            if let Some(ask) = ask.take() {
                port.0 = Some(ask);
                return Poll::Pending;
            }
            port.1.take().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

pub(super) fn time(second: u8) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + i64::from(second)).unwrap()
}

pub(super) fn version(number: u8) -> VersionId {
    VersionId::parse(&format!("00000000-0000-4000-8000-0000000000{number:02}")).unwrap()
}

pub(super) fn secret() -> SecretRef {
    SecretRef::new("prod/db", None, None).unwrap()
}

#[async_trait]
impl Secrets for Port {
    async fn current(&self, _: &SecretRef) -> Result<SecretState, Failure> {
        let Answer::Version { version: number, moved } = self.ask(Ask::Current).await else { unreachable!() };
        let current = VersionSeen { version: version(number), created: None };
        Ok(SecretState { current, last_changed: Some(time(moved)) })
    }

    async fn fetch(&self, _: &SecretRef) -> Result<FetchedSecret, Failure> {
        let Answer::Version { version: number, .. } = self.ask(Ask::Fetch).await else { unreachable!() };
        let seen = VersionSeen { version: version(number), created: Some(time(number)) };
        let content = SecretContent::Text(SecretValue::from(number.to_string()));
        Ok(FetchedSecret { arn: None, seen, content })
    }
}

/// An application that carries its receipt.
pub(super) struct Application {
    spec: Arc<TargetSpec>,
    port: Port,
}

impl Application {
    pub(super) fn new(port: Port) -> Self {
        let spec = TargetSpec {
            name: TargetName::parse("orders-api").unwrap(),
            secrets: [secret()].into(),
            mapping: "m".to_owned(),
            proof: Proof::Receipt,
            rolls: true,
            supersede: false,
            confirm_limit: Duration::from_hours(1),
        };
        Self { spec: Arc::new(spec), port }
    }
}

#[async_trait]
impl Target for Application {
    fn spec(&self) -> &Arc<TargetSpec> {
        &self.spec
    }

    async fn observe(&self) -> Result<Box<dyn Observed>, Failure> {
        let Answer::Shown { receipt, mark } = self.port.ask(Ask::Observe).await else { unreachable!() };
        let observation = Observation {
            receipt,
            mark: Some(Mark(mark.to_string())),
            stage: Stage::Settled,
            refusal: None,
            provable: true,
        };
        Ok(Box::new(Seen { observation, port: self.port.clone() }))
    }
}

struct Seen {
    observation: Observation,
    port: Port,
}

impl Observed for Seen {
    fn observation(&self) -> &Observation {
        &self.observation
    }

    fn prepare(self: Box<Self>, values: &Values, receipt: &Receipt) -> Result<Box<dyn Write>, Failure> {
        let value = values.resolve(&ValueSource::Secret(secret(), Selector::Whole))?;
        let version = value.expose_str().unwrap().parse().unwrap();
        Ok(Box::new(Prepared { version, receipt: receipt.clone(), port: self.port }))
    }
}

struct Prepared {
    version: u8,
    receipt: Receipt,
    port: Port,
}

#[async_trait]
impl Write for Prepared {
    async fn send(self: Box<Self>) -> Result<Applied, ApplyError> {
        let answer = self.port.ask(Ask::Send { version: self.version, receipt: self.receipt }).await;
        if let Answer::Taken { mark } = answer {
            return Ok(Applied { mark: Some(Mark(mark.to_string())), notes: Vec::new() });
        }
        let failure = Failure::new(FailureCode::Timeout, Retry::Backoff, "no answer in time", "none");
        Err(ApplyError { failure, ambiguous: true })
    }
}
