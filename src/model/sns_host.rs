//! The host of SNS in each AWS partition, and the one address there that is made from a message.
//!
//! Source: the suffixes are those of botocore's `partitions.json`.

use super::TopicArn;

impl TopicArn {
    /// The DNS suffix of the topic's partition; none for a partition that is not known.
    pub fn dns_suffix(&self) -> Option<&'static str> {
        Some(match self.partition() {
            "aws" | "aws-us-gov" => "amazonaws.com",
            "aws-cn" => "amazonaws.com.cn",
            "aws-eusc" => "amazonaws.eu",
            "aws-iso" => "c2s.ic.gov",
            "aws-iso-b" => "sc2s.sgov.gov",
            "aws-iso-e" => "cloud.adc-e.uk",
            "aws-iso-f" => "csp.hci.ic.gov",
            _ => return None,
        })
    }

    /// `https://` and the host of SNS in the topic's region.
    pub fn sns_origin(&self) -> Option<String> {
        Some(format!("https://sns.{}.{}", self.region(), self.dns_suffix()?))
    }

    /// The address that confirms a subscription, built from what was signed and configured and never
    /// copied from a message. None in a partition that is not known. `token` is the hex text that a
    /// verified confirmation carries; nothing in it needs escaping.
    pub fn confirm_url(&self, token: &str) -> Option<String> {
        let origin = self.sns_origin()?;
        Some(format!("{origin}/?Action=ConfirmSubscription&TopicArn={self}&Token={token}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_that_confirms_follows_from_topic_and_token() {
        let topic = TopicArn::parse("arn:aws-cn:sns:cn-north-1:123456789012:rotations").unwrap();
        assert_eq!(
            topic.confirm_url("2336").as_deref(),
            Some(
                "https://sns.cn-north-1.amazonaws.com.cn/?Action=ConfirmSubscription\
                 &TopicArn=arn:aws-cn:sns:cn-north-1:123456789012:rotations&Token=2336"
            )
        );
        let unknown = TopicArn::parse("arn:aws-moon:sns:moon-1:123456789012:t").unwrap();
        assert_eq!(unknown.confirm_url("2336"), None);
    }
}
