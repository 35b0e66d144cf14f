//! Anypoint: connections and targets.

use anypoint_sandbox::anypoint::Redeploy;
use anypoint_sandbox::wait_until;

use super::{Patient, says};
use crate::support::{LIMIT, ORDERS_TARGET, Run};

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
    says(report.of("connection prod"), "failed", &["extra_root", "no.pem", "correct the setting"]);
    says(report.of(TARGET), "not_tried", &["needs connection prod"]);
    says(report.of("start"), "failed", &["extra_root"]);
}

#[tokio::test]
async fn a_deployment_that_is_missing_or_of_another_platform_is_told_so() {
    let patient = Patient::healthy().await.with(&[("deployment: orders-api", "deployment: orders-apy")]);
    let report = patient.examine(1).await;
    says(report.of(TARGET), "failed", &["orders-apy"]);

    let patient = Patient::healthy().await.with(&[("platform: cloudhub2", "platform: cloudhub")]);
    let report = patient.examine(1).await;
    says(report.of(TARGET), "failed", &["HTTP 404", "`deployment` of target orders-api"]);
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
    patient.text = patient.bench.file(
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
