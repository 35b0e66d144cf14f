//! What is counted of a change in AWS that reached its target: how long it took since AWS moved and since
//! the relay was told, and whether the reconcile alone found it.

use anypoint_sandbox::wait_until;

use crate::support::{Bench, COMPARES_SECRETS, LIMIT, ORDERS_TARGET, now};

const CORRECTIONS: &str = r#"relay_reconcile_corrections_total{target="orders-api"}"#;
const SINCE_ROTATION: &str = "relay_rotation_to_confirmed_seconds";
const SINCE_EVENT: &str = "relay_event_to_confirmed_seconds";

/// Corrections, and how many proofs were counted since the rotation and since the event.
async fn counted(bench: &Bench) -> [f64; 3] {
    let count = async |name: &str| bench.number(&format!("{name}_count")).await;
    [bench.number(CORRECTIONS).await, count(SINCE_ROTATION).await, count(SINCE_EVENT).await]
}

#[track_caller]
fn assert_counted(counted: [f64; 3], expected: [u32; 3]) {
    assert!(
        counted.iter().zip(expected).all(|(is, wanted)| (is - f64::from(wanted)).abs() < 0.5),
        "{counted:?}"
    );
}

#[tokio::test]
async fn a_rotation_that_only_the_reconcile_found_is_a_correction() {
    let bench = Bench::orders_tuned(&[COMPARES_SECRETS]).await;
    assert_counted(counted(&bench).await, [0, 0, 0]);
    for (number, password) in [(1, "second-password"), (2, "third-password")] {
        bench.orders_db().rotate_password(password);
        bench.arrives("orders-api", "db.password", password).await;
        bench.idle().await;
        assert_counted(counted(&bench).await, [number, number, 0]);
    }
}

#[tokio::test]
async fn a_rotation_that_was_told_is_none_and_its_way_is_measured_from_both_ends() {
    let bench = Bench::orders().await;
    bench.tell_by_eventbridge();
    bench.orders_db().rotate_password("second-password");
    bench.arrives("orders-api", "db.password", "second-password").await;
    assert_counted(counted(&bench).await, [0, 1, 1]);
    let sum = async |name: &str| bench.number(&format!("{name}_sum")).await;
    let (rotation, event) = (sum(SINCE_ROTATION).await, sum(SINCE_EVENT).await);
    println!("since the rotation {rotation} s, since the event {event} s");
    assert!(event > 0.0 && event <= rotation, "the event comes after the rotation: {event} {rotation}");
}

#[tokio::test]
async fn a_notification_that_comes_before_the_proof_is_not_too_late() {
    let bench = Bench::orders_tuned(&[COMPARES_SECRETS]).await;
    let (app, secret) = (bench.anypoint.app("orders-api"), bench.orders_db());
    app.roll_by_hand();
    let version = secret.rotate_password("second-password");
    wait_until("the roll that the reconcile began", LIMIT, || app.is_rolling()).await;
    assert_eq!(bench.tell_of(&secret, &version, now()).await.status, 202);
    app.finish_roll();
    bench.arrives("orders-api", "db.password", "second-password").await;
    assert_counted(counted(&bench).await, [0, 1, 1]);
}

#[tokio::test]
async fn neither_a_first_delivery_nor_what_a_start_catches_up_with_is_a_correction() {
    let mut bench = Bench::orders_stopped().await;
    let receipts = format!("receipts: {}\n", bench.path("receipts.json").display());
    let text = bench.tuned(ORDERS_TARGET, &[COMPARES_SECRETS]) + &receipts;
    bench.start_with(&text).await;
    bench.in_sync("orders-api").await;
    bench.idle().await;
    assert_counted(counted(&bench).await, [0, 0, 0]);
    bench.stop().await.unwrap();

    bench.orders_db().rotate_password("second-password");
    bench.start_with(&text).await;
    bench.arrives("orders-api", "db.password", "second-password").await;
    assert_counted(counted(&bench).await, [0, 1, 0]);
}
