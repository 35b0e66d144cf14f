//! The access token of a connected app (`client_credentials`).
//!
//! Guarantees: one mint at a time, whose answer all waiters share; a failure is not remembered; id
//! and secret are read afresh for every mint, so the connected app's secret can rotate; a token is
//! renewed at 80 % of its life, and an old one is used to its end while no new one can be had.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use super::body::{self, Body, Exposed, Parsed};
use super::call::{Family, Path, Purpose, Verb};
use super::error::{CallError, Place, Status, bad_answer, broken, refused};
use super::flight::SharedFlight;
use super::transport::{Outgoing, Reply, Transport};
use crate::config;
use crate::credential::{CredentialRef, Credentials};
use crate::model::{Failure, FailureCode, Retry};
use crate::secret::SecretValue;

/// The life of a token whose answer does not tell it.
const DEFAULT_LIFE: Duration = Duration::from_mins(30);
/// No token is trusted for longer.
const LONGEST_LIFE: Duration = Duration::from_hours(24);
/// Between two tries to renew a token that is still good.
const RENEWAL_PAUSE: Duration = Duration::from_secs(30);

/// A bearer token and its life.
pub(super) struct Token {
    pub(super) bearer: SecretValue,
    expires: Instant,
}

struct Held {
    token: Arc<Token>,
    renew_at: Instant,
}

/// The tokens of one connection.
pub(super) struct Tokens {
    connection: config::Connection,
    credentials: Arc<dyn Credentials>,
    held: Mutex<Option<Held>>,
    minting: SharedFlight<Arc<Token>, CallError>,
}

impl Tokens {
    pub(super) fn new(connection: config::Connection, credentials: Arc<dyn Credentials>) -> Self {
        Self { connection, credentials, held: Mutex::new(None), minting: SharedFlight::new() }
    }

    /// A token that is good as far as is known.
    pub(super) async fn current(&self, transport: &Transport) -> Result<Arc<Token>, CallError> {
        let now = transport.now();
        if let Some(token) = self.fresh(now) {
            return Ok(token);
        }
        let old = self.lock().as_ref().map(|held| Arc::clone(&held.token)).filter(|t| now < t.expires);
        let flight = self.minting.fly(async {
            // Another flight may have landed between the look above and this one.
            match self.fresh(now) {
                Some(token) => Ok(token),
                None => self.mint(transport).await,
            }
        });
        match (flight.await, old) {
            (Err(_), Some(old)) => {
                self.postpone_renewal(&old, now);
                Ok(old)
            }
            (result, _) => result,
        }
    }

    /// A token other than `refused`, which an API did not accept.
    pub(super) async fn instead_of(
        &self,
        refused: &Arc<Token>,
        transport: &Transport,
    ) -> Result<Arc<Token>, CallError> {
        {
            let mut held = self.lock();
            if held.as_ref().is_some_and(|held| Arc::ptr_eq(&held.token, refused)) {
                *held = None;
            }
        }
        self.current(transport).await
    }

