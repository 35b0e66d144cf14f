//! `application` on CloudHub 2.0: what a write keeps, what it adds, its limits, its proof.

use std::fmt::Write;
use std::time::Duration;

use anypoint_relay::model::Receipt;
use anypoint_sandbox::anypoint::{App, Endpoint, Redeploy, UpdateStrategy};
use anypoint_sandbox::wait_until;
use serde_json::json;

use super::TARGET;
use crate::support::{Bench, LIMIT};

const RECEIPT: &str = "anypoint-relay.receipt";

/// A target with these lines beside those that every application needs.
fn target(lines: &str) -> String {
    format!(
        "
  {TARGET}:
    kind: application
    platform: cloudhub2
    connection: prod
    deployment: orders-api
    coalesce: 10ms
{lines}"
    )
}

fn password_target() -> String {
    target("    secure_properties: { db.password: { secret: prod/orders/db, field: password } }")
}

async fn sandbox() -> (Bench, App) {
    let bench = Bench::new().await;
    bench.aws.create_secret("prod/orders/db", json!({ "username": "app", "password": "first-password" }));
    let app = bench.anypoint.deploy(
        "orders-api",
        [("http.port", "8081"), ("api.name", "Bestellungen \"ü\" ${x}")],
        [("db.password", "old")],
    );
    (bench, app)
}

#[tokio::test]
async fn properties_of_others_stay_as_they_are_and_the_receipt_can_be_read() {
    let (mut bench, app) = sandbox().await;
    let before = app.desired_properties();
    bench.start(&password_target()).await;
    bench.in_sync(TARGET).await;
    let mut after = app.desired_properties();
    let receipt = Receipt::parse(&after.remove(RECEIPT).expect("the receipt")).expect("its form");
    assert_eq!(after, before);
    let current = bench.aws.secret("prod/orders/db").unwrap().current_version();
    let versions: Vec<&str> = receipt.versions.iter().map(|seen| seen.version.as_str()).collect();
    assert_eq!(versions, [current]);
}

#[tokio::test]
async fn a_receipt_of_many_secrets_is_a_digest_and_serves_as_well() {
    let mut bench = Bench::new().await;
    let app = bench.anypoint.deploy("orders-api", anypoint_sandbox::anypoint::NONE, [("p0", "old")]);
    let mut lines = "    secure_properties:\n".to_owned();
    for number in 0..25 {
        bench.aws.create_secret(&format!("prod/{number}"), json!({ "password": format!("first-{number}") }));
        writeln!(lines, "      p{number}: {{ secret: prod/{number}, field: password }}").unwrap();
    }
    bench.start(&target(&lines)).await;
    bench.in_sync(TARGET).await;
    let text = app.desired_properties()[RECEIPT].clone();
    assert!(text.len() <= 1024 && Receipt::parse(&text).unwrap().versions.is_empty(), "{text}");

    bench.aws.secret("prod/7").unwrap().rotate_password("second-7");
    bench.insist().await;
    bench.in_sync(TARGET).await;
    assert_eq!(bench.running("orders-api", "p7"), ["second-7"]);
    assert_eq!(bench.running("orders-api", "p24"), ["first-24"]);
    assert_eq!(app.history().rolls(), 2);

    bench.restart().await;
    bench.in_sync(TARGET).await;
    assert_eq!(app.history().rolls(), 2, "the digest is enough to know what is there");
}

#[tokio::test]
async fn a_value_may_have_1024_characters_and_not_one_more() {
    let (mut bench, app) = sandbox().await;
    let secret = bench.aws.secret("prod/orders/db").unwrap();
    secret.rotate_password(&"é".repeat(1024));
    bench.start(&password_target()).await;
    bench.in_sync(TARGET).await;
    assert_eq!(bench.running("orders-api", "db.password"), ["é".repeat(1024)]);

    secret.rotate_password(&"é".repeat(1025));
    bench.insist().await;
    let failure = bench.parks("too_long").await;
    assert_eq!(failure.message, "the value of property \"db.password\" is longer than 1024 characters");
    assert!(failure.next_step.contains("let the application read it from AWS itself"), "{failure:?}");
    assert_eq!(app.history().writes.len(), 1);
}

#[tokio::test]
async fn an_application_may_have_300_properties_the_receipt_among_them() {
    for (neighbours, fits) in [(298, true), (299, false)] {
        let mut bench = Bench::new().await;
        bench.aws.create_secret("prod/orders/db", json!({ "password": "first-password" }));
        let clear: Vec<(String, String)> =
            (0..neighbours).map(|number| (format!("n{number}"), "v".to_owned())).collect();
        let secure = [("db.password".to_owned(), "old".to_owned())];
        let app = bench.anypoint.deploy("orders-api", clear, secure);
        bench.start(&password_target()).await;
        if fits {
            bench.in_sync(TARGET).await;
            assert_eq!(app.desired_properties().len(), neighbours + 1);
        } else {
            let failure = bench.parks("too_long").await;
            assert_eq!(failure.message, "the application would have 301 properties; 300 is the most");
            assert_eq!(app.history().writes, []);
        }
    }
}

