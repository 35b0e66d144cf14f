//! The manual trigger, as a client of the relay sends it, and every answer held to `openapi.yaml`.

use anypoint_relay::webhook_signature;
use serde_json::Value;

use super::Bench;
use super::bench::TRIGGER_KEY;
use crate::openapi::Spec;

/// An answer of the relay.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Bench {
    /// Sends a signed trigger with a fresh id; `query` such as `?wait=10s` or empty.
    pub(crate) async fn trigger(&self, body: &str, query: &str) -> Answer {
        let id = format!("msg_{}", uuid::Uuid::new_v4().simple());
        self.trigger_as(&id, body, query).await
    }

    /// Sends a signed trigger with this id.
    pub(crate) async fn trigger_as(&self, id: &str, body: &str, query: &str) -> Answer {
        self.post(&format!("/hooks/trigger{query}"), &signed(id, body), body).await
    }

    /// Posts to the hooks listener.
    pub(crate) async fn post(&self, path: &str, headers: &[(&str, String)], body: &str) -> Answer {
        let mut request = self.client.post(format!("{}{path}", self.hooks())).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        answer("POST", path, request).await
    }

    /// Asks the admin listener.
    pub(crate) async fn ask(&self, path: &str) -> Answer {
        answer("GET", path, self.client.get(format!("{}{path}", self.admin()))).await
    }
}

/// The headers that make `body` a trigger of the bench's key.
pub(super) fn signed(id: &str, body: &str) -> [(&'static str, String); 3] {
    signed_with(id, body, TRIGGER_KEY)
}

/// The headers that make `body` a trigger of this key.
pub(crate) fn signed_with(id: &str, body: &str, key: &str) -> [(&'static str, String); 3] {
    let now = anypoint_relay::clock::Clock::timestamp(&anypoint_relay::clock::SystemClock).as_second();
    let signature = webhook_signature::sign(id, now, body.as_bytes(), key.as_bytes());
    [("webhook-id", id.to_owned()), ("webhook-timestamp", now.to_string()), ("webhook-signature", signature)]
}

pub(crate) async fn answer(method: &str, path: &str, request: reqwest::RequestBuilder) -> Answer {
    try_answer(method, path, request).await.unwrap()
}

/// The answer, if there is one.
pub(super) async fn try_answer(
    method: &str,
    path: &str,
    request: reqwest::RequestBuilder,
) -> reqwest::Result<Answer> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await?;
    Spec::get().check(method, path, status, &headers, text.as_bytes());
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Ok(Answer { status, headers, body, text })
}

/// A client for this machine. It speaks no TLS and need not read the root certificates.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(super::LIMIT).build().unwrap()
}
