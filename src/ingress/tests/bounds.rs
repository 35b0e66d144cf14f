//! What bounds a request, for every hook alike.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use futures_util::{StreamExt, stream};
use serde_json::json;

use super::*;
use crate::http::Readiness;
use crate::http::routes::{Listener, ROUTES};
use crate::ingress::ports::DedupId;

fn all_hooks(id: &str) -> [Request; 3] {
    [
        sns_post(&notification(&event(id))),
        eventbridge_post(&event(id)),
        trigger_post("/hooks/trigger", id, &json!({"all": true})),
    ]
}

const HOOKS: [&str; 3] = ["/hooks/sns", "/hooks/eventbridge", "/hooks/trigger"];
/// What each hook asks for before it reads a body.
const HEADERS: [(&str, &str); 4] = [
    ("x-api-key", API_KEY),
    ("webhook-id", "msg_1"),
    ("webhook-timestamp", "1803891600"),
    ("webhook-signature", "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="),
];

#[tokio::test]
async fn a_body_over_the_limit_is_413_announced_or_not() {
    let app = App::new();
    for path in HOOKS {
        let announced = vec![b'x'; BODY_LIMIT + 1];
        assert_eq!(app.ask(post(path, &HEADERS, announced)).await.cell(), (413, "too_large"), "{path}");
        let chunks =
            stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'x'; 1024])).take(BODY_LIMIT / 1024 + 1);
        let chunked = Body::from_stream(chunks);
        assert_eq!(app.ask(post(path, &HEADERS, chunked)).await.cell(), (413, "too_large"), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_503_after_the_time_limit() {
    let app = App::new();
    for path in HOOKS.into_iter().chain(["/hooks/trigger?wait=60s"]) {
        let start = tokio::time::Instant::now();
        assert_eq!(app.ask(post(path, &HEADERS, endless())).await.cell(), (503, "timeout"), "{path}");
        assert_eq!(start.elapsed(), Duration::from_secs(4), "{path}");
    }
}

#[tokio::test]
async fn a_relay_that_starts_or_drains_says_so_with_503_and_probes_answer_all_the_same() {
    let mut app = App::new();
    app.readiness = Arc::new(Readiness::default());
    for request in all_hooks("one") {
        assert_eq!(app.ask(request).await.cell(), (503, "starting"));
    }
    assert_eq!(app.ask(get("/healthz")).await.body, json!({"status": "ok"}));
    let reply = app.ask(get("/readyz")).await;
    assert_eq!(reply.cell(), (503, "not_ready"));
    assert_eq!(reply.body["detail"], "starting, the first reconcile was not tried yet");

    app.readiness.started();
    app.readiness.reconciled();
    assert_eq!(app.ask(get("/readyz")).await.body, json!({"status": "ready"}));

    app.readiness.draining();
    for request in all_hooks("one") {
        assert_eq!(app.ask(request).await.cell(), (503, "draining"));
    }
    assert_eq!(app.ask(get("/readyz")).await.cell(), (503, "not_ready"));
    assert_eq!(app.ask(get("/healthz")).await.status, 200);
    assert!(app.hints().is_empty());
}

/// A body that never ends.
fn endless() -> Body {
    Body::from_stream(stream::pending::<Result<Vec<u8>, std::io::Error>>())
}

#[tokio::test]
async fn a_body_comes_in_as_many_pieces_as_it_likes() {
    let app = App::new();
    let mut draft = sns_post(&notification(&event("one")));
    let whole = axum::body::to_bytes(std::mem::take(draft.body_mut()), BODY_LIMIT).await.unwrap();
    let pieces = whole.into_iter().map(|byte| Ok::<_, std::io::Error>(vec![byte]));
    *draft.body_mut() = Body::from_stream(stream::iter(pieces));
    assert_eq!(app.ask(draft).await.cell(), (200, "accepted"));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_malformed() {
    let app = App::new();
    for path in HOOKS {
        let pieces = [Ok(vec![b'{']), Err(std::io::Error::other("reset"))];
        let body = Body::from_stream(stream::iter(pieces));
        assert_eq!(app.ask(post(path, &HEADERS, body)).await.cell(), (400, "malformed"), "{path}");
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_makes_room_for_a_newcomer() {
    for path in HOOKS {
        let mut app = App::new();
        app.limits.concurrency = 1;
        let router = app.router().await;
        let mut slow = Box::pin(ask(&router, post(path, &HEADERS, endless())));
        assert!(futures_util::poll!(slow.as_mut()).is_pending());
        assert_eq!(ask(&router, eventbridge_post(&event("one"))).await.cell(), (202, "accepted"));
        let told = slow.await;
        assert_eq!(told.cell(), (503, "overloaded"), "{path}");
        assert_eq!(told.headers["retry-after"], "1");
    }
}

#[tokio::test]
async fn a_certificate_that_does_not_come_makes_room_for_a_newcomer() {
    let mut app = App::new();
    app.limits.concurrency = 1;
    *app.certificates.stuck.lock().unwrap() = true;
    let router = app.router().await;
    let mut slow = Box::pin(ask(&router, sns_post(&notification(&event("one")))));
    assert!(futures_util::poll!(slow.as_mut()).is_pending());
    assert_eq!(ask(&router, eventbridge_post(&event("two"))).await.cell(), (202, "accepted"));
    assert_eq!(slow.await.cell(), (503, "overloaded"));
    let ids: Vec<_> = app.hints().into_iter().map(|hint| hint.id).collect();
    assert_eq!(ids, [DedupId::event("two")], "what was told 503 is not taken");
}

#[tokio::test]
async fn requests_over_the_limit_are_told_503_and_probes_still_answer() {
    let mut app = App::new();
    app.limits.concurrency = 1;
    *app.intake.stuck.lock().unwrap() = true;
    let router = app.router().await;
    // A trigger that is verified keeps the one place while it waits for its outcome.
    let waiting = trigger_post("/hooks/trigger?wait=60s", "zero", &json!({"all": true}));
    let mut held = Box::pin(router.answer(waiting));
    assert!(futures_util::poll!(held.as_mut()).is_pending());
    for request in all_hooks("one") {
        assert_eq!(ask(&router, request).await.cell(), (503, "overloaded"));
    }
    assert_eq!(ask(&router, get("/readyz")).await.status, 200);
    drop(held);
    assert_eq!(ask(&router, eventbridge_post(&event("one"))).await.cell(), (202, "accepted"));
}

#[tokio::test]
async fn a_hook_that_is_not_configured_is_404() {
    let mut app = App::new();
    app.config = crate::config::Ingress::default();
    for request in all_hooks("one") {
        assert_eq!(app.ask(request).await.cell(), (404, "hook_disabled"));
    }
}

#[tokio::test]
async fn every_route_of_the_table_is_served_here() {
    let app = App::new();
    for route in ROUTES.iter().filter(|route| route.listener == Listener::Hooks) {
        let request = Request::builder().method(route.method).uri(route.path).body(Body::empty()).unwrap();
        let status = app.ask(request).await.status;
        assert!(status != 404 && status != 405, "{} {} is {status}", route.method, route.path);
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let app = App::new();
    assert_eq!(app.ask(get("/hooks/other")).await.cell(), (404, "not_found"));
    assert_eq!(app.ask(get("/hooks/sns")).await.cell(), (405, "method_not_allowed"));
    let private = app.router().await.answer(get("/metrics")).await;
    assert_eq!(private.status(), 404, "metrics stay on the admin listener");
}

#[tokio::test]
async fn every_answer_of_a_hook_is_counted_once_also_those_that_a_layer_made() {
    let app = App::new();
    app.ask(eventbridge_post(&event("one"))).await;
    app.ask(eventbridge_post(&event("one"))).await;
    app.ask(post("/hooks/eventbridge", &[], "")).await;
    app.ask(post("/hooks/eventbridge", &[("x-api-key", API_KEY)], vec![b'x'; BODY_LIMIT + 1])).await;
    for verdict in ["accepted", "duplicate", "bad_signature", "too_large"] {
        assert_eq!(app.counted("eventbridge", verdict), 1, "{verdict}");
    }
}

#[tokio::test]
async fn a_request_id_of_the_sender_is_carried_to_the_hint_and_a_forged_one_is_replaced() {
    let app = App::new();
    let with = |request_id: &str, id: &str| {
        let headers = [("x-api-key", API_KEY), ("x-request-id", request_id)];
        post("/hooks/eventbridge", &headers, event(id).to_string())
    };
    assert_eq!(app.ask(with("mine-1", "one")).await.headers["x-request-id"], "mine-1");
    assert_eq!(app.hints()[0].request_id, "mine-1");
    app.ask(with("forged {\"level\":\"x\"}", "two")).await;
    assert_eq!(app.hints()[1].request_id.len(), 32);
}

#[tokio::test]
async fn over_a_real_socket_the_answer_is_the_same() {
    let app = App::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = app.router().await;
    let server = tokio::spawn(async move { axum::serve(listener, bare(router)).await });
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let draft = notification(&event("one"));
    let response = client
        .post(format!("http://{address}/hooks/sns"))
        .header("content-type", "text/plain; charset=UTF-8")
        .header("x-request-id", "socket-1")
        .body(draft.body())
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["x-request-id"], "socket-1");
    let body: serde_json::Value = response.json().await.unwrap();
    assert_eq!(body, json!({"result": "accepted", "request_id": "socket-1"}));
    assert_eq!(app.hints().len(), 1);
    server.abort();
}
