//! `http`: a signed request to any endpoint, with the values or only with the news: for a Mule flow
//! that renews its connections, or a service in front of something this relay does not know.
//!
//! Guarantees: signed after Standard Webhooks, with a `webhook-id` that belongs to the write and not
//! to the try, so a receiver can drop repeats; redirects are not followed (a value would go with
//! them); nothing of the answer but its status is read. A 2xx is `accepted`, never `in sync`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::CONTENT_TYPE;
use reqwest::{StatusCode, Url};
use serde::Serialize;

use super::{Base, BuildError, Resolved, nothing_to_see};
use crate::anypoint::body::{self, Exposed};
use crate::anypoint::error::Status;
use crate::anypoint::fingerprint::Fingerprint;
use crate::anypoint::hints;
use crate::config::HttpTarget;
use crate::credential::Credentials;
use crate::model::{Failure, FailureCode, Receipt, Retry, SecretRef, VersionSeen};
use crate::outbound;
use crate::secret::SecretValue;
use crate::sync::ports::{Applied, ApplyError, Observation, Observed, Target, TargetSpec, Write};
use crate::sync::values::Values;
use crate::webhook_signature;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const LONGEST_TIMEOUT: Duration = Duration::from_mins(5);

/// The clients that all targets of this kind share, made when the first one needs them: each reads the
/// platform's root certificates, which takes milliseconds of the start and memory for ever.
#[derive(Default)]
pub struct Clients {
    https: OnceLock<reqwest::Client>,
    plain: OnceLock<reqwest::Client>,
}

impl Clients {
    fn of(&self, https_only: bool) -> Result<reqwest::Client, outbound::BuildError> {
        let slot = if https_only { &self.https } else { &self.plain };
        if let Some(client) = slot.get() {
            return Ok(client.clone());
        }
        let client = outbound::client(&outbound::Options {
            connect_timeout: CONNECT_TIMEOUT,
            // Each request brings its own.
            timeout: LONGEST_TIMEOUT,
            // Calls are rare, and a kept connection would keep what it carried.
            idle: None,
            extra_root: None,
            identity: None,
            proxy: outbound::Proxy::Environment,
            connect: None,
            https_only,
        })?;
        Ok(slot.get_or_init(|| client).clone())
    }
}

/// The target.
pub struct Http(Arc<Inner>);

struct Inner {
    base: Base,
    spec: TargetSpec,
    config: HttpTarget,
    url: Url,
    client: reqwest::Client,
    credentials: Arc<dyn Credentials>,
    under_way: Mutex<Option<Message>>,
}

/// A write that the receiver has not taken yet.
struct Message {
    /// What it says.
    digest: String,
    /// Its `webhook-id`.
    id: String,
}

impl Http {
    pub(super) fn new(
        base: Base,
        config: HttpTarget,
        secrets: BTreeSet<SecretRef>,
        credentials: Arc<dyn Credentials>,
        clients: &Clients,
    ) -> Result<Self, BuildError> {
        let url = Url::parse(&config.url)
            .ok()
            .filter(|url| url.has_host() && matches!(url.scheme(), "https" | "http"))
            .ok_or_else(|| BuildError::Url(base.name.clone()))?;
        let client = clients
            .of(url.scheme() == "https")
            .map_err(|error| BuildError::Client(base.name.clone(), error))?;
        let sources = config.values.iter().map(|(name, source)| (name.as_str(), source));
        let mapping = Fingerprint::new("http").text(&config.url).sources("values", sources).text("watch");
        let mapping = config.watch.iter().fold(mapping, Fingerprint::secret).finish();
        let spec = base.unproved(secrets, mapping);
        Ok(Self(Arc::new(Inner {
            base,
            spec,
            config,
            url,
            client,
            credentials,
            under_way: Mutex::default(),
        })))
    }
}

#[async_trait]
impl Target for Http {
    fn spec(&self) -> &TargetSpec {
        &self.0.spec
    }

    fn only_watches(&self, secret: &SecretRef) -> bool {
        !self.0.config.values.values().any(|source| source.secret() == Some(secret))
    }

    async fn observe(&self) -> Result<Box<dyn Observed>, Failure> {
        Ok(Box::new(Seen { target: Arc::clone(&self.0), observation: nothing_to_see() }))
    }
}

struct Seen {
    target: Arc<Inner>,
    observation: Observation,
}

impl Observed for Seen {
    fn observation(&self) -> &Observation {
        &self.observation
    }

    fn prepare(self: Box<Self>, values: &Values, receipt: &Receipt) -> Result<Box<dyn Write>, Failure> {
        let body = self.target.body(values, receipt)?;
        Ok(Box::new(Prepared { target: self.target, body, receipt: receipt.clone() }))
    }
}

struct Prepared {
    target: Arc<Inner>,
    body: SecretValue,
    receipt: Receipt,
}

