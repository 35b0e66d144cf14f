//! Who the relay is at AWS (sts:GetCallerIdentity, which needs no permission), and what time it is there.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_sts::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_sts::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use jiff::Timestamp;

use super::config::{Access, Place};
use super::error::{Call, Service};
use crate::model::{Failure, FailureCode, Retry};

/// An identity as AWS names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The account.
    pub account: String,
    /// The ARN of the user, or of the role's session.
    pub arn: String,
}

/// What the question of who it is told the relay.
#[derive(Debug)]
pub struct Caller {
    /// The relay's own identity.
    pub identity: Result<Identity, Failure>,
    /// The region of sources that name none.
    pub region: Option<String>,
    /// AWS's time, in whole seconds, where there was an answer of whatever kind.
    pub date: Option<Timestamp>,
}

impl Access {
    /// Asks AWS who the relay is: in its own region or, where it has none, in `elsewhere`.
    pub async fn caller(&self, elsewhere: Option<&str>) -> Caller {
        let generation = self.generation().await;
        let region = generation.region(&Place::default()).map(str::to_owned);
        let place = Place { region: region.clone().or(elsewhere.map(str::to_owned)), role: None };
        if place.region.is_none() {
            let identity = Err(Failure::new(
                FailureCode::Rejected,
                Retry::Slowly,
                "no AWS region is known",
                "set `aws.region`, or AWS_REGION, or a region beside each source",
            ));
            return Caller { identity, region, date: None };
        }
        let date = Date::default();
        let client = aws_sdk_sts::Client::new(&generation.sdk_config(&place).await);
        let asked = client.get_caller_identity().customize().interceptor(date.clone()).send().await;
        let identity = match asked {
            Ok(output) => match (output.account, output.arn) {
                (Some(account), Some(arn)) => Ok(Identity { account, arn }),
                _ => Err(Failure::new(
                    FailureCode::BadAnswer,
                    Retry::Backoff,
                    "STS answered with no account or no ARN",
                    "look at `aws.endpoint` and the AWS_ENDPOINT_URL variables",
                )),
            },
            Err(error) => {
                let call = Call {
                    service: Service::Sts,
                    action: "sts:GetCallerIdentity",
                    subject: "identity",
                    region: place.region.as_deref(),
                    role: None,
                };
                Err(self.failure(&generation, &error, &call).await)
            }
        };
        Caller { identity, region, date: date.seen() }
    }
}

/// Keeps the Date of the last answer, a refusal's as well: a clock that is wrong is a reason for one.
#[derive(Clone, Debug, Default)]
struct Date(Arc<Mutex<Option<Timestamp>>>);

impl Date {
    fn seen(&self) -> Option<Timestamp> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for Date {
    fn name(&self) -> &'static str {
        "date"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let header = context.response().headers().get("date");
        let date = header.and_then(|text| DateTime::from_str(text, Format::HttpDate).ok());
        let date = date.and_then(|date| Timestamp::from_second(date.secs()).ok());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date;
        Ok(())
    }
}
