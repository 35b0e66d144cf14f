//! The names in the certificates of SNS in each AWS partition.
//!
//! Source: what the AWS SDK for Java 2 expects (`SnsHostProvider`). The name is not the regional host: in
//! the classic regions every certificate says `sns.amazonaws.com`.

use std::borrow::Cow;

use crate::model::TopicArn;

/// Regions of the partition `aws` that accounts opt in to; their certificates carry the region.
const OPT_IN: [&str; 17] = [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-south-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-west-1",
    "eu-central-2",
    "eu-south-1",
    "eu-south-2",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
];

/// The name that the signing certificate of the topic's region carries.
pub(super) fn certificate_name(topic: &TopicArn) -> Option<Cow<'static, str>> {
    let suffix = topic.dns_suffix()?;
    let region = topic.region();
    Some(match (topic.partition(), region) {
        ("aws", region) if !OPT_IN.contains(&region) => "sns.amazonaws.com".into(),
        ("aws-us-gov", _) => "sns-us-gov-west-1.amazonaws.com".into(),
        ("aws-cn", _) => format!("sns-{region}.{suffix}").into(),
        ("aws-iso", "us-iso-east-1") | ("aws-iso-b", "us-isob-east-1") => {
            format!("sns-{region}.{suffix}").into()
        }
        _ => format!("sns-signing.{region}.{suffix}").into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_of_certificate_names_holds() {
        for (partition, region, origin, name) in [
            ("aws", "us-east-1", "https://sns.us-east-1.amazonaws.com", "sns.amazonaws.com"),
            ("aws", "eu-central-1", "https://sns.eu-central-1.amazonaws.com", "sns.amazonaws.com"),
            (
                "aws",
                "ap-southeast-7",
                "https://sns.ap-southeast-7.amazonaws.com",
                "sns-signing.ap-southeast-7.amazonaws.com",
            ),
            (
                "aws-cn",
                "cn-north-1",
                "https://sns.cn-north-1.amazonaws.com.cn",
                "sns-cn-north-1.amazonaws.com.cn",
            ),
            (
                "aws-us-gov",
                "us-gov-east-1",
                "https://sns.us-gov-east-1.amazonaws.com",
                "sns-us-gov-west-1.amazonaws.com",
            ),
            (
                "aws-iso",
                "us-iso-east-1",
                "https://sns.us-iso-east-1.c2s.ic.gov",
                "sns-us-iso-east-1.c2s.ic.gov",
            ),
            (
                "aws-iso-b",
                "us-isob-east-1",
                "https://sns.us-isob-east-1.sc2s.sgov.gov",
                "sns-us-isob-east-1.sc2s.sgov.gov",
            ),
            (
                "aws-iso-e",
                "eu-isoe-west-1",
                "https://sns.eu-isoe-west-1.cloud.adc-e.uk",
                "sns-signing.eu-isoe-west-1.cloud.adc-e.uk",
            ),
            (
                "aws-iso-f",
                "us-isof-south-1",
                "https://sns.us-isof-south-1.csp.hci.ic.gov",
                "sns-signing.us-isof-south-1.csp.hci.ic.gov",
            ),
            (
                "aws-eusc",
                "eusc-de-east-1",
                "https://sns.eusc-de-east-1.amazonaws.eu",
                "sns-signing.eusc-de-east-1.amazonaws.eu",
            ),
        ] {
            let topic = TopicArn::parse(&format!("arn:{partition}:sns:{region}:123456789012:t")).unwrap();
            assert_eq!(topic.sns_origin().as_deref(), Some(origin));
            assert_eq!(certificate_name(&topic).as_deref(), Some(name));
        }
    }

    #[test]
    fn an_unknown_partition_has_neither_host_nor_name() {
        let topic = TopicArn::parse("arn:aws-moon:sns:us-east-1:123456789012:t").unwrap();
        assert_eq!((topic.sns_origin(), certificate_name(&topic)), (None, None));
    }
}
