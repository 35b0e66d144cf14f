//! Writes that wait: for the hours in which applications may restart, and for a canary.

use std::time::Duration;

use anypoint_relay::model::Outcome;
use anypoint_sandbox::anypoint::NONE;
use anypoint_sandbox::wait_until;

use crate::support::{Bench, LIMIT, ORDERS_TARGET, now};

const APPS: [&str; 3] = ["canary", "second", "third"];

/// Three applications of one secret, the first of which goes before the others.
async fn behind_a_canary() -> Bench {
    let mut bench = Bench::new().await;
    bench.aws.create_secret("prod/shared", "first-token");
    let target = |app: &&str| {
        bench.anypoint.deploy(app, NONE, [("token", "old")]);
        let canary = if *app == "canary" { "    canary: true\n" } else { "" };
        format!(
            "
  {app}:
    kind: application
    platform: cloudhub2
    connection: prod
    deployment: {app}
    coalesce: 10ms
{canary}    secure_properties: {{ token: {{ secret: prod/shared }} }}
"
        )
    };
    let targets: String = APPS.iter().map(target).collect();
    bench.start(&targets).await;
    for app in APPS {
        bench.in_sync(app).await;
    }
    bench.tell_by_eventbridge();
    bench
}

fn is_held(outcome: &Outcome) -> Option<()> {
    outcome.failure().filter(|failure| failure.code.as_str() == "held").map(drop)
}

#[tokio::test]
async fn the_others_wait_until_the_canary_runs_with_the_new_value() {
    let bench = behind_a_canary().await;
    let writes = |app: &str| bench.anypoint.history(app).writes.len();
    let before = APPS.map(writes);
    let canary = bench.anypoint.app("canary");
    canary.roll_by_hand();
    bench.aws.secret("prod/shared").unwrap().rotate("second-token");
    wait_until("the canary rolls", LIMIT, || canary.is_rolling()).await;
    for app in &APPS[1..] {
        bench.outcome(app, is_held).await;
    }
    assert_eq!([writes("second"), writes("third")], before[1..]);

    canary.finish_roll();
    for app in APPS {
        bench.arrives(app, "token", "second-token").await;
    }
    let ended = |app: &str| bench.anypoint.history(app).writes.last().unwrap().at;
    assert!(ended("second") > canary.history().writes.last().unwrap().ended.unwrap());
}

#[tokio::test]
async fn a_canary_that_fails_saves_the_others_and_a_person_may_pass_it() {
    let bench = behind_a_canary().await;
    bench.anypoint.app("canary").fail_next_rolls(1);
    bench.aws.secret("prod/shared").unwrap().rotate("bad-token");
    bench.fails_with("canary", "roll_failed").await;
    for app in &APPS[1..] {
        bench.outcome(app, is_held).await;
        assert_eq!(bench.running(app, "token"), ["first-token"]);
    }
    bench.trigger(r#"{"target":"third"}"#, "").await;
    bench.arrives("third", "token", "bad-token").await;
    assert_eq!(bench.running("second", "token"), ["first-token"]);
}

#[tokio::test]
async fn outside_of_the_roll_window_nothing_restarts_unless_a_person_asks_or_it_is_down() {
    // The window that is open for an hour, twelve hours from now.
    let hour = |hours: i64| {
        let at = now().checked_add(Duration::from_hours(u64::try_from(hours).unwrap())).unwrap();
        at.strftime("%H:%M").to_string()
    };
    let window = format!("    roll_window: {{ from: \"{}\", to: \"{}\" }}\n    base_url", hour(12), hour(13));
    let mut bench = Bench::orders_stopped().await;
    let text = bench.tuned(ORDERS_TARGET, &[("    base_url", &window)]);
    bench.start_with(&text).await;
    bench.outcome("orders-api", is_held).await;
    assert_eq!(bench.patches(), 0);

    bench.trigger(r#"{"target":"orders-api"}"#, "").await;
    bench.in_sync("orders-api").await;
    bench.tell_by_eventbridge();
    bench.anypoint.app("orders-api").crash();
    bench.orders_db().rotate_password("second-password");
    bench.arrives("orders-api", "db.password", "second-password").await;
}
