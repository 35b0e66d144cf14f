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
use crate::config;
use crate::credential::{CredentialError, CredentialRef, Credentials};
use crate::http::contract::Spec;
use crate::http::routes::ROUTES;
use crate::model::{
    Change, Event, Failure, FailureCode, Next, Outcome, Retry, Roll, SecretMention, SecretRef, Shape,
};
use crate::queue::{Note, Policy, Reason, Settings, WorkQueue};
use crate::secret::SecretValue;
use crate::status::{Did, RunRecord};

fn name(text: &str) -> TargetName {
    TargetName::parse(text).unwrap()
}

/// The tokens in force.
#[derive(Default)]
struct Tokens(std::sync::Mutex<Vec<&'static str>>);

#[async_trait::async_trait]
impl Credentials for Tokens {
    async fn read(&self, place: &CredentialRef) -> Result<SecretValue, CredentialError> {
        let CredentialRef::Env(number) = place else { panic!("{place:?}") };
        Ok(SecretValue::from(self.0.lock().unwrap()[number.parse::<usize>().unwrap()].to_owned()))
    }
}

async fn door(tokens: &Arc<Tokens>, clock: &TestClock) -> Door {
    let count = tokens.0.lock().unwrap().len();
    let tokens_at = (0..count).map(|number| CredentialRef::Env(number.to_string())).collect();
    let admin = config::Admin { listen: ([127, 0, 0, 1], 0).into(), tokens: tokens_at, tls: None };
    let limits = config::Limits {
        body_bytes: 1024,
        request_timeout: Duration::from_secs(1),
        concurrency: 8,
        failed_attempts: 3,
        trusted_proxies: Vec::new(),
    };
    Door::open(&admin, &limits, Arc::clone(tokens) as _, Arc::new(clock.clone())).await.unwrap()
}

/// A relay with one target that is parked and one that was never looked at.
async fn state() -> AdminState {
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
    let door = door(&Arc::default(), &clock).await;
    AdminState {
        clock: Arc::new(clock),
        readiness: Arc::new(readiness),
        metrics: Arc::new(Metrics::new(targets)),
        board: Arc::new(board),
        queue: Arc::new(queue),
        door,
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
        let (status, ..) = ask(&state().await, route.method, route.path).await;
        assert!(status == 200 || route.path == "/readyz", "{} {status}", route.path);
    }
}

#[tokio::test]
async fn the_metrics_are_as_of_now() {
    let (_, headers, body) = ask(&state().await, "GET", "/metrics").await;
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
    let (_, _, body) = ask(&state().await, "GET", "/status").await;
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
    let state = state().await;
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
    assert_eq!(router(state().await).oneshot(request).await.unwrap().status(), 404);
}

async fn ask_with(state: &AdminState, path: &str, token: Option<&str>) -> (u16, HeaderMap) {
    let request = Request::builder().uri(path);
    let request = match token {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    };
    let response = router(state.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 1_000_000).await.unwrap();
    Spec::get().check("GET", path, head.status.as_u16(), &head.headers, &body);
    (head.status.as_u16(), head.headers)
}

#[tokio::test]
async fn with_tokens_only_probes_are_for_everybody_and_two_tokens_are_good_at_once() {
    let clock = TestClock::at(Timestamp::UNIX_EPOCH);
    let tokens = Arc::new(Tokens(std::sync::Mutex::new(vec!["old-token", "new-token"])));
    let state = AdminState { door: door(&tokens, &clock).await, ..state().await };
    for path in ["/status", "/metrics"] {
        for token in ["old-token", "new-token"] {
            assert_eq!(ask_with(&state, path, Some(token)).await.0, 200);
        }
        let (status, headers) = ask_with(&state, path, None).await;
        assert_eq!(
            (status, &headers["www-authenticate"]),
            (401, &"Bearer realm=\"anypoint-relay\"".parse().unwrap())
        );
    }
    for path in ["/healthz", "/readyz"] {
        assert_ne!(ask_with(&state, path, None).await.0, 401);
    }
}

#[tokio::test]
async fn a_token_that_was_replaced_is_read_again_and_the_old_one_is_refused() {
    let clock = TestClock::at(Timestamp::UNIX_EPOCH);
    let tokens = Arc::new(Tokens(std::sync::Mutex::new(vec!["old-token"])));
    let state = AdminState { door: door(&tokens, &clock).await, ..state().await };
    *tokens.0.lock().unwrap() = vec!["new-token"];
    clock.advance(Duration::from_secs(5));
    assert_eq!(ask_with(&state, "/status", Some("new-token")).await.0, 200);
    assert_eq!(ask_with(&state, "/status", Some("old-token")).await.0, 401);
}

#[tokio::test]
async fn who_guesses_tokens_has_to_wait_even_with_the_right_one() {
    let clock = TestClock::at(Timestamp::UNIX_EPOCH);
    let tokens = Arc::new(Tokens(std::sync::Mutex::new(vec!["the-token"])));
    let state = AdminState { door: door(&tokens, &clock).await, ..state().await };
    for _ in 0..3 {
        assert_eq!(ask_with(&state, "/status", Some("a-guess")).await.0, 401);
    }
    let (status, headers) = ask_with(&state, "/status", Some("the-token")).await;
    assert_eq!((status, &headers["retry-after"]), (429, &"20".parse().unwrap()));
    clock.advance(Duration::from_secs(20));
    assert_eq!(ask_with(&state, "/status", Some("the-token")).await.0, 200);
}
