//! Somebody else writes to the application.

use anypoint_sandbox::anypoint::{DesiredState, Redeploy};
use anypoint_sandbox::wait_until;

use crate::support::{Bench, LIMIT, LOOKS_AT_TARGETS, ORDERS_SECRET};

const RECEIPT: &str = "anypoint-relay.receipt";
const FOREIGN_WRITES: &str = r#"relay_foreign_writes_total{target="orders-api"}"#;

#[tokio::test]
async fn a_redeploy_with_the_old_value_is_found_and_healed() {
    let original = Redeploy::of_original;
    for (redeploy, what) in [
        (original(), "without our receipt"),
        (original().carry(RECEIPT), "with our receipt"),
        (Redeploy::of_stored().secure("db.password", "first-password"), "as it is stored but for the value"),
    ] {
        let bench = Bench::orders_tuned(&[LOOKS_AT_TARGETS]).await;
        bench.tell_by_eventbridge();
        bench.orders_db().rotate_password("second-password");
        bench.arrives("orders-api", "db.password", "second-password").await;
        assert_eq!(bench.metric(FOREIGN_WRITES).await.as_deref(), Some("0"));

        bench.anypoint.app("orders-api").foreign_redeploy(redeploy);
        bench.runs_with("orders-api", "db.password", "first-password").await;
        bench.arrives("orders-api", "db.password", "second-password").await;
        assert_eq!(
            bench.passwords(),
            ["first-password", "second-password", "first-password", "second-password"],
            "{what}"
        );
        assert_eq!(bench.metric(FOREIGN_WRITES).await.as_deref(), Some("1"), "{what}");
    }
}

#[tokio::test]
async fn a_redeploy_that_kept_the_values_is_written_once_more_and_then_left_alone() {
    let bench = Bench::orders_tuned(&[LOOKS_AT_TARGETS]).await;
    let app = bench.anypoint.app("orders-api");
    let before = app.history().writes.len();
    app.foreign_redeploy(Redeploy::of_stored());
    wait_until("the write over it", LIMIT, || app.history().writes.len() == before + 2).await;
    bench.in_sync("orders-api").await;
    let runs = || bench.runs("orders-api")[0].run;
    let now = runs();
    wait_until("further looks", LIMIT, || runs() > now).await;
    assert_eq!(app.history().writes.len(), before + 2);
}

#[tokio::test]
async fn a_stopped_application_is_left_alone_until_it_is_started() {
    let bench = Bench::orders_tuned(&[LOOKS_AT_TARGETS]).await;
    let app = bench.anypoint.app("orders-api");
    let patches = bench.patches();
    app.want(DesiredState::Stopped);
    bench.tell_by_eventbridge();
    bench.orders_db().rotate_password("second-password");
    bench.ended_as("orders-api", "stopped").await;
    let stale = r#"relay_target_stale_seconds{target="orders-api"}"#;
    assert!(bench.number(stale).await <= 0.0);
    assert_eq!(bench.patches(), patches);

    app.want(DesiredState::Started);
    bench.arrives("orders-api", "db.password", "second-password").await;
}

#[tokio::test]
async fn a_stored_secure_property_that_the_configuration_does_not_own_refuses_the_write() {
    let mut bench = Bench::new().await;
    let secret = bench.aws.create_secret("prod/orders/db", ORDERS_SECRET);
    let app = bench.anypoint.deploy(
        "orders-api",
        [("http.port", "8081")],
        [("db.user", "orders_app"), ("db.password", "first-password"), ("api.key", "not-ours")],
    );
    bench.start(crate::support::ORDERS_TARGET).await;
    bench.ended_as("orders-api", "parked").await;
    let failure = bench.fails_with("orders-api", "would_lose").await;
    assert!(failure.message.contains("api.key"), "{}", failure.message);
    assert!(failure.next_step.contains("forget"), "{}", failure.next_step);
    bench.tell_by_eventbridge();
    bench.run_after("orders-api", async { secret.rotate_password("second-password") }).await;
    bench.ended_as("orders-api", "parked").await;
    assert_eq!((bench.patches(), app.history().writes.len()), (0, 0));
    assert_eq!(app.desired_secure()["api.key"], "not-ours");
    assert_eq!(bench.asked("GetSecretValue"), 0, "no value is read for a write that is refused");

    bench.stop().await.unwrap();
    let target = format!("{}    forget: [api.key]\n", crate::support::ORDERS_TARGET);
    bench.start(&target).await;
    bench.arrives("orders-api", "db.password", "second-password").await;
    assert!(!app.desired_secure().contains_key("api.key"));
    assert_eq!(app.desired_properties()["http.port"], "8081");
}
