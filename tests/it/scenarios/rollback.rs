//! Wanted changes without a rotation: AWSCURRENT goes back, or the mapping is another one.

use crate::support::{Bench, COMPARES_SECRETS, ORDERS_TARGET, another_second};

#[tokio::test]
async fn a_rollback_in_aws_that_was_told_is_delivered() {
    let bench = Bench::orders().await;
    bench.tell_by_eventbridge();
    let secret = bench.orders_db();
    secret.rotate_password("second-password");
    bench.arrives("orders-api", "db.password", "second-password").await;
    secret.rollback();
    bench.arrives("orders-api", "db.password", "first-password").await;
    assert_eq!(bench.passwords(), ["first-password", "second-password", "first-password"]);
}

#[tokio::test]
async fn a_rollback_in_aws_that_nobody_told_is_delivered() {
    let bench = Bench::orders_tuned(&[COMPARES_SECRETS]).await;
    let secret = bench.orders_db();
    secret.rotate_password("second-password");
    bench.arrives("orders-api", "db.password", "second-password").await;
    secret.rollback();
    bench.arrives("orders-api", "db.password", "first-password").await;
    secret.rollback();
    bench.arrives("orders-api", "db.password", "second-password").await;
}

#[tokio::test]
async fn a_rollback_while_the_relay_was_down_is_delivered() {
    let mut bench = Bench::orders().await;
    bench.tell_by_eventbridge();
    let secret = bench.orders_db();
    another_second().await;
    secret.rotate_password("second-password");
    bench.arrives("orders-api", "db.password", "second-password").await;
    bench.stop().await.unwrap();
    secret.rollback();
    bench.start(ORDERS_TARGET).await;
    bench.arrives("orders-api", "db.password", "first-password").await;
}

#[tokio::test]
async fn a_rotation_while_the_relay_was_down_is_delivered() {
    let mut bench = Bench::orders().await;
    bench.stop().await.unwrap();
    bench.orders_db().rotate_password("second-password");
    bench.start(ORDERS_TARGET).await;
    bench.arrives("orders-api", "db.password", "second-password").await;
}

#[tokio::test]
async fn a_changed_mapping_is_delivered_without_a_rotation() {
    let mut bench = Bench::orders().await;
    let patches = bench.patches();
    bench.restart().await;
    bench.in_sync("orders-api").await;
    assert_eq!(bench.patches(), patches, "the same mapping is delivered already");

    bench.stop().await.unwrap();
    let other = ORDERS_TARGET.replace("field: username }", "template: \"{engine}:{username}\" }");
    bench.start(&other).await;
    bench.arrives("orders-api", "db.user", "postgres:orders_app").await;
    assert_eq!(bench.running("orders-api", "db.password"), ["first-password"]);
}
