use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::model::{SecretRef, TargetName, TopicArn};
use crate::verify::sns::testing::{self, CertificateShape, Draft, Setting};
use crate::verify::sns::{SnsRefusal, Window};

const EVENT: &[u8] = include_bytes!("../../tests/fixtures/events/native-current.json");
const ALARM: &[u8] = include_bytes!("../../tests/fixtures/events/cloudwatch-alarm.json");

fn index() -> SecretIndex {
    let secret = |id: &str| SecretRef::new(id, None, None).unwrap();
    let target = |name: &str| TargetName::parse(name).unwrap();
    SecretIndex::new([
        (secret("prod/orders/db"), target("orders")),
        (secret("prod/orders/db"), target("billing")),
        (secret("prod/other"), target("other")),
    ])
}

/// The report on a body, held against the same rules as [`Setting`] and the index above.
fn report(body: &[u8], setting: &Setting) -> Report {
    let topics = [TopicArn::parse(setting.topic).unwrap()];
    let rules = Rules {
        topics: &topics,
        window: Window::default(),
        require_version_2: setting.require_version_2,
        certificate_path: setting.certificate_path,
    };
    let certificate = Some(setting.certificate.as_bytes());
    let inspection = Inspection { at: setting.now, certificate, rules: Some(rules), index: Some(&index()) };
    inspect(body, &inspection)
}

fn failed(report: &Report) -> Vec<&'static str> {
    report.checks.iter().filter(|check| !check.ok).map(|check| check.check).collect()
}

fn notification() -> Draft {
    Draft::notification(std::str::from_utf8(EVENT).unwrap())
}

#[test]
fn a_verified_notification_shows_its_event_and_targets() {
    let report = report(&notification().signed().body(), &Setting::default());
    assert_eq!(failed(&report), [""; 0]);
    assert!(report.verified);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!((&json["kind"], &json["type"]), (&json!("sns"), &json!("Notification")));
    assert_eq!(json["targets"], json!(["billing", "orders"]));
    assert_eq!(json["event"]["change"], "value");
    assert_eq!(json["event"]["version"], "c2b1f0e4-93d7-4c1e-8a53-0d9e7f6a5b41");
    let keys: BTreeSet<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, BTreeSet::from(["checks", "event", "kind", "targets", "type", "verified"]));
    assert_eq!(json["checks"][0], json!({"check": "json", "ok": true, "detail": "one object, no key twice"}));
}

#[test]
fn every_check_is_told_although_the_first_ones_fail() {
    let draft = notification()
        .with("TopicArn", "arn:aws:sns:eu-west-2:123456789012:rotations")
        .with("Timestamp", "2027-03-01T01:00:00.000Z")
        .signed()
        .with("MessageId", "none")
        .with("SigningCertURL", "https://attacker.example/x.pem");
    let shape = CertificateShape { names: vec!["attacker.example"], days: (1, 2), other_key: true };
    let setting = Setting { certificate: testing::certificate(&shape), ..Setting::default() };
    let report = report(&draft.body(), &setting);
    assert!(!report.verified);
    assert_eq!(
        failed(&report),
        [
            "fields",
            "topic",
            "time_window",
            "certificate_url",
            "certificate_validity",
            "certificate_name",
            "signature"
        ]
    );
    assert_eq!(report.event.unwrap().change, "value");
}

#[test]
fn every_fault_of_form_is_named() {
    let draft = notification().with("Subject", "").signed().with("MessageId", "none").without("Timestamp");
    let report = report(&draft.body(), &Setting::default());
    let forms = report.checks.iter().find(|check| check.check == "fields").unwrap();
    for field in ["MessageId", "Subject", "Timestamp"] {
        assert!(forms.detail.contains(field), "{}", forms.detail);
    }
}

#[test]
fn without_a_configuration_the_topic_check_is_not_done_and_does_not_refuse() {
    let setting = Setting::default();
    let body = notification().signed().body();
    let certificate = Some(setting.certificate.as_bytes());
    let inspection = Inspection { at: setting.now, certificate, rules: None, index: None };
    let report = inspect(&body, &inspection);
    let topic = report.checks.iter().find(|check| check.check == "topic").unwrap();
    assert!(topic.ok && topic.detail.starts_with("not done"), "{}", topic.detail);
    assert!(report.verified && report.targets.is_empty());
}

#[test]
fn without_a_certificate_nothing_is_verified() {
    let body = notification().signed().body();
    let inspection = Inspection { at: testing::sent(), certificate: None, rules: None, index: None };
    let report = inspect(&body, &inspection);
    assert!(!report.verified);
    assert!(failed(&report).contains(&"certificate_file") && failed(&report).contains(&"signature"));
}

#[test]
fn a_signed_message_that_is_no_event_is_verified_and_says_why_nothing_follows() {
    let report = report(&Draft::notification("hello").signed().body(), &Setting::default());
    assert!(report.verified && report.event.is_none() && report.targets.is_empty());
    assert!(report.event_error.unwrap().contains("JSON"));
}

#[test]
fn confirmations_are_verified_without_an_event() {
    for kind in ["SubscriptionConfirmation", "UnsubscribeConfirmation"] {
        let report = report(&Draft::confirmation(kind).signed().body(), &Setting::default());
        assert!(report.verified && report.event.is_none() && report.event_error.is_none());
        assert_eq!(report.message_type, Some(kind));
        assert!(report.checks.iter().any(|check| check.check == "subscribe_url"));
    }
}

