//! The column of the manual trigger.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;
use crate::config::{TriggerKey, TriggerKeyKind};
use crate::http::keyring::REREAD_EVERY;
use crate::ingress::ports::Subject;
use crate::model::{Failure, FailureCode, Outcome, Retry};
use crate::secret::SecretValue;
use crate::webhook_signature::Signer;

const PATH: &str = "/hooks/trigger";
const WAITING: &str = "/hooks/trigger?wait=30s";

fn by_secret() -> Value {
    json!({"secret": SECRET, "reason": "rotated by hand"})
}

#[tokio::test]
async fn an_accepted_trigger_is_202_and_names_its_targets() {
    let app = App::new();
    let reply = app.ask(trigger_post(PATH, "msg_1", &by_secret())).await;
    assert_eq!(reply.cell(), (202, "accepted"));
    assert_eq!(reply.body["targets"], json!([{"target": TARGET, "state": "due"}]));
    let [hint] = &app.hints()[..] else { panic!("one hint") };
    assert_eq!(hint.id.as_str(), "trigger:msg_1");
    assert_eq!(hint.subject, Subject::Secret(SECRET.to_owned()));
    assert_eq!(hint.reason.as_deref(), Some("rotated by hand"));
    assert_eq!(hint.key_id.as_deref(), Some("ops"));
}

#[tokio::test]
async fn a_target_and_everything_can_be_asked_for() {
    let app = App::new();
    assert_eq!(
        app.ask(trigger_post(PATH, "msg_1", &json!({"target": TARGET}))).await.cell(),
        (202, "accepted")
    );
    assert_eq!(app.ask(trigger_post(PATH, "msg_2", &json!({"all": true}))).await.cell(), (202, "accepted"));
    let subjects: Vec<_> = app.hints().into_iter().map(|hint| hint.subject).collect();
    assert!(matches!(&subjects[..], [Subject::Target(_), Subject::All]));
}

async fn waited(outcome: Option<Outcome>) -> Reply {
    let app = App::new();
    *app.intake.outcome.lock().unwrap() = outcome;
    app.ask(trigger_post(WAITING, "msg_1", &by_secret())).await
}

#[tokio::test]
async fn a_wait_that_ends_settled_is_200() {
    for (outcome, state) in
        [(Outcome::InSync, "in_sync"), (Outcome::Accepted, "accepted"), (Outcome::Stopped, "stopped")]
    {
        let reply = waited(Some(outcome)).await;
        assert_eq!(reply.cell(), (200, "settled"));
        assert_eq!(reply.body["targets"], json!([{"target": TARGET, "state": state}]));
    }
}

#[tokio::test]
async fn a_wait_that_ends_before_the_proof_is_202() {
    assert_eq!(waited(Some(Outcome::Confirming)).await.cell(), (202, "confirming"));
    assert_eq!(waited(None).await.cell(), (202, "confirming"));
}

