//! `application` on CloudHub 1.0: what a write keeps, what it must not lose, and how far it is proved.

use std::time::Duration;

use anypoint_relay::model::Receipt;
use anypoint_sandbox::anypoint::{App, DesiredState, Endpoint, HiddenView, NONE, Redeploy};
use anypoint_sandbox::wait_until;
use serde_json::json;

use super::TARGET;
use crate::support::{Bench, LIMIT};

const RECEIPT: &str = "anypoint-relay.receipt";
const PASSWORD: &str = "    secure_properties: { db.password: { secret: prod/orders/db, field: password } }";

fn target(lines: &str) -> String {
    named(TARGET, "orders-api", lines)
}

fn named(target: &str, domain: &str, lines: &str) -> String {
    format!(
        "
  {target}:
    kind: application
    platform: cloudhub
    connection: prod
    deployment: {domain}
    coalesce: 10ms
    settle: 200ms
{lines}"
    )
}

async fn sandbox() -> (Bench, App) {
    let bench = Bench::new().await;
    bench.aws.create_secret("prod/orders/db", json!({ "username": "app", "password": "first-password" }));
    let app = bench.anypoint.deploy_cloudhub(
        "orders-api",
        [("http.port", "8081"), ("api.name", "Bestellungen \"ü\" ${x}\r\n--")],
        [("db.password", "old")],
    );
    (bench, app)
}

