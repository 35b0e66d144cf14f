//! SNS envelopes: read, admitted, verified.
//!
//! The oracle: nobody but the holder of the fixtures' key can sign, so whatever is verified has, field by
//! field, the signed content of a fixture, by a reading of JSON and a canonical form of this file's own.

use std::sync::LazyLock;

use anypoint_relay::inspect::{Inspection, NotificationKind, inspect};
use anypoint_relay::model::TopicArn;
use anypoint_relay::verify::sns::{
    Certificate, Content, Envelope, EnvelopeHeaders, Rules, SnsRefusal, Verified, Window,
};
use jiff::Timestamp;
use serde_json::Value;

use crate::planted::{CANARY, planted, tells_nothing};

const CERTIFICATE: &[u8] = include_bytes!("../../tests/fixtures/sns/certificate-rsa-2048.pem");
const SIGNED: [&[u8]; 4] = [
    include_bytes!("../../tests/fixtures/sns/notification-v1.json"),
    include_bytes!("../../tests/fixtures/sns/notification-v2.json"),
    include_bytes!("../../tests/fixtures/sns/subscription-confirmation-v1.json"),
    include_bytes!("../../tests/fixtures/sns/unsubscribe-confirmation-v2.json"),
];
const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:rotations";
const NOW: &str = "2027-03-01T09:00:02Z";

/// What every check is held against.
struct Setting {
    certificate: Certificate,
    topics: [TopicArn; 1],
    now: Timestamp,
}

#[expect(clippy::expect_used, reason = "a fixture that is not read ends the program")]
static SETTING: LazyLock<Setting> = LazyLock::new(|| Setting {
    certificate: Certificate::parse(CERTIFICATE).expect("the fixture is a certificate"),
    topics: [TopicArn::parse(TOPIC).expect("a topic")],
    now: NOW.parse().expect("a time"),
});

/// The signed content of the fixtures.
static CONTENTS: LazyLock<Vec<String>> = LazyLock::new(|| SIGNED.iter().filter_map(|b| content(b)).collect());

impl Setting {
    fn rules(&self) -> Rules<'_> {
        Rules {
            topics: &self.topics,
            window: Window::default(),
            require_version_2: false,
            certificate_path: None,
        }
    }
}

/// The names and values that SNS signs, as JSON text.
fn content(body: &[u8]) -> Option<String> {
    let all: Value = serde_json::from_slice(body).ok()?;
    let names: &[&str] = match all["Type"].as_str()? {
        "Notification" => &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"],
        _ => &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"],
    };
    let values: Value = names.iter().map(|name| all.get(name).cloned().unwrap_or_default()).collect();
    Some(values.to_string())
}

fn verified(body: &[u8]) -> Result<Verified, SnsRefusal> {
    let Setting { certificate, now, .. } = &*SETTING;
    let admitted = Envelope::parse(body, &EnvelopeHeaders::default())?.admit(&SETTING.rules(), *now)?;
    let url = admitted.certificate_url().as_str();
    assert!(url.starts_with("https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-"), "{url}");
    admitted.verify(certificate, *now)
}

pub(crate) fn check(body: &[u8]) {
    let verdict = verified(body);
    match &verdict {
        Ok(message) => {
            let signed = content(body);
            assert!(
                signed.is_some_and(|signed| CONTENTS.contains(&signed)),
                "verified, yet nobody signed it"
            );
            assert_eq!(message.topic().as_str(), TOPIC);
            tells_no_token(message, body);
        }
        Err(refusal) => tells_nothing(refusal),
    }

    let inspection = Inspection {
        at: SETTING.now,
        certificate: Some(CERTIFICATE),
        rules: Some(SETTING.rules()),
        index: None,
    };
    let report = inspect(body, &inspection);
    let envelope = report.kind == NotificationKind::Sns;
    assert_eq!(envelope && report.verified, verdict.is_ok(), "inspect and the hook differ: {verdict:?}");

    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        let body = planted(&value).to_string();
        match Envelope::parse(body.as_bytes(), &EnvelopeHeaders::default()) {
            Ok(envelope) => assert!(!format!("{envelope:?}").contains(CANARY)),
            Err(refusal) => tells_nothing(&refusal),
        }
    }
}

fn tells_no_token(message: &Verified, body: &[u8]) {
    let printed = format!("{message:?}");
    match message.content() {
        Content::Notification { message } => {
            let sent: Option<Value> = serde_json::from_slice(body).ok();
            assert_eq!(sent.as_ref().and_then(|sent| sent["Message"].as_str()), Some(message.as_str()));
        }
        Content::SubscriptionConfirmation { token } => assert!(!printed.contains(token.as_str())),
        Content::UnsubscribeConfirmation => {}
    }
}
