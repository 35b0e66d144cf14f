//! Messages and certificates for tests, signed with keys of our own.
//!
//! The canonical string is built here once more, in another way than in `canonical`, so that a mistake
//! there does not hide.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use serde_json::json;

use super::{Certificate, Envelope, EnvelopeHeaders, Rules, SnsRefusal, Verified, Window};
use crate::model::TopicArn;

pub(crate) const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:rotations";
pub(crate) const CERTIFICATE_URL: &str =
    "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem";
pub(crate) const TOKEN: &str = "2336412f37fb687f5d51e6e2425ba1f2";
/// The `Timestamp` of every draft.
pub(crate) const SENT: &str = "2027-03-01T09:00:00.000Z";

pub(crate) fn sent() -> Timestamp {
    SENT.parse().unwrap()
}

fn key(other: bool) -> &'static KeyPair {
    static KEYS: [OnceLock<KeyPair>; 2] = [OnceLock::new(), OnceLock::new()];
    KEYS[usize::from(other)].get_or_init(|| KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap())
}

/// A certificate; by default the right one for [`Draft`]s.
pub(crate) struct CertificateShape {
    pub(crate) names: Vec<&'static str>,
    /// Days from the drafts' time.
    pub(crate) days: (i64, i64),
    pub(crate) other_key: bool,
}

impl Default for CertificateShape {
    fn default() -> Self {
        Self { names: vec!["sns.amazonaws.com"], days: (-30, 30), other_key: false }
    }
}

/// The certificate as PEM.
pub(crate) fn certificate(shape: &CertificateShape) -> String {
    let names: Vec<String> = shape.names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    let day = |days: i64| {
        let date = (sent() + SignedDuration::from_hours(24 * days)).strftime("%Y %m %d").to_string();
        let parts: Vec<u16> = date.split(' ').map(|part| part.parse().unwrap()).collect();
        rcgen::date_time_ymd(parts[0].into(), parts[1].try_into().unwrap(), parts[2].try_into().unwrap())
    };
    params.not_before = day(shape.days.0);
    params.not_after = day(shape.days.1);
    params.self_signed(key(shape.other_key)).unwrap().pem()
}

/// A message before it is signed.
#[derive(Clone)]
pub(crate) struct Draft(pub(crate) BTreeMap<String, String>);

impl Draft {
    pub(crate) fn notification(message: &str) -> Self {
        Self::of("Notification").with("Message", message)
    }

    pub(crate) fn confirmation(kind: &str) -> Self {
        let url = format!(
            "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token={TOKEN}"
        );
        Self::of(kind).with("Message", "You have chosen.").with("Token", TOKEN).with("SubscribeURL", &url)
    }

    fn of(kind: &str) -> Self {
        Self(BTreeMap::new())
            .with("Type", kind)
            .with("MessageId", "7d0f3a52-6b1e-5c4d-9f8a-1b2c3d4e5f60")
            .with("TopicArn", TOPIC)
            .with("Timestamp", SENT)
    }

    pub(crate) fn with(mut self, key: &str, value: &str) -> Self {
        self.0.insert(key.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn without(mut self, key: &str) -> Self {
        self.0.remove(key);
        self
    }

    /// Every field so far, in the form that is signed: these are the fields that SNS signs.
    pub(crate) fn canonical(&self) -> String {
        let lines: Vec<&str> =
            self.0.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]).collect();
        lines.join("\n") + "\n"
    }

    /// Signs what is there, with SHA-256, and adds the fields that are not signed.
    pub(crate) fn signed(self) -> Self {
        let pair = RsaKeyPair::from_pkcs8(key(false).serialized_der()).unwrap();
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), self.canonical().as_bytes(), &mut signature)
            .unwrap();
        self.with("Signature", &STANDARD.encode(signature))
            .with("SignatureVersion", "2")
            .with("SigningCertURL", CERTIFICATE_URL)
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        json!(self.0).to_string().into_bytes()
    }
}

/// Everything around a message; by default what a draft needs to pass.
pub(crate) struct Setting {
    pub(crate) headers: EnvelopeHeaders<'static>,
    pub(crate) topic: &'static str,
    pub(crate) require_version_2: bool,
    pub(crate) certificate_path: Option<&'static str>,
    pub(crate) certificate: String,
    pub(crate) now: Timestamp,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            headers: EnvelopeHeaders::default(),
            topic: TOPIC,
            require_version_2: false,
            certificate_path: None,
            certificate: certificate(&CertificateShape::default()),
            now: sent(),
        }
    }
}

impl Setting {
    /// The whole check, with the certificate at hand.
    pub(crate) fn check(&self, body: &[u8]) -> Result<Verified, SnsRefusal> {
        let topics = [TopicArn::parse(self.topic).unwrap()];
        let rules = Rules {
            topics: &topics,
            window: Window::default(),
            require_version_2: self.require_version_2,
            certificate_path: self.certificate_path,
        };
        let admitted = Envelope::parse(body, &self.headers)?.admit(&rules, self.now)?;
        admitted.verify(&Certificate::parse(self.certificate.as_bytes())?, self.now)
    }
}

/// Checks a draft in the default setting.
pub(crate) fn check(draft: &Draft) -> Result<Verified, SnsRefusal> {
    Setting::default().check(&draft.body())
}
