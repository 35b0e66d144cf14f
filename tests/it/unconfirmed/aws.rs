//! What is not confirmed about AWS.

use std::time::Duration;

use anypoint_sandbox::aws::{RetryPolicy, Sink};
use anypoint_sandbox::faults::Rule;
use anypoint_sandbox::wait_until;

use crate::support::{Bench, LIMIT, ORDERS_SECRET, ORDERS_TARGET};

/// A secret that is configured before it exists is delivered once it does, whether or not AWS tells of
/// its creation: the slow timer finds it, and the event only makes it sooner.
#[tokio::test]
async fn a_secret_that_is_created_late_arrives_with_and_without_an_event() {
    for told in [true, false] {
        let mut bench = Bench::new().await;
        bench.aws.set_creation_events(told);
        bench.anypoint.deploy("orders-api", [("a", "b")], [("db.user", "o"), ("db.password", "o")]);
        let slow_retry = if told { "slow_retry: 1h" } else { "slow_retry: 50ms" };
        let file = bench.file(ORDERS_TARGET).replace("slow_retry: 1h", slow_retry);
        bench.start_with(&file).await;
        bench.tell_by_eventbridge();
        bench.ended_as("orders-api", "parked").await;
        let code = bench.outcome("orders-api", |outcome| Some(outcome.failure()?.code)).await;
        assert_eq!(code.as_str(), "not_found");
        bench.aws.create_secret("prod/orders/db", ORDERS_SECRET);
        bench.arrives("orders-api", "db.password", "first-password").await;
    }
}

/// SNS repeats what the relay could not verify, at its own pace or at the one that the answer names. Where
/// its retries end too soon the notification is lost, and the value arrives all the same.
#[tokio::test]
async fn a_notification_that_cannot_be_verified_is_not_needed_whether_or_not_sns_heeds_retry_after() {
    for second in [None, Some(Duration::from_millis(5))] {
        let mut bench = Bench::new().await;
        bench.aws.create_secret("prod/orders/db", ORDERS_SECRET);
        bench.anypoint.deploy("orders-api", [("a", "b")], [("db.user", "o"), ("db.password", "o")]);
        let file = bench.file(ORDERS_TARGET).replace("interval: 1h, targets", "interval: 300ms, targets");
        bench.start_with(&file).await;
        bench.in_sync("orders-api").await;
        bench.aws.set_sns_policy(RetryPolicy { retry_after_second: second, ..RetryPolicy::default() });
        let topic = bench.aws.topic("rotations");
        let subscription = topic.subscribe_confirmed(format!("{}/hooks/sns", bench.hooks()));
        bench.aws.emit_on_rotation(&Sink::Topic(topic));
        bench.aws.sns_faults().add(Rule::status(503));
        bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
        bench.arrives("orders-api", "db.password", "second-password").await;
        let refused = || subscription.attempts().len() >= 2;
        wait_until("a retry of SNS", LIMIT, refused).await;
        let told: Vec<_> = subscription.attempts().iter().map(|attempt| attempt.outcome.status()).collect();
        assert!(told.iter().all(|status| *status == Some(503)), "{told:?}");
    }
}
