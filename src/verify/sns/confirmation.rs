//! The address that confirms a subscription.

use super::SnsRefusal;
use super::partition;
use crate::model::TopicArn;

/// The address that confirms a subscription, built from what was signed and configured and never
/// copied from a message. None in a partition that is not known. `token` is the hex text that a
/// verified confirmation carries; nothing in it needs escaping.
pub fn confirm_url(topic: &TopicArn, token: &str) -> Option<String> {
    let origin = partition::origin(topic)?;
    Some(format!("{origin}/?Action=ConfirmSubscription&TopicArn={topic}&Token={token}"))
}

/// SNS writes the same address into the message, byte for byte in every one that was looked at; one
/// that differs leads elsewhere.
pub(crate) fn check_subscribe_url(text: &str, topic: &TopicArn, token: &str) -> Result<(), SnsRefusal> {
    let same = confirm_url(topic, token).is_some_and(|url| url == text);
    if same { Ok(()) } else { Err(SnsRefusal::SubscribeUrl) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_follows_from_topic_and_token() {
        let topic = TopicArn::parse("arn:aws-cn:sns:cn-north-1:123456789012:rotations").unwrap();
        assert_eq!(
            confirm_url(&topic, "2336").as_deref(),
            Some(
                "https://sns.cn-north-1.amazonaws.com.cn/?Action=ConfirmSubscription\
                 &TopicArn=arn:aws-cn:sns:cn-north-1:123456789012:rotations&Token=2336"
            )
        );
    }
}
