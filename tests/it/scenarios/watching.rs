//! What it costs to see that rolls of our own have ended.

use anypoint_sandbox::anypoint::{Endpoint, NONE};
use anypoint_sandbox::wait_until;

use crate::support::{Bench, LIMIT, ORDERS_TARGET};

const APPS: usize = 12;

fn apps() -> impl Iterator<Item = String> {
    (0..APPS).map(|number| format!("app-{number:02}"))
}

/// Twelve applications of one secret whose rolls were started by the relay and go on.
async fn rolling(list_tells: bool) -> Bench {
    let mut bench = Bench::new().await;
    bench.anypoint.rules(|rules| rules.list_has_no_status = !list_tells);
    bench.aws.create_secret("prod/orders/db", r#"{"username": "orders_app", "password": "first-password"}"#);
    let targets: String = apps()
        .map(|app| {
            bench.anypoint.deploy(&app, NONE, [("db.user", "orders_app"), ("db.password", "old")]);
            bench.anypoint.app(&app).roll_by_hand();
            ORDERS_TARGET.replace("orders-api", &app)
        })
        .collect();
    let text = bench.tuned(&targets, &[("    base_url", "    max_rolling: 100\n    base_url")]);
    bench
        .start_beyond(&text, |config| {
            for connection in config.connections.values_mut() {
                connection.rates.application_manager = 1000.0;
            }
        })
        .await;
    bench.anypoint.set_application_manager_limit(None);
    wait_until("every roll started", LIMIT, || bench.patches() == APPS).await;
    bench
}

#[tokio::test]
async fn rolls_that_go_on_cost_one_list_for_all_and_their_ends_a_look_each() {
    let bench = rolling(true).await;
    let lists = || bench.anypoint.requests().of(Endpoint::DeploymentList);
    let looks = || bench.anypoint.requests().of(Endpoint::DeploymentGet);

    // A list that was read before the last write may still show that application at rest.
    let started = lists();
    wait_until("lists from after the last write", LIMIT, || lists() > started + 2).await;
    let (watched, seen) = (lists(), looks());
    wait_until("ten more ticks", LIMIT, || lists() >= watched + 10).await;
    assert_eq!(looks(), seen, "a look at an application that the list shows rolling");

    for app in apps() {
        assert!(bench.anypoint.app(&app).finish_roll());
    }
    for app in apps() {
        bench.in_sync(&app).await;
    }
    assert_eq!(looks(), seen + APPS, "each end is proved by one look");
    assert_eq!(bench.patches(), APPS);
}

#[tokio::test]
async fn rolls_that_the_list_does_not_tell_are_watched_by_looks() {
    let bench = rolling(false).await;
    let looks = || bench.anypoint.requests().of(Endpoint::DeploymentGet);
    let seen = looks();
    wait_until("two looks at each", LIMIT, || looks() >= seen + 2 * APPS).await;
    for app in apps() {
        assert!(bench.anypoint.app(&app).finish_roll());
        bench.in_sync(&app).await;
    }
    assert_eq!(bench.patches(), APPS);
}

#[tokio::test]
async fn a_roll_that_fails_while_lists_are_read_is_told() {
    let bench = rolling(true).await;
    for app in apps() {
        assert!(bench.anypoint.app(&app).fail_roll());
    }
    for app in apps() {
        bench.ended_as(&app, "parked").await;
    }
    assert_eq!(bench.patches(), APPS, "a failed roll is not repeated");
}
