//! Anypoint: connections and targets.

use anypoint_sandbox::anypoint::Redeploy;
use anypoint_sandbox::pki::Hierarchy;
use anypoint_sandbox::wait_until;
use jiff::SignedDuration;

use super::local::in_days;
use super::{Patient, Report, says};
use crate::support::{LIMIT, ORDERS_TARGET, Relay, Run, now};

const TARGET: &str = "target orders-api";

#[tokio::test]
async fn a_connected_app_that_is_refused_leaves_its_targets_and_no_others() {
    let mut patient = Patient::healthy().await;
    patient.bench.environment_with("ANYPOINT_CLIENT_SECRET", "another-secret");
    let report = patient.examine(1).await;
    says(report.of("connection prod"), "failed", &["was refused a token", "Access Management"]);
    says(report.of(TARGET), "not_tried", &["needs connection prod"]);
    says(report.of("secret prod/orders/db"), "ok", &["AWSCURRENT"]);
    says(report.of("start"), "ok", &[]);
}

#[tokio::test]
async fn a_connection_that_cannot_be_set_up_is_told_with_its_file() {
    let patient = Patient::healthy().await;
    let channel = format!("    extra_root: {}\n    base_url", patient.path("no.pem"));
    let patient = patient.with(&[("    base_url", &channel)]);
    let report = patient.examine(1).await;
    says(
        report.of("connection prod"),
        "failed",
        &["extra_root", "no.pem", "correct the setting, or put a file that the relay may read in its place"],
    );
    says(report.of(TARGET), "not_tried", &["needs connection prod"]);
    says(report.of("start"), "failed", &["extra_root"]);
}

#[tokio::test]
async fn a_deployment_that_is_missing_is_told_so() {
    let patient = Patient::healthy().await.with(&[("deployment: orders-api", "deployment: orders-apy")]);
    let report = patient.examine(1).await;
    says(
        report.of(TARGET),
        "failed",
        &["no deployment is named \"orders-apy\"; there are \"orders-api\"", "correct `deployment`"],
    );
}

#[tokio::test]
async fn an_application_of_another_platform_is_told_with_the_line_to_change() {
    let nothing: [(&str, &str); 0] = [];
    for (configured, name, has, right) in [
        ("cloudhub", "orders-api", "but cloudhub2 (or rtf) has one", "cloudhub2 (or rtf)"),
        ("hybrid", "orders-api", "but cloudhub2 (or rtf) has one", "cloudhub2 (or rtf)"),
        ("cloudhub2", "orders-ch1", "but cloudhub has one", "cloudhub"),
        ("rtf", "orders-ch1", "but cloudhub has one", "cloudhub"),
        ("rtf", "orders-own", "but hybrid has one", "hybrid"),
        ("cloudhub", "orders-own", "but hybrid has one", "hybrid"),
    ] {
        let patient = Patient::healthy().await;
        patient.bench.anypoint.deploy_cloudhub("orders-ch1", nothing, nothing);
        patient.bench.anypoint.deploy_hybrid("orders-own", "server-1", nothing);
        let mut lines = vec![("platform: cloudhub2", format!("platform: {configured}"))];
        lines.push(("deployment: orders-api", format!("deployment: {name}")));
        if configured == "hybrid" {
            lines.push(("secure_properties:", "properties:".to_owned()));
        }
        let lines: Vec<_> = lines.iter().map(|(usual, other)| (*usual, other.as_str())).collect();
        let mend = format!("set `platform` of target orders-api to {right} in place of {configured}");
        says(patient.with(&lines).examine(1).await.of(TARGET), "failed", &[has, &mend]);
    }
}

#[tokio::test]
async fn a_scope_that_is_missing_is_named() {
    let patient = Patient::healthy().await;
    patient.bench.anypoint.grant("read:applications", false);
    let report = patient.examine(1).await;
    says(report.of("connection prod"), "ok", &["signed in"]);
    says(report.of(TARGET), "failed", &["HTTP 403", "Read Applications"]);
}

#[tokio::test]
async fn a_secure_property_that_is_not_listed_is_a_conflict_also_where_the_secret_cannot_be_read() {
    let patient = Patient::healthy().await;
    let app = patient.bench.anypoint.app("orders-api");
    app.foreign_redeploy(Redeploy::of_stored().secure("partner.key", "theirs"));
    wait_until("the end of their roll", LIMIT, || !app.is_rolling()).await;
    let report = patient.examine(1).await;
    says(report.of(TARGET), "failed", &["partner.key", "secure_properties"]);

    patient.bench.orders_db().delete();
    let report = patient.examine(1).await;
    says(report.of(TARGET), "failed", &["partner.key", "secure_properties"]);
}

#[tokio::test]
async fn two_targets_of_one_thing_are_a_conflict() {
    let mut patient = Patient::healthy().await;
    let id = patient.bench.anypoint.app("orders-api").id().to_owned();
    let other =
        ORDERS_TARGET.replace("orders-api:", "orders-too:").replace(": orders-api", &format!(": {id}"));
    patient.text.push_str(&other);
    let report = patient.write().examine(1).await;
    let conflicts: Vec<_> = report.not_ok();
    assert_eq!(conflicts.len(), 1, "{}", report.table);
    let all = [TARGET, "target orders-too"].map(|name| report.of(name));
    let refused = all.into_iter().find(|finding| finding["verdict"] == "failed").unwrap();
    says(refused, "failed", &["has two writers", "orders-too", "put all of it into one target"]);
}