#[async_trait]
impl Write for Prepared {
    async fn send(self: Box<Self>) -> Result<Applied, ApplyError> {
        let Self { target, body, receipt } = *self;
        let inner = &*target;
        let key = inner.credentials.read(&inner.config.key).await.map_err(|error| {
            ApplyError::before(inner.failure(
                FailureCode::Unauthenticated,
                Retry::Backoff,
                &format!("cannot read the signing key: {error}"),
                "make the key readable, or correct `key`",
            ))
        })?;
        let key = webhook_signature::decode_key(&key).map_err(|error| {
            ApplyError::before(inner.failure(
                FailureCode::Unauthenticated,
                Retry::Slowly,
                &format!("the signing key cannot be used: {error}"),
                "give `whsec_` and base64, or a text of 24 bytes or more",
            ))
        })?;
        let id = inner.message_id(&receipt);
        let timestamp = inner.base.clock.timestamp().as_second();
        let signature = webhook_signature::sign(&id, timestamp, body.expose_bytes(), key.expose_bytes());
        let sent = inner
            .client
            .post(inner.url.clone())
            .timeout(inner.config.timeout)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(body::into_bytes(body))
            .send()
            .await;
        match sent {
            Ok(answer) if answer.status().is_success() => {
                inner.under_way().take();
                Ok(Applied { mark: None, notes: Vec::new() })
            }
            Ok(answer) => {
                let wait = hints::asked_wait(answer.headers(), inner.base.clock.timestamp());
                Err(inner.refused(answer.status(), wait))
            }
            Err(error) => Err(inner.unanswered(error)),
        }
    }
}

/// What the receiver is told.
#[derive(Serialize)]
struct Notice<'a> {
    target: &'a str,
    secrets: Vec<Secret<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    values: BTreeMap<&'a str, Exposed<'a>>,
}

#[derive(Serialize)]
struct Secret<'a> {
    id: &'a str,
    version: &'a str,
}

impl Inner {
    /// The id of this write, the same for each try of it. A receiver drops what it has seen under an
    /// id, so what is sent again after something else, a rollback say, has another one.
    fn message_id(&self, receipt: &Receipt) -> String {
        let mut under_way = self.under_way();
        if let Some(message) = under_way.as_ref().filter(|message| message.digest == receipt.digest) {
            return message.id.clone();
        }
        let id = format!("msg_{}", receipt.stamp.as_str());
        *under_way = Some(Message { digest: receipt.digest.clone(), id: id.clone() });
        id
    }

    fn under_way(&self) -> MutexGuard<'_, Option<Message>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn body(&self, values: &Values, receipt: &Receipt) -> Result<SecretValue, Failure> {
        let resolved: Vec<Resolved<'_>> = self
            .config
            .values
            .iter()
            .map(|(name, source)| Resolved::of(name, source, values))
            .collect::<Result<_, _>>()?;
        // A receipt's versions stand in the order of the target's secrets; watched secrets are in no
        // `Values`, because their values are not read.
        let versions: BTreeMap<&SecretRef, &VersionSeen> =
            self.spec.secrets.iter().zip(&receipt.versions).chain(values.versions()).collect();
        let notice = Notice {
            target: self.base.name.as_str(),
            secrets: versions
                .iter()
                .map(|(secret, seen)| Secret { id: secret.id(), version: seen.version.as_str() })
                .collect(),
            values: resolved.iter().map(|field| (field.name, Exposed(field.text()))).collect(),
        };
        body::json(&notice)
    }

    fn refused(&self, status: StatusCode, wait: Option<Duration>) -> ApplyError {
        let asked = wait.map_or(Retry::Backoff, Retry::CoolDown);
        let (code, retry, next_step) = match status.as_u16() {
            300..=399 => (
                FailureCode::Rejected,
                Retry::Never,
                "set `url` to the final address: redirects are not followed",
            ),
            401 | 403 => (
                FailureCode::Denied,
                Retry::Slowly,
                "check that the receiver verifies with the same key and that the clocks agree",
            ),
            404 => (FailureCode::NotFound, Retry::Slowly, "check `url`, and that the receiver runs"),
            408 => (FailureCode::Timeout, Retry::Backoff, "none: it is tried again"),
            409 | 423 | 425 => (FailureCode::Conflict, Retry::Backoff, "none: it is tried again"),
            // Standard Webhooks: the receiver wants no more messages.
            410 => (
                FailureCode::Rejected,
                Retry::Never,
                "the receiver is gone for good: correct or remove the target",
            ),
            429 => (FailureCode::RateLimited, asked, "none: it is tried again"),
            503 => (FailureCode::Unavailable, asked, "none: it is tried again"),
            500..=599 => (FailureCode::Unavailable, Retry::Backoff, "none: it is tried again"),
            _ => (FailureCode::Rejected, Retry::Never, "look at the receiver's log: it refuses the request"),
        };
        let failure = self.failure(code, retry, &Status(status).to_string(), next_step);
        ApplyError { failure, ambiguous: status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT }
    }

    fn unanswered(&self, error: reqwest::Error) -> ApplyError {
        let unsent = error.is_connect() || error.is_builder();
        let (code, what) = if !unsent && error.is_timeout() {
            (FailureCode::Timeout, "no answer in time".to_owned())
        } else {
            (FailureCode::Unavailable, outbound::reason(error))
        };
        let failure = self.failure(code, Retry::Backoff, &what, "none: it is tried again");
        ApplyError { failure, ambiguous: !unsent }
    }

    /// Only the host of the address is shown: its path or query may hold a token.
    fn failure(&self, code: FailureCode, retry: Retry, what: &str, next_step: &str) -> Failure {
        let host = self.url.host_str().unwrap_or_default();
        let message = format!("calling {host} for target {}: {what}", self.base.name);
        Failure::new(code, retry, message, next_step)
    }
}
