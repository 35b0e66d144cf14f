//! The steps of a run, each a span inside of the run's.

use std::future::Future;

use opentelemetry::KeyValue;
use opentelemetry::trace::{FutureExt as _, SpanBuilder, SpanKind};

use super::Maker;
use crate::model::{Failure, Retry, SecretRef};

/// A step of a run.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// AWS is asked which version of a secret is current.
    Describe(&'a SecretRef),
    /// AWS is asked for the value of a secret.
    Fetch(&'a SecretRef),
    /// The target is looked at.
    Lookup,
    /// The target is written to.
    Write,
    /// Whether the write is in force.
    Confirm,
}

impl Step<'_> {
    fn span(self) -> SpanBuilder {
        let aws = |name, method, secret: &SecretRef| {
            SpanBuilder::from_name(name).with_kind(SpanKind::Client).with_attributes([
                KeyValue::new("rpc.system", "aws-api"),
                KeyValue::new("rpc.service", "SecretsManager"),
                KeyValue::new("rpc.method", method),
                KeyValue::new("relay.secret", secret.id().to_owned()),
            ])
        };
        match self {
            Step::Describe(secret) => aws("SecretsManager/DescribeSecret", "DescribeSecret", secret),
            Step::Fetch(secret) => aws("SecretsManager/GetSecretValue", "GetSecretValue", secret),
            Step::Lookup => SpanBuilder::from_name("lookup").with_kind(SpanKind::Internal),
            Step::Write => SpanBuilder::from_name("write").with_kind(SpanKind::Client),
            Step::Confirm => SpanBuilder::from_name("confirm").with_kind(SpanKind::Internal),
        }
    }
}

/// How a step ended, as far as its span says.
pub trait Ending {
    /// The code of its failure.
    fn code(&self) -> Option<&'static str>;
}

impl Ending for bool {
    fn code(&self) -> Option<&'static str> {
        None
    }
}

impl Ending for Failure {
    fn code(&self) -> Option<&'static str> {
        // Its turn had not come, which is no failure.
        (!matches!(self.retry, Retry::Line(_))).then(|| self.code.as_str())
    }
}

impl<T, E: Ending> Ending for Result<T, E> {
    fn code(&self) -> Option<&'static str> {
        self.as_ref().err().and_then(Ending::code)
    }
}

/// Does `work` inside of a span of its own, if there is one around it.
pub async fn step<F>(step: Step<'_>, work: F) -> F::Output
where
    F: Future,
    F::Output: Ending,
{
    let Some((maker, parent)) = Maker::current() else { return work.await };
    let span = maker.start(step.span(), &parent);
    let ended = work.with_context(span.clone()).await;
    super::end(&span, [], ended.code());
    ended
}
