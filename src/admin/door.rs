//! Who may ask the admin listener for more than whether it is well: whoever shows a token, where the configuration
//! has any.
//!
//! Guarantees: a token is compared in constant time, and two are accepted while one replaces the other; whoever
//! fails too often has to wait; a refusal says nothing about what was shown. Tokens come in a header that no browser
//! adds by itself, so a page of a stranger can't ask in somebody's name.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ipnet::IpNet;

use crate::clock::Clock;
use crate::config;
use crate::credential::{CredentialError, Credentials};
use crate::http::failures::Failures;
use crate::http::keyring::{Key, KeyRing};
use crate::http::{ErrorCode, Problem, peer};
use crate::verify::shared::{AcceptedCredentials, CredentialRefusal};

/// What a client has to pass; cheap to clone.
#[derive(Clone)]
pub struct Door(Arc<Inner>);

struct Inner {
    /// None: everybody who reaches the listener is let in.
    tokens: Option<KeyRing>,
    failures: Failures,
    trusted: Vec<IpNet>,
    clock: Arc<dyn Clock>,
}

impl Door {
    /// Reads the tokens.
    pub async fn open(
        admin: &config::Admin,
        limits: &config::Limits,
        reader: Arc<dyn Credentials>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CredentialError> {
        let tokens = if admin.tokens.is_empty() {
            None
        } else {
            let places = admin.tokens.iter().map(|place| (String::new(), place.clone())).collect();
            Some(KeyRing::load(places, reader, Arc::clone(&clock), Ok).await?)
        };
        let (failures, trusted) = (Failures::new(limits.failed_attempts), limits.trusted_proxies.clone());
        Ok(Self(Arc::new(Inner { tokens, failures, trusted, clock })))
    }

    async fn admit(&self, address: IpAddr, presented: Option<HeaderValue>) -> Result<(), Problem> {
        let Inner { tokens, failures, clock, .. } = &*self.0;
        let Some(tokens) = tokens else { return Ok(()) };
        failures.admit(address, clock.now()).map_err(|wait| {
            Problem::new(ErrorCode::TooManyFailures, "wait as long as Retry-After says").retry_in(wait)
        })?;
        let check = |keys: &[Key]| {
            let accepted = AcceptedCredentials::bearer(keys.iter().map(Key::value));
            accepted.check(presented.as_ref().map(HeaderValue::as_bytes))
        };
        let checked = tokens.admit(check, |refusal| *refusal == CredentialRefusal::Mismatch).await;
        checked.map_err(|refusal| {
            failures.failed(address, clock.now());
            let detail = "send `Authorization: Bearer` and a token of `admin`";
            Problem::new(ErrorCode::Unauthorized, detail)
                .because(refusal)
                .challenged("Bearer realm=\"anypoint-relay\"")
        })
    }
}

/// The middleware before what is not for everybody.
pub(super) async fn pass(State(door): State<Door>, request: Request, next: Next) -> Response {
    let address = peer::client(&request, &door.0.trusted);
    let presented = request.headers().get(AUTHORIZATION).cloned();
    match door.admit(address, presented).await {
        Ok(()) => next.run(request).await,
        Err(problem) => {
            tracing::debug!(reason = problem.reason().unwrap_or_default(), "refused at the admin listener");
            problem.into_response()
        }
    }
}
