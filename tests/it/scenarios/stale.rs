//! Reads that lag and events that come again: an old version never replaces a newer one.

use anypoint_relay::status::Did;
use anypoint_sandbox::aws::{Operation, StalePlan};

use crate::support::{Bench, COMPARES_SECRETS, Setting, another_second, make_reads_fresh, now};

const PLANS: [StalePlan; 3] = [StalePlan::Never, StalePlan::Reads(2), StalePlan::EveryOther(6)];

#[tokio::test]
async fn a_replayed_event_of_an_old_version_changes_nothing() {
    let bench = Bench::orders().await;
    bench.tell_by_eventbridge();
    let secret = bench.orders_db();
    let (old, told) = (secret.current_version(), now());
    secret.rotate_password("second-password");
    bench.arrives("orders-api", "db.password", "second-password").await;
    let patches = bench.patches();

    for at in [told, now()] {
        let outcome = bench.run_after("orders-api", bench.tell_of(&secret, &old, at)).await;
        assert_eq!(outcome.label(), "in_sync");
    }
    assert_eq!(bench.patches(), patches);
    assert_eq!(bench.passwords(), ["first-password", "second-password"]);
}

#[tokio::test]
async fn a_replayed_event_together_with_stale_reads_changes_nothing() {
    // The second read that could make a rollback of it never comes by itself.
    let bench = Bench::orders_tuned(&[("settle: 100ms", "settle: 1m")]).await;
    bench.tell_by_eventbridge();
    let secret = bench.orders_db();
    let (old, told) = (secret.current_version(), now());
    secret.rotate_password("second-password");
    bench.arrives("orders-api", "db.password", "second-password").await;
    let patches = bench.patches();

    bench.reads_show_the_previous_version(&secret);
    assert_eq!(bench.tell_of(&secret, &old, told).await.status, 202);
    bench.fails_with("orders-api", "unavailable").await;
    assert_eq!(bench.running("orders-api", "db.password"), ["second-password"]);
    make_reads_fresh(&secret);
    bench.tell_of(&secret, &secret.current_version(), now()).await;

    bench.in_sync("orders-api").await;
    assert_eq!(bench.patches(), patches);
    assert_eq!(bench.passwords(), ["first-password", "second-password"]);
}

#[tokio::test]
async fn a_stale_read_after_a_rotation_that_was_told_is_not_written() {
    // In the proportion of the defaults: reads lag for less time than a named version is waited for.
    for_all_plans(&[("freshness: 500ms", "freshness: 5s")], Bench::tell_by_eventbridge).await;
}

#[tokio::test]
async fn a_stale_read_after_a_rotation_that_nobody_told_is_not_written() {
    for_all_plans(&[COMPARES_SECRETS], |_| ()).await;
}

/// Rotates twice with each combination of stale reads, each in a sandbox of its own.
async fn for_all_plans(settings: &[Setting<'_>], tell: fn(&Bench)) {
    let plans = PLANS.into_iter().flat_map(|describe| PLANS.map(|get| (describe, get)));
    let rotations = plans.map(|(describe, get)| async move {
        let bench = Bench::orders_tuned(settings).await;
        tell(&bench);
        let secret = bench.orders_db();
        for password in ["second-password", "third-password"] {
            secret.set_stale(Operation::Describe, describe);
            secret.set_stale(Operation::Get, get);
            secret.rotate_password(password);
            bench.arrives("orders-api", "db.password", password).await;
        }
        let expected = ["first-password", "second-password", "third-password"];
        assert_eq!(bench.passwords(), expected, "describe {describe:?}, get {get:?}");
    });
    futures_util::future::join_all(rotations).await;
}

#[tokio::test]
async fn a_stale_read_after_a_restart_is_not_written() {
    let mut bench = Bench::orders().await;
    let secret = bench.orders_db();
    bench.tell_by_eventbridge();
    another_second().await;
    secret.rotate_password("second-password");
    bench.arrives("orders-api", "db.password", "second-password").await;
    bench.reads_show_the_previous_version(&secret);
    let patches = bench.patches();
    bench.stop().await.unwrap();
    let text = bench.tuned(crate::support::ORDERS_TARGET, &[("settle: 100ms", "settle: 1m")]);
    bench.start_with(&text).await;

    bench.fails_with("orders-api", "unavailable").await;
    make_reads_fresh(&secret);
    bench.tell_of(&secret, &secret.current_version(), now()).await;
    bench.in_sync("orders-api").await;
    assert_eq!(bench.patches(), patches);
    assert!(bench.runs("orders-api").iter().all(|run| run.did != Did::Wrote));
}

#[tokio::test]
async fn a_version_that_aws_does_not_serve_yet_is_waited_for_and_then_written_once() {
    let bench = Bench::orders().await;
    let secret = bench.orders_db();
    secret.set_stale(Operation::Describe, StalePlan::Reads(1));
    let version = secret.rotate_password("second-password");
    assert_eq!(bench.tell_of(&secret, &version, now()).await.status, 202);
    bench.arrives("orders-api", "db.password", "second-password").await;
    // The event comes once more; then nothing is under way that could still write.
    bench.run_after("orders-api", bench.tell_of(&secret, &version, now())).await;
    bench.idle().await;
    let runs = bench.runs("orders-api");
    let wrote = runs.iter().filter(|run| run.did == Did::Wrote).count();
    assert_eq!(wrote, 2, "the first one and this one");
    assert!(runs.iter().any(|run| run.outcome == "retrying"), "it was waited for: {runs:?}");
    assert_eq!(bench.passwords(), ["first-password", "second-password"]);
}
