//! The address of a signing certificate, and the file behind it.
//!
//! The oracle of the address is a URL parser, which the relay does not use there on purpose: whatever
//! passes as text also means the right host to whoever connects. An input that is no PEM is tried as the
//! DER inside one, so that mutations reach the X.509 parser.

use anypoint_relay::model::TopicArn;
use anypoint_relay::verify::sns::{Certificate, CertificateUrl, MAX_CERTIFICATE_BYTES};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::{Host, Url};

use crate::planted::tells_nothing;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

pub(crate) fn check(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        address(text);
    }
    if input.starts_with(b"-----") {
        file(input);
    } else {
        file(format!("{BEGIN}\n{}\n{END}\n", STANDARD.encode(input)).as_bytes());
    }
}

/// An address alone, or `<topic> <address>`.
fn address(text: &str) {
    let (topic, text) = text.split_once(' ').unwrap_or(("arn:aws:sns:eu-west-1:123456789012:t", text));
    let Ok(topic) = TopicArn::parse(topic) else { return };
    match CertificateUrl::parse(text, &topic, None) {
        Ok(accepted) => {
            assert_eq!(accepted.as_str(), text);
            let url = Url::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"));
            let Some(Host::Domain(domain)) = url.host() else { panic!("no name of a host: {text}") };
            assert_eq!(url.scheme(), "https");
            assert!(domain.starts_with(&format!("sns.{}.", topic.region())), "another host: {text}");
            assert!(
                topic.dns_suffix().is_some_and(|suffix| domain.ends_with(suffix)),
                "another host: {text}"
            );
            assert_eq!((url.username(), url.password(), url.port()), ("", None, None), "{text}");
            assert_eq!((url.query(), url.fragment()), (None, None), "{text}");
            assert_eq!(url.path_segments().map(Iterator::count), Some(1), "{text}");
            assert_eq!(url.as_str(), text, "an address that a URL parser changes");
        }
        Err(refusal) => tells_nothing(&refusal),
    }
}

fn file(pem: &[u8]) {
    match Certificate::parse(pem) {
        Ok(certificate) => {
            assert!(pem.len() <= MAX_CERTIFICATE_BYTES);
            let text = std::str::from_utf8(pem).unwrap_or_default();
            assert_eq!((text.matches("-----BEGIN").count(), text.matches("-----END").count()), (1, 1));
            // The least that an RSA key of 2,048 bits takes.
            assert!(text.len() > 256, "a certificate of {} characters", text.len());
            let again = text.replace("\r\n", "\n").replace('\n', "\r\n");
            let again = Certificate::parse(again.as_bytes()).map(|again| again.not_after());
            assert_eq!(again, Ok(certificate.not_after()), "another line end, another certificate");
        }
        Err(refusal) => tells_nothing(&refusal),
    }
}
