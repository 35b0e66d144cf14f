//! Where a signing certificate may lie.
//!
//! TLS to this host is what authenticates the key, so the address is compared as raw text with the one
//! that the configured topic implies: no URL parser, hence nothing for one to normalise.

use std::fmt;

use super::SnsRefusal;
use crate::model::TopicArn;

/// The address of a signing certificate, checked. SNS gives each certificate a name of its own, so it
/// serves as cache key: its content does not change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertificateUrl(String);

impl CertificateUrl {
    /// Accepts `https://sns.<region>.<suffix>/SimpleNotificationService-<32 lower-case hex>.pem`, region
    /// and suffix being those of `topic`. `prefix` is a further place for the file on the same host, for
    /// emulators.
    pub fn parse(text: &str, topic: &TopicArn, prefix: Option<&str>) -> Result<Self, SnsRefusal> {
        let refused = SnsRefusal::CertificateUrl;
        let origin = topic.sns_origin().ok_or(refused("the partition is not known"))?;
        let path = text.strip_prefix(origin.as_str()).ok_or(refused("another scheme or host"))?;
        if !path.starts_with('/') {
            return Err(refused("another host, or a port"));
        }
        let relaxed = prefix.and_then(|prefix| path.strip_prefix(prefix.trim_end_matches('/')));
        if is_file(path) || relaxed.is_some_and(is_file) {
            Ok(Self(text.to_owned()))
        } else {
            Err(refused("another path, or a query or fragment"))
        }
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CertificateUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_file(path: &str) -> bool {
    let hash = path.strip_prefix("/SimpleNotificationService-").and_then(|rest| rest.strip_suffix(".pem"));
    hash.is_some_and(|hash| {
        hash.len() == 32 && hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "SimpleNotificationService-0123456789abcdef0123456789abcdef.pem";

    fn parse(url: &str, prefix: Option<&str>) -> Result<CertificateUrl, SnsRefusal> {
        let topic = TopicArn::parse("arn:aws:sns:eu-west-1:123456789012:t").unwrap();
        CertificateUrl::parse(url, &topic, prefix)
    }

    #[test]
    fn the_address_that_sns_uses_is_taken() {
        let url = format!("https://sns.eu-west-1.amazonaws.com/{FILE}");
        assert_eq!(parse(&url, None).unwrap().as_str(), url);
    }

    #[test]
    fn any_other_spelling_is_refused() {
        for url in [
            format!("http://sns.eu-west-1.amazonaws.com/{FILE}"),
            format!("HTTPS://sns.eu-west-1.amazonaws.com/{FILE}"),
            format!("https://SNS.eu-west-1.amazonaws.com/{FILE}"),
            format!("https://sns.us-east-1.amazonaws.com/{FILE}"),
            format!("https://sns.eu-west-1.amazonaws.com.cn/{FILE}"),
            format!("https://sns.eu-west-1.amazonaws.com.evil.example/{FILE}"),
            format!("https://sns.eu-west-1.amazonaws.com./{FILE}"),
            format!("https://sns.eu-west-1.amazonaws.com:443/{FILE}"),
            format!("https://sns.eu-west-1.amazonaws.com:443@evil.example/{FILE}"),
            format!("https://sns.eu-west-1.amazonaws.com@evil.example/{FILE}"),
            format!("https://user@sns.eu-west-1.amazonaws.com/{FILE}"),
            format!("https://evil.example/https://sns.eu-west-1.amazonaws.com/{FILE}"),
            format!("https://sns.eu-west-1.amazonaws.com//{FILE}"),
            format!("https://sns.eu-west-1.amazonaws.com/../{FILE}"),
            format!("https://sns.eu-west-1.amazonaws.com/x/{FILE}"),
            format!("https://sns.eu-west-1.amazonaws.com\\{FILE}"),
            format!("https://sns.eu-west-1.amazonaws.com/{FILE}?"),
            format!("https://sns.eu-west-1.amazonaws.com/{FILE}#"),
            format!(" https://sns.eu-west-1.amazonaws.com/{FILE}"),
            format!("https://sns.eu-west-1.amazonaws.com/{FILE}\n"),
            "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService.pem".to_owned(),
            "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789ABCDEF0123456789ABCDEF.pem"
                .to_owned(),
            "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem".to_owned(),
            "https://sns.eu-west-1.amazonaws.com".to_owned(),
            String::new(),
        ] {
            assert!(matches!(parse(&url, None), Err(SnsRefusal::CertificateUrl(_))), "{url}");
        }
    }

    #[test]
    fn a_relaxed_path_opens_that_path_alone() {
        let emulator = format!("https://sns.eu-west-1.amazonaws.com/_aws/sns/{FILE}");
        let usual = format!("https://sns.eu-west-1.amazonaws.com/{FILE}");
        assert!(parse(&emulator, None).is_err());
        for prefix in ["/_aws/sns", "/_aws/sns/"] {
            assert!(parse(&emulator, Some(prefix)).is_ok());
            assert!(parse(&usual, Some(prefix)).is_ok());
        }
        assert!(parse(&emulator.replace("_aws", "_aws/.."), Some("/_aws/sns/")).is_err());
        assert!(parse(&emulator.replace("eu-west-1", "eu-west-2"), Some("/_aws/sns/")).is_err());
    }
}
