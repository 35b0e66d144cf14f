//! `application` on hybrid servers: which one is meant, what a write keeps, and what is not shown.

use anypoint_relay::model::Receipt;
use anypoint_sandbox::anypoint::{App, DesiredState};
use anypoint_sandbox::wait_until;
use serde_json::json;

use super::TARGET;
use crate::support::{Bench, LIMIT};

const RECEIPT: &str = "anypoint-relay.receipt";
const PASSWORD: &str = "    properties: { db.password: { secret: prod/orders/db, field: password } }";

fn target(lines: &str) -> String {
    format!(
        "
  {TARGET}:
    kind: application
    platform: hybrid
    connection: prod
    deployment: orders-api
    coalesce: 10ms
    settle: 200ms
{lines}"
    )
}

async fn sandbox() -> (Bench, App) {
    let bench = Bench::new().await;
    bench.aws.create_secret("prod/orders/db", json!({ "username": "app", "password": "first-password" }));
    let app = bench.anypoint.deploy_hybrid(
        "orders-api",
        "prod-group",
        [("http.port", "8081"), ("api.name", "Bestellungen \"ü\" ${x}"), ("db.password", "old")],
    );
    (bench, app)
}

fn passwords(app: &App) -> Vec<String> {
    app.running().into_iter().map(|replica| replica.properties["db.password"].clone()).collect()
}

#[tokio::test]
async fn others_stay_and_the_downtime_is_told() {
    let (mut bench, app) = sandbox().await;
    app.scale(2);
    let mut before = app.desired_properties();
    bench.start(&target(PASSWORD)).await;
    bench.ended_as(TARGET, "accepted").await;
    let mut after = app.desired_properties();
    Receipt::parse(&after.remove(RECEIPT).expect("the receipt")).expect("its form");
    before.insert("db.password".to_owned(), "first-password".to_owned());
    assert_eq!(after, before);
    assert_eq!(passwords(&app), ["first-password"; 2]);
    let notes = bench.status().notes;
    assert!(notes.len() == 1 && notes[0].contains("brief downtime"), "{notes:?}");

    bench.restart().await;
    bench.ended_as(TARGET, "accepted").await;
    assert_eq!(app.history().writes.len(), 1, "the receipt is enough to know what is there");
}

#[tokio::test]
async fn an_application_is_found_by_its_id_and_by_its_server() {
    let (mut bench, app) = sandbox().await;
    let other = bench.anypoint.deploy_hybrid("orders-api", "test-group", [("db.password", "other")]);
    bench.start(&target(PASSWORD)).await;
    let failure = bench.parks("not_found").await;
    assert_eq!(failure.message, "2 applications are named \"orders-api\"");
    assert!(failure.next_step.contains(app.id()) && failure.next_step.contains(other.id()), "{failure:?}");

    bench.stop().await.unwrap();
    bench.start(&target(&format!("{PASSWORD}\n    server: prod-group"))).await;
    bench.ended_as(TARGET, "accepted").await;
    assert_eq!((passwords(&app), passwords(&other)), (vec!["first-password".into()], vec!["other".into()]));

    bench.stop().await.unwrap();
    bench.start(&target(PASSWORD).replace("orders-api", other.id())).await;
    bench.ended_as(TARGET, "accepted").await;
    assert_eq!(passwords(&other), ["first-password"]);

    bench.stop().await.unwrap();
    bench.start(&target(&format!("{PASSWORD}\n    server: no-group"))).await;
    let failure = bench.parks("not_found").await;
    assert_eq!(failure.message, "no application named \"orders-api\" is on \"no-group\"");
}

#[tokio::test]
async fn properties_that_are_not_shown_are_lost_only_if_nobody_else_has_some() {
    let (mut bench, app) = sandbox().await;
    bench.anypoint.rules(|rules| rules.hybrid_properties_hidden = true);
    bench.start(&target(PASSWORD)).await;
    let failure = bench.parks("would_lose").await;
    assert!(failure.message.starts_with("Anypoint does not show the properties"), "{failure:?}");
    assert!(failure.next_step.contains("`owns_all_properties: true`"), "{failure:?}");
    assert_eq!(app.history().writes, []);

    bench.stop().await.unwrap();
    let file = bench.file(&target(&format!("{PASSWORD}\n    owns_all_properties: true")));
    let file = format!("{file}receipts: {}\n", bench.path("receipts.json").display());
    bench.start_with(&file).await;
    bench.ended_as(TARGET, "accepted").await;
    assert_eq!(app.desired_properties().into_keys().collect::<Vec<_>>(), [RECEIPT, "db.password"]);
    assert_eq!(passwords(&app), ["first-password"]);

    bench.restart().await;
    bench.ended_as(TARGET, "accepted").await;
    assert_eq!(app.history().writes.len(), 1, "the receipts file says what is there");
}

#[tokio::test]
async fn a_write_that_fails_on_the_servers_is_told_and_repeated_by_a_person_alone() {
    let (mut bench, app) = sandbox().await;
    app.fail_next_rolls(1);
    bench.start(&target(PASSWORD)).await;
    let failure = bench.parks("roll_failed").await;
    assert!(failure.message.contains("its status is DEPLOYMENT_FAILED"), "{failure:?}");
    bench.idle().await;
    assert_eq!(app.history().writes.len(), 1);
    assert_eq!(bench.insist().await.status, 200);
    bench.ended_as(TARGET, "accepted").await;
    assert_eq!(passwords(&app), ["first-password"]);
}

#[tokio::test]
async fn an_application_that_is_stopped_is_owed_nothing_until_it_starts() {
    for state in [DesiredState::Stopped, DesiredState::Undeployed] {
        let (mut bench, app) = sandbox().await;
        app.want(state);
        bench.start(&target(PASSWORD)).await;
        bench.ended_as(TARGET, "stopped").await;
        assert_eq!(app.history().writes, []);
        app.want(DesiredState::Started);
        wait_until("its start", LIMIT, || !app.is_rolling()).await;
        bench.insist().await;
        bench.ended_as(TARGET, "accepted").await;
        assert_eq!(passwords(&app), ["first-password"]);
    }
}
