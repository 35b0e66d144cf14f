//! `/hooks/trigger`: a sync asked for by a person or a script, signed as Standard Webhooks.
//!
//! Guarantees: nothing of the body or the query is looked at before the signature holds; an id is
//! good for one accepted trigger; a wait is bounded, and so is the number of those who wait.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderMap, Uri, request};
use axum::response::Response;
use bytes::Bytes;
use jiff::Timestamp;
use tokio::time::timeout;

use super::answer::{TriggerAnswer, TriggerRequest};
use super::places::Place;
use super::ports::{Answer, DedupId, Hint, Subject, TargetReport, Ticket};
use super::{IngressState, Parts, body, offer, wait};
use crate::config::{TriggerIngress, TriggerKey, TriggerKeyKind};
use crate::credential::CredentialError;
use crate::http::keyring::{Key, KeyRing};
use crate::http::{ErrorCode, Problem, RequestId};
use crate::model::{RefusalReason, SecretRef, TargetName};
use crate::telemetry::metrics::Route;
use crate::telemetry::traces;
use crate::verify::webhook::{self, AcceptedKey, WebhookHeaders, WebhookRefusal};
use crate::webhook_signature::{self, PublicKey};

/// Longest `reason`, in characters.
const MAX_REASON: usize = 256;

/// What the configuration says about the trigger, with its keys.
pub(super) struct TriggerHook {
    tolerance: Duration,
    /// Those that the sender has as well.
    shared: KeyRing,
    /// Those of which the sender has the other half.
    public: Vec<(String, PublicKey)>,
}

impl TriggerHook {
    /// Reads the keys.
    pub(super) async fn open(config: &TriggerIngress, parts: &Parts) -> Result<Self, CredentialError> {
        let (mut places, mut public) = (Vec::new(), Vec::new());
        for TriggerKey { id, key } in &config.keys {
            match key {
                TriggerKeyKind::Shared(place) => places.push((id.clone(), place.clone())),
                TriggerKeyKind::Public(key) => public.push((id.clone(), *key)),
            }
        }
        let decode = |text| webhook_signature::decode_key(&text).map_err(|error| error.to_string());
        let shared =
            KeyRing::load(places, Arc::clone(&parts.credentials), Arc::clone(&parts.clock), decode).await?;
        Ok(Self { tolerance: config.tolerance, shared, public })
    }

    /// The name of the key that signed.
    async fn authenticate(
        &self,
        signed: WebhookHeaders<'_>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<String, WebhookRefusal> {
        let check = |shared: &[Key]| {
            let shared = shared.iter().map(|key| (key.id(), AcceptedKey::Shared(key.value().expose_bytes())));
            let public = self.public.iter().map(|(id, key)| (id.as_str(), AcceptedKey::Public(key)));
            let (ids, keys): (Vec<&str>, Vec<AcceptedKey<'_>>) = shared.chain(public).unzip();
            let index = webhook::verify(signed, body, &keys, self.tolerance, now)?;
            Ok(ids.get(index.0).copied().unwrap_or_default().to_owned())
        };
        self.shared.admit(check, |refusal| *refusal == WebhookRefusal::Mismatch).await
    }
}

/// What a holder of a key asks for. [`Order::verified`] is the only way to get one.
struct Order {
    id: String,
    key_id: String,
    body: Bytes,
    uri: Uri,
}

impl Order {
    async fn verified(state: &IngressState, place: &Place, request: Request) -> Result<Self, Problem> {
        let hook = state.trigger().ok_or_else(body::disabled)?;
        let (request::Parts { headers, uri, .. }, body) = request.into_parts();
        let signed = signed_headers(&headers).ok_or_else(|| {
            unauthorized("webhook-id, webhook-timestamp and webhook-signature prove who sends")
                .refused(RefusalReason::WebhookMissing)
        })?;
        let body = body::read(body, state.limits().body_bytes, place).await?;
        let now = state.clock().timestamp();
        let key_id = hook.authenticate(signed, &body, now).await.map_err(refused)?;
        place.keep()?;
        traces::proved();
        Ok(Self { id: signed.id.to_owned(), key_id, body, uri })
    }

