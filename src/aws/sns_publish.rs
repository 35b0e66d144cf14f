//! Publishes to one SNS topic, as the relay's own identity and in the topic's region.
//!
//! Source: SNS API reference, Publish.

use std::sync::Arc;

use super::config::{Access, Place};
use super::error::{Call, Service};
use crate::model::{Failure, TopicArn};

/// Publishes to a topic.
pub struct SnsPublisher {
    access: Arc<Access>,
    topic: TopicArn,
}

impl SnsPublisher {
    /// A publisher to `topic`. Nothing is asked of AWS before the first message.
    pub fn new(access: Arc<Access>, topic: TopicArn) -> Self {
        Self { access, topic }
    }

    /// Publishes one message. The subject is plain ASCII on one line, of less than 100 characters.
    pub async fn publish(&self, subject: &str, message: &str) -> Result<(), Failure> {
        let generation = self.access.generation().await;
        let place = Place { region: Some(self.topic.region().to_owned()), role: None };
        let client = aws_sdk_sns::Client::new(&generation.sdk_config(&place).await);
        let asked = client.publish().topic_arn(self.topic.as_str()).subject(subject).message(message);
        let Err(error) = asked.send().await else { return Ok(()) };
        let call = Call {
            service: Service::Sns,
            action: "sns:Publish",
            subject: self.topic.as_str(),
            region: None,
            role: None,
        };
        Err(self.access.failure(&generation, &error, &call).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::testing::{credentials, settings};
    use crate::model::{FailureCode, Retry};
    use crate::outbound::testing::{Server, reply};

    const TOPIC: &str = "arn:aws:sns:ap-southeast-2:123456789012:relay-alerts";
    const PUBLISHED: &str = "<PublishResponse><PublishResult><MessageId>0d079340-135a-c8c6-95c2-41fb8f496c53\
                             </MessageId></PublishResult></PublishResponse>";

    fn publisher(endpoint: &str) -> SnsPublisher {
        let access = Access::with_credentials(settings(endpoint), credentials());
        SnsPublisher::new(Arc::new(access), TopicArn::parse(TOPIC).unwrap())
    }

    #[tokio::test]
    async fn a_message_goes_to_the_topic_in_its_own_region() {
        let server = Server::http(|_| async { reply(200, PUBLISHED) }).await;
        publisher(&server.url())
            .publish("orders is stale (denied)", "{\"target\": \"orders\"}")
            .await
            .unwrap();
        let asked = &server.seen()[0];
        assert!(asked.header("authorization").contains("/ap-southeast-2/sns/"));
        let body = String::from_utf8(asked.body.to_vec()).unwrap();
        for part in [
            "Action=Publish",
            "TopicArn=arn%3Aaws%3Asns%3Aap-southeast-2%3A123456789012%3Arelay-alerts",
            "Subject=orders%20is%20stale%20%28denied%29",
            "Message=%7B%22target%22%3A%20%22orders%22%7D",
        ] {
            assert!(body.contains(part), "{body}");
        }
    }

    #[tokio::test]
    async fn a_refusal_says_what_is_missing_and_whether_it_may_pass() {
        for (status, code, expected, retry, next_step) in [
            (403, "AuthorizationError", FailureCode::Denied, Retry::Slowly, "sns:Publish"),
            (404, "NotFound", FailureCode::NotFound, Retry::Slowly, "check the name"),
            (400, "KMSAccessDenied", FailureCode::Denied, Retry::Slowly, "kms:GenerateDataKey"),
            (400, "KMSDisabled", FailureCode::Denied, Retry::Slowly, "must be enabled"),
            (400, "InvalidParameter", FailureCode::Rejected, Retry::Never, "correct what the message names"),
        ] {
            let body = format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error>\
                 </ErrorResponse>"
            );
            let server = Server::http(move |_| {
                let body = body.clone();
                async move { reply(status, body) }
            })
            .await;
            let failure = publisher(&server.url()).publish("s", "m").await.unwrap_err();
            assert_eq!((failure.code, failure.retry), (expected, retry), "{code}: {failure:?}");
            assert!(failure.next_step.contains(next_step), "{failure:?}");
            assert!(failure.message.contains(TOPIC), "{failure:?}");
        }
    }
}
