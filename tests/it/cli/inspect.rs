//! `inspect`: a captured notification, explained offline.

use std::path::{Path, PathBuf};

use anypoint_sandbox::aws::{Kind, REGION, SnsMessage};
use anypoint_sandbox::pki::{RsaKey, SNS_NAME};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::{Bench, ORDERS_TARGET, Run, text};

const EVENT: &str = include_str!("../../fixtures/events/native-current.json");
const CHECKS: [&str; 12] = [
    "json",
    "type",
    "fields",
    "topic",
    "signature_version",
    "time_window",
    "certificate_url",
    "certificate_file",
    "certificate_key",
    "certificate_validity",
    "certificate_name",
    "signature",
];

/// A message that the sandbox signed, beside its certificate.
struct Captured {
    bench: Bench,
    certificate: PathBuf,
    at: Timestamp,
}

impl Captured {
    async fn new() -> Self {
        let bench = Bench::new().await;
        let signing = bench.aws.authority().signing_certificate().issue();
        let certificate = bench.write("certificate.pem", &signing.pem);
        bench.aws.set_signing_certificate(signing);
        let at = anypoint_relay::clock::Clock::timestamp(&anypoint_relay::clock::SystemClock);
        Self { bench, certificate, at }
    }

    fn topic(&self) -> String {
        self.bench.aws.topic("rotations").arn().to_owned()
    }

    fn sign(&self, mut message: SnsMessage, version: &str) -> String {
        version.clone_into(&mut message.signature_version);
        self.bench.aws.sign_notification(&mut message)
    }

    fn notification(&self) -> String {
        self.sign(SnsMessage::notification(&self.topic(), EVENT, self.at), "2")
    }

    async fn inspect(&self, body: &str, more: &[&str]) -> Run {
        let message = text(&self.bench.write("message.json", body));
        let (certificate, at) = (text(&self.certificate), self.at.to_string());
        let arguments = ["inspect", &message, "--certificate", &certificate, "--at", &at];
        Run::plain(arguments.iter().chain(more)).await
    }
}

fn failed(report: &Value) -> Vec<&str> {
    let checks = report["checks"].as_array().unwrap().iter();
    checks.filter(|check| check["ok"] == false).map(|check| check["check"].as_str().unwrap()).collect()
}

/// Exactly the shape that is promised.
fn assert_shape(report: &Value) {
    let keys: Vec<&String> = report.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["checks", "event", "kind", "targets", "type", "verified"], "{report}");
    for check in report["checks"].as_array().unwrap() {
        let check = check.as_object().unwrap();
        assert!(check["check"].is_string() && check["ok"].is_boolean() && check["detail"].is_string());
        assert_eq!(check.len(), 3);
    }
    assert!(report["event"].is_object() || report["event"].is_null());
    assert!(report["targets"].as_array().unwrap().iter().all(Value::is_string));
}

