//! `http`: signed requests, verified here by nothing of the relay's.

mod channel;
mod expect;
mod reach;
mod request;

use anypoint_sandbox::anypoint::Receiver;
use anypoint_sandbox::faults::Rule;
use anypoint_sandbox::server::Recorded;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::TARGET;
use crate::support::Bench;
use crate::support::TRIGGER_KEY;

const VALUES: &str = "    values: { password: { secret: prod/orders/db, field: password } }";

/// A target that sends what `lines` say to a receiver.
async fn start(lines: &str) -> (Bench, Receiver) {
    let receiver = Receiver::start().await;
    let bench = start_to(&receiver, lines).await;
    (bench, receiver)
}

async fn start_to(receiver: &Receiver, lines: &str) -> Bench {
    let mut bench = with_secrets().await;
    bench.start(&target(receiver, lines)).await;
    bench
}

async fn with_secrets() -> Bench {
    let bench = Bench::new().await;
    bench.aws.create_secret("prod/orders/db", json!({ "username": "app", "password": "first-password" }));
    bench.aws.create_secret("prod/orders/signing", "a-signing-key");
    bench
}

fn target(receiver: &Receiver, lines: &str) -> String {
    format!(
        "
  {TARGET}:
    kind: http
    url: {}/refresh?from=relay
    allow: [127.0.0.1]
    key: {{ env: TRIGGER_KEY }}
    coalesce: 10ms
{lines}",
        receiver.url()
    )
}

fn header<'r>(request: &'r Recorded, name: &str) -> &'r str {
    request.headers[name].to_str().unwrap()
}

/// The usual request, signed.
fn verified(request: &Recorded) -> Value {
    assert_signed(request);
    assert_eq!(header(request, "content-type"), "application/json");
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/refresh"));
    serde_json::from_slice(&request.body).unwrap()
}

/// Standard Webhooks, by the text of its specification.
fn assert_signed(request: &Recorded) {
    let id = header(request, "webhook-id");
    let timestamp = header(request, "webhook-timestamp");
    let mut mac = Hmac::<Sha256>::new_from_slice(TRIGGER_KEY.as_bytes()).unwrap();
    mac.update(&[id.as_bytes(), b".", timestamp.as_bytes(), b".", &request.body].concat());
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(header(request, "webhook-signature"), signature);
    let age = request.at.as_second() - timestamp.parse::<i64>().unwrap();
    assert!((0..30).contains(&age), "signed {age} s ago");
}

#[tokio::test]
async fn values_are_sent_signed_with_the_version_that_they_belong_to() {
    let (bench, receiver) = start(VALUES).await;
    bench.ended_as(TARGET, "accepted").await;
    let secret = bench.aws.secret("prod/orders/db").unwrap();
    let second = secret.rotate_password("second-password");
    let answer = bench.insist().await;
    assert_eq!((answer.status, &answer.body["targets"][0]["state"]), (200, &json!("accepted")));
    let requests = receiver.received();
    assert_eq!(requests.len(), 2);
    assert_eq!(
        verified(&requests[1]),
        json!({
            "target": "orders",
            "secrets": [{ "id": "prod/orders/db", "version": second }],
            "values": { "password": "second-password" },
        })
    );
    let ids = [0, 1].map(|write| header(&requests[write], "webhook-id"));
    assert_ne!(ids[0], ids[1], "another write is another message");
}

#[tokio::test]
async fn a_notice_without_values_names_the_versions_and_reads_no_value() {
    let (bench, receiver) = start("    watch: [prod/orders/db, prod/orders/signing]").await;
    bench.ended_as(TARGET, "accepted").await;
    let version = |name: &str| bench.aws.secret(name).unwrap().current_version();
    assert_eq!(
        verified(&receiver.received()[0]),
        json!({
            "target": "orders",
            "secrets": [
                { "id": "prod/orders/db", "version": version("prod/orders/db") },
                { "id": "prod/orders/signing", "version": version("prod/orders/signing") },
            ],
        })
    );
    let reads = bench.aws.secret("prod/orders/db").unwrap().reads();
    assert_eq!(reads.get, 0, "what is only watched is not read");
}

#[tokio::test]
async fn the_tries_of_one_write_have_one_id_and_each_its_own_time() {
    let receiver = Receiver::start().await;
    for status in [500, 429, 409] {
        receiver.answer_next(status, "");
    }
    let bench = start_to(&receiver, VALUES).await;
    bench.ended_as(TARGET, "accepted").await;
    let requests = receiver.received();
    assert_eq!(requests.len(), 4);
    let ids: Vec<&str> = requests.iter().map(|request| header(request, "webhook-id")).collect();
    assert_eq!(ids, [ids[0]; 4]);
    assert!(ids[0].starts_with("msg_"));
    for request in &requests {
        verified(request);
    }
}

#[tokio::test]
async fn a_receiver_that_is_gone_for_good_is_asked_no_more() {
    let receiver = Receiver::start().await;
    receiver.answer(410, "");
    let bench = start_to(&receiver, VALUES).await;
    let failure = bench.parks("rejected").await;
    assert_eq!(failure.message, "calling 127.0.0.1 for target orders: HTTP 410 Gone");
    assert_eq!(failure.next_step, "the receiver is gone for good: correct or remove the target");
    bench.idle().await;
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn a_redirect_is_refused_and_no_value_goes_with_it() {
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    for status in [302, 307, 308] {
        receiver.faults().clear();
        receiver.faults().add(Rule::status(status).header("location", &elsewhere.url()));
        let bench = start_to(&receiver, VALUES).await;
        let failure = bench.parks("rejected").await;
        assert_eq!(failure.next_step, "set `url` to the final address: redirects are not followed");
    }
    assert_eq!(elsewhere.received().len(), 0);
}
