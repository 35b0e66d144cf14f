//! How a topic's messages would reach the relay: a look that changes nothing, for people.
//!
//! Source: SNS API reference, ListSubscriptionsByTopic and GetSubscriptionAttributes.

use super::config::{Access, Place};
use super::error::{Call, Service};
use crate::model::{Failure, TopicArn};

/// A page has 100 subscriptions; of a topic with more than this only the first ones are looked at.
const MAX_PAGES: usize = 20;

/// A subscription as a topic lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Its ARN; none while it waits for its confirmation.
    pub arn: Option<String>,
    /// `https` and the like.
    pub protocol: String,
    /// Where it leads.
    pub endpoint: String,
}

/// How a subscription delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Without an envelope, so without a signature.
    pub raw: bool,
    /// Whether a queue takes what cannot be delivered.
    pub dead_letters: bool,
}

impl Access {
    /// The subscriptions of a topic.
    pub async fn subscriptions(&self, topic: &TopicArn) -> Result<Vec<Subscription>, Failure> {
        let generation = self.generation().await;
        let client = aws_sdk_sns::Client::new(&generation.sdk_config(&place(topic)).await);
        let (mut found, mut next) = (Vec::new(), None);
        for _ in 0..MAX_PAGES {
            let asked = client.list_subscriptions_by_topic().topic_arn(topic.as_str()).set_next_token(next);
            let page = match asked.send().await {
                Ok(page) => page,
                Err(error) => {
                    let call = call("sns:ListSubscriptionsByTopic", topic);
                    return Err(self.failure(&generation, &error, &call).await);
                }
            };
            let one = |listed: aws_sdk_sns::types::Subscription| Subscription {
                // Otherwise a word: PendingConfirmation, Deleted.
                arn: listed.subscription_arn.filter(|arn| arn.starts_with("arn:")),
                protocol: listed.protocol.unwrap_or_default(),
                endpoint: listed.endpoint.unwrap_or_default(),
            };
            found.extend(page.subscriptions.unwrap_or_default().into_iter().map(one));
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// How the subscription with this ARN delivers the messages of `topic`.
    pub async fn delivery(&self, topic: &TopicArn, subscription: &str) -> Result<Delivery, Failure> {
        let generation = self.generation().await;
        let client = aws_sdk_sns::Client::new(&generation.sdk_config(&place(topic)).await);
        match client.get_subscription_attributes().subscription_arn(subscription).send().await {
            Ok(output) => {
                let attributes = output.attributes.unwrap_or_default();
                Ok(Delivery {
                    raw: attributes.get("RawMessageDelivery").is_some_and(|raw| raw == "true"),
                    dead_letters: attributes.contains_key("RedrivePolicy"),
                })
            }
            Err(error) => {
                let call = call("sns:GetSubscriptionAttributes", topic);
                Err(self.failure(&generation, &error, &call).await)
            }
        }
    }
}

fn place(topic: &TopicArn) -> Place {
    Place { region: Some(topic.region().to_owned()), role: None }
}

fn call<'a>(action: &'static str, topic: &'a TopicArn) -> Call<'a> {
    Call { service: Service::Sns, action, subject: topic.as_str(), region: None, role: None }
}
