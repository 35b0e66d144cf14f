//! This machine: files, certificates, credentials.

use anypoint_sandbox::pki::{Authority, Hierarchy};
use jiff::{SignedDuration, Timestamp};

use super::{Patient, says};
use crate::support::now;

/// A patient that speaks TLS with these files.
async fn encrypted(certificate: &str, key: &str) -> Patient {
    let patient = Patient::healthy().await;
    patient.bench.write("cert.pem", certificate);
    patient.bench.write("key.pem", key);
    let lines =
        format!("tls: {{ certificate: {}, key: {} }}", patient.path("cert.pem"), patient.path("key.pem"));
    patient.with_lines(&lines)
}

fn in_days(days: i64) -> Timestamp {
    Timestamp::from_second(now().as_second()).unwrap() + SignedDuration::from_hours(24 * days)
}

#[tokio::test]
async fn the_end_of_a_certificate_is_told_three_weeks_before() {
    let authorities = Hierarchy::new();
    let key = authorities.issue("relay.example.com").key;
    for (days, code, verdict, part) in [
        (60, 0, "ok", "certificate and key go together"),
        (20, 0, "warning", "ends in 19 days"),
        (-1, 1, "failed", "ended at"),
    ] {
        let certificate = authorities.certify("relay.example.com", &key, in_days(-90), in_days(days));
        let report = encrypted(&certificate, &key).await.examine(code).await;
        says(report.of("tls"), verdict, &[part]);
        if verdict != "ok" {
            says(report.of("tls"), verdict, &["put a renewed certificate"]);
        }
    }
}

#[tokio::test]
async fn a_key_of_another_certificate_or_a_missing_file_is_told_and_hides_nothing() {
    let authority = Authority::new();
    let [one, other] = [(); 2].map(|()| authority.server_certificate(&["relay.example.com"]));
    let patient = encrypted(&one.certificate, &other.key).await;
    let report = patient.examine(1).await;
    says(report.of("tls"), "failed", &["do not go together", "put the key of"]);
    says(report.of("target orders-api"), "ok", &["a run would write now"]);

    std::fs::remove_file(patient.bench.path("key.pem")).unwrap();
    let report = patient.examine(1).await;
    says(report.of("tls"), "failed", &["key.pem cannot be read", "let the relay's user read it"]);
}

#[tokio::test]
async fn receipts_and_audit_are_tried_and_not_created() {
    let patient = Patient::healthy().await;
    let (receipts, audit) = (patient.path("receipts.json"), patient.path("audit.log"));
    let lines = |receipts: &str, audit: &str| {
        format!("receipts: {receipts}\naudit: {{ to: {audit}, key: {{ env: AUDIT_KEY }} }}")
    };
    let mut patient = patient.with_lines(&lines(&receipts, &audit));
    patient.bench.environment_with("AUDIT_KEY", &"k".repeat(32));
    let report = patient.examine(0).await;
    says(report.of(&format!("receipts {receipts}")), "ok", &["can be created"]);
    says(report.of(&format!("audit {audit}")), "ok", &["can be created"]);
    says(report.of("audit.key"), "ok", &["AUDIT_KEY can be read"]);

    patient.bench.environment_with("AUDIT_KEY", "short");
    patient.bench.write("receipts.json", "these are no receipts");
    let report = patient.examine(1).await;
    says(report.of(&format!("receipts {receipts}")), "failed", &["cannot be read", "something else"]);
    says(report.of("audit.key"), "failed", &["at least 32 bytes", "put a longer key"]);
    says(report.of("start"), "failed", &["the receipts file", "mend what is above first"]);
    says(report.of("target orders-api"), "ok", &["a run would write now"]);

    let (receipts, audit) = (patient.path("none/receipts.json"), patient.path(""));
    let patient = Patient { text: patient.bench.file(crate::support::ORDERS_TARGET), ..patient };
    let patient = patient.with_lines(&lines(&receipts, &audit));
    let report = patient.examine(1).await;
    says(report.of(&format!("receipts {receipts}")), "failed", &["nothing can be created in", "mount it"]);
    says(report.of(&format!("audit {audit}")), "failed", &["not a regular file", "`audit.to`"]);
}

#[tokio::test]
async fn credentials_that_cannot_be_read_are_named_with_their_place() {
    let mut patient = Patient::healthy().await;
    let admin = "admin: { listen: 127.0.0.1:0, token: { env: READER }, operator_token: { env: OPERATOR } }";
    patient = patient.with(&[("admin: { listen: 127.0.0.1:0 }", admin)]);
    patient.bench.environment_with("OPERATOR", &"o".repeat(40));
    patient.bench.environment.remove("EVENTBRIDGE_KEY");
    let report = patient.examine(1).await;
    says(report.of("ingress.eventbridge api_key"), "failed", &["EVENTBRIDGE_KEY: it is not set", "make"]);
    says(report.of("admin.token"), "failed", &["READER: it is not set"]);
    says(report.of("admin.operator_token"), "ok", &["OPERATOR can be read"]);
    says(report.of("ingress.trigger key ops"), "ok", &["TRIGGER_KEY can be read"]);
}

#[tokio::test]
async fn a_credential_that_is_too_short_keeps_the_relay_from_its_start() {
    let mut patient = Patient::healthy().await;
    patient.bench.environment_with("TRIGGER_KEY", "short");
    let report = patient.examine(1).await;
    assert_eq!(report.not_ok(), ["failed start"], "{}", report.table);
    says(report.of("start"), "failed", &["TRIGGER_KEY", "correct what it names"]);
}

#[tokio::test]
async fn nothing_is_published_to_the_topic_of_alerts() {
    let patient = Patient::healthy().await;
    let topic = patient.bench.aws.topic("alerts");
    let lines = format!("alerts: {{ topic: \"{}\" }}", topic.arn());
    let report = patient.with_lines(&lines).examine(0).await;
    says(report.of(&format!("alerts topic {}", topic.arn())), "not_tried", &["sns:Publish"]);
    assert!(topic.published().is_empty());
}
