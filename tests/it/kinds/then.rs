//! `then`: a call behind the writes of a target.

use anypoint_sandbox::anypoint::{DesiredState, Receiver, Redeploy};
use anypoint_sandbox::server::Recorded;
use anypoint_sandbox::wait_until;
use serde_json::{Value, json};

use crate::support::{Bench, LIMIT, LOOKS_AT_TARGETS, ORDERS_TARGET, RETRIES_SLOWLY, Setting};

const CALL: &str = "orders-api.then";

/// [`Bench::orders`] with a call behind its writes.
async fn start(settings: &[Setting<'_>]) -> (Bench, Receiver) {
    let receiver = Receiver::start().await;
    let mut bench = Bench::orders_stopped().await;
    let text = bench.tuned(&target(&receiver), settings);
    bench.start_with(&text).await;
    bench.in_sync("orders-api").await;
    bench.ended_as(CALL, "accepted").await;
    (bench, receiver)
}

fn target(receiver: &Receiver) -> String {
    format!(
        "{ORDERS_TARGET}    then: {{ url: \"{}/refresh\", allow: [127.0.0.1], key: {{ env: TRIGGER_KEY }} }}\n",
        receiver.url()
    )
}

fn body(request: &Recorded) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

#[tokio::test]
async fn the_call_comes_once_after_each_write_is_proved_and_names_what_is_there() {
    let (bench, receiver) = start(&[]).await;
    bench.tell_by_eventbridge();
    let second = bench.orders_db().rotate_password("second-password");
    bench.arrives("orders-api", "db.password", "second-password").await;
    let requests = receiver.wait_for(2, LIMIT).await;
    assert_eq!(
        body(&requests[1]),
        json!({ "target": CALL, "secrets": [{ "id": "prod/orders/db", "version": second }] })
    );
    bench.ended_as(CALL, "accepted").await;
    bench.idle().await;
    assert_eq!(receiver.received().len(), 2);
    let rolls = bench.anypoint.history("orders-api").writes;
    assert!(requests[1].at >= rolls[1].ended.unwrap(), "before the end of the roll");
}

#[tokio::test]
async fn while_the_application_rolls_the_call_waits_and_says_for_what() {
    let (bench, receiver) = start(&[]).await;
    let app = bench.anypoint.app("orders-api");
    app.roll_by_hand();
    bench.tell_by_eventbridge();
    bench.orders_db().rotate_password("second-password");
    wait_until("the roll", LIMIT, || app.is_rolling()).await;
    let failure = bench.fails_with(CALL, "held").await;
    assert_eq!(failure.message, "waits until target orders-api holds the new value");
    assert_eq!(failure.next_step, "nothing; if it stays, look at target orders-api");
    // A person's wish does not bring it before the write either.
    bench.trigger(r#"{"target":"orders-api.then"}"#, "").await;
    bench.fails_with(CALL, "held").await;
    assert_eq!(receiver.received().len(), 1);
    app.finish_roll();
    receiver.wait_for(2, LIMIT).await;
    bench.ended_as(CALL, "accepted").await;
}

#[tokio::test]
async fn a_failed_roll_is_followed_by_no_call() {
    let (bench, receiver) = start(&[]).await;
    bench.anypoint.app("orders-api").fail_next_rolls(1);
    bench.tell_by_eventbridge();
    bench.orders_db().rotate_password("second-password");
    bench.ended_as("orders-api", "parked").await;
    bench.fails_with(CALL, "held").await;
    assert_eq!(receiver.received().len(), 1);
    let answer = bench.trigger(r#"{"target":"orders-api"}"#, "?wait=20s").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    receiver.wait_for(2, LIMIT).await;
}

#[tokio::test]
async fn a_call_that_fails_is_tried_again_by_itself_and_restarts_nothing() {
    let (bench, receiver) = start(&[]).await;
    for status in [500, 503] {
        receiver.answer_next(status, "");
    }
    bench.tell_by_eventbridge();
    bench.orders_db().rotate_password("second-password");
    let requests = receiver.wait_for(4, LIMIT).await;
    bench.ended_as(CALL, "accepted").await;
    bench.in_sync("orders-api").await;
    let ids: Vec<_> = requests[1..].iter().map(|request| &request.headers["webhook-id"]).collect();
    assert_eq!(ids, [ids[0]; 3], "tries of one call");
    assert_eq!(bench.patches(), 2);
}

#[tokio::test]
async fn a_call_that_is_refused_parks_alone_and_the_next_write_brings_it_back() {
    let (bench, receiver) = start(&[]).await;
    receiver.answer_next(410, "");
    bench.tell_by_eventbridge();
    bench.orders_db().rotate_password("second-password");
    bench.ended_as(CALL, "parked").await;
    bench.in_sync("orders-api").await;
    bench.orders_db().rotate_password("third-password");
    receiver.wait_for(3, LIMIT).await;
    bench.ended_as(CALL, "accepted").await;
}

#[tokio::test]
async fn a_foreign_deployment_that_was_written_over_is_followed_as_well() {
    let (bench, receiver) = start(&[LOOKS_AT_TARGETS]).await;
    let app = bench.anypoint.app("orders-api");
    app.foreign_redeploy(Redeploy::of_stored());
    wait_until("the write over it", LIMIT, || bench.patches() == 2).await;
    receiver.wait_for(2, LIMIT).await;
    bench.ended_as(CALL, "accepted").await;
}

#[tokio::test]
async fn an_application_that_is_not_meant_to_run_is_followed_by_nothing_and_nobody_is_alarmed() {
    let (bench, receiver) = start(&[RETRIES_SLOWLY]).await;
    bench.anypoint.app("orders-api").want(DesiredState::Stopped);
    bench.tell_by_eventbridge();
    bench.orders_db().rotate_password("second-password");
    bench.ended_as("orders-api", "stopped").await;
    bench.ended_as(CALL, "stopped").await;
    let stale = bench.metric(r#"relay_target_stale_seconds{target="orders-api.then"}"#).await;
    assert_eq!(stale.as_deref(), Some("0.0"));
    bench.anypoint.app("orders-api").want(DesiredState::Started);
    bench.trigger(r#"{"target":"orders-api"}"#, "?wait=20s").await;
    receiver.wait_for(2, LIMIT).await;
}

#[tokio::test]
async fn with_a_receipts_file_a_restart_repeats_no_call() {
    let receiver = Receiver::start().await;
    let mut bench = Bench::orders_stopped().await;
    let receipts = bench.path("receipts.json");
    let text = format!("receipts: {}\n{}", receipts.display(), bench.file(&target(&receiver)));
    for _ in 0..2 {
        bench.start_with(&text).await;
        bench.in_sync("orders-api").await;
        bench.ended_as(CALL, "accepted").await;
        bench.idle().await;
        bench.stop().await.unwrap();
    }
    assert_eq!((receiver.received().len(), bench.patches()), (1, 1));
}