#[tokio::test]
async fn a_message_of_either_signature_version_is_verified_check_by_check() {
    let captured = Captured::new().await;
    for version in ["1", "2"] {
        let message = SnsMessage::notification(&captured.topic(), EVENT, captured.at);
        let body = captured.sign(message, version);
        let report = captured.inspect(&body, &["--json"]).await.ended(0).json();
        assert_shape(&report);
        assert_eq!(report["kind"], "sns");
        assert_eq!(report["type"], "Notification");
        assert_eq!(report["verified"], true);
        let checks: Vec<&str> = report["checks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|check| check["check"].as_str().unwrap())
            .collect();
        assert_eq!(checks, CHECKS);
        assert_eq!(
            report["event"]["secret"],
            "arn:aws:secretsmanager:eu-west-1:210987654321:secret:prod/orders/db-Ab12Cd"
        );
        assert_eq!(report["event"]["version"], "c2b1f0e4-93d7-4c1e-8a53-0d9e7f6a5b41");

        let run = captured.inspect(&body, &[]).await.ended(0);
        assert!(run.out.contains("\nverdict: verified\n"), "{run:?}");
        assert_eq!(run.out.matches("\n  ok   ").count(), CHECKS.len(), "{run:?}");
    }
}

#[tokio::test]
async fn both_confirmations_are_verified() {
    let captured = Captured::new().await;
    for kind in [Kind::SubscriptionConfirmation, Kind::UnsubscribeConfirmation] {
        let host = format!("sns.{REGION}.amazonaws.com");
        let token = "a1".repeat(128);
        let message = SnsMessage::confirmation(kind, &captured.topic(), &token, &host, captured.at);
        let report = captured.inspect(&captured.sign(message, "1"), &["--json"]).await.ended(0).json();
        assert_shape(&report);
        assert_eq!((&report["type"], &report["event"]), (&json!(kind.name()), &json!(null)));
    }
}

#[tokio::test]
async fn without_a_configuration_the_topic_is_not_checked_and_does_not_refuse() {
    let captured = Captured::new().await;
    let report = captured.inspect(&captured.notification(), &["--json"]).await.ended(0).json();
    let topic = &report["checks"][3];
    assert_eq!((&topic["check"], &topic["ok"]), (&json!("topic"), &json!(true)));
    assert!(topic["detail"].as_str().unwrap().starts_with("not done"), "{topic}");
    assert_eq!(report["targets"], json!([]));
}

#[tokio::test]
async fn with_a_configuration_the_topic_is_checked_and_the_targets_are_named() {
    let captured = Captured::new().await;
    let file = captured.bench.file(ORDERS_TARGET);
    let file = text(&captured.bench.write("relay.yaml", file));
    let with = ["--json", "--config", &file];
    let report = captured.inspect(&captured.notification(), &with).await.ended(0).json();
    assert!(report["checks"][3]["detail"].as_str().unwrap().ends_with("is listed"), "{report}");
    assert_eq!(report["targets"], json!(["orders-api"]));

    let other = captured.bench.aws.topic("somebody-elses").arn().to_owned();
    let body = captured.sign(SnsMessage::notification(&other, EVENT, captured.at), "1");
    let report = captured.inspect(&body, &with).await.ended(1).json();
    assert_eq!((failed(&report), &report["verified"]), (vec!["topic"], &json!(false)));
    captured.inspect(&body, &["--json"]).await.ended(0);
}

#[tokio::test]
async fn one_changed_byte_is_refused() {
    let captured = Captured::new().await;
    let body = captured.notification();
    let tampered = body.replacen("AWSCURRENT", "AWSCURRENU", 1);
    assert_ne!(body, tampered);
    let run = captured.inspect(&tampered, &[]).await.ended(1);
    assert!(run.out.contains("  FAIL signature") && run.out.contains("\nverdict: refused\n"), "{run:?}");
    let report = captured.inspect(&tampered, &["--json"]).await.ended(1).json();
    assert_shape(&report);
    assert_eq!(failed(&report), ["signature"]);
}

#[tokio::test]
async fn a_certificate_that_is_not_good_is_refused_by_the_check_it_fails() {
    let mut captured = Captured::new().await;
    let authority = captured.bench.aws.authority().clone();
    let stranger = authority.signing_certificate().name("sns.amazonaws.example").issue();
    captured.bench.aws.set_signing_certificate(stranger.clone());
    captured.certificate = captured.bench.write("certificate.pem", &stranger.pem);
    let report = captured.inspect(&captured.notification(), &["--json"]).await.ended(1).json();
    assert_eq!(failed(&report), ["certificate_name"], "not {SNS_NAME}");

    captured.bench.aws.set_signing_certificate(authority.signing_certificate().issue());
    let other = authority.signing_certificate().key(RsaKey::other()).issue();
    captured.certificate = captured.bench.write("certificate.pem", &other.pem);
    let report = captured.inspect(&captured.notification(), &["--json"]).await.ended(1).json();
    assert_eq!(failed(&report), ["signature"], "another key");

    captured.certificate = captured.bench.write("certificate.pem", "no certificate");
    let report = captured.inspect(&captured.notification(), &["--json"]).await.ended(1).json();
    assert!(failed(&report).starts_with(&["certificate_file"]), "{report}");
}

#[tokio::test]
async fn an_old_message_and_one_without_its_certificate_are_refused() {
    let captured = Captured::new().await;
    let message = text(&captured.bench.write("message.json", captured.notification()));
    let certificate = text(&captured.certificate);
    let later = (captured.at + jiff::SignedDuration::from_hours(2)).to_string();
    let arguments = ["inspect", &message, "--certificate", &certificate, "--at", &later, "--json"];
    let report = Run::plain(arguments).await.ended(1).json();
    assert_eq!(failed(&report), ["time_window"]);

    let now = captured.at.to_string();
    let report = Run::plain(["inspect", &message, "--at", &now, "--json"]).await.ended(1).json();
    assert!(failed(&report).contains(&"certificate_file") && failed(&report).contains(&"signature"));
}

#[tokio::test]
async fn an_event_of_eventbridge_shows_what_it_would_touch() {
    let captured = Captured::new().await;
    let file = captured.bench.file(ORDERS_TARGET);
    let file = text(&captured.bench.write("relay.yaml", file));
    let event = text(&captured.bench.write("event.json", EVENT));
    let at = captured.at.to_string();
    let arguments = ["inspect", &event, "--at", &at, "--config", &file, "--json"];
    let report = Run::plain(arguments).await.ended(0).json();
    assert_shape(&report);
    assert_eq!(report["kind"], "eventbridge");
    assert_eq!(report["event"]["change"], "value");
    assert_eq!(report["targets"], json!(["orders-api"]));

    let nonsense = text(&captured.bench.write("event.json", "{}"));
    let report = Run::plain(["inspect", &nonsense, "--at", &at, "--json"]).await.ended(1).json();
    assert_eq!((&report["verified"], &report["event"]), (&json!(false), &json!(null)), "{report}");
}

#[tokio::test]
async fn what_is_no_notification_is_refused_and_a_missing_file_is_named() {
    let captured = Captured::new().await;
    for body in ["", "no json", "[]", "{\"Type\":1}", "\u{0}"] {
        let run = captured.inspect(body, &["--json"]).await.ended(1);
        assert_eq!(run.json()["verified"], false, "{body:?}");
    }
    let at = captured.at.to_string();
    let run = Run::plain(["inspect", "/nowhere/message.json", "--at", &at]).await.ended(1);
    assert!(run.err.starts_with("error: cannot read /nowhere/message.json"), "{run:?}");
}

#[tokio::test]
async fn messages_that_aws_signed_are_verified_and_one_changed_byte_is_refused() {
    #[expect(clippy::disallowed_methods, reason = "public messages that are not part of the project")]
    let Ok(folder) = std::env::var("SNS_VECTORS") else {
        println!("SNS_VECTORS is not set: no message that AWS signed is looked at");
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    let mut looked_at = 0;
    for case in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let (message, certificate) = (case.join("message.json"), case.join("certificate.pem"));
        let Ok(body) = std::fs::read_to_string(&message) else { continue };
        let fields: Value = serde_json::from_str(&body).unwrap();
        let at = fields["Timestamp"].as_str().unwrap();
        let report = inspect(&message, &certificate, at).await.ended(0).json();
        assert_shape_of_any(&report);
        assert_eq!((&report["kind"], &report["verified"]), (&json!("sns"), &json!(true)), "{message:?}");
        assert_eq!(report["type"], fields["Type"], "{message:?}");

        let id = fields["MessageId"].as_str().unwrap();
        let other = if id.starts_with('0') { "1" } else { "0" };
        let tampered = scratch.path().join("message.json");
        std::fs::write(&tampered, body.replacen(id, &format!("{other}{}", &id[1..]), 1)).unwrap();
        let report = inspect(&tampered, &certificate, at).await.ended(1).json();
        assert_eq!(failed(&report), ["signature"], "{message:?}");
        looked_at += 1;
    }
    assert!(looked_at > 0, "SNS_VECTORS names a folder without messages");
}

async fn inspect(message: &Path, certificate: &Path, at: &str) -> Run {
    let (message, certificate) = (text(message), text(certificate));
    Run::plain(["inspect", &message, "--certificate", &certificate, "--at", at, "--json"]).await
}

/// A signed message that is no event also says why.
fn assert_shape_of_any(report: &Value) {
    let mut report = report.clone();
    report.as_object_mut().unwrap().remove("event_error");
    assert_shape(&report);
}
