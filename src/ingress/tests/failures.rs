//! Who fails to sign triggers is slowed down by address; AWS never is.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::Request;
use serde_json::json;

use super::*;
use crate::http::peer::Peer;

const PATH: &str = "/hooks/trigger";

fn from(peer: &str, mut request: Request) -> Request {
    request.extensions_mut().insert(Peer(peer.parse::<SocketAddr>().unwrap()));
    request
}

fn forged() -> Request {
    trigger_signed(PATH, "msg_0", "{\"all\":true}", now(), "not the key of the tests, but long")
}

fn signed(id: &str) -> Request {
    trigger_post(PATH, id, &json!({"all": true}))
}

#[tokio::test]
async fn after_the_limit_an_address_is_told_429_before_its_signature_is_looked_at() {
    let mut app = App::new();
    app.limits.failed_attempts = 3;
    let router = app.router().await;
    for _ in 0..3 {
        assert_eq!(ask(&router, from("203.0.113.7:1", forged())).await.cell(), (401, "unauthorized"));
    }
    let reply = ask(&router, from("203.0.113.7:2", signed("msg_1"))).await;
    assert_eq!(reply.cell(), (429, "too_many_failures"));
    assert_eq!(reply.headers["retry-after"], "20");
    assert_eq!(ask(&router, from("203.0.113.8:1", signed("msg_1"))).await.cell(), (202, "accepted"));
    app.clock.advance(Duration::from_secs(20));
    assert_eq!(ask(&router, from("203.0.113.7:3", signed("msg_2"))).await.cell(), (202, "accepted"));
    assert_eq!(app.refused("trigger", "signature"), 3);
    assert_eq!(app.counted("trigger", "throttled"), 1);
}

#[tokio::test]
async fn what_proves_itself_costs_nothing_whatever_comes_of_it() {
    let mut app = App::new();
    app.limits.failed_attempts = 1;
    let router = app.router().await;
    for _ in 0..20 {
        let reply = ask(&router, from("203.0.113.7:1", trigger_post(PATH, "msg_1", &json!({})))).await;
        assert_eq!(reply.cell(), (400, "malformed"));
    }
    ask(&router, from("203.0.113.7:1", signed("msg_1"))).await;
    assert_eq!(ask(&router, from("203.0.113.7:1", signed("msg_1"))).await.cell(), (409, "duplicate"));
}

#[tokio::test]
async fn every_way_not_to_prove_oneself_counts_as_a_failure() {
    let old = now() - Duration::from_mins(6);
    let malformed = [("webhook-id", "a.b"), ("webhook-timestamp", "1"), ("webhook-signature", "v1,AAAA")];
    for (request, reason) in [
        (post(PATH, &[], "{}"), "webhook_missing"),
        (post(PATH, &malformed, "{}"), "webhook_form"),
        (trigger_signed(PATH, "msg_1", "{}", old, TRIGGER_KEY), "too_old"),
        (forged(), "signature"),
    ] {
        let mut app = App::new();
        app.limits.failed_attempts = 1;
        let router = app.router().await;
        ask(&router, from("203.0.113.7:1", request)).await;
        assert_eq!(app.refused("trigger", reason), 1, "{reason}");
        let reply = ask(&router, from("203.0.113.7:1", signed("msg_1"))).await;
        assert_eq!(reply.cell(), (429, "too_many_failures"), "{reason}");
    }
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_client_is_slowed_and_not_the_proxy() {
    let mut app = App::new();
    app.limits.failed_attempts = 1;
    app.limits.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    let router = app.router().await;
    let through = |client: &str, mut request: Request| {
        request.headers_mut().insert("x-forwarded-for", client.parse().unwrap());
        from("10.0.0.1:1", request)
    };
    ask(&router, through("203.0.113.7", forged())).await;
    let reply = ask(&router, through("203.0.113.7", signed("msg_1"))).await;
    assert_eq!(reply.cell(), (429, "too_many_failures"));
    assert_eq!(ask(&router, through("203.0.113.8", signed("msg_1"))).await.cell(), (202, "accepted"));
    // A stranger that names another client stays who it is.
    let mut lying = forged();
    lying.headers_mut().insert("x-forwarded-for", "203.0.113.8".parse().unwrap());
    ask(&router, from("198.51.100.1:1", lying)).await;
    assert_eq!(ask(&router, through("203.0.113.8", signed("msg_2"))).await.cell(), (202, "accepted"));
    assert_eq!(ask(&router, from("198.51.100.1:1", signed("msg_3"))).await.status, 429);
}

#[tokio::test]
async fn what_aws_sends_is_never_slowed() {
    let mut app = App::new();
    app.limits.failed_attempts = 1;
    let router = app.router().await;
    for _ in 0..50 {
        let request = post("/hooks/eventbridge", &[("x-api-key", "wrong")], "{}");
        assert_eq!(ask(&router, from("203.0.113.7:1", request)).await.cell(), (401, "unauthorized"));
        let unsigned = sns_post(&crate::verify::sns::testing::Draft::notification("{}"));
        assert!(ask(&router, from("203.0.113.7:1", unsigned)).await.status.is_client_error());
    }
    assert_eq!(
        ask(&router, from("203.0.113.7:1", eventbridge_post(&event("one")))).await.cell(),
        (202, "accepted")
    );
    assert_eq!(app.refused("eventbridge", "credential_mismatch"), 50);
}
