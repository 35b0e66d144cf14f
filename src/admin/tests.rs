//! The listener as its clients see it, every answer held to `openapi.yaml`.

mod actions;
mod door;
mod events;

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderMap;
use jiff::Timestamp;
use serde_json::{Value, json};

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

/// A door for these tokens, of which so many, the last ones, are operators'.
async fn door_for(tokens: &Arc<Tokens>, operators: usize, clock: &TestClock) -> Door {
    let count = tokens.0.lock().unwrap().len();
    let place = |number: usize| CredentialRef::Env(number.to_string());
    let readers = count - operators;
    let admin = config::Admin {
        listen: ([127, 0, 0, 1], 0).into(),
        tokens: (0..readers).map(place).collect(),
        operators: (readers..count).map(place).collect(),
        tls: None,
    };
    let limits = config::Limits {
        body_bytes: 1024,
        request_timeout: Duration::from_secs(1),
        concurrency: 8,
        failed_attempts: 3,
        trusted_proxies: Vec::new(),
    };
    Door::open(&admin, &limits, Arc::clone(tokens) as _, Arc::new(clock.clone())).await.unwrap()
}

/// The same relay behind another door.
fn behind(state: &AdminState, door: Door) -> AdminState {
    AdminState::new(Parts {
        clock: Arc::clone(&state.clock),
        readiness: Arc::clone(&state.readiness),
        metrics: Arc::clone(&state.metrics),
        board: Arc::clone(&state.board),
        queue: Arc::clone(&state.queue),
        memory: Arc::clone(&state.memory),
        audit: Arc::clone(&state.audit),
        door,
    })
}

/// A relay with one target that is parked and one that was never looked at.
async fn state() -> AdminState {
    state_with(Memory::volatile()).await
}

async fn state_with(memory: Memory) -> AdminState {
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
    let record = RunRecord::new(at, Duration::from_millis(20), Outcome::parked(failure), Did::Observed);
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
    let door = door_for(&Arc::default(), 0, &clock).await;
    AdminState::new(Parts {
        clock: Arc::new(clock),
        readiness: Arc::new(readiness),
        metrics: Arc::new(Metrics::new(targets)),
        board: Arc::new(board),
        queue: Arc::new(queue),
        memory: Arc::new(memory),
        audit: Arc::new(Audit::off()),
        door,
    })
}

/// A request to the listener by a name of this machine.
fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(path).header("host", "localhost:9090")
}

/// The answer to a request, held to `openapi.yaml`.
async fn send(state: &AdminState, request: Request) -> (u16, HeaderMap, Vec<u8>) {
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    let response = router(state.clone()).answer(request).await;
    let (head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 1_000_000).await.unwrap().to_vec();
    Spec::get().check(&method, &path, head.status.as_u16(), &head.headers, &body);
    (head.status.as_u16(), head.headers, body)
}

fn json_of(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

async fn ask(state: &AdminState, method: &str, path: &str) -> (u16, HeaderMap, Vec<u8>) {
    send(state, request(method, path).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn every_route_of_the_table_is_served_here() {
    for route in ROUTES.iter().filter(|route| route.listener == Listener::Admin) {
        let state = state().await;
        // Nothing more comes, so that those who watch are let go.
        state.queue.close();
        let path = route.path.replace("{target}", "orders-api");
        let (status, ..) = ask(&state, route.method, &path).await;
        let expected = match (route.method, route.path) {
            ("GET", "/readyz") => 503,
            ("GET", _) => 200,
            // It lacks what makes it an action.
            _ => 415,
        };
        assert_eq!(status, expected, "{}", route.path);
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
async fn a_target_has_a_page_of_its_own_that_says_what_to_do() {
    let state = state().await;
    let (_, _, body) = ask(&state, "GET", "/targets/orders-api").await;
    let page = json_of(&body);
    assert_eq!(page["target"]["state"], "parked");
    assert_eq!((&page["target"]["next_step"], &page["target"]["phase"]), (&json!("own it"), &json!("idle")));
    for unknown in ["/targets/nobody", "/targets/-", "/targets/%00"] {
        let (status, _, body) = ask(&state, "GET", unknown).await;
        assert_eq!((status, json_of(&body)["code"].clone()), (404, json!("not_configured")), "{unknown}");
    }
}

#[tokio::test]
async fn hooks_are_not_served_here() {
    assert_eq!(ask(&state().await, "GET", "/hooks/nothing").await.0, 404);
    let request = request("POST", "/hooks/trigger").body(Body::empty()).unwrap();
    assert_eq!(router(state().await).answer(request).await.status(), 404);
}
