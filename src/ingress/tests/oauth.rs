//! The EventBridge column where the connection uses OAuth.

use std::time::Duration;

use axum::extract::Request;
use serde_json::json;

use super::*;
use crate::config::{EventBridgeAuth, OAuth};
use crate::ingress::token_keys::RETRY_AFTER;
use crate::model::TokenAlgorithm;
use crate::verify::token::testing::{Pair, key_set};

const ISSUER: &str = "https://login.example.com/";

/// The hooks with an issuer that publishes one key, `first`.
fn app() -> (App, Pair) {
    let (mut app, pair) = (App::new(), Pair::p256());
    if let Some(eventbridge) = &mut app.config.eventbridge {
        eventbridge.auth = EventBridgeAuth::OAuth(OAuth {
            issuer: ISSUER.to_owned(),
            audience: "anypoint-relay".to_owned(),
            jwks_url: "https://login.example.com/keys".parse().unwrap(),
            algorithms: vec![TokenAlgorithm::Rs256, TokenAlgorithm::Es256],
            leeway: Duration::from_mins(1),
            scope: None,
            extra_root: None,
        });
    }
    publish(&app, &[pair.jwk("first")]);
    (app, pair)
}

fn publish(app: &App, keys: &[serde_json::Value]) {
    *app.issuer.0.lock().unwrap() = Some(key_set(keys).into());
}

fn claims(audience: &str, expires_in: i64) -> serde_json::Value {
    json!({"iss": ISSUER, "aud": audience, "exp": now().as_second() + expires_in})
}

fn bearing(token: &str, id: &str) -> Request {
    let header = format!("Bearer {token}");
    post("/hooks/eventbridge", &[("authorization", &header)], event(id).to_string())
}

#[tokio::test]
async fn a_token_of_the_issuer_lets_in() {
    let (app, pair) = app();
    let token = pair.token("first", &claims("anypoint-relay", 300));
    assert_eq!(app.ask(bearing(&token, "one")).await.cell(), (202, "accepted"));
    assert_eq!(app.hints().len(), 1);
}

#[tokio::test]
async fn any_other_token_is_401_counted_by_its_reason_and_the_body_is_not_looked_at() {
    let (app, pair) = app();
    let (router, stranger) = (app.router().await, Pair::p256());
    let fine = claims("anypoint-relay", 300);
    for (token, reason) in [
        (String::new(), "token_missing"),
        ("no.token".to_owned(), "token_malformed"),
        (pair.sign(&json!({"alg": "none", "kid": "first"}), &fine), "token_algorithm"),
        (pair.token("other", &fine), "token_key"),
        (stranger.token("first", &fine), "token_signature"),
        (pair.token("first", &json!({"iss": "https://other.example.com/"})), "token_issuer"),
        (pair.token("first", &claims("other", 300)), "token_audience"),
        (pair.token("first", &claims("anypoint-relay", -61)), "token_expired"),
    ] {
        let request =
            post("/hooks/eventbridge", &[("authorization", &format!("Bearer {token}"))], "not JSON");
        let reply = ask(&router, request).await;
        assert_eq!(reply.cell(), (401, "unauthorized"), "{reason}");
        let challenge = reply.headers["www-authenticate"].to_str().unwrap();
        assert_eq!(challenge.contains("invalid_token"), reason != "token_missing", "{challenge}");
        assert_eq!(app.refused("eventbridge", reason), 1, "{reason}");
    }
    assert!(app.hints().is_empty());
}

#[tokio::test]
async fn while_there_are_no_keys_it_is_503_and_the_event_is_new_when_it_comes_again() {
    let (app, pair) = app();
    let router = app.router().await;
    let published = app.issuer.0.lock().unwrap().take();
    let token = pair.token("first", &claims("anypoint-relay", 300));
    let reply = ask(&router, bearing(&token, "one")).await;
    assert_eq!(reply.cell(), (503, "keys_unavailable"));
    assert_eq!(reply.headers["retry-after"], "5");
    assert!(!reply.body.to_string().contains("internal text"), "{}", reply.body);
    assert_eq!(app.counted("eventbridge", "unavailable"), 1);

    *app.issuer.0.lock().unwrap() = published;
    app.clock.advance(RETRY_AFTER);
    assert_eq!(ask(&router, bearing(&token, "one")).await.cell(), (202, "accepted"));
}

#[tokio::test]
async fn a_key_that_the_issuer_rotates_to_is_taken_at_once() {
    let (app, pair) = app();
    let (router, second) = (app.router().await, Pair::rsa());
    let fine = claims("anypoint-relay", 300);
    assert_eq!(ask(&router, bearing(&pair.token("first", &fine), "one")).await.cell(), (202, "accepted"));
    publish(&app, &[second.jwk("second"), pair.jwk("first")]);
    app.clock.advance(RETRY_AFTER);
    assert_eq!(ask(&router, bearing(&second.token("second", &fine), "two")).await.cell(), (202, "accepted"));
    assert_eq!(ask(&router, bearing(&pair.token("first", &fine), "three")).await.cell(), (202, "accepted"));
}
