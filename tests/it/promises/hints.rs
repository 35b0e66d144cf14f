//! Promises 1 to 3: a notification is a hint, truth is a level, one writer and the current version wins.

use anypoint_sandbox::aws::events;
use anypoint_sandbox::faults::{Action, Gate, Rule};
use http::Method;
use serde_json::{Value, json};

use crate::support::{Bench, COMPARES_SECRETS, ORDERS_TARGET, now};

#[tokio::test]
async fn promise_1_a_notification_is_a_hint_and_never_decides_what_is_written() {
    let bench = Bench::orders().await;
    let secret = bench.orders_db();
    let first = secret.current_version();
    // Nobody tells of the rotation; then an event names the version before it, and brings a value.
    secret.rotate_password("second-password");
    let mut event = events::label_updated(secret.arn(), "AWSCURRENT", &first);
    event["detail"]["value"] = json!("smuggled-password");
    event["detail"]["secretString"] = json!(r#"{"username":"x","password":"smuggled-password"}"#);
    assert_eq!(bench.post_event(&event).await.status, 202);
    bench.arrives("orders-api", "db.password", "second-password").await;

    // A version that never was is waited for, and then AWSCURRENT has the last word.
    let unknown = "00000000-0000-4000-8000-000000000000";
    let event = bench.tell_of(&secret, unknown, now());
    assert_eq!(bench.run_after("orders-api", event).await.label(), "in_sync");
    assert_eq!(bench.passwords(), ["first-password", "second-password"]);
}

#[tokio::test]
async fn promise_1_values_are_always_asked_for_by_the_stage_that_is_current() {
    let bench = Bench::orders().await;
    bench.tell_by_eventbridge();
    for password in ["second-password", "third-password"] {
        bench.orders_db().rotate_password(password);
        bench.arrives("orders-api", "db.password", password).await;
    }
    let reads = bench.aws.log().matching(|request| request.tag == "GetSecretValue");
    assert_eq!(reads.len(), 3, "one per write");
    for read in reads {
        let body: Value = serde_json::from_slice(&read.body).unwrap();
        assert_eq!(body["VersionStage"], "AWSCURRENT");
        assert_eq!(body.get("VersionId"), None);
    }
}

#[tokio::test]
async fn promise_2_every_difference_is_found_without_any_notification() {
    let mut bench = Bench::orders_tuned(&[COMPARES_SECRETS]).await;
    let secret = bench.orders_db();
    secret.rotate_password("second-password");
    bench.arrives("orders-api", "db.password", "second-password").await;
    secret.rollback();
    bench.arrives("orders-api", "db.password", "first-password").await;

    bench.stop().await.unwrap();
    secret.rotate_password("third-password");
    let other = ORDERS_TARGET
        .replace("db.user: {", "db.name: { secret: prod/orders/db, field: engine }\n      db.user: {");
    bench.start(&other).await;
    bench.arrives("orders-api", "db.password", "third-password").await;
    assert_eq!(bench.running("orders-api", "db.name"), ["postgres"]);
}

#[tokio::test]
async fn promise_3_a_target_has_one_writer_and_the_current_version_wins() {
    let bench = Bench::orders().await;
    let secret = bench.orders_db();
    bench.tell_by_eventbridge();
    let gate = Gate::new();
    bench.anypoint.faults().add(Rule::new(Action::Hang(gate.clone())).method(Method::PATCH).times(1));
    secret.rotate_password("second-password");
    gate.arrived(1).await;
    let patches = bench.patches();
    for number in 3..10 {
        let version = secret.rotate_password(&format!("password-{number}"));
        assert_eq!(bench.tell_of(&secret, &version, now()).await.status, 202);
    }
    secret.rollback();
    assert_eq!(bench.patches(), patches, "no second write beside the first");
    gate.open();
    bench.arrives("orders-api", "db.password", "password-8").await;
    let written: Vec<String> = bench
        .anypoint
        .history("orders-api")
        .writes
        .iter()
        .map(|write| write.secure["db.password"].clone())
        .collect();
    assert_eq!(written, ["first-password", "second-password", "password-8"]);
}