#[tokio::test]
async fn a_wait_that_ends_parked_or_failing_is_502_and_says_what_to_do() {
    let failure = |code, retry| Failure::new(code, retry, "it failed", "mend it");
    let parked = Outcome::parked(failure(FailureCode::WouldLose, Retry::Never));
    let reply = waited(Some(parked)).await;
    assert_eq!(reply.cell(), (502, "failed"));
    let target = json!({
        "target": TARGET, "state": "parked", "code": "would_lose", "message": "it failed", "next_step": "mend it",
    });
    assert_eq!(reply.body["targets"], json!([target]));
    let retrying = Outcome::retrying(failure(FailureCode::Unavailable, Retry::Backoff));
    assert_eq!(waited(Some(retrying)).await.cell(), (502, "failed"));
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_longer_than_the_request_limit_and_ends_even_if_nothing_does() {
    let app = App::new();
    *app.intake.stuck.lock().unwrap() = true;
    let start = tokio::time::Instant::now();
    let reply = app.ask(trigger_post(WAITING, "msg_1", &by_secret())).await;
    assert_eq!(reply.cell(), (202, "confirming"));
    assert_eq!(start.elapsed().as_secs(), 31);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_bounded_and_one_too_many_finds_nothing_done() {
    let mut app = App::new();
    app.limits.concurrency = 2;
    *app.intake.stuck.lock().unwrap() = true;
    let router = app.router().await;
    let first = ask(&router, trigger_post(WAITING, "msg_1", &by_secret()));
    let second = async {
        while app.hints().is_empty() {
            tokio::task::yield_now().await;
        }
        ask(&router, trigger_post(WAITING, "msg_2", &by_secret())).await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first.cell(), second.cell()), ((202, "confirming"), (503, "overloaded")));
    assert_eq!(app.hints().len(), 1);
}

#[tokio::test]
async fn an_unknown_secret_or_target_is_404() {
    let app = App::new();
    for body in [json!({"secret": "prod/other"}), json!({"target": "other"})] {
        assert_eq!(app.ask(trigger_post(PATH, "msg_1", &body)).await.cell(), (404, "not_configured"));
    }
}

#[tokio::test]
async fn a_bad_or_missing_signature_is_401_and_nothing_is_looked_at() {
    let app = App::new();
    let body = by_secret().to_string();
    let wrong = trigger_signed(PATH, "msg_1", &body, now(), "another key of 24 bytes and more");
    assert_eq!(app.ask(wrong).await.cell(), (401, "unauthorized"));
    assert_eq!(app.ask(post(PATH, &[], body)).await.cell(), (401, "unauthorized"));
    let mut other_body = trigger_post(PATH, "msg_1", &by_secret());
    *other_body.body_mut() = json!({"all": true}).to_string().into();
    let reply = app.ask(other_body).await;
    assert_eq!(reply.cell(), (401, "unauthorized"));
    assert!(reply.headers.contains_key("www-authenticate"));
    assert!(app.hints().is_empty());
}

#[tokio::test]
async fn a_wrong_parameter_of_an_unsigned_request_is_not_told() {
    let app = App::new();
    let reply = app.ask(post("/hooks/trigger?wiat=30s", &[], "")).await;
    assert_eq!(reply.cell(), (401, "unauthorized"));
    let reply = app.ask(trigger_post("/hooks/trigger?wiat=30s", "msg_1", &by_secret())).await;
    assert_eq!(reply.cell(), (400, "malformed"));
}

#[tokio::test]
async fn a_key_that_was_just_rotated_is_read_again_and_accepted() {
    let app = App::new();
    let router = app.router().await;
    let next = "the next trigger key, long enough";
    app.credentials.0.lock().unwrap().insert("TRIGGER_KEY".to_owned(), next.to_owned());
    app.clock.advance(REREAD_EVERY);
    let at = now() + REREAD_EVERY;
    let request = trigger_signed(PATH, "msg_1", &by_secret().to_string(), at, next);
    assert_eq!(ask(&router, request).await.cell(), (202, "accepted"));
}

#[tokio::test]
async fn a_key_that_is_too_short_is_an_error_at_the_start() {
    let app = App::new();
    app.credentials.0.lock().unwrap().insert("TRIGGER_KEY".to_owned(), "short".to_owned());
    let error = crate::ingress::IngressState::open(&app.config, app.limits.clone(), app.parts()).await.err();
    assert!(error.unwrap().to_string().starts_with("environment variable TRIGGER_KEY"));
}

#[tokio::test]
async fn a_body_that_is_no_trigger_is_400() {
    let app = App::new();
    for body in [
        json!({}),
        json!([]),
        json!({"secret": "a", "target": "b"}),
        json!({"all": false}),
        json!({"secret": ""}),
        json!({"secret": "two words"}),
        json!({"target": "/etc"}),
        json!({"secret": "a", "value": "b"}),
        json!({"secret": "a", "reason": "x".repeat(257)}),
        json!({"secret": "a", "reason": "a\nforged line"}),
        json!({"secret": "a", "reason": ""}),
    ] {
        let reply = app.ask(trigger_post(PATH, "msg_1", &body)).await;
        assert_eq!(reply.cell(), (400, "malformed"), "{body}");
    }
    let twice = trigger_signed(PATH, "msg_1", "{\"all\":true,\"all\":true}", now(), TRIGGER_KEY);
    assert_eq!(app.ask(twice).await.cell(), (400, "malformed"));
    assert!(app.hints().is_empty());
}

#[tokio::test]
async fn a_reason_of_256_characters_is_fine_whatever_their_bytes() {
    let app = App::new();
    let body = json!({"all": true, "reason": "\u{e9}".repeat(256)});
    assert_eq!(app.ask(trigger_post(PATH, "msg_1", &body)).await.cell(), (202, "accepted"));
}

#[tokio::test]
async fn a_repeated_id_is_409() {
    let app = App::new();
    app.ask(trigger_post(PATH, "msg_1", &by_secret())).await;
    assert_eq!(app.ask(trigger_post(PATH, "msg_1", &by_secret())).await.cell(), (409, "duplicate"));
    assert_eq!(app.hints().len(), 1);
}

#[tokio::test]
async fn a_timestamp_outside_the_tolerance_is_401() {
    let app = App::new();
    for at in [now() - Duration::from_mins(6), now() + Duration::from_mins(6)] {
        let request = trigger_signed(PATH, "msg_1", &by_secret().to_string(), at, TRIGGER_KEY);
        assert_eq!(app.ask(request).await.cell(), (401, "trigger_outside_window"));
    }
}

#[tokio::test]
async fn a_closed_intake_is_503_and_the_id_is_still_good() {
    let app = App::new();
    *app.intake.closed_after.lock().unwrap() = Some(0);
    assert_eq!(app.ask(trigger_post(PATH, "msg_1", &by_secret())).await.cell(), (503, "draining"));
    *app.intake.closed_after.lock().unwrap() = None;
    assert_eq!(app.ask(trigger_post(PATH, "msg_1", &by_secret())).await.cell(), (202, "accepted"));
}

#[tokio::test]
async fn a_sender_with_a_key_pair_signs_what_the_relay_cannot_forge() {
    let mut app = App::new();
    let seed = SecretValue::from(format!("whsk_{}", STANDARD.encode([7; 32])));
    let signer = Signer::read(&seed).unwrap();
    let key = TriggerKeyKind::Public(signer.public_key().unwrap());
    app.config.trigger.as_mut().unwrap().keys.push(TriggerKey { id: "pipeline".to_owned(), key });
    let body = by_secret().to_string();
    let at = now().as_second().to_string();
    let request = |id: &str, signature: &str| {
        let headers = [("webhook-id", id), ("webhook-timestamp", &at), ("webhook-signature", signature)];
        post(PATH, &headers, body.clone())
    };
    let signature = signer.sign("msg_1", now().as_second(), body.as_bytes());
    assert_eq!(app.ask(request("msg_1", &signature)).await.cell(), (202, "accepted"));
    assert_eq!(app.hints()[0].key_id.as_deref(), Some("pipeline"));
    assert_eq!(app.ask(request("msg_2", &signature)).await.cell(), (401, "unauthorized"));
    assert_eq!(app.ask(trigger_post(PATH, "msg_3", &by_secret())).await.cell(), (202, "accepted"));
    assert_eq!(app.hints()[1].key_id.as_deref(), Some("ops"));
}