    /// The subject and the reason, checked.
    fn asks(&self) -> Result<(Subject, Option<String>), Problem> {
        let request: TriggerRequest = serde_json::from_slice(&self.body).map_err(|error| {
            // The text may quote the body, which is the sender's own but need not be in an answer.
            malformed("a trigger is one of {\"secret\": ...}, {\"target\": ...}, {\"all\": true}, with an optional reason")
                .because(format_args!("line {}, column {}", error.line(), error.column()))
        })?;
        let subject = match (request.secret, request.target, request.all) {
            (Some(secret), None, None) => SecretRef::new(&secret, None, None)
                .map(|_| Subject::Secret(secret))
                .map_err(|error| malformed(format!("secret: {error}")))?,
            (None, Some(target), None) => TargetName::parse(&target)
                .map(Subject::Target)
                .map_err(|error| malformed(format!("target: {error}")))?,
            (None, None, Some(true)) => Subject::All,
            _ => return Err(malformed("give exactly one of secret, target and all (which is true)")),
        };
        if let Some(reason) = &request.reason {
            let length = reason.chars().count();
            if !(1..=MAX_REASON).contains(&length) || reason.chars().any(char::is_control) {
                return Err(malformed("reason: 1 to 256 characters without control characters"));
            }
        }
        Ok((subject, request.reason))
    }
}

fn signed_headers(headers: &HeaderMap) -> Option<WebhookHeaders<'_>> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    Some(WebhookHeaders {
        id: text("webhook-id")?,
        timestamp: text("webhook-timestamp")?,
        signature: text("webhook-signature")?,
    })
}

/// The handler.
pub(super) async fn receive(
    state: &IngressState,
    id: &RequestId,
    place: &Place,
    request: Request,
) -> Result<Response, Problem> {
    let order = state.in_time(Order::verified(state, place, request)).await?;
    let wait = wait::asked(&order.uri)?;
    let (subject, reason) = order.asks()?;
    // Taken before the work is enqueued: a sender who is told 503 must find nothing done.
    let _place = match wait {
        Some(_) => Some(state.waiters().try_acquire().map_err(|_| {
            Problem::new(ErrorCode::Overloaded, "too many triggers wait for their outcome; try without wait")
        })?),
        None => None,
    };
    let not_configured = match &subject {
        Subject::Target(_) => "there is no such target; compare its name with the configuration",
        Subject::Event(_) | Subject::Secret(_) | Subject::All => {
            "no target uses this secret; compare its name with the sources in the configuration"
        }
    };
    let hint = Hint {
        id: DedupId::trigger(&order.id),
        route: Route::Trigger,
        request_id: id.as_str().to_owned(),
        subject,
        reason,
        key_id: Some(order.key_id),
    };
    match state.intake().offer(hint) {
        Answer::Accepted(ticket) => Ok(match wait {
            None => TriggerAnswer::accepted(&ticket, id),
            Some(limit) => TriggerAnswer::waited(&settle(state, ticket, limit).await, id),
        }),
        Answer::Duplicate => {
            Err(Problem::new(ErrorCode::Duplicate, "send a new webhook-id to trigger again"))
        }
        Answer::NotConfigured | Answer::NotOfInterest(_) => {
            Err(Problem::new(ErrorCode::NotConfigured, not_configured))
        }
        Answer::Closed => Err(offer::closed(state)),
    }
}

/// The outcome so far when the time is over, also if the intake should overstay it.
async fn settle(state: &IngressState, ticket: Ticket, limit: Duration) -> Vec<TargetReport> {
    let due = ticket.due();
    timeout(limit + Duration::from_secs(1), state.intake().settle(ticket, limit)).await.unwrap_or(due)
}

fn refused(refusal: WebhookRefusal) -> Problem {
    match refusal {
        WebhookRefusal::TooOld | WebhookRefusal::TooNew => {
            Problem::new(ErrorCode::TriggerOutsideWindow, "compare the sender's clock with the relay's")
                .challenged(CHALLENGE)
        }
        WebhookRefusal::Mismatch => unauthorized("no configured key made the signature"),
        WebhookRefusal::Id | WebhookRefusal::Timestamp | WebhookRefusal::SignatureForm => {
            malformed(refusal.to_string())
        }
    }
    .refused(refusal.reason())
    .because(refusal)
}

const CHALLENGE: &str = "Webhook realm=\"anypoint-relay\"";

fn unauthorized(detail: &'static str) -> Problem {
    Problem::new(ErrorCode::Unauthorized, detail).challenged(CHALLENGE)
}

fn malformed(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(ErrorCode::Malformed, detail)
}
