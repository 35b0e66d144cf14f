//! `/hooks/eventbridge`: events through an EventBridge API destination.
//!
//! Guarantees: the credential is checked before the body is read, in constant time; events of other
//! accounts or regions than the listed ones reach nobody. EventBridge signs nothing, so whoever has
//! the credential can send any event: no more than a hint to look.
//!
//! EventBridge sends `Range: bytes=0-1048575` with every request. Nothing here looks at it, so there
//! is never a 206 or 416.

use std::collections::BTreeSet;

use axum::extract::{Extension, FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;

use super::answer::{Acknowledgement, Verdict};
use super::keyring::{Key, KeyRing};
use super::places::Place;
use super::{IngressState, Parts, body, offer};
use crate::config::{EventBridgeAuth, EventBridgeIngress};
use crate::credential::{CredentialError, CredentialRef};
use crate::http::{ErrorCode, Problem, RequestId};
use crate::model::{Event, SecretArn, SecretMention};
use crate::telemetry::metrics::Route;
use crate::verify::shared::{AcceptedCredentials, CredentialRefusal};

/// What the configuration says about EventBridge, with the accepted credentials.
pub(super) struct EventBridgeHook {
    config: EventBridgeIngress,
    header: HeaderName,
    keys: KeyRing,
}

impl EventBridgeHook {
    /// Reads the credentials.
    pub(super) async fn open(config: &EventBridgeIngress, parts: &Parts) -> Result<Self, CredentialError> {
        let (header, places) = match &config.auth {
            EventBridgeAuth::ApiKey { header, values } => {
                let name = HeaderName::from_bytes(header.as_bytes()).map_err(|error| CredentialError {
                    place: format!("ingress.eventbridge.auth.api_key.header {header:?}"),
                    reason: error.to_string(),
                })?;
                (name, values)
            }
            EventBridgeAuth::Basic { passwords, .. } => (header::AUTHORIZATION, passwords),
        };
        let unnamed = |place: &CredentialRef| (String::new(), place.clone());
        let keys = KeyRing::load(places.iter().map(unnamed).collect(), parts, Ok).await?;
        Ok(Self { config: config.clone(), header, keys })
    }

    async fn authenticate(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let check = |keys: &[Key]| {
            let values = keys.iter().map(Key::value);
            let accepted = match &self.config.auth {
                EventBridgeAuth::ApiKey { .. } => AcceptedCredentials::api_key(values),
                EventBridgeAuth::Basic { username, .. } => AcceptedCredentials::basic(username, values),
            };
            accepted.check(headers.get(&self.header).map(header::HeaderValue::as_bytes))
        };
        self.keys.admit(check, |refusal| *refusal == CredentialRefusal::Mismatch).await.map_err(|refusal| {
            let challenge = match self.config.auth {
                EventBridgeAuth::ApiKey { .. } => "ApiKey realm=\"anypoint-relay\"",
                EventBridgeAuth::Basic { .. } => "Basic realm=\"anypoint-relay\"",
            };
            Problem::new(
                ErrorCode::Unauthorized,
                "the credential is missing or is not one of the configured ones",
            )
            .because(refusal)
            .challenged(challenge)
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

/// A body that came with an accepted credential. Extracting it is the only way to get one.
pub(super) struct Delivery(Bytes);

impl FromRequest<IngressState> for Delivery {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &IngressState) -> Result<Self, Problem> {
        let hook = state.eventbridge().ok_or_else(body::disabled)?;
        hook.authenticate(request.headers()).await?;
        let place = Place::of(&request)?;
        let body = body::read(request, state.limits().body_bytes, &place).await?;
        place.keep()?;
        Ok(Self(body))
    }
}

/// The handler.
pub(super) async fn receive(
    State(state): State<IngressState>,
    Extension(id): Extension<RequestId>,
    Delivery(body): Delivery,
) -> Result<Response, Problem> {
    let hook = state.eventbridge().ok_or_else(body::disabled)?;
    let allowed = |event: &Event| hook.allowed(event);
    let (verdict, detail) = offer::events(&state, Route::EventBridge, &id, &body, allowed)?;
    let status = if verdict == Verdict::Accepted { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok(Acknowledgement::respond(status, verdict, detail, &id))
}
