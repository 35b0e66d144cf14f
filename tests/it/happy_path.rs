//! A rotation arrives through each of the three triggers.

use crate::support::Bench;

#[tokio::test]
async fn a_rotation_told_by_eventbridge_arrives_at_every_replica() {
    let bench = Bench::orders().await;
    bench.tell_by_eventbridge();
    bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    bench.arrives("orders-api", "db.password", "second-password").await;
    assert_eq!(
        bench.anypoint.history("orders-api").rolls(),
        2,
        "one roll to take over, one for the rotation"
    );
}

#[tokio::test]
async fn a_rotation_told_by_sns_arrives_at_every_replica() {
    let bench = Bench::orders().await;
    bench.tell_by_sns().await;
    bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    bench.arrives("orders-api", "db.password", "second-password").await;
}

#[tokio::test]
async fn a_rotation_told_by_hand_arrives_while_the_caller_waits() {
    let bench = Bench::orders().await;
    bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    let answer = bench.trigger(r#"{"secret":"prod/orders/db","reason":"a test"}"#, "?wait=20s").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(bench.running("orders-api", "db.password"), ["second-password"]);
}