#[tokio::test]
async fn a_group_or_a_secret_of_it_that_is_missing_is_told_so() {
    let mut patient = Patient::healthy().await;
    patient.text = super::file(
        &patient.bench,
        "
  shared:
    kind: shared_secret
    connection: prod
    group: orders
    name: orders-db
    type: UsernamePassword
    username: { secret: prod/orders/db, field: username }
    password: { secret: prod/orders/db, field: password }
    expiry: default
",
    );
    let patient = patient.write();
    let report = patient.examine(1).await;
    says(report.of("target shared"), "failed", &["group", "orders"]);
    patient.bench.anypoint.add_group("orders");
    let report = patient.examine(1).await;
    says(report.of("target shared"), "failed", &["orders-db", "create: true"]);
}

#[tokio::test]
async fn what_is_in_sync_is_told_so() {
    let patient = Patient::healthy().await;
    Run::of(patient.bench.binary().arg("sync").arg(&patient.file)).await.ended(0);
    // From here on the sandbox has seen a write, which is not the doctor's.
    let mut again = patient.bench.binary();
    let run = Run::of(again.arg("check").arg(&patient.file).args(["--online", "--json"])).await;
    let report = run.ended(0).json();
    let found = report["findings"].as_array().unwrap().iter().find(|finding| finding["subject"] == TARGET);
    says(found.unwrap(), "ok", &["nothing to write, in sync"]);
    assert_eq!(patient.bench.patches(), 1);
}

#[tokio::test]
async fn a_client_certificate_that_cannot_be_used_or_is_about_to_end_is_told() {
    let patient = Patient::healthy().await;
    let (_, key) = patient.bench.aws.authority().client_certificate();
    patient.bench.write("client.key", &key);
    let authorities = Hierarchy::new();
    let shown = (patient.path("client.pem"), patient.path("client.key"));
    let lines =
        format!("    client_certificate: {{ certificate: {}, key: {} }}\n    base_url", shown.0, shown.1);
    let patient = patient.with(&[("    base_url", &lines)]);
    let report = patient.examine(1).await;
    says(
        report.of("connection prod"),
        "failed",
        &["client_certificate.certificate", "client.pem", "put a file that"],
    );
    says(report.of(TARGET), "not_tried", &["needs connection prod"]);

    let subject = "client_certificate of connection prod";
    for (days, code, verdict, found) in [
        (90, 0, "ok", "certificate and key go together"),
        (20, 0, "warning", "the certificate ends in 19 days"),
        (-1, 1, "failed", "the certificate ended at"),
    ] {
        patient.bench.write("client.pem", authorities.certify("relay", &key, in_days(-99), in_days(days)));
        let report = patient.examine(code).await;
        says(report.of("connection prod"), "ok", &["signed in"]);
        says(report.of(subject), verdict, &[found]);
        if verdict != "ok" {
            says(report.of(subject), verdict, &["and restart the relay, which reads them then alone"]);
        }
    }
}

#[tokio::test]
async fn a_run_that_would_wait_is_told_with_what_it_waits_for() {
    let patient = Patient::healthy().await;
    patient.bench.anypoint.app("orders-api").roll_by_hand();
    let relay = Relay::start(patient.bench.binary().arg("serve").arg(&patient.file)).await;
    wait_until("the write", LIMIT, || patient.bench.patches() == 1).await;
    drop(relay);
    // From here on the sandbox has seen a write, which is not the doctor's.
    let mut command = patient.bench.binary();
    let run = Run::of(command.arg("check").arg(&patient.file).args(["--online", "--json"])).await;
    let report = Report { table: String::new(), whole: run.ended(0).json() };
    says(report.of(TARGET), "ok", &["a run would wait (confirming)"]);

    let patient = Patient::healthy().await;
    let hour = |hours: i64| (now() + SignedDuration::from_hours(hours)).strftime("%H:%M").to_string();
    let window = format!("    roll_window: {{ from: \"{}\", to: \"{}\" }}\n    base_url", hour(12), hour(13));
    let report = patient.with(&[("    base_url", &window)]).examine(0).await;
    says(report.of(TARGET), "ok", &["a run would wait: "]);
}

#[tokio::test]
async fn what_would_be_created_is_told_also_where_its_secret_cannot_be_read() {
    let mut patient = Patient::healthy().await;
    patient.text = super::file(
        &patient.bench,
        "
  shared:
    kind: shared_secret
    connection: prod
    group: orders
    name: orders-db
    create: true
    type: UsernamePassword
    username: { secret: prod/orders/db, field: username }
    password: { secret: prod/orders/db, field: password }
    expiry: default
",
    );
    let patient = patient.write();
    patient.bench.anypoint.add_group("orders");
    patient.bench.orders_db().delete();
    let report = patient.examine(1).await;
    says(report.of("target shared"), "ok", &["is not there yet, and would be created", "depends on secret"]);
}

#[tokio::test]
async fn a_target_that_cannot_be_set_up_is_told_and_hides_no_file() {
    let mut patient = Patient::healthy().await;
    let target = "
  refresh:
    kind: http
    url: https://orders.example.com/refresh
    key: { env: TRIGGER_KEY }
    extra_root: NONE
    values: { password: { secret: prod/orders/db, field: password } }
";
    patient.text = super::file(&patient.bench, &target.replace("NONE", &patient.path("none.pem")));
    let report = patient.write().examine(1).await;
    says(
        report.of("targets"),
        "failed",
        &["the targets cannot be put together: ", "none.pem", "correct what it names"],
    );
    says(report.of("ingress.trigger key ops"), "ok", &["can be read"]);
}
