//! Deliveries by SNS's rules: what is tried again, after how long, and what is given up.
//!
//! Source: the SNS guide, "Message delivery retries": 5xx, 429 and no answer are tried again under the
//! policy, every other error is permanent.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::message::{Kind, SnsMessage};
use super::{Core, Status};
use crate::aws::delivery::{Delivery, Next, Outcome, Parcel, begin};

/// How often and how fast SNS tries again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts after the first one.
    pub retries: u32,
    /// The time between two attempts.
    pub delay: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// What a second of a `Retry-After` lasts, if SNS honours it: not confirmed of AWS.
    pub retry_after_second: Option<Duration>,
}

impl RetryPolicy {
    /// What AWS does by default: three retries, 20 s apart, 15 s for an answer.
    pub const AWS: Self = Self {
        retries: 3,
        delay: Duration::from_secs(20),
        timeout: Duration::from_secs(15),
        retry_after_second: None,
    };
}

impl Default for RetryPolicy {
    /// AWS's, with 50 ms between two attempts.
    fn default() -> Self {
        Self { delay: Duration::from_millis(50), ..Self::AWS }
    }
}

/// Delivers messages to all confirmed subscriptions of a topic: to each one, the first attempts follow
/// one another in the order given.
pub(super) fn fan_out(core: &Arc<Core>, topic_arn: &str, messages: &[SnsMessage]) {
    let subscribers: Vec<String> = core
        .sns
        .lock()
        .subscriptions
        .iter()
        .filter(|(_, state)| state.topic_arn == topic_arn && matches!(state.status, Status::Confirmed(_)))
        .map(|(arn, _)| arn.clone())
        .collect();
    for arn in subscribers {
        let (messages, sender) = (messages.to_vec(), Arc::clone(core));
        core.spawn(async move {
            for message in messages {
                if let Some(posting) = Posting::prepare(&sender, &arn, message) {
                    begin(posting).await;
                }
            }
        });
    }
}

/// Delivers a message to one subscription, whatever its status.
pub(super) fn send(core: &Arc<Core>, subscription_arn: &str, message: SnsMessage) {
    if let Some(posting) = Posting::prepare(core, subscription_arn, message) {
        core.spawn(begin(posting));
    }
}

/// A message on its way to one subscription.
struct Posting {
    core: Arc<Core>,
    subscription_arn: String,
    message: SnsMessage,
    parcel: Parcel,
    policy: RetryPolicy,
}

impl Posting {
    /// Signs the message, once for all attempts. None if the subscription is gone.
    fn prepare(core: &Arc<Core>, subscription_arn: &str, mut message: SnsMessage) -> Option<Self> {
        let mut sns = core.sns.lock();
        let subscription = sns.subscriptions.get(subscription_arn)?;
        let (url, raw) = (subscription.endpoint.clone(), subscription.raw);
        let content_type = subscription.content_type.clone();
        let topic_arn = message.topic_arn.clone();
        let topic = sns.topic(&topic_arn);
        let region = topic.region.clone();
        message.signature_version.clone_from(&topic.signature_version);
        if message.kind == Kind::Notification {
            message.unsubscribe_url = Some(format!(
                "https://{}/?Action=Unsubscribe&SubscriptionArn={subscription_arn}",
                super::host(&region)
            ));
        }
        sns.sign(&region, &mut message);
        let raw = raw && message.kind == Kind::Notification;
        let parcel = Parcel {
            id: message.message_id.clone(),
            url,
            headers: message.headers(subscription_arn, &content_type, raw),
            body: Bytes::from(if raw { message.message.clone() } else { message.body() }),
        };
        let policy = sns.policy;
        drop(sns);
        let (core, subscription_arn) = (Arc::clone(core), subscription_arn.to_owned());
        Some(Self { core, subscription_arn, message, parcel, policy })
    }
}

impl Delivery for Posting {
    fn core(&self) -> &Arc<Core> {
        &self.core
    }

    fn retries(&self) -> u32 {
        self.policy.retries
    }

    async fn attempt(&self, number: u32) -> Next {
        let attempt = self.parcel.post(&self.core.client, number, self.policy.timeout).await;
        let (outcome, retry_after) = (attempt.outcome.clone(), attempt.retry_after());
        self.core.sns.lock().subscription(&self.subscription_arn).attempts.push(attempt);
        match outcome {
            Outcome::Status(200..300) => Next::Done,
            Outcome::Status(429 | 500..) | Outcome::NoAnswer(_) => {
                let second = self.policy.retry_after_second.unwrap_or_default();
                let asked = retry_after.and_then(|seconds| u32::try_from(seconds).ok());
                Next::Again(self.policy.delay.max(second.saturating_mul(asked.unwrap_or(0))))
            }
            Outcome::Status(_) => Next::GiveUp,
        }
    }

    fn give_up(&self) {
        self.core.sns.lock().subscription(&self.subscription_arn).dead.push(self.message.clone());
    }
}

impl SnsMessage {
    /// The headers that SNS sends with it; the subscription's is absent on a SubscriptionConfirmation.
    pub fn headers(&self, subscription_arn: &str, content_type: &str, raw: bool) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: &str| {
            let value = HeaderValue::from_str(value).expect("visible characters");
            headers.insert(HeaderName::from_static(name), value);
        };
        set("user-agent", "Amazon Simple Notification Service Agent");
        set("content-type", content_type);
        set("accept-encoding", "gzip,deflate");
        set("x-amz-sns-message-type", self.kind.name());
        set("x-amz-sns-message-id", &self.message_id);
        set("x-amz-sns-topic-arn", &self.topic_arn);
        if self.kind != Kind::SubscriptionConfirmation {
            set("x-amz-sns-subscription-arn", subscription_arn);
        }
        if raw {
            set("x-amz-sns-rawdelivery", "true");
        }
        headers
    }
}