    /// The held token while it needs no renewal.
    fn fresh(&self, now: Instant) -> Option<Arc<Token>> {
        self.lock().as_ref().filter(|held| now < held.renew_at).map(|held| Arc::clone(&held.token))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn postpone_renewal(&self, token: &Arc<Token>, now: Instant) {
        if let Some(held) = self.lock().as_mut().filter(|held| Arc::ptr_eq(&held.token, token)) {
            held.renew_at = (now + RENEWAL_PAUSE).min(token.expires);
        }
    }

    async fn mint(&self, transport: &Transport) -> Result<Arc<Token>, CallError> {
        let connection = &self.connection;
        let body = {
            let id = self.read("client id", &connection.client_id).await?;
            let secret = self.read("client secret", &connection.client_secret).await?;
            request_body(&id, &secret).map_err(CallError::before)?
        };
        let purpose = Purpose {
            doing: "fetching a token".to_owned(),
            scope: "to sign in (is it an app that acts on its own behalf?)",
            settings: format!("`host` or `base_url` of connection {}", connection.name),
        };
        let place = Place {
            connection: connection.name.as_str(),
            organization: &connection.organization,
            environment: &connection.environment,
            family: Family::Accounts,
            purpose: &purpose,
            writes: false,
        };
        let path = Path::new(["accounts", "api", "v2", "oauth2", "token"]);
        let outgoing = Outgoing {
            verb: Verb::Post,
            path: &path,
            family: Family::Accounts,
            body: Some(Body::from(body).into_shared()),
        };
        // The life counts from before the request: better a little too short.
        let asked = transport.now();
        let reply = transport.exchange(outgoing, None).await.map_err(|trouble| broken(trouble, place))?;
        if !reply.status.is_success() {
            return Err(self.not_minted(&reply, place));
        }
        let Some((bearer, life)) = parse(reply.body.expose_bytes()) else {
            return Err(CallError::before(bad_answer(&purpose.doing, "the answer has no access_token")));
        };
        let token = Arc::new(Token { bearer, expires: asked + life });
        let renew_at = asked + life.mul_f64(0.8);
        *self.lock() = Some(Held { token: Arc::clone(&token), renew_at });
        Ok(token)
    }

    async fn read(&self, what: &str, place: &CredentialRef) -> Result<SecretValue, CallError> {
        self.credentials.read(place).await.map_err(|error| {
            let connection = &self.connection.name;
            CallError::before(Failure::new(
                FailureCode::Unauthenticated,
                Retry::Backoff,
                format!("cannot read the {what} of connection {connection}: {error}"),
                format!("make the {what} readable at {place}, or correct connection {connection}"),
            ))
        })
    }

    fn not_minted(&self, reply: &Reply, place: Place<'_>) -> CallError {
        // A status of the token endpoint says nothing about the resource that is asked for.
        let mut error = CallError { status: None, ..refused(reply, place) };
        // OAuth allows both 400 and 401 for credentials that are wrong (RFC 6749 section 5.2).
        let wrong = reply.status.as_u16() == 401
            || (reply.status.as_u16() == 400 && names_client(reply.body.expose_bytes()));
        if wrong {
            let config::Connection { name, client_id, client_secret, .. } = &self.connection;
            error.failure = Failure::new(
                FailureCode::Unauthenticated,
                // Not slowly: whoever rotates the app's secret may store the new one a moment later.
                Retry::Backoff,
                format!(
                    "the connected app of connection {name} was refused a token: {}",
                    Status(reply.status)
                ),
                format!(
                    "compare client id ({client_id}) and client secret ({client_secret}) with the \
                     connected app in Access Management; both are read again at every try"
                ),
            );
        }
        error
    }
}

fn request_body(id: &SecretValue, secret: &SecretValue) -> Result<SecretValue, Failure> {
    #[derive(Serialize)]
    struct Mint<'a> {
        client_id: Exposed<'a>,
        client_secret: Exposed<'a>,
        grant_type: &'static str,
    }
    let (Some(id), Some(secret)) = (id.expose_str(), secret.expose_str()) else {
        return Err(Failure::new(
            FailureCode::Unauthenticated,
            Retry::Slowly,
            "client id or client secret is not text",
            "store both as UTF-8 text",
        ));
    };
    let mint =
        Mint { client_id: Exposed(id), client_secret: Exposed(secret), grant_type: "client_credentials" };
    body::json(&mint)
}

/// Token and life; `expires_in` may be missing, and some gateways send it as a text.
fn parse(body: &[u8]) -> Option<(SecretValue, Duration)> {
    let parsed = Parsed::from_slice(body)?;
    let token = parsed.value().get("access_token")?.as_str().filter(|token| !token.is_empty())?;
    let seconds = match parsed.value().get("expires_in") {
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    let life = seconds
        .filter(|seconds: &f64| *seconds > 0.0)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .unwrap_or(DEFAULT_LIFE);
    Some((SecretValue::new(token.as_bytes().to_vec()), life.min(LONGEST_LIFE)))
}

/// Whether an OAuth error blames the client.
fn names_client(body: &[u8]) -> bool {
    Parsed::from_slice(body).is_some_and(|parsed| {
        let error = parsed.value().get("error").and_then(Value::as_str);
        matches!(error, Some("invalid_client" | "unauthorized_client"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_life_of_a_token_is_read_leniently() {
        for (body, seconds) in [
            (r#"{"access_token":"t","expires_in":3600}"#, 3600),
            (r#"{"access_token":"t","expires_in":"120"}"#, 120),
            (r#"{"access_token":"t"}"#, 1800),
            (r#"{"access_token":"t","expires_in":null}"#, 1800),
            (r#"{"access_token":"t","expires_in":-1}"#, 1800),
            (r#"{"access_token":"t","expires_in":1e300}"#, 1800),
            (r#"{"access_token":"t","expires_in":31536000}"#, 86400),
        ] {
            let (token, life) = parse(body.as_bytes()).unwrap();
            assert_eq!((token.expose_bytes(), life.as_secs()), (&b"t"[..], seconds), "{body}");
        }
    }

    #[test]
    fn an_answer_without_a_token_is_none() {
        for body in ["", "[]", r#"{"access_token":""}"#, r#"{"access_token":7}"#] {
            assert!(parse(body.as_bytes()).is_none(), "{body}");
        }
    }
}