#[test]
fn an_event_without_an_envelope_says_that_nothing_is_signed() {
    let report = report(EVENT, &Setting::default());
    assert!(report.verified);
    assert_eq!((report.kind, report.message_type), (NotificationKind::EventBridge, Some("native")));
    assert_eq!(report.targets, BTreeSet::from(["billing".to_owned(), "orders".to_owned()]));
    let authenticity = report.checks.iter().find(|check| check.check == "authenticity").unwrap();
    assert!(authenticity.detail.contains("signs nothing"));
}

#[test]
fn an_ignored_event_touches_nothing() {
    let ignored = include_bytes!("../../tests/fixtures/events/api-put-secret-value-pending.json");
    let report = report(ignored, &Setting::default());
    assert!(report.verified && report.targets.is_empty());
    assert_eq!(report.event.unwrap().change, "pending");
}

#[test]
fn json_that_is_no_event_is_refused() {
    for body in [ALARM, b"[]", b"7", b"{}"] {
        let report = report(body, &Setting::default());
        assert!(!report.verified && report.event_error.is_some());
        assert_eq!((report.kind, failed(&report)), (NotificationKind::EventBridge, vec!["event"]));
    }
}

#[test]
fn an_array_shows_all_of_its_events() {
    let batch = include_bytes!("../../tests/fixtures/events/batch.json");
    let report = report(batch, &Setting::default());
    assert!(report.verified && report.event.is_some());
    assert_eq!(report.more_events.len(), 1);
}

#[test]
fn what_is_no_json_is_a_broken_envelope() {
    for body in [b"".as_slice(), b"{", b"\xff", b"<xml/>"] {
        let report = report(body, &Setting::default());
        assert!(!report.verified && failed(&report).contains(&"json"));
        assert_eq!(report.kind, NotificationKind::Sns);
    }
}

#[test]
fn the_text_names_verdict_event_and_targets() {
    let setting = Setting::default();
    let good = report(&notification().signed().body(), &setting).to_string();
    assert!(good.starts_with("SNS message, Notification\n  ok   json"), "{good}");
    assert!(good.contains("verdict: verified\n") && good.ends_with("targets: billing, orders\n"), "{good}");
    let bad = report(&notification().signed().with("Message", "\u{1b}[31m").body(), &setting).to_string();
    assert!(bad.contains("FAIL signature") && bad.contains("verdict: refused\n"), "{bad}");
    assert!(!bad.contains('\u{1b}'), "a message cannot steer the terminal");
}

/// Both the ingress' path and this one, on the same body.
fn agree(body: &[u8], setting: &Setting) -> Result<(), SnsRefusal> {
    let checked = setting.check(body).map(|_| ());
    let report = report(body, setting);
    assert_eq!(report.verified, checked.is_ok(), "{checked:?}\n{report}");
    checked
}

#[test]
fn the_verdict_is_always_that_of_the_ingress() {
    let setting = Setting::default();
    let drafts = [
        Draft::notification("hello").with("Subject", "subject"),
        Draft::confirmation("SubscriptionConfirmation"),
        Draft::confirmation("UnsubscribeConfirmation"),
    ];
    for draft in drafts {
        let signed = draft.signed();
        assert_eq!(agree(&signed.body(), &setting), Ok(()));
        for key in signed.0.keys() {
            assert!(agree(&signed.clone().without(key).body(), &setting).is_err(), "{key}");
            for value in ["", "x", "7", "a\nb"] {
                agree(&signed.clone().with(key, value).body(), &setting).unwrap_err();
            }
        }
        for key in ["Subject", "Token", "SubscribeURL"] {
            if !signed.0.contains_key(key) {
                assert!(agree(&signed.clone().with(key, "00").body(), &setting).is_err(), "{key}");
            }
        }
        let body = signed.body();
        for index in 0..body.len() {
            let mut changed = body.clone();
            changed[index] ^= 1;
            agree(&changed, &setting).ok();
        }
        let shapes = [
            CertificateShape { names: vec!["attacker.example"], ..Default::default() },
            CertificateShape { days: (-9, -1), ..Default::default() },
            CertificateShape { days: (1, 9), ..Default::default() },
            CertificateShape { other_key: true, ..Default::default() },
        ];
        for shape in shapes {
            let setting = Setting { certificate: testing::certificate(&shape), ..Setting::default() };
            assert!(agree(&body, &setting).is_err());
        }
        let small = include_str!("../../tests/fixtures/sns/certificate-rsa-1024.pem").to_owned();
        let twice = setting.certificate.repeat(2);
        for certificate in [small, twice, String::new()] {
            assert!(agree(&body, &Setting { certificate, ..Setting::default() }).is_err());
        }
        let other_topic = Setting { topic: "arn:aws:sns:eu-west-1:123456789012:other", ..Setting::default() };
        assert_eq!(agree(&body, &other_topic), Err(SnsRefusal::TopicNotListed));
        let late =
            Setting { now: testing::sent() + jiff::SignedDuration::from_hours(2), ..Setting::default() };
        assert_eq!(agree(&body, &late), Err(SnsRefusal::TooOld));
    }
}

#[test]
fn sha_1_is_refused_where_the_configuration_says_so() {
    let body = include_bytes!("../../tests/fixtures/sns/notification-v1.json");
    let certificate = include_str!("../../tests/fixtures/sns/certificate-rsa-2048.pem").to_owned();
    let setting = Setting { certificate, ..Setting::default() };
    assert_eq!(agree(body, &setting), Ok(()));
    let strict = Setting { require_version_2: true, ..setting };
    assert_eq!(agree(body, &strict), Err(SnsRefusal::Version1));
    assert_eq!(failed(&report(body, &strict)), ["signature_version"]);
}
