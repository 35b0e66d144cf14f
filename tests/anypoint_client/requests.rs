//! The kinds that are one request: a secret value and an http target.

use std::collections::BTreeMap;
use std::time::Duration;

use anypoint_relay::clock::Clock;
use anypoint_relay::model::Retry;
use anypoint_relay::sync::ports::Applied;
use anypoint_relay::sync::values::Values;
use serde_json::json;

use crate::fake::{Answer, ENV, ORG};
use crate::world::{CANARY, KEY, World, deliver, field, receipt, secret_value, send, values};

#[tokio::test]
async fn a_secret_value_is_patched_at_its_path() {
    let world = World::new();
    let target = world.target(secret_value());
    let applied = deliver(&target, CANARY).await.unwrap();
    assert_eq!(applied, Applied { mark: None, notes: vec![] });
    let sent = &world.fake.seen("PATCH", "/secrets/")[0];
    let path = format!("/secrets/api/v1/organizations/{ORG}/environments/{ENV}/secrets/orders%2Fdb");
    assert_eq!((sent.path.as_str(), sent.json()), (path.as_str(), json!({"value": CANARY})));
}

#[tokio::test]
async fn an_http_target_is_told_signed_and_with_one_id_per_write() {
    let world = World::new();
    let values_sent = BTreeMap::from([("password".to_owned(), field("password"))]);
    let target = world.target(world.http(values_sent));
    let receipt = receipt(None);
    for _ in 0..2 {
        let observed = target.observe().await.ok().unwrap();
        send(observed, &values(CANARY), &receipt).await.unwrap();
    }
    let sent = world.fake.seen("POST", "/flow");
    assert_eq!(
        sent[0].json(),
        json!({"target": "orders", "values": {"password": CANARY}, "secrets":
            [{"id": "prod/orders/db", "version": "00000000-0000-4000-8000-000000000001"}]})
    );
    let id = format!("msg_{}", receipt.stamp.as_str());
    assert!(sent.iter().all(|request| request.header("webhook-id") == id));
    let timestamp = world.clock.timestamp().as_second().to_string();
    assert_eq!(sent[0].header("webhook-timestamp"), timestamp);
    assert_eq!(sent[0].header("webhook-signature"), signature(&id, &timestamp, &sent[0].body));
}

/// Written apart from the code under test.
fn signature(id: &str, timestamp: &str, body: &str) -> String {
    use aws_lc_rs::hmac;
    use base64::Engine;
    let key = hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes());
    let tag = hmac::sign(&key, format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", base64::engine::general_purpose::STANDARD.encode(tag))
}

#[tokio::test]
async fn a_thin_notice_names_the_versions_without_their_values() {
    let world = World::new();
    let target = world.target(world.http(BTreeMap::new()));
    let observed = target.observe().await.ok().unwrap();
    send(observed, &Values::default(), &receipt(None)).await.unwrap();
    assert_eq!(
        world.fake.seen("POST", "/flow")[0].json(),
        json!({"target": "orders", "secrets":
            [{"id": "prod/orders/db", "version": "00000000-0000-4000-8000-000000000001"}]})
    );
}

#[tokio::test]
async fn an_http_receiver_decides_what_follows_by_its_status() {
    let world = World { timeout: Duration::from_secs(2), ..World::new() };
    let target = world.target(world.http(BTreeMap::new()));
    let wait = || vec![("retry-after", "60".to_owned())];
    for (answer, retry, ambiguous) in [
        (Answer::Echo(410, vec![]), Retry::Never, false),
        (Answer::Echo(302, vec![("location", "http://127.0.0.1:1/".to_owned())]), Retry::Never, false),
        (Answer::Echo(401, vec![]), Retry::Slowly, false),
        (Answer::Echo(429, wait()), Retry::CoolDown(Duration::from_mins(1)), false),
        (Answer::Echo(503, wait()), Retry::CoolDown(Duration::from_mins(1)), true),
        (Answer::Echo(500, vec![]), Retry::Backoff, true),
        (Answer::Silence, Retry::Backoff, true),
        (Answer::Reset, Retry::Backoff, true),
    ] {
        world.fake.fault("POST", "/flow", answer);
        let error = deliver(&target, CANARY).await.unwrap_err();
        assert_eq!((error.failure.retry, error.ambiguous), (retry, ambiguous), "{error:?}");
    }
}
