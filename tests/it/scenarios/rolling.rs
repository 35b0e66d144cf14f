//! Replicas are replaced while versions move.

use std::time::Duration;

use anypoint_sandbox::anypoint::{AppHistory, Endpoint, NONE};
use anypoint_sandbox::faults::Rule;
use anypoint_sandbox::wait_until;

use crate::support::{Bench, LIMIT, ORDERS_TARGET};

#[tokio::test]
async fn user_and_password_always_come_from_one_version() {
    const ROTATIONS: usize = 30;
    let bench = Bench::orders().await;
    let (secret, app) = (bench.orders_db(), bench.anypoint.app("orders-api"));
    app.scale(2).roll_time(Duration::from_millis(4));
    secret.set_alternating(true);
    bench.tell_by_eventbridge();
    let mut last = String::new();
    for number in 1..=ROTATIONS {
        last = format!("password-{number}");
        let patches = bench.patches();
        secret.rotate_password(&last);
        // The next rotation comes while this one is being written, or just has been.
        wait_until("a write", LIMIT, || bench.patches() > patches || number % 3 == 0).await;
    }
    bench.arrives("orders-api", "db.password", &last).await;

    let pairs: Vec<(String, String)> = secret
        .history()
        .iter()
        .map(|held| (held.value.field("username").unwrap(), held.value.field("password").unwrap()))
        .collect();
    let AppHistory { replicas, writes } = app.history();
    for ran in replicas.iter().flatten() {
        let pair = (ran.secure["db.user"].clone(), ran.secure["db.password"].clone());
        assert!(pairs.contains(&pair), "{pair:?} is of no version");
    }
    // What was written follows the order in which AWSCURRENT moved.
    let place = |password: &String| pairs.iter().position(|(_, held)| held == password);
    let places: Vec<_> = writes.iter().map(|write| place(&write.secure["db.password"])).collect();
    assert!(places.is_sorted() && places.len() > ROTATIONS / 4, "{places:?}");
}

const APPS: [&str; 3] = ["app-a", "app-b", "app-c"];

/// Three applications of one connection that may roll one at a time.
async fn three(bench: &mut Bench) {
    bench.aws.create_secret("prod/shared", "first-token");
    let deploy = |app: &&str| {
        bench.anypoint.deploy(app, NONE, [("token", "first-token")]).roll_time(Duration::from_millis(80));
        format!(
            "
  {app}:
    kind: application
    platform: cloudhub2
    connection: prod
    deployment: {app}
    coalesce: 10ms
    secure_properties:
      token: {{ secret: prod/shared }}
"
        )
    };
    let targets: Vec<String> = APPS.iter().map(deploy).collect();
    let text = bench.tuned(&targets.concat(), &[("    base_url", "    max_rolling: 1\n    base_url")]);
    bench.start_with(&text).await;
    for app in APPS {
        bench.in_sync(app).await;
    }
    bench.tell_by_eventbridge();
}

async fn never_two_at_once(bench: &Bench) {
    bench.aws.secret("prod/shared").unwrap().rotate("second-token");
    for app in APPS {
        bench.arrives(app, "token", "second-token").await;
    }
    let mut rolls: Vec<_> = APPS
        .into_iter()
        .flat_map(|app| bench.anypoint.history(app).writes)
        .map(|write| (write.at, write.ended.unwrap()))
        .collect();
    rolls.sort();
    assert_eq!(rolls.len(), 6);
    for pair in rolls.windows(2) {
        assert!(pair[0].1 <= pair[1].0, "two rolls at once: {rolls:?}");
    }
}

#[tokio::test]
async fn with_one_roll_at_a_time_three_applications_roll_one_after_another() {
    let mut bench = Bench::new().await;
    three(&mut bench).await;
    never_two_at_once(&bench).await;
}

#[tokio::test]
async fn a_look_that_fails_during_a_roll_does_not_let_another_roll_begin() {
    let mut bench = Bench::new().await;
    three(&mut bench).await;
    let rule = Rule::status(503).tag(Endpoint::DeploymentGet.tag()).chance(0.5, 7);
    let rule = bench.anypoint.faults().add(rule);
    never_two_at_once(&bench).await;
    assert!(bench.anypoint.faults().hits(rule) > 0);
}

#[tokio::test]
async fn a_newer_version_waits_for_the_end_of_our_own_roll() {
    let bench = Bench::orders().await;
    let (secret, app) = (bench.orders_db(), bench.anypoint.app("orders-api"));
    app.roll_by_hand();
    bench.tell_by_eventbridge();
    secret.rotate_password("second-password");
    wait_until("the roll", LIMIT, || app.is_rolling()).await;
    secret.rotate_password("third-password");
    bench.fails_with("orders-api", "conflict").await;
    assert_eq!(app.history().writes.len(), 2);
    app.roll_time(Duration::from_millis(10));
    app.finish_roll();
    bench.arrives("orders-api", "db.password", "third-password").await;
    assert_eq!(bench.passwords(), ["first-password", "second-password", "third-password"]);
}

#[tokio::test]
async fn a_newer_version_supersedes_our_own_roll_where_that_is_set_and_anypoint_lets_it() {
    for conflicts in [false, true] {
        let mut bench = Bench::orders_stopped().await;
        bench.anypoint.rules(|rules| rules.patch_during_roll_conflicts = conflicts);
        let target = format!("{ORDERS_TARGET}    supersede: true\n");
        bench.start(&target).await;
        bench.in_sync("orders-api").await;
        let (secret, app) = (bench.orders_db(), bench.anypoint.app("orders-api"));
        app.roll_by_hand();
        bench.tell_by_eventbridge();
        secret.rotate_password("second-password");
        wait_until("the roll", LIMIT, || app.is_rolling()).await;
        secret.rotate_password("third-password");
        if conflicts {
            let failure = bench.fails_with("orders-api", "conflict").await;
            assert!(failure.message.contains("HTTP 409 Conflict"), "{failure}");
            assert_eq!(app.history().writes.len(), 2);
            app.roll_time(Duration::from_millis(10));
        } else {
            wait_until("the newer write", LIMIT, || app.history().writes.len() == 3).await;
        }
        app.finish_roll();
        bench.arrives("orders-api", "db.password", "third-password").await;
        let second = conflicts.then_some("second-password");
        let ran: Vec<&str> = ["first-password"].into_iter().chain(second).chain(["third-password"]).collect();
        assert_eq!(bench.passwords(), ran);
    }
}

#[tokio::test]
async fn an_application_that_crashed_over_the_old_password_gets_the_new_one_at_once() {
    let bench = Bench::orders().await;
    bench.tell_by_eventbridge();
    bench.anypoint.app("orders-api").crash();
    bench.orders_db().rotate_password("second-password");
    bench.arrives("orders-api", "db.password", "second-password").await;
    bench.in_sync("orders-api").await;
}
