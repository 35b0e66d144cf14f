//! `/hooks/eventbridge`: events through an EventBridge API destination.
//!
//! Guarantees: the credential is checked before the body is read, a shared one in constant time; events of
//! other accounts or regions than the listed ones reach nobody. EventBridge signs nothing, so whoever has
//! the credential can send any event: no more than a hint to look. While an issuer's keys cannot be had the
//! answer is 503, which EventBridge repeats as it does a 401, but without asking for another token.
//!
//! EventBridge sends `Range: bytes=0-1048575` with every request. Nothing here looks at it, so there
//! is never a 206 or 416.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use jiff::Timestamp;

use super::answer::{Acknowledgement, Verdict};
use super::places::Place;
use super::token_keys::{IssuerKeys, Refused};
use super::{IngressState, Parts, body, offer};
use crate::config::{EventBridgeAuth, EventBridgeIngress, OAuth};
use crate::credential::{CredentialError, CredentialRef};
use crate::http::keyring::{Key, KeyRing};
use crate::http::{ErrorCode, Problem, RequestId};
use crate::model::{Event, RefusalReason, SecretArn, SecretMention};
use crate::telemetry::metrics::Route;
use crate::telemetry::traces;
use crate::verify::shared::{AcceptedCredentials, CredentialRefusal};
use crate::verify::token::{self, KeySet, TokenRefusal, TokenRules};

/// What the configuration says about EventBridge, with what it proves itself by.
pub(super) struct EventBridgeHook {
    config: EventBridgeIngress,
    proof: Proof,
}

enum Proof {
    /// A header that carries one of a few accepted values.
    Shared { header: HeaderName, keys: KeyRing },
    /// A token of an issuer.
    Token { rules: OAuth, keys: IssuerKeys },
}

impl EventBridgeHook {
    /// Reads the credentials.
    pub(super) async fn open(config: &EventBridgeIngress, parts: &Parts) -> Result<Self, CredentialError> {
        let proof = match &config.auth {
            EventBridgeAuth::ApiKey { header, values } => {
                let name = HeaderName::from_bytes(header.as_bytes()).map_err(|error| CredentialError {
                    place: format!("ingress.eventbridge.auth.api_key.header {header:?}"),
                    reason: error.to_string(),
                })?;
                Proof::Shared { header: name, keys: load(values, parts).await? }
            }
            EventBridgeAuth::Basic { passwords, .. } => {
                Proof::Shared { header: header::AUTHORIZATION, keys: load(passwords, parts).await? }
            }
            EventBridgeAuth::OAuth(rules) => {
                let issuer = parts.token_keys.clone().ok_or_else(|| CredentialError {
                    place: format!("ingress.eventbridge.auth.oauth.issuer {}", rules.issuer),
                    reason: "nothing was set up to fetch its keys".to_owned(),
                })?;
                Proof::Token { rules: rules.clone(), keys: IssuerKeys::new(issuer, parts) }
            }
        };
        Ok(Self { config: config.clone(), proof })
    }

    async fn authenticate(&self, headers: &HeaderMap, now: Timestamp) -> Result<(), Problem> {
        match &self.proof {
            Proof::Shared { header, keys } => self.check_shared(headers.get(header), keys).await,
            Proof::Token { rules, keys } => {
                check_token(headers.get(header::AUTHORIZATION), rules, keys, now).await
            }
        }
    }

    async fn check_shared(&self, presented: Option<&HeaderValue>, keys: &KeyRing) -> Result<(), Problem> {
        let (username, challenge) = match &self.config.auth {
            EventBridgeAuth::Basic { username, .. } => (Some(username), "Basic realm=\"anypoint-relay\""),
            EventBridgeAuth::ApiKey { .. } | EventBridgeAuth::OAuth(_) => {
                (None, "ApiKey realm=\"anypoint-relay\"")
            }
        };
        let check = |keys: &[Key]| {
            let values = keys.iter().map(Key::value);
            let accepted = match username {
                Some(username) => AcceptedCredentials::basic(username, values),
                None => AcceptedCredentials::api_key(values),
            };
            accepted.check(presented.map(HeaderValue::as_bytes))
        };
        let checked = keys.admit(check, |refusal| *refusal == CredentialRefusal::Mismatch).await;
        checked.map_err(|refusal| {
            let detail = "the credential is missing or is not one of the configured ones";
            unauthorized(detail, refusal.reason(), refusal).challenged(challenge)
        })
    }

