//! This machine: files, certificates, credentials.

use anypoint_sandbox::pki::{Authority, Hierarchy};
use jiff::{SignedDuration, Timestamp};

use super::{Patient, Report, says};
use crate::support::{Run, now};

/// A patient that speaks TLS with these files.
async fn encrypted(certificate: &str, key: &str) -> Patient {
    let patient = Patient::healthy().await;
    patient.bench.write("cert.pem", certificate);
    patient.bench.write("key.pem", key);
    let lines =
        format!("tls: {{ certificate: {}, key: {} }}", patient.path("cert.pem"), patient.path("key.pem"));
    patient.with_lines(&lines)
}

pub(super) fn in_days(days: i64) -> Timestamp {
    Timestamp::from_second(now().as_second()).unwrap() + SignedDuration::from_hours(24 * days)
}

#[tokio::test]
async fn the_end_of_a_certificate_is_told_three_weeks_before() {
    let authorities = Hierarchy::new();
    let key = authorities.issue("relay.example.com").key;
    for (days, code, verdict, part) in [
        (60, 0, "ok", "certificate and key go together"),
        (20, 0, "warning", "the certificate ends in 19 days"),
        (-1, 1, "failed", "the certificate ended at"),
    ] {
        let certificate = authorities.certify("relay.example.com", &key, in_days(-90), in_days(days));
        let report = encrypted(&certificate, &key).await.examine(code).await;
        says(report.of("tls"), verdict, &[part]);
        if verdict != "ok" {
            says(report.of("tls"), verdict, &["in the place of these: the relay reads them again by itself"]);
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
    says(
        report.of("tls"),
        "failed",
        &["key.pem cannot be read", "there and let the relay's user read it, or correct `tls`"],
    );
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
    says(report.of(&format!("audit {audit}")), "ok", &["is not there yet, and can be created"]);
    says(report.of("audit.key"), "ok", &["AUDIT_KEY can be read"]);

    Run::of(patient.bench.binary().arg("sync").arg(&patient.file)).await.ended(0);
    let mut again = patient.bench.binary();
    let again = Run::of(again.arg("check").arg(&patient.file).args(["--online", "--json"])).await;
    let again = Report { table: String::new(), whole: again.ended(0).json() };
    says(again.of(&format!("receipts {receipts}")), "ok", &["can be read and replaced"]);
    says(again.of(&format!("audit {audit}")), "ok", &["can be read and written"]);
    std::fs::remove_file(&audit).unwrap();

    let mut patient = Patient::healthy().await.with_lines(&lines(&receipts, &audit));
    patient.bench.environment_with("AUDIT_KEY", "short");
    std::fs::write(&receipts, "these are no receipts").unwrap();
    let report = patient.examine(1).await;
    says(
        report.of(&format!("receipts {receipts}")),
        "failed",
        &["cannot be read: ", "a file of something else belongs somewhere else"],
    );
    says(report.of("audit.key"), "failed", &["at least 32 bytes", "put a longer key"]);
    says(report.of("start"), "failed", &["the receipts file", "mend what is above first"]);
    says(report.of("target orders-api"), "ok", &["a run would write now"]);

    let (receipts, audit) = (patient.path("none/receipts.json"), patient.path(""));
    let patient = Patient { text: super::file(&patient.bench, crate::support::ORDERS_TARGET), ..patient };
    let patient = patient.with_lines(&lines(&receipts, &audit));
    let report = patient.examine(1).await;
    says(
        report.of(&format!("receipts {receipts}")),
        "failed",
        &["nothing can be created in", "or mount it, and let the relay's user write there"],
    );
    says(
        report.of(&format!("audit {audit}")),
        "failed",
        &["not a regular file", "name a file under `audit.to`"],
    );
}

#[tokio::test]
async fn credentials_that_cannot_be_read_are_named_with_their_place() {
    let mut patient = Patient::healthy().await;
    let admin = "admin: { listen: 127.0.0.1:0, token: { env: READER }, operator_token: { env: OPERATOR } }";
    patient = patient.with(&[("admin: { listen: 127.0.0.1:0 }", admin)]);
    patient.bench.environment_with("OPERATOR", &"o".repeat(40));
    patient.bench.environment.remove("EVENTBRIDGE_KEY");
    let report = patient.examine(1).await;
    says(
        report.of("ingress.eventbridge api_key"),
        "failed",
        &["EVENTBRIDGE_KEY: it is not set", "readable where the relay runs, or correct the setting"],
    );
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
    says(
        report.of(&format!("alerts topic {}", topic.arn())),
        "not_tried",
        &["nothing is published, so sns:Publish shows at the first alert"],
    );
    assert!(topic.published().is_empty());
}

/// Below /proc/sys nobody may write what is not meant to be written, root neither (Linux, proc_sys_permission).
#[tokio::test]
async fn what_the_system_lets_nobody_write_is_told_whoever_runs_the_relay() {
    let (receipts, audit) = ("/proc/sys/kernel/receipts.json", "/proc/sys/kernel/ostype");
    let lines = format!("receipts: {receipts}\naudit: {{ to: {audit}, key: {{ env: AUDIT_KEY }} }}");
    let mut patient = Patient::healthy().await.with_lines(&lines);
    patient.bench.environment_with("AUDIT_KEY", &"k".repeat(32));
    let report = patient.examine(1).await;
    says(
        report.of(&format!("receipts {receipts}")),
        "failed",
        &["nothing can be created in /proc/sys/kernel: ", "create /proc/sys/kernel, or mount it"],
    );
    says(
        report.of(&format!("audit {audit}")),
        "failed",
        &["cannot be read and written: ", "let the relay's user read and write it"],
    );
}

#[tokio::test]
async fn files_that_are_none_of_what_tls_needs_are_told_apart() {
    let authority = Authority::new();
    let own = authority.server_certificate(&["relay.example.com"]);
    for (certificate, key, parts) in [
        ("nothing", own.key.as_str(), ["no certificate in PEM form", "put the certificate into"]),
        (&own.certificate, "nothing", ["no private key in PEM form", "as PEM, not encrypted"]),
    ] {
        let report = encrypted(certificate, key).await.examine(1).await;
        says(report.of("tls"), "failed", &parts);
    }
    let patient = encrypted(&own.certificate, &own.key).await;
    // A certificate that is PEM, and no certificate inside.
    patient.bench.write("ca.pem.txt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let ca = format!("tls: {{ client_ca: {}, certificate", patient.path("ca.pem.txt"));
    let report = patient.with(&[("tls: { certificate", &ca)]).examine(1).await;
    says(
        report.of("tls"),
        "failed",
        &["no CA that clients can be checked with", "put the CA of the clients into"],
    );
}
