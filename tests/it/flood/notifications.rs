//! Floods of whole requests: forged ones, and genuine ones that are of no use.

use std::time::Duration;

use anypoint_sandbox::aws::{SnsMessage, events};
use serde_json::Value;

use super::attack::Ground;
use super::siege::Siege;
use crate::support::{Bench, EVENTBRIDGE_KEY, TRIGGER_KEY, now, signed_with};

/// As many connections as a load balancer may open.
const CLIENTS: usize = 64;

/// A whole request.
pub(super) fn post(hook: &str, headers: &[(&str, String)], body: &str) -> Vec<u8> {
    let headers = headers.iter().fold(String::new(), |all, (name, value)| all + name + ": " + value + "\r\n");
    let length = body.len();
    format!("POST /hooks/{hook} HTTP/1.1\r\nhost: relay\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
        .into_bytes()
}

fn eventbridge(event: &Value) -> Vec<u8> {
    post("eventbridge", &[("x-api-key", EVENTBRIDGE_KEY.to_owned())], &event.to_string())
}

pub(super) fn sns(body: &str) -> Vec<u8> {
    post("sns", &[("x-amz-sns-message-type", "Notification".to_owned())], body)
}

/// A signed message of the listed topic.
pub(super) fn signed(bench: &Bench, text: &str) -> SnsMessage {
    let mut message = SnsMessage {
        signature_version: "2".to_owned(),
        ..SnsMessage::notification(bench.aws.topic("rotations").arn(), text, now())
    };
    bench.aws.sign_notification(&mut message);
    message
}

/// An event of a secret that no target uses, another one for each number.
fn unknown(number: usize) -> Value {
    let arn = format!("arn:aws:secretsmanager:eu-west-1:123456789012:secret:unknown/{number}-Ab12Cd");
    events::label_updated(&arn, "AWSCURRENT", &uuid::Uuid::new_v4().to_string())
}

/// A client that asks without a pause, each time with the next of its requests.
pub(super) async fn asks(ground: Ground, mut requests: impl FnMut(usize) -> Vec<u8>) -> std::io::Result<()> {
    let mut attacker = ground.connect().await?;
    for turn in 0.. {
        attacker.ask(&requests(turn)).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a quiet machine"]
async fn verified_notifications_of_unknown_secrets_keep_no_sender_out() {
    let mut siege = Siege::new().await;
    let envelope = sns(&signed(&siege.bench, &unknown(0).to_string()).body());
    siege
        .under("verified notifications of unknown secrets", |ground| {
            ground.swarm(CLIENTS, Duration::ZERO, move |ground, number| {
                let envelope = envelope.clone();
                asks(ground, move |turn| match number % 2 {
                    0 => envelope.clone(),
                    _ => eventbridge(&unknown(number * 1_000_000 + turn)),
                })
            })
        })
        .await;
    assert_eq!(siege.statuses(), [200]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a quiet machine"]
async fn bad_signatures_keep_no_sender_out() {
    let mut siege = Siege::new().await;
    let mut forged = signed(&siege.bench, &siege.bench.event().to_string());
    forged.signature.replace_range(0..4, if forged.signature.starts_with("AAAA") { "BBBB" } else { "AAAA" });
    let all = r#"{"all":true}"#;
    let requests = [
        sns(&forged.body()),
        post("trigger", &signed_with("msg_1", all, "a-key-that-is-not-the-configured-one"), all),
        post("eventbridge", &[("x-api-key", "another".to_owned())], &siege.bench.event().to_string()),
    ];
    siege
        .under("bad signatures and keys", |ground| {
            ground.swarm(CLIENTS, Duration::ZERO, move |ground, number| {
                let request = requests[number % 3].clone();
                asks(ground, move |_| request.clone())
            })
        })
        .await;
    // An address that fails to sign triggers is slowed down; one that AWS may send from is not.
    assert_eq!(siege.statuses(), [401, 403, 429]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a quiet machine"]
async fn duplicates_keep_no_sender_out() {
    let mut siege = Siege::new().await;
    let event = siege.bench.event();
    let all = r#"{"all":true}"#;
    let requests = [
        sns(&signed(&siege.bench, &event.to_string()).body()),
        eventbridge(&event),
        post("trigger", &signed_with("msg_1", all, TRIGGER_KEY), all),
    ];
    siege
        .under("valid duplicates", |ground| {
            ground.swarm(CLIENTS, Duration::ZERO, move |ground, number| {
                let request = requests[number % 3].clone();
                asks(ground, move |_| request.clone())
            })
        })
        .await;
    assert_eq!(siege.statuses(), [200, 202, 409]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a quiet machine"]
async fn any_number_of_valid_notifications_of_one_secret_keep_no_sender_out() {
    /// In one request, as many as one may hold.
    const TOGETHER: usize = 100;
    let mut siege = Siege::new().await;
    let event = siege.bench.event();
    siege
        .under("valid notifications of one secret, a hundred new ids in each request", |ground| {
            ground.swarm(CLIENTS / 8, Duration::ZERO, move |ground, number| {
                let mut events = vec![event.clone(); TOGETHER];
                asks(ground, move |turn| {
                    for (place, event) in events.iter_mut().enumerate() {
                        event["id"] = format!("{number}-{turn}-{place}").into();
                    }
                    eventbridge(&events.clone().into())
                })
            })
        })
        .await;
    assert_eq!(siege.statuses(), [202]);
}