#[tokio::test]
async fn the_state_of_the_version_before_is_not_taken_for_a_proof() {
    let (mut bench, app) = sandbox().await;
    bench.anypoint.rules(|rules| rules.status_lags = 3);
    app.scale(2).roll_by_hand();
    bench.start(&password_target()).await;
    wait_until("the write", LIMIT, || app.is_rolling()).await;
    app.step_roll();
    let looks = bench.anypoint.log().count();
    wait_until("six more looks", LIMIT, || bench.anypoint.log().count() >= looks + 6).await;
    assert_eq!(bench.status().outcome, Some("confirming"));
    assert_eq!(bench.running("orders-api", "db.password"), ["first-password", "old"]);
    app.finish_roll();
    bench.in_sync(TARGET).await;
    assert_eq!(app.history().rolls(), 1);
}

#[tokio::test]
async fn an_application_that_goes_down_while_it_rolls_is_told_of() {
    let (mut bench, app) = sandbox().await;
    app.strategy(UpdateStrategy::Recreate);
    bench.start(&password_target()).await;
    bench.in_sync(TARGET).await;
    assert_eq!(
        bench.status().notes,
        ["the update strategy is `recreate`: the application is down while it rolls, because all old \
          replicas end before new ones start; with `rolling` and a secret that alternates two users it goes \
          on"]
    );
}

#[tokio::test]
async fn a_secure_property_of_others_is_never_lost() {
    let (mut bench, app) = sandbox().await;
    app.foreign_redeploy(Redeploy::of_stored().secure("partner.token", "theirs"));
    wait_until("the end of the pipeline's roll", LIMIT, || !app.is_rolling()).await;
    bench.start(&password_target()).await;
    let failure = bench.parks("would_lose").await;
    assert_eq!(
        failure.message,
        "the write would lose secure properties that target orders does not own: \"partner.token\""
    );
    assert_eq!(
        failure.next_step,
        "add each to `secure_properties` of target orders with its source in AWS Secrets Manager, or list it \
         under `forget` if it is not needed"
    );
    assert_eq!(bench.insist().await.status, 502);
    assert_eq!(app.history().writes.len(), 1, "only the pipeline wrote");

    let owned = password_target() + "\n    forget: [partner.token]";
    bench.stop().await.unwrap();
    bench.start(&owned).await;
    bench.in_sync(TARGET).await;
    assert_eq!(
        app.desired_secure().into_iter().collect::<Vec<_>>(),
        [("db.password".to_owned(), "first-password".to_owned())]
    );
}

#[tokio::test]
async fn a_failed_roll_is_repeated_by_a_person_and_only_once() {
    let (mut bench, app) = sandbox().await;
    app.fail_next_rolls(2);
    bench.start(&password_target()).await;
    let failure = bench.parks("roll_failed").await;
    assert_eq!(
        failure.message,
        "the roll failed (its status is FAILED); the application may run with the old value"
    );
    assert_eq!(bench.running("orders-api", "db.password"), ["old"]);

    // By hand, so that it is seen between the two failures: without that they are one for a minute.
    app.roll_by_hand();
    let seen = async {
        wait_until("the second roll", LIMIT, || app.is_rolling()).await;
        let lists = || bench.anypoint.requests().of(Endpoint::DeploymentList);
        let before = lists();
        wait_until("it to be watched", LIMIT, || lists() > before + 1).await;
        assert!(app.finish_roll());
    };
    tokio::join!(bench.insist(), seen);
    app.roll_time(Duration::from_millis(10));
    bench.parks("roll_failed").await;
    bench.idle().await;
    assert_eq!(app.history().rolls(), 2, "one for the start, one for the person");

    assert_eq!(bench.insist().await.status, 200);
    bench.in_sync(TARGET).await;
    assert_eq!(bench.running("orders-api", "db.password"), ["first-password"]);
}

#[tokio::test]
async fn an_application_that_is_stopped_is_owed_nothing_until_it_starts() {
    use anypoint_sandbox::anypoint::DesiredState;

    let (mut bench, app) = sandbox().await;
    app.want(DesiredState::Stopped);
    bench.start(&password_target()).await;
    bench.ended_as(TARGET, "stopped").await;
    assert_eq!(app.history().writes, []);
    app.want(DesiredState::Started);
    bench.insist().await;
    bench.in_sync(TARGET).await;
    assert_eq!(bench.running("orders-api", "db.password"), ["first-password"]);
}