#[tokio::test]
async fn others_stay_and_a_hidden_value_is_replaced_however_it_is_shown() {
    for view in [HiddenView::Mask, HiddenView::Empty, HiddenView::Absent] {
        let (mut bench, app) = sandbox().await;
        bench.anypoint.rules(|rules| rules.hidden_view = view);
        let before = app.desired_properties();
        bench.start(&target(PASSWORD)).await;
        bench.ended_as(TARGET, "accepted").await;
        let mut after = app.desired_properties();
        Receipt::parse(&after.remove(RECEIPT).expect("the receipt")).expect("its form");
        assert_eq!(after, before);
        assert_eq!(bench.running("orders-api", "db.password"), ["first-password"]);
        assert_eq!(app.history().writes.len(), 1);
        assert_eq!(bench.status().notes, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_hidden_property_of_others_refuses_the_write_until_it_is_owned_or_forgotten() {
    let (mut bench, _) = sandbox().await;
    let app = bench.anypoint.deploy_cloudhub(
        "billing-api",
        NONE,
        [("db.password", "old"), ("partner.token", "theirs")],
    );
    let billing = named(TARGET, "billing-api", PASSWORD);
    bench.start(&billing).await;
    let failure = bench.parks("would_lose").await;
    assert_eq!(
        failure.message,
        "the write would lose secure properties that target orders does not own: \"partner.token\""
    );
    assert!(failure.next_step.contains("`secure_properties`") && failure.next_step.contains("`forget`"));
    assert_eq!(app.history().writes, []);

    bench.stop().await.unwrap();
    bench.start(&(billing + "\n    forget: [partner.token]")).await;
    bench.ended_as(TARGET, "accepted").await;
    assert_eq!(app.desired_secure().into_keys().collect::<Vec<_>>(), ["db.password"]);
}

#[tokio::test]
async fn what_cloudhub_would_show_in_clear_is_not_written_as_secure() {
    let (mut bench, _) = sandbox().await;
    let app = bench.anypoint.deploy_cloudhub("open-api", [("db.password", "old")], NONE);
    bench.start(&named(TARGET, "open-api", PASSWORD)).await;
    let failure = bench.parks("rejected").await;
    assert_eq!(
        failure.message,
        "CloudHub does not hide what target orders would set as secure: \"db.password\""
    );
    assert!(failure.next_step.contains("mule-artifact.json"), "{failure:?}");
    assert_eq!(app.history().writes, []);

    bench.stop().await.unwrap();
    let clear = PASSWORD.replace("secure_properties", "properties");
    bench.start(&named(TARGET, "open-api", &clear)).await;
    bench.ended_as(TARGET, "accepted").await;
    assert_eq!(app.desired_properties()["db.password"], "first-password");
}

#[tokio::test]
async fn the_version_before_goes_on_until_the_new_one_has_started() {
    let (mut bench, app) = sandbox().await;
    app.roll_by_hand();
    bench.start(&target(PASSWORD)).await;
    wait_until("the write", LIMIT, || app.is_rolling()).await;
    let looks = bench.anypoint.requests().of(Endpoint::CloudHubGet);
    wait_until("five more looks", LIMIT, || bench.anypoint.requests().of(Endpoint::CloudHubGet) >= looks + 5)
        .await;
    assert_eq!(bench.status().outcome, Some("confirming"));
    assert_eq!(bench.running("orders-api", "db.password"), ["old"]);
    app.finish_roll();
    bench.ended_as(TARGET, "accepted").await;
    assert_eq!(app.history().writes.len(), 1);
}

#[tokio::test]
async fn rest_that_is_shown_just_after_a_write_is_not_believed() {
    let (mut bench, app) = sandbox().await;
    bench.anypoint.rules(|rules| rules.update_status_absent = true);
    bench.start(&target(PASSWORD).replace("settle: 200ms", "settle: 10m")).await;
    wait_until("the write", LIMIT, || !app.history().writes.is_empty()).await;
    let looks = bench.anypoint.requests().of(Endpoint::CloudHubGet);
    wait_until("five more looks", LIMIT, || bench.anypoint.requests().of(Endpoint::CloudHubGet) >= looks + 5)
        .await;
    assert_eq!(bench.status().outcome, Some("confirming"));
}

#[tokio::test]
async fn a_failed_redeployment_is_told_and_repeated_by_a_person_alone() {
    let (mut bench, app) = sandbox().await;
    app.fail_next_rolls(1);
    bench.start(&target(PASSWORD)).await;
    let failure = bench.parks("roll_failed").await;
    assert_eq!(
        failure.message,
        "the roll failed (its last update failed, and the version before it goes on); the application may run \
         with the old value"
    );
    assert_eq!(bench.running("orders-api", "db.password"), ["old"]);
    bench.idle().await;
    assert_eq!(app.history().writes.len(), 1);

    assert_eq!(bench.insist().await.status, 200);
    bench.ended_as(TARGET, "accepted").await;
    assert_eq!(bench.running("orders-api", "db.password"), ["first-password"]);
}

#[tokio::test]
async fn an_application_that_is_stopped_is_owed_nothing_until_it_starts() {
    let (mut bench, app) = sandbox().await;
    app.want(DesiredState::Undeployed);
    bench.start(&target(PASSWORD)).await;
    bench.ended_as(TARGET, "stopped").await;
    assert_eq!(app.history().writes, []);
    app.want(DesiredState::Started);
    bench.insist().await;
    bench.ended_as(TARGET, "accepted").await;
    assert_eq!(bench.running("orders-api", "db.password"), ["first-password"]);
}

#[tokio::test]
async fn a_deployment_that_leaves_the_receipt_out_is_written_over() {
    let (mut bench, app) = sandbox().await;
    bench.start(&target(PASSWORD)).await;
    bench.ended_as(TARGET, "accepted").await;
    app.foreign_redeploy(Redeploy::of_original());
    wait_until("the end of the pipeline's roll", LIMIT, || !app.is_rolling()).await;
    assert_eq!(bench.running("orders-api", "db.password"), ["old"]);
    bench.insist().await;
    bench.ended_as(TARGET, "accepted").await;
    assert_eq!(bench.running("orders-api", "db.password"), ["first-password"]);
}

#[tokio::test]
async fn a_value_of_any_length_is_sent_because_no_limit_is_known() {
    let (mut bench, _) = sandbox().await;
    let long = "é".repeat(5000);
    bench.aws.secret("prod/orders/db").unwrap().rotate_password(&long);
    bench.start(&target(PASSWORD)).await;
    bench.ended_as(TARGET, "accepted").await;
    assert_eq!(bench.running("orders-api", "db.password"), [long]);
}

#[tokio::test]
async fn many_applications_stay_below_the_limit_of_cloudhub() {
    let mut bench = Bench::new().await;
    bench.aws.create_secret("prod/orders/db", json!({ "password": "first-password" }));
    let mut targets = String::new();
    for number in 0..10 {
        let name = format!("api-{number}");
        bench.anypoint.deploy_cloudhub(&name, NONE, [("db.password", "old")]);
        targets += &named(&name, &name, PASSWORD);
    }
    bench.start(&targets).await;
    for number in 0..10 {
        bench.ended_as(&format!("api-{number}"), "accepted").await;
    }
    assert_eq!(bench.anypoint.over_cloudhub_limit(), 0);
}

/// Applications that read AWS themselves: CloudHub restarts them by a call.
mod restart_by_call {
    use super::*;

    const WATCH: &str = "    watch: [prod/orders/db]\n    restart_by: call";

    fn restarts(bench: &Bench) -> usize {
        bench.anypoint.requests().of(Endpoint::CloudHubStatus)
    }

    #[tokio::test]
    async fn a_rotation_restarts_and_touches_no_property_and_reads_no_value() {
        let (mut bench, app) = sandbox().await;
        let (properties, secure) = (app.desired_properties(), app.desired_secure());
        let file = bench.file(&target(WATCH));
        let file = format!("{file}receipts: {}\n", bench.path("receipts.json").display());
        bench.start_with(&file).await;
        bench.ended_as(TARGET, "accepted").await;
        assert_eq!(restarts(&bench), 1);

        bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
        bench.insist().await;
        bench.ended_as(TARGET, "accepted").await;
        assert_eq!(restarts(&bench), 2);
        assert_eq!((app.desired_properties(), app.desired_secure()), (properties, secure));
        assert_eq!(bench.aws.log().count_of(|request| request.tag == "GetSecretValue"), 0);

        bench.restart().await;
        bench.ended_as(TARGET, "accepted").await;
        assert_eq!(restarts(&bench), 2, "the receipts say that it was restarted for this version");
    }

    #[tokio::test]
    async fn a_restart_that_fails_is_told_and_not_repeated() {
        let (mut bench, app) = sandbox().await;
        app.fail_next_rolls(1);
        bench.start(&target(WATCH)).await;
        bench.parks("roll_failed").await;
        bench.idle().await;
        assert_eq!(restarts(&bench), 1);
        assert_eq!(bench.insist().await.status, 200);
        bench.ended_as(TARGET, "accepted").await;
    }

    #[tokio::test]
    async fn where_the_call_does_not_restart_it_is_not_taken_for_one() {
        for unknown in [true, false] {
            let (mut bench, app) = sandbox().await;
            bench.anypoint.rules(|rules| {
                rules.restart_is_unknown = unknown;
                rules.restart_answers_304 = !unknown;
            });
            bench.start(&target(WATCH)).await;
            let failure = bench.parks("rejected").await;
            assert!(
                failure
                    .message
                    .starts_with("restarting application \"orders-api\" through connection prod: HTTP "),
                "{failure:?}"
            );
            assert!(failure.next_step.contains("set `restart_by: property`"), "{failure:?}");
            assert_eq!((restarts(&bench), app.history().writes.len()), (1, 0));
        }
    }

    #[tokio::test]
    async fn a_long_restart_is_waited_for() {
        let (mut bench, app) = sandbox().await;
        app.roll_time(Duration::from_millis(400));
        bench.start(&target(WATCH)).await;
        bench.ended_as(TARGET, "accepted").await;
        assert!(!app.is_rolling(), "accepted before its end");
        assert_eq!(restarts(&bench), 1);
    }
}
