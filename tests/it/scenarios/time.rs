//! Wall clocks that are wrong, and that are set right while the relay runs.

use std::sync::Arc;

use anypoint_sandbox::anypoint::Endpoint;
use anypoint_sandbox::wait_until;
use jiff::SignedDuration;

use crate::support::{
    Bench, COMPARES_SECRETS, LIMIT, LOOKS_AT_TARGETS, ORDERS_TARGET, SetClock, TRIGGER_KEY, cell,
};

/// More than the 75 minutes for which a message of SNS is taken.
const HOURS: SignedDuration = SignedDuration::from_hours(2);

async fn orders_at(clock: &Arc<SetClock>, settings: &[(&str, &str)]) -> Bench {
    let mut bench = Bench::orders_stopped().await;
    let text = bench.tuned(ORDERS_TARGET, settings);
    bench.start_at(&text, Arc::clone(clock)).await;
    bench.in_sync("orders-api").await;
    bench
}

#[tokio::test]
async fn a_wrong_clock_keeps_notifications_out_and_no_value_back() {
    for (wrong, password) in [(HOURS, "second-password"), (-HOURS, "third-password")] {
        let clock = Arc::new(SetClock::default());
        clock.set_ahead(wrong);
        let bench = orders_at(&clock, &[COMPARES_SECRETS]).await;
        bench.tell_by_sns_confirmed();
        bench.orders_db().rotate_password(password);
        bench.arrives("orders-api", "db.password", password).await;
        let order = r#"{"target":"orders-api"}"#;
        let answer = bench.trigger_signed("wrong-clock", 0, TRIGGER_KEY, order).await;
        assert_eq!(cell(&answer), (401, "trigger_outside_window"), "{}", answer.text);
        let refused = || bench.aws.deliveries().iter().any(|attempt| attempt.outcome.status() == Some(403));
        wait_until("a message that is outside the window", LIMIT, refused).await;
        assert!(bench.number("relay_target_stale_seconds{target=\"orders-api\"}").await.abs() < 1.0);

        clock.set_ahead(SignedDuration::ZERO);
        let answer = bench.trigger_signed("right-clock", 0, TRIGGER_KEY, order).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
    }
}

#[tokio::test]
async fn a_clock_that_jumps_ahead_during_a_roll_makes_it_overdue_and_its_end_is_seen_all_the_same() {
    let clock = Arc::new(SetClock::default());
    let bench = orders_at(&clock, &[LOOKS_AT_TARGETS]).await;
    let app = bench.anypoint.app("orders-api");
    app.roll_by_hand();
    bench.tell_by_eventbridge();
    bench.orders_db().rotate_password("second-password");
    wait_until("the write", LIMIT, || bench.patches() == 2).await;
    clock.set_ahead(HOURS);
    bench.fails_with("orders-api", "roll_overdue").await;
    app.finish_roll();
    bench.arrives("orders-api", "db.password", "second-password").await;
    assert_eq!(bench.patches(), 2, "nothing was written again");
}

#[tokio::test]
async fn a_clock_that_is_set_back_during_a_roll_changes_nothing() {
    let clock = Arc::new(SetClock::default());
    clock.set_ahead(HOURS);
    let bench = orders_at(&clock, &[]).await;
    let app = bench.anypoint.app("orders-api");
    app.roll_by_hand();
    bench.tell_by_eventbridge();
    bench.orders_db().rotate_password("second-password");
    wait_until("the write", LIMIT, || bench.patches() == 2).await;
    clock.set_ahead(-HOURS);
    let lists = || bench.anypoint.requests().of(Endpoint::DeploymentList);
    let asked = lists();
    wait_until("further looks", LIMIT, || lists() > asked + 1).await;
    app.finish_roll();
    bench.arrives("orders-api", "db.password", "second-password").await;
    assert_eq!(bench.patches(), 2, "nothing was written again");
}
