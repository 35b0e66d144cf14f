//! The requests, made before anything is measured: each with an id of its own, so that what remembers ids has
//! something to remember.

use anyhow::Context;
use anypoint_relay::webhook_signature;
use anypoint_sandbox::aws::{Secret, SnsMessage, events};
use aws_lc_rs::hmac;
use serde_json::json;
use uuid::Uuid;

use crate::options::Kind;
use crate::world::{SECRET, World, now};

/// So many of each kind. SHA-1 is signed without the crypto library, which takes milliseconds each.
const SIGNED_V1: usize = 6_000;
const SIGNED_V2: usize = 24_000;
const OTHERS: usize = 80_000;

/// Requests of one kind.
pub(crate) struct Requests {
    requests: Vec<Vec<u8>>,
    /// The one request is sent without end.
    repeated: bool,
}

impl Requests {
    pub(crate) fn get(&self, place: usize) -> Option<&[u8]> {
        let place = if self.repeated { 0 } else { place };
        self.requests.get(place).map(Vec::as_slice)
    }
}

/// Makes them, on all cores.
pub(crate) fn make(world: &World, kind: Kind) -> anyhow::Result<Requests> {
    let count = match kind {
        Kind::SnsV1 => SIGNED_V1,
        Kind::SnsV2 | Kind::BadSignature => SIGNED_V2,
        Kind::Duplicate => 1,
        Kind::Eventbridge | Kind::Trigger | Kind::UnknownSecret => OTHERS,
    };
    let threads = std::thread::available_parallelism()?.get();
    let made: Vec<Vec<Vec<u8>>> = std::thread::scope(|scope| {
        let parts = (0..threads).map(|thread| {
            scope.spawn(move || {
                (thread..count).step_by(threads).map(|number| one(world, kind, number)).collect()
            })
        });
        let parts: Vec<_> = parts.collect();
        parts.into_iter().map(|part| part.join().ok()).collect::<Option<_>>()
    })
    .context("a thread that makes requests died")?;
    Ok(Requests { requests: made.into_iter().flatten().collect(), repeated: kind == Kind::Duplicate })
}

fn one(world: &World, kind: Kind, number: usize) -> Vec<u8> {
    match kind {
        Kind::SnsV1 => sns(world, "1", false),
        Kind::SnsV2 | Kind::Duplicate => sns(world, "2", false),
        Kind::BadSignature => sns(world, "2", true),
        Kind::Eventbridge => event_request(&world.secret, &world.eventbridge_key),
        Kind::Trigger => trigger(world, SECRET, number),
        Kind::UnknownSecret => trigger(world, "prod/of/nobody", number),
    }
}

/// EventBridge's event that the secret's current version is a new one, with this API key.
pub(crate) fn event_request(secret: &Secret, key: &str) -> Vec<u8> {
    let headers = format!("content-type: application/json\r\nx-api-key: {key}\r\n");
    request("/hooks/eventbridge", &headers, &event(secret))
}

/// That it has a version which no target wants yet.
pub(crate) fn pending_request(secret: &Secret, key: &str) -> Vec<u8> {
    let headers = format!("content-type: application/json\r\nx-api-key: {key}\r\n");
    let event = events::label_updated(secret.arn(), "AWSPENDING", &secret.current_version());
    request("/hooks/eventbridge", &headers, &event.to_string())
}

fn event(secret: &Secret) -> String {
    events::label_updated(secret.arn(), "AWSCURRENT", &secret.current_version()).to_string()
}

/// As a rule of EventBridge has SNS send it.
fn sns(world: &World, version: &str, spoilt: bool) -> Vec<u8> {
    let mut message = SnsMessage::notification(&world.topic_arn, event(&world.secret), now());
    version.clone_into(&mut message.signature_version);
    message.signing_cert_url.clone_from(&world.certificate_url);
    message.sign(&world.signing_key);
    if spoilt {
        message.message_id = Uuid::new_v4().to_string();
    }
    let headers = format!(
        "content-type: text/plain; charset=UTF-8\r\nx-amz-sns-message-type: Notification\r\n\
         x-amz-sns-message-id: {}\r\nx-amz-sns-topic-arn: {}\r\n",
        message.message_id, message.topic_arn
    );
    request("/hooks/sns", &headers, &message.body())
}

/// As Standard Webhooks signs it, and with the header that Debian's `webhook` reads beside that.
fn trigger(world: &World, secret: &str, number: usize) -> Vec<u8> {
    let body = json!({"secret": secret, "reason": format!("load {number}")}).to_string();
    let (id, at) = (format!("msg_{}", Uuid::new_v4().simple()), now().as_second());
    let signature = webhook_signature::sign(&id, at, body.as_bytes(), world.trigger_key.as_bytes());
    let key = hmac::Key::new(hmac::HMAC_SHA256, world.trigger_key.as_bytes());
    let of_body = hmac::sign(&key, body.as_bytes());
    let of_body = of_body.as_ref().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let headers = format!(
        "content-type: application/json\r\nwebhook-id: {id}\r\nwebhook-timestamp: {at}\r\n\
         webhook-signature: {signature}\r\nx-hub-signature-256: sha256={of_body}\r\n"
    );
    request("/hooks/trigger", &headers, &body)
}

fn request(path: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{headers}content-length: {length}\r\n\r\n{body}")
        .into_bytes()
}