    /// Account and region are the event's own statement, or its ARN's where it makes none (the small
    /// form): good against a rule that is too wide.
    fn allowed(&self, event: &Event) -> Result<(), &'static str> {
        let EventBridgeIngress { accounts, regions, .. } = &self.config;
        if accounts.is_empty() && regions.is_empty() {
            return Ok(());
        }
        let SecretMention { text, account, region } = &event.secret;
        let arn = SecretArn::parse(text).ok();
        let listed = |list: &BTreeSet<String>, own: &Option<String>, of_arn: fn(&SecretArn) -> &str| {
            let word = own.as_deref().or(arn.as_ref().map(of_arn));
            list.is_empty() || word.is_some_and(|word| list.contains(word))
        };
        if !listed(accounts, account, SecretArn::account) {
            return Err("account_not_allowed");
        }
        if !listed(regions, region, SecretArn::region) {
            return Err("region_not_allowed");
        }
        Ok(())
    }
}

async fn load(places: &[CredentialRef], parts: &Parts) -> Result<KeyRing, CredentialError> {
    let unnamed = |place: &CredentialRef| (String::new(), place.clone());
    let (reader, clock) = (Arc::clone(&parts.credentials), Arc::clone(&parts.clock));
    KeyRing::load(places.iter().map(unnamed).collect(), reader, clock, Ok).await
}

async fn check_token(
    presented: Option<&HeaderValue>,
    rules: &OAuth,
    keys: &IssuerKeys,
    now: Timestamp,
) -> Result<(), Problem> {
    let rules = TokenRules {
        issuer: &rules.issuer,
        audience: &rules.audience,
        algorithms: &rules.algorithms,
        leeway: rules.leeway,
        scope: rules.scope.as_deref(),
    };
    let checked = match token::bearer(presented.map(HeaderValue::as_bytes)) {
        Ok(token) => {
            let check = |keys: &KeySet| token::check(token, keys, &rules, now);
            keys.admit(check, |refusal| *refusal == TokenRefusal::UnknownKey).await
        }
        Err(refusal) => Err(Refused::Judged(refusal)),
    };
    checked.map_err(|refused| match refused {
        Refused::NoKeys(fault) => {
            Problem::new(ErrorCode::KeysUnavailable, "send it again in a moment").because(fault)
        }
        // RFC 6750, section 3.1: who shows no token is told no error.
        Refused::Judged(refusal) => {
            let challenge = match refusal {
                TokenRefusal::Missing => "Bearer realm=\"anypoint-relay\"",
                _ => "Bearer realm=\"anypoint-relay\", error=\"invalid_token\"",
            };
            let detail = "the bearer token is missing or is not accepted";
            unauthorized(detail, refusal.reason(), refusal).challenged(challenge)
        }
    })
}

fn unauthorized(detail: &'static str, reason: RefusalReason, because: impl Display) -> Problem {
    Problem::new(ErrorCode::Unauthorized, detail).refused(reason).because(because)
}

/// A body that came with an accepted credential. [`Delivery::proved`] is the only way to get one.
struct Delivery(Bytes);

impl Delivery {
    async fn proved(
        hook: &EventBridgeHook,
        state: &IngressState,
        place: &Place,
        request: Request,
    ) -> Result<Self, Problem> {
        hook.authenticate(request.headers(), state.clock().timestamp()).await?;
        let body = body::read(request.into_body(), state.limits().body_bytes, place).await?;
        place.keep()?;
        traces::proved();
        Ok(Self(body))
    }
}

/// The handler.
pub(super) async fn receive(
    state: &IngressState,
    id: &RequestId,
    place: &Place,
    request: Request,
) -> Result<Response, Problem> {
    let hook = state.eventbridge().ok_or_else(body::disabled)?;
    let Delivery(body) = Delivery::proved(hook, state, place, request).await?;
    let allowed = |event: &Event| hook.allowed(event);
    let (verdict, detail) = offer::events(state, Route::EventBridge, id, &body, allowed)?;
    let status = if verdict == Verdict::Accepted { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok(Acknowledgement::respond(status, verdict, detail, id))
}
