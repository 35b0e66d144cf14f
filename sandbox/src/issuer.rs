//! An authorization server: gives tokens to whoever has the client's secret (RFC 6749, section 4.4), signed
//! as RFC 9068 writes, and publishes its keys (RFC 7517).
//!
//! What real issuers differ in has a switch: the audience, the lifetime, which keys are published.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, Response, StatusCode};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::faults::Faults;
use crate::pki::Authority;
use crate::server::{RequestLog, Server};
use crate::time;

/// The host that its certificate is for.
const HOST: &str = "localhost";

/// An issuer; it stops when it is dropped.
#[derive(Debug)]
pub struct Issuer {
    shared: Arc<Mutex<Inner>>,
    server: Server,
}

struct Inner {
    url: String,
    audience: String,
    lifetime: Duration,
    /// The last one signs; all are published.
    keys: Vec<(String, Pair)>,
    client: (String, String),
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("url", &self.url).finish_non_exhaustive()
    }
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
}

impl Issuer {
    /// Starts it under `https://localhost:<port>`, with an RSA key, for tokens with this audience.
    pub async fn start(authority: &Authority, audience: &str) -> Self {
        let shared = Arc::new(Mutex::new(Inner {
            url: String::new(),
            audience: audience.to_owned(),
            lifetime: Duration::from_mins(5),
            keys: vec![(fresh_id(), Pair::rsa())],
            client: (format!("client-{}", fresh_id()), format!("secret-{}", fresh_id())),
        }));
        let router = Router::new()
            .route("/token", post(token))
            .route("/keys", get(keys))
            .with_state(Arc::clone(&shared));
        let tag = |parts: &http::request::Parts, _: &Bytes| parts.uri.path()[1..].to_owned();
        let server = Server::builder(router).tag(tag).tls(authority.server_config(&[HOST])).start().await;
        lock(&shared).url = format!("https://{HOST}:{}", server.addr().port());
        Self { shared, server }
    }

    /// The `iss` of its tokens.
    pub fn url(&self) -> String {
        self.inner().url.clone()
    }

    /// Where it gives tokens.
    pub fn token_endpoint(&self) -> String {
        format!("{}/token", self.url())
    }

    /// Where it publishes its keys.
    pub fn jwks_url(&self) -> String {
        format!("{}/keys", self.url())
    }

    /// The id and the secret of its one client.
    pub fn client(&self) -> (String, String) {
        self.inner().client.clone()
    }

    /// The audience of tokens from now on.
    pub fn set_audience(&self, audience: &str) {
        audience.clone_into(&mut self.inner().audience);
    }

    /// How long tokens live from now on; five minutes by default.
    pub fn set_lifetime(&self, lifetime: Duration) {
        self.inner().lifetime = lifetime;
    }

    /// Signs with a new key from now on, of the other type; the former ones stay published.
    pub fn rotate(&self) {
        let mut inner = self.inner();
        let next = match inner.keys.last() {
            Some((_, Pair::Rsa(_))) => Pair::ec(),
            _ => Pair::rsa(),
        };
        inner.keys.push((fresh_id(), next));
    }

    /// Publishes no key but the one that signs.
    pub fn withdraw_former_keys(&self) {
        let mut inner = self.inner();
        let last = inner.keys.pop();
        inner.keys = last.into_iter().collect();
    }

    /// The faults; requests have the tags `token` and `keys`.
    pub fn faults(&self) -> &Faults {
        self.server.faults()
    }

    /// What it was asked.
    pub fn log(&self) -> &RequestLog {
        self.server.log()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.shared)
    }
}

fn lock(shared: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn fresh_id() -> String {
    Uuid::new_v4().simple().to_string()
}

fn part(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Pair {
    fn rsa() -> Self {
        Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("an RSA key"))
    }

    fn ec() -> Self {
        Self::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("an ECDSA key"))
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Pair::Rsa(_) => "RS256",
            Pair::Ec(_) => "ES256",
        }
    }

    fn published(&self, id: &str) -> Json {
        match self {
            Pair::Rsa(pair) => {
                let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
                let (n, e) = (n.big_endian_without_leading_zero(), e.big_endian_without_leading_zero());
                json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": id, "n": part(n), "e": part(e)})
            }
            Pair::Ec(pair) => {
                // 0x04 and both coordinates.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "use": "sig", "kid": id, "crv": "P-256", "x": part(x), "y": part(y)})
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect("a signature");
                signature
            }
            Pair::Ec(pair) => pair.sign(&random, message).expect("a signature").as_ref().to_vec(),
        }
    }
}

impl Inner {
    fn token(&self) -> String {
        let (id, pair) = self.keys.last().expect("there is always a key");
        let now = time::now().as_second();
        let lifetime = i64::try_from(self.lifetime.as_secs()).expect("a lifetime in seconds");
        let header = json!({"alg": pair.algorithm(), "kid": id, "typ": "at+jwt"});
        let claims = json!({
            "iss": self.url, "aud": [self.audience], "sub": self.client.0, "client_id": self.client.0,
            "iat": now, "exp": now + lifetime, "jti": fresh_id(), "scope": "relay/notify",
        });
        let message = format!("{}.{}", part(header.to_string()), part(claims.to_string()));
        let signature = part(pair.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }
}

async fn token(State(shared): State<Arc<Mutex<Inner>>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let inner = lock(&shared);
    let (id, secret) = &inner.client;
    let expected = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    if headers.get("authorization").is_none_or(|value| value != expected.as_str()) {
        return answer(StatusCode::UNAUTHORIZED, &json!({"error": "invalid_client"}));
    }
    if !String::from_utf8_lossy(&body).split('&').any(|pair| pair == "grant_type=client_credentials") {
        return answer(StatusCode::BAD_REQUEST, &json!({"error": "unsupported_grant_type"}));
    }
    let granted = json!({"access_token": inner.token(), "token_type": "Bearer", "expires_in": inner.lifetime.as_secs()});
    answer(StatusCode::OK, &granted)
}

async fn keys(State(shared): State<Arc<Mutex<Inner>>>) -> Response<Body> {
    let published: Vec<Json> = lock(&shared).keys.iter().map(|(id, pair)| pair.published(id)).collect();
    answer(StatusCode::OK, &json!({"keys": published}))
}

fn answer(status: StatusCode, body: &Json) -> Response<Body> {
    let mut answer = Response::new(Body::from(body.to_string()));
    *answer.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    answer.headers_mut().insert(http::header::CONTENT_TYPE, json);
    answer
}
