//! What the relay is held against: axum handlers that read the same body and do less with it.
//!
//! They share no code with the relay but the crates below it. Each answers 200 to what it takes and 403 to what it
//! does not.

use std::net::SocketAddr;

use anyhow::{Context, anyhow};
use aws_lc_rs::signature::{
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use tokio::net::TcpListener;

/// How much one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Does {
    /// Reads the body.
    Reads,
    /// And parses it.
    Parses,
    /// And verifies who sent it.
    Verifies,
}

/// For a process of this program that is one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) does: Does,
    pub(crate) listen: SocketAddr,
    pub(crate) public_key: Vec<u8>,
    pub(crate) eventbridge_key: String,
    pub(crate) trigger_key: String,
}

struct Keys {
    does: Does,
    sha1: ParsedPublicKey,
    sha256: ParsedPublicKey,
    eventbridge: String,
    trigger: Hmac<Sha256>,
}

/// Serves until it is killed, on as many threads as it has cores.
pub(crate) fn serve(order: &Order) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let parsed = |algorithm| {
            ParsedPublicKey::new(algorithm, &order.public_key)
                .map_err(|error| anyhow!("the public key: {error}"))
        };
        let keys = Keys {
            does: order.does,
            sha1: parsed(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY)?,
            sha256: parsed(&RSA_PKCS1_2048_8192_SHA256)?,
            eventbridge: order.eventbridge_key.clone(),
            trigger: Hmac::new_from_slice(order.trigger_key.as_bytes()).context("the key of triggers")?,
        };
        let router = Router::new()
            .route("/hooks/sns", post(sns))
            .route("/hooks/eventbridge", post(eventbridge))
            .route("/hooks/trigger", post(trigger))
            .with_state(std::sync::Arc::new(keys));
        axum::serve(TcpListener::bind(order.listen).await?, router).await?;
        Ok(())
    })
}

type Shared = State<std::sync::Arc<Keys>>;

/// `{"result":"..."}`, about as long as what the relay says.
fn answer(taken: Option<()>) -> (StatusCode, &'static str) {
    match taken {
        Some(()) => (StatusCode::OK, r#"{"result":"accepted","targets":["orders-api"]}"#),
        None => (StatusCode::FORBIDDEN, r#"{"result":"refused"}"#),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope {
    r#type: String,
    message_id: String,
    topic_arn: String,
    message: String,
    timestamp: String,
    signature_version: String,
    signature: String,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "parsed to be parsed")]
struct Event {
    detail: Detail,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "parsed to be parsed")]
struct Detail {
    name: String,
    version_id: String,
}

#[derive(Deserialize)]
struct Wish {
    #[expect(dead_code, reason = "parsed to be parsed")]
    secret: String,
}

async fn sns(State(keys): Shared, body: Bytes) -> (StatusCode, &'static str) {
    answer(keys.sns(&body))
}

async fn eventbridge(State(keys): Shared, headers: HeaderMap, body: Bytes) -> (StatusCode, &'static str) {
    answer(keys.eventbridge(&headers, &body))
}

async fn trigger(State(keys): Shared, headers: HeaderMap, body: Bytes) -> (StatusCode, &'static str) {
    answer(keys.trigger(&headers, &body))
}

impl Keys {
    fn sns(&self, body: &[u8]) -> Option<()> {
        if self.does == Does::Reads {
            return Some(());
        }
        let envelope: Envelope = serde_json::from_slice(body).ok()?;
        let _: Event = serde_json::from_str(&envelope.message).ok()?;
        if self.does == Does::Parses {
            return Some(());
        }
        let Envelope { r#type, message_id, topic_arn, message, timestamp, signature_version, signature } =
            envelope;
        let signed = format!(
            "Message\n{message}\nMessageId\n{message_id}\nTimestamp\n{timestamp}\nTopicArn\n{topic_arn}\nType\n{type}\n"
        );
        let key = if signature_version == "2" { &self.sha256 } else { &self.sha1 };
        key.verify_sig(signed.as_bytes(), &STANDARD.decode(signature).ok()?).ok()
    }

    fn eventbridge(&self, headers: &HeaderMap, body: &[u8]) -> Option<()> {
        if self.does == Does::Reads {
            return Some(());
        }
        let _: Event = serde_json::from_slice(body).ok()?;
        let given = headers.get("x-api-key")?.as_bytes();
        (self.does == Does::Parses || bool::from(given.ct_eq(self.eventbridge.as_bytes()))).then_some(())
    }

    fn trigger(&self, headers: &HeaderMap, body: &[u8]) -> Option<()> {
        if self.does == Does::Reads {
            return Some(());
        }
        let _: Wish = serde_json::from_slice(body).ok()?;
        if self.does == Does::Parses {
            return Some(());
        }
        let header = |name| headers.get(name).map(axum::http::HeaderValue::as_bytes);
        let mut mac = self.trigger.clone();
        for part in [header("webhook-id")?, b".", header("webhook-timestamp")?, b".", body] {
            mac.update(part);
        }
        let given = STANDARD.decode(header("webhook-signature")?.strip_prefix(b"v1,")?).ok()?;
        mac.verify_slice(&given).ok()
    }
}
