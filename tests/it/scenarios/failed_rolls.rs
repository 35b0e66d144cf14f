//! A roll that fails leaves the new specification beside replicas that run the old one.

use anypoint_relay::model::FailureCode;
use anypoint_sandbox::anypoint::RollResult;

use crate::support::{Bench, COMPARES_SECRETS, LOOKS_AT_TARGETS, now};

/// Rotates to a password whose roll fails, and waits until that is known.
async fn failed(bench: &Bench) {
    bench.anypoint.app("orders-api").fail_next_rolls(1);
    let secret = bench.orders_db();
    let version = secret.rotate_password("second-password");
    assert_eq!(bench.tell_of(&secret, &version, now()).await.status, 202);
    bench.ended_as("orders-api", "parked").await;
    let failure = bench.fails_with("orders-api", "roll_failed").await;
    assert_eq!(failure.code, FailureCode::RollFailed);
    assert_eq!(bench.running("orders-api", "db.password"), ["first-password"]);
}

/// Looks again for several reasons, none of them a new version or a person.
async fn looked_at(bench: &Bench) {
    let secret = bench.orders_db();
    for _ in 0..3 {
        let version = secret.current_version();
        let outcome = bench.run_after("orders-api", bench.tell_of(&secret, &version, now())).await;
        assert_eq!(outcome.label(), "parked");
    }
}

#[tokio::test]
async fn a_failed_roll_with_our_receipt_in_the_spec_is_not_in_sync_and_not_repeated() {
    let bench = Bench::orders_tuned(&[COMPARES_SECRETS, LOOKS_AT_TARGETS]).await;
    failed(&bench).await;
    let app = bench.anypoint.app("orders-api");
    assert_eq!(app.desired_secure()["db.password"], "second-password");
    let patches = bench.patches();
    looked_at(&bench).await;
    bench.ended_as("orders-api", "parked").await;
    assert_eq!(bench.patches(), patches);
    let stale = bench.number(r#"relay_target_stale_seconds{target="orders-api"}"#).await;
    assert!(stale > 0.0, "the old value still runs: {stale}");
}

#[tokio::test]
async fn a_failed_roll_whose_spec_was_taken_back_is_not_repeated_either() {
    let bench = Bench::orders_tuned(&[COMPARES_SECRETS, LOOKS_AT_TARGETS]).await;
    bench.anypoint.rules(|rules| rules.failed_roll_reverts_spec = true);
    failed(&bench).await;
    let app = bench.anypoint.app("orders-api");
    assert_eq!(app.desired_secure()["db.password"], "first-password");
    let patches = bench.patches();
    looked_at(&bench).await;
    bench.ended_as("orders-api", "parked").await;
    assert_eq!(bench.patches(), patches);
}

#[tokio::test]
async fn after_a_failed_roll_a_newer_version_is_tried() {
    for reverts in [false, true] {
        let bench = Bench::orders().await;
        bench.anypoint.rules(|rules| rules.failed_roll_reverts_spec = reverts);
        failed(&bench).await;
        bench.tell_by_eventbridge();
        bench.orders_db().rotate_password("third-password");
        bench.arrives("orders-api", "db.password", "third-password").await;
        let results: Vec<RollResult> =
            bench.anypoint.history("orders-api").writes.iter().map(|write| write.result).collect();
        assert_eq!(results, [RollResult::Succeeded, RollResult::Failed, RollResult::Succeeded]);
    }
}

#[tokio::test]
async fn the_failure_of_the_roll_before_is_not_taken_for_that_of_a_newer_version() {
    let bench = Bench::orders().await;
    bench.anypoint.rules(|rules| rules.status_lags = 2);
    failed(&bench).await;
    bench.tell_by_eventbridge();
    bench.orders_db().rotate_password("third-password");
    bench.arrives("orders-api", "db.password", "third-password").await;
    assert_eq!(bench.anypoint.history("orders-api").rolls(), 3);
}

#[tokio::test]
async fn after_a_failed_roll_a_person_may_have_it_repeated() {
    for reverts in [false, true] {
        let bench = Bench::orders().await;
        bench.anypoint.rules(|rules| rules.failed_roll_reverts_spec = reverts);
        failed(&bench).await;
        let answer = bench.trigger(r#"{"target":"orders-api"}"#, "?wait=3s").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(bench.running("orders-api", "db.password"), ["second-password"]);
    }
}

#[tokio::test]
async fn a_failed_roll_is_not_repeated_by_a_restart() {
    let mut bench = Bench::orders().await;
    failed(&bench).await;
    let patches = bench.patches();
    bench.restart().await;
    bench.ended_as("orders-api", "parked").await;
    bench.fails_with("orders-api", "roll_failed").await;
    assert_eq!(bench.patches(), patches);
}

#[tokio::test]
async fn a_lost_write_beside_an_older_failed_roll_is_not_taken_for_failed() {
    use anypoint_sandbox::anypoint::{Lands, LostWrite, Seen};

    for reverts in [false, true] {
        let bench = Bench::orders().await;
        bench.anypoint.rules(|rules| rules.failed_roll_reverts_spec = reverts);
        failed(&bench).await;
        bench.anypoint.lose_next_write(LostWrite { lands: Lands::Never, seen: Seen::Status(504) });
        bench.tell_by_eventbridge();
        bench.orders_db().rotate_password("third-password");
        bench.arrives("orders-api", "db.password", "third-password").await;
    }
}
