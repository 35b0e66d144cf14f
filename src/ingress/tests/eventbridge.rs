//! The EventBridge column.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::*;
use crate::config::EventBridgeAuth;
use crate::credential::CredentialRef;
use crate::http::keyring::REREAD_EVERY;
use crate::telemetry::metrics::Route;

#[tokio::test]
async fn an_accepted_event_is_202() {
    let app = App::new();
    assert_eq!(app.ask(eventbridge_post(&event("one"))).await.cell(), (202, "accepted"));
    assert_eq!(app.hints()[0].id.as_str(), "event:one");
    assert_eq!(app.hints()[0].route, Route::EventBridge);
}

#[tokio::test]
async fn the_range_header_is_ignored() {
    let app = App::new();
    let headers = [("x-api-key", API_KEY), ("range", "bytes=999999-")];
    let reply = app.ask(post("/hooks/eventbridge", &headers, event("one").to_string())).await;
    assert_eq!(reply.cell(), (202, "accepted"));
    assert!(reply.headers.get("content-range").is_none());
}

#[tokio::test]
async fn an_array_is_one_hint_per_event_and_the_heaviest_result_counts() {
    let app = App::new();
    let unknown = event_about("two", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:other-a1B2c3");
    assert_eq!(app.ask(eventbridge_post(&json!([unknown, event("one")]))).await.cell(), (202, "accepted"));
    assert_eq!(app.ask(eventbridge_post(&json!([event("one"), unknown]))).await.cell(), (200, "duplicate"));
    assert_eq!(app.hints().len(), 1);
}

#[tokio::test]
async fn nothing_configured_no_interest_and_duplicates_are_200_or_eventbridge_would_repeat_them_for_a_day() {
    let app = App::new();
    let unknown = event_about("x", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:other-a1B2c3");
    assert_eq!(app.ask(eventbridge_post(&unknown)).await.cell(), (200, "not_configured"));
    app.ask(eventbridge_post(&event("one"))).await;
    assert_eq!(app.ask(eventbridge_post(&event("one"))).await.cell(), (200, "duplicate"));
    let foreign =
        json!({"source": "aws.ec2", "id": "x", "detail-type": "EC2 Instance State-change Notification"});
    assert_eq!(app.ask(eventbridge_post(&foreign)).await.cell(), (200, "not_of_interest"));
    *app.intake.not_of_interest.lock().unwrap() = Some("pending");
    assert_eq!(app.ask(eventbridge_post(&event("two"))).await.cell(), (200, "not_of_interest"));
}

#[tokio::test]
async fn a_missing_or_wrong_key_is_401_and_the_body_is_not_looked_at() {
    let app = App::new();
    for headers in [&[][..], &[("x-api-key", "wrong")], &[("authorization", API_KEY)]] {
        let reply = app.ask(post("/hooks/eventbridge", headers, "not even JSON")).await;
        assert_eq!(reply.cell(), (401, "unauthorized"));
    }
    assert!(app.hints().is_empty());
}

#[tokio::test]
async fn basic_is_checked_with_its_user_name() {
    let mut app = App::new();
    if let Some(eventbridge) = &mut app.config.eventbridge {
        let passwords = vec![CredentialRef::Env("EVENTBRIDGE_KEY".to_owned())];
        eventbridge.auth = EventBridgeAuth::Basic { username: "relay".to_owned(), passwords };
    }
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    let send = |value: String, id: &str| {
        post("/hooks/eventbridge", &[("authorization", &value)], event(id).to_string())
    };
    let right = basic(&format!("relay:{API_KEY}"));
    assert_eq!(app.ask(send(right, "one")).await.cell(), (202, "accepted"));
    let wrong = basic(&format!("other:{API_KEY}"));
    let reply = app.ask(send(wrong, "two")).await;
    assert_eq!(reply.cell(), (401, "unauthorized"));
    assert_eq!(reply.headers["www-authenticate"], "Basic realm=\"anypoint-relay\"");
}

#[tokio::test]
async fn a_key_that_was_just_rotated_is_read_again_and_accepted() {
    let app = App::new();
    let router = app.router().await;
    app.credentials.0.lock().unwrap().insert("EVENTBRIDGE_KEY".to_owned(), "the next key".to_owned());
    app.clock.advance(REREAD_EVERY);
    let with = |key: &str, id: &str| post("/hooks/eventbridge", &[("x-api-key", key)], event(id).to_string());
    assert_eq!(ask(&router, with("the next key", "one")).await.cell(), (202, "accepted"));
    assert_eq!(ask(&router, with(API_KEY, "two")).await.cell(), (401, "unauthorized"));
}

#[tokio::test]
async fn a_malformed_body_is_400() {
    let app = App::new();
    for body in
        ["", "not JSON", "{\"source\":\"aws.secretsmanager\",\"detail-type\":\"Secret Label Updated\"}"]
    {
        let reply = app.ask(post("/hooks/eventbridge", &[("x-api-key", API_KEY)], body)).await;
        assert_eq!(reply.cell(), (400, "malformed"), "{body}");
    }
}

#[tokio::test]
async fn other_accounts_and_regions_than_the_listed_ones_are_200_and_reach_nobody() {
    let mut app = App::new();
    if let Some(eventbridge) = &mut app.config.eventbridge {
        eventbridge.accounts.insert("210987654321".to_owned());
    }
    let reply = app.ask(eventbridge_post(&event("one"))).await;
    assert_eq!(
        (reply.cell(), &reply.body["detail"]),
        ((200, "not_of_interest"), &json!("account_not_allowed"))
    );

    if let Some(eventbridge) = &mut app.config.eventbridge {
        eventbridge.accounts.insert("123456789012".to_owned());
        eventbridge.regions.insert("eu-central-1".to_owned());
    }
    let reply = app.ask(eventbridge_post(&event("one"))).await;
    assert_eq!(
        (reply.cell(), &reply.body["detail"]),
        ((200, "not_of_interest"), &json!("region_not_allowed"))
    );

    if let Some(eventbridge) = &mut app.config.eventbridge {
        eventbridge.regions.insert("eu-west-1".to_owned());
    }
    assert_eq!(app.ask(eventbridge_post(&event("one"))).await.cell(), (202, "accepted"));
}

#[tokio::test]
async fn the_small_form_is_judged_by_the_account_and_the_region_of_its_arn() {
    let mut app = App::new();
    if let Some(eventbridge) = &mut app.config.eventbridge {
        eventbridge.accounts.insert("123456789012".to_owned());
        eventbridge.regions.insert("eu-west-1".to_owned());
    }
    let small = |id: &str, secret: &str| json!({"secretArn": secret, "eventId": id, "label": "AWSCURRENT"});
    assert_eq!(app.ask(eventbridge_post(&small("one", SECRET))).await.cell(), (202, "accepted"));
    for (secret, objection) in [
        ("arn:aws:secretsmanager:eu-west-1:210987654321:secret:prod/orders/db-a1B2c3", "account_not_allowed"),
        ("arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/orders/db-a1B2c3", "region_not_allowed"),
        ("prod/orders/db", "account_not_allowed"),
    ] {
        let reply = app.ask(eventbridge_post(&small("two", secret))).await;
        let found = (reply.cell(), &reply.body["detail"]);
        assert_eq!(found, ((200, "not_of_interest"), &json!(objection)), "{secret}");
    }
}

#[tokio::test]
async fn a_closed_intake_is_503_and_the_event_is_new_when_it_comes_again() {
    let app = App::new();
    *app.intake.closed_after.lock().unwrap() = Some(0);
    assert_eq!(app.ask(eventbridge_post(&event("one"))).await.cell(), (503, "draining"));
    *app.intake.closed_after.lock().unwrap() = None;
    assert_eq!(app.ask(eventbridge_post(&event("one"))).await.cell(), (202, "accepted"));
}
