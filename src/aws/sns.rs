//! Confirms SNS subscriptions, once the message that asks for it is verified and its topic listed.
//!
//! Two routes. By the API, with AuthenticateOnUnsubscribe: from then on ending the subscription needs
//! AWS credentials. By URL, where the relay has none: then whoever knows the UnsubscribeURL (it is in
//! every notification) can end it, and the reconcile is what still finds rotations. The URL is rebuilt
//! from the verified topic and token; the one in the message is never followed.
//!
//! Source: SNS API reference, ConfirmSubscription and Unsubscribe.

use std::sync::Arc;

use super::config::{Access, Place};
use super::error::{Call, Service};
use super::sns_http::{GetError, SnsHttp};
use crate::config::Confirm;
use crate::model::{Failure, FailureCode, Retry, TopicArn};

/// The answer is a short XML document, which is not looked into.
const MAX_ANSWER: usize = 64 * 1024;
/// Seen are 224 and 256 digits; AWS states no length.
const MAX_TOKEN: usize = 4096;

/// How a subscription was confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Ending it needs AWS credentials.
    Api,
    /// Whoever knows the UnsubscribeURL can end it.
    Url,
    /// Not at all: the configuration leaves it to a person.
    Off,
}

/// Confirms subscriptions.
pub struct SnsConfirmer {
    mode: Confirm,
    access: Arc<Access>,
    http: SnsHttp,
}

impl SnsConfirmer {
    /// A confirmer that takes the route of `mode`.
    pub fn new(mode: Confirm, access: Arc<Access>, http: SnsHttp) -> Self {
        Self { mode, access, http }
    }

    /// Confirms the subscription to `topic` that `token` (from a verified message) belongs to.
    pub async fn confirm(&self, topic: &TopicArn, token: &str) -> Result<Route, Failure> {
        let is_token = (1..=MAX_TOKEN).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_token {
            return Err(refused(topic, "the token is not hexadecimal"));
        }
        let route = match self.mode {
            Confirm::Off => Route::Off,
            Confirm::Api => Route::Api,
            Confirm::Auto if self.access.has_credentials().await => Route::Api,
            Confirm::Auto | Confirm::Url => Route::Url,
        };
        match route {
            Route::Api => self.by_api(topic, token).await?,
            Route::Url => self.by_url(topic, token).await?,
            Route::Off => {}
        }
        Ok(route)
    }

    async fn by_api(&self, topic: &TopicArn, token: &str) -> Result<(), Failure> {
        let generation = self.access.generation().await;
        let place = Place { region: Some(topic.region().to_owned()), role: None };
        let client = aws_sdk_sns::Client::new(&generation.sdk_config(&place).await);
        let asked = client
            .confirm_subscription()
            .topic_arn(topic.as_str())
            .token(token)
            .authenticate_on_unsubscribe("true");
        let Err(error) = asked.send().await else { return Ok(()) };
        let call = Call {
            service: Service::Sns,
            action: "sns:ConfirmSubscription",
            subject: topic.as_str(),
            region: None,
            role: None,
        };
        Err(self.access.failure(&generation, &error, &call).await)
    }

    async fn by_url(&self, topic: &TopicArn, token: &str) -> Result<(), Failure> {
        let url = topic.confirm_url(token).ok_or_else(|| refused(topic, "its partition is not known"))?;
        let failed = |code, what: String| {
            let next = "check the way to SNS (DNS, NAT, proxy); SNS sends the confirmation again, or use \
                        `aws sns subscribe` once more";
            Err(Failure::new(
                code,
                Retry::Backoff,
                format!("topic {topic}: confirmation by URL: {what}"),
                next,
            ))
        };
        match self.http.get(&url, MAX_ANSWER).await {
            Ok((status, _)) if status.is_success() => Ok(()),
            Ok((status, _)) if status.is_client_error() && status.as_u16() != 429 => {
                Err(refused(topic, &format!("SNS refused the confirmation with HTTP {}", status.as_u16())))
            }
            Ok((status, _)) => failed(FailureCode::Unavailable, format!("HTTP {}", status.as_u16())),
            Err(GetError::Timeout) => failed(FailureCode::Timeout, GetError::Timeout.to_string()),
            Err(error @ GetError::TooLarge(_)) => failed(FailureCode::BadAnswer, error.to_string()),
            Err(GetError::Failed(reason)) => failed(FailureCode::Unavailable, reason),
        }
    }
}

fn refused(topic: &TopicArn, what: &str) -> Failure {
    Failure::new(
        FailureCode::Rejected,
        Retry::Never,
        format!("topic {topic}: {what}"),
        "tokens are valid for two days: subscribe again (`aws sns subscribe`) to get a new one",
    )
}

#[cfg(test)]
mod tests;
