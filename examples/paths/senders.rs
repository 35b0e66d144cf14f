//! Who sent this: the checks of SNS, of the signed trigger and of EventBridge's key.
//!
//! What is signed lies beside the tests, where it was signed by other programs than ours.

use std::hint::black_box;
use std::time::Duration;

use anypoint_relay::model::TopicArn;
use anypoint_relay::secret::SecretValue;
use anypoint_relay::verify::shared::AcceptedCredentials;
use anypoint_relay::verify::sns::{Admitted, Certificate, Envelope, EnvelopeHeaders, Rules, Window};
use anypoint_relay::verify::webhook::{self, AcceptedKey, KeyIndex, WebhookHeaders};
use anypoint_relay::webhook_signature::{PublicKey, Signer, sign};
use jiff::Timestamp;

use crate::Turn;

const CERTIFICATE: &[u8] = include_bytes!("../../tests/fixtures/sns/certificate-rsa-2048.pem");
const VERSION_1: &[u8] = include_bytes!("../../tests/fixtures/sns/notification-v1.json");
const VERSION_2: &[u8] = include_bytes!("../../tests/fixtures/sns/notification-v2.json");

/// What comes before a certificate is needed, for a message of the relay's own use.
pub(crate) fn admit() -> Turn {
    let (topics, now) = (topics(), sent());
    Box::new(move || {
        black_box(admitted(black_box(VERSION_1), &topics, now));
    })
}

/// The bytes that are signed, of the same message.
pub(crate) fn canonical() -> Turn {
    let admitted = admitted(VERSION_1, &topics(), sent());
    Box::new(move || {
        black_box(black_box(&admitted).canonical().expect("every field is there"));
    })
}

/// The whole check, by SHA-1.
pub(crate) fn verify_1() -> Turn {
    verify(VERSION_1)
}

/// The whole check, by SHA-256, of a message that is no event.
pub(crate) fn verify_2() -> Turn {
    verify(VERSION_2)
}

fn verify(body: &'static [u8]) -> Turn {
    let certificate = Certificate::parse(CERTIFICATE).expect("a certificate");
    let (topics, now) = (topics(), sent());
    Box::new(move || {
        let admitted = admitted(black_box(body), &topics, now);
        black_box(admitted.verify(&certificate, now).expect("the signature holds"));
    })
}

fn admitted<'b>(body: &'b [u8], topics: &[TopicArn], now: Timestamp) -> Admitted<'b> {
    let rules = Rules { topics, window: Window::default(), require_version_2: false, certificate_path: None };
    let envelope = Envelope::parse(body, &EnvelopeHeaders::default()).expect("an envelope");
    envelope.admit(&rules, now).expect("a message that is taken")
}

fn topics() -> [TopicArn; 1] {
    ["arn:aws:sns:eu-west-1:123456789012:rotations"].map(|arn| TopicArn::parse(arn).expect("a topic"))
}

fn sent() -> Timestamp {
    "2027-03-01T09:00:00.000Z".parse().expect("a time")
}

const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const TIMESTAMP: &str = "1614265330";
const BODY: &[u8] = br#"{"secret":"prod/orders/db","reason":"rotated by hand, see the change of today"}"#;

/// A trigger signed with the second of two keys that both sides have.
pub(crate) fn shared_key() -> Turn {
    let keys = ["the old key, thirty bytes or so", "the new key, thirty bytes or so"].map(secret);
    let signature = sign(ID, at(), BODY, keys[1].expose_bytes());
    Box::new(move || {
        let keys = [&keys[0], &keys[1]].map(|key| AcceptedKey::Shared(key.expose_bytes()));
        assert_eq!(trigger(&signature, &keys), KeyIndex(1));
    })
}

/// A trigger signed with a key whose public half the relay has.
pub(crate) fn public_key() -> Turn {
    // The example of the specification's own library for Go.
    let signer = Signer::read(&secret("whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk="));
    let signer = signer.expect("the seed of a key");
    let public: PublicKey = signer.public_key().expect("its other half");
    let signature = signer.sign(ID, at(), BODY);
    Box::new(move || assert_eq!(trigger(&signature, &[AcceptedKey::Public(&public)]), KeyIndex(0)))
}

fn trigger(signature: &str, keys: &[AcceptedKey<'_>]) -> KeyIndex {
    let headers = WebhookHeaders { id: ID, timestamp: TIMESTAMP, signature };
    let now = Timestamp::from_second(at()).expect("a time");
    webhook::verify(black_box(headers), BODY, keys, Duration::from_mins(5), now).expect("a valid signature")
}

fn at() -> i64 {
    TIMESTAMP.parse().expect("a number")
}

/// The key of an EventBridge connection, the second of two.
pub(crate) fn api_key() -> Turn {
    let keys = ["the old key of the connection", "the new key of the connection"].map(secret);
    let accepted = AcceptedCredentials::api_key(&keys);
    Box::new(move || accepted.check(black_box(Some(keys[1].expose_bytes()))).expect("an accepted key"))
}

fn secret(text: &str) -> SecretValue {
    SecretValue::from(text.to_owned())
}
