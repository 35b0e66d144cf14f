//! Each route once, its answer held to `openapi.yaml`.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderMap;
use jiff::Timestamp;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::clock::TestClock;
use crate::http::contract::Spec;
use crate::http::routes::ROUTES;
use crate::model::{
    Change, Event, Failure, FailureCode, Next, Outcome, Retry, Roll, SecretMention, SecretRef, Shape,
};
use crate::queue::{Note, Policy, Reason, Settings, WorkQueue};
use crate::status::{Did, RunRecord};

fn name(text: &str) -> TargetName {
    TargetName::parse(text).unwrap()
}

/// A relay with one target that is parked and one that was never looked at.
fn state() -> AdminState {
    let at: Timestamp = "2027-03-01T09:00:00Z".parse().unwrap();
    let clock = TestClock::at(at);
    let secret = SecretRef::new("prod/orders/db", Some("eu-west-1"), None).unwrap();
    let targets = [name("orders-api"), name("billing-api")];
    let board = StatusBoard::new(targets.clone(), [secret.clone()]);
    let event = Event {
        id: "5f6f6f0e".to_owned(),
        shape: Shape::Native,
        change: Change::Value,
        secret: SecretMention { text: "prod/orders/db".to_owned(), region: None, account: None },
        version: None,
        at: Some(at),
    };
    board.notified(&secret, &event, at);
    board.set_stale(&targets[0], at - Duration::from_secs(90));
    let run = board.started(&targets[0], at);
    let failure = Failure::new(FailureCode::WouldLose, Retry::Never, "it would lose a value", "own it");
    let record = RunRecord::new(at, Duration::from_millis(20), Outcome::Parked(failure), Did::Observed);
    board.finished(&targets[0], run, RunRecord { notes: vec!["a note".to_owned()], ..record });
    let settings = Settings {
        retry_base: Duration::from_secs(1),
        retry_cap: Duration::from_mins(1),
        slow_retry: Duration::from_mins(10),
    };
    let mut queue = WorkQueue::new(settings, Arc::new(|limit| limit));
    for target in &targets {
        queue.register(target.clone(), &Policy::default());
    }
    let queue = Queue::new(queue, Arc::new(clock.clone()));
    queue.add(&targets[1], Note::new(Reason::Manual, at)).unwrap();
    let readiness = Readiness::default();
    readiness.started();
    AdminState {
        clock: Arc::new(clock),
        readiness: Arc::new(readiness),
        metrics: Arc::new(Metrics::new(targets)),
        board: Arc::new(board),
        queue: Arc::new(queue),
    }
}

async fn ask(state: &AdminState, method: &str, path: &str) -> (u16, HeaderMap, Vec<u8>) {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let response = router(state.clone()).oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 1_000_000).await.unwrap().to_vec();
    Spec::get().check(method, path, head.status.as_u16(), &head.headers, &body);
    (head.status.as_u16(), head.headers, body)
}

#[tokio::test]
async fn every_route_of_the_table_is_served_here() {
    for route in ROUTES.iter().filter(|route| route.listener == Listener::Admin) {
        let (status, ..) = ask(&state(), route.method, route.path).await;
        assert!(status == 200 || route.path == "/readyz", "{} {status}", route.path);
    }
}

#[tokio::test]
async fn the_metrics_are_as_of_now() {
    let (_, headers, body) = ask(&state(), "GET", "/metrics").await;
    assert_eq!(headers["content-type"], metrics::CONTENT_TYPE);
    let text = String::from_utf8(body).unwrap();
    for line in [
        "relay_target_stale_seconds{target=\"orders-api\"} 90.0",
        "relay_target_stale_seconds{target=\"billing-api\"} 0.0",
    ] {
        assert!(text.lines().any(|l| l == line), "no {line} in\n{text}");
    }
    let queued = text.lines().find(|line| line.contains("phase=\"queued\"")).unwrap();
    assert!(queued.ends_with(" 1"), "{queued}");
}

#[tokio::test]
async fn the_status_says_how_every_target_and_secret_stands() {
    let (_, _, body) = ask(&state(), "GET", "/status").await;
    let page: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(page["at"], "2027-03-01T09:00:00Z");
    assert_eq!(page["not_ready"], json!(["the first reconcile was not tried yet"]));
    assert_eq!(page["queue"]["queued"], 1);
    let orders = page["targets"].as_array().unwrap().iter().find(|t| t["target"] == "orders-api").unwrap();
    assert_eq!(orders["outcome"], "parked");
    assert_eq!(orders["failure"]["next_step"], "own it");
    assert_eq!(orders["stale_seconds"], 90.0);
    assert_eq!(page["secrets"][0]["last_notification"]["event_id"], "5f6f6f0e");
}

#[tokio::test]
async fn the_status_says_when_a_target_that_failed_is_tried_again() {
    let state = state();
    let taken = state.queue.next().await.unwrap();
    let wait = Duration::from_secs(30);
    state.queue.finish(&taken.key, Next::Retry { no_sooner_than: Some(wait), roll: Roll::Over });
    let (_, _, body) = ask(&state, "GET", "/status").await;
    let page: Value = serde_json::from_slice(&body).unwrap();
    let next = |name: &str| {
        let targets = page["targets"].as_array().unwrap();
        targets.iter().find(|target| target["target"] == name).unwrap()["next_try"].clone()
    };
    assert_eq!(next("billing-api"), "2027-03-01T09:00:30Z");
    assert_eq!(next("orders-api"), Value::Null);
}

#[tokio::test]
async fn hooks_are_not_served_here() {
    let request = Request::builder().method("POST").uri("/hooks/trigger").body(Body::empty()).unwrap();
    assert_eq!(router(state()).oneshot(request).await.unwrap().status(), 404);
}
