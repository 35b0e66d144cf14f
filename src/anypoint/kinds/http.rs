//! `http`: a signed request to any endpoint, with the values or only with the news: for a Mule flow
//! that renews its connections, or a service in front of something this relay does not know.
//!
//! Guarantees: signed after Standard Webhooks, with a `webhook-id` that belongs to the write and not
//! to the try, so a receiver can drop repeats; redirects are not followed (a value would go with
//! them); only public addresses are called, and those that `allow` names. A 2xx is `accepted`; `in sync`
//! only the answer that the configuration calls the proof (`expect`).
//!
//! Where there are traces, the request says in which of them it belongs (`traceparent`), unless the configuration
//! gives that header itself.
//!
//! Does not guarantee: that what a proxy calls is public. The proxy looks the name up.

mod answer;
mod clients;
mod content;
mod credentials;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, Entry, HeaderMap, HeaderName, HeaderValue};
use reqwest::{RequestBuilder, Url};

use super::{Base, BuildError, nothing_to_see};
use crate::anypoint::body;
use crate::anypoint::client::Client;
use crate::anypoint::fingerprint::Fingerprint;
use crate::anypoint::hints;
use crate::config::{HeaderSource, HttpTarget};
use crate::credential::Credentials;
use crate::model::{Failure, FailureCode, OutOfReach, Receipt, Retry, SecretRef, VersionSeen, WantedDigest};
use crate::outbound;
use crate::secret::SecretValue;
use crate::sync::ports::{Applied, ApplyError, Observation, Observed, Proof, Target, TargetSpec, Write};
use crate::sync::values::Values;
use crate::telemetry::traces;
use crate::webhook_signature;

use answer::Unmet;
pub use clients::Clients;
use content::{Facts, Secret};

/// The target.
pub struct Http(Arc<Inner>);

struct Inner {
    base: Base,
    spec: Arc<TargetSpec>,
    config: Arc<HttpTarget>,
    client: Arc<Client>,
    credentials: Arc<dyn Credentials>,
    under_way: Mutex<Option<Message>>,
}

/// A write that the receiver has not taken yet.
#[derive(Clone)]
struct Message {
    /// What it says.
    digest: WantedDigest,
    /// Its `webhook-id`.
    id: String,
}

impl Http {
    pub(super) fn new(
        base: Base,
        config: Arc<HttpTarget>,
        secrets: BTreeSet<SecretRef>,
        credentials: Arc<dyn Credentials>,
        clients: &Clients,
    ) -> Result<Self, BuildError> {
        let url = Url::parse(&config.url)
            .ok()
            .filter(|url| url.has_host() && matches!(url.scheme(), "https" | "http"))
            .ok_or_else(|| BuildError::Url(base.name.clone()))?;
        let client = clients
            .of(&config, &url, &credentials)
            .map_err(|error| BuildError::Client(base.name.clone(), error))?;
        let mapping = Fingerprint::new("http").request(&config).text("watch");
        let mapping = config.watch.iter().fold(mapping, Fingerprint::secret);
        let mapping = config.expect.as_deref().into_iter().fold(mapping, Fingerprint::expect).finish();
        let proof = if config.expect.is_some() { Proof::Answer } else { Proof::None };
        let spec = Arc::new(TargetSpec { proof, ..base.unproved(secrets, mapping) });
        let under_way = Mutex::default();
        Ok(Self(Arc::new(Inner { base, spec, config, client, credentials, under_way })))
    }
}

#[async_trait]
impl Target for Http {
    fn spec(&self) -> &Arc<TargetSpec> {
        &self.0.spec
    }

    fn only_watches(&self, secret: &SecretRef) -> bool {
        !self.0.config.sources().iter().any(|(_, source)| source.secret() == Some(secret))
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
        let Self { target, .. } = *self;
        let (message, at) = (target.message(receipt), target.base.clock.timestamp());
        // A receipt's versions stand in the order of the target's secrets; watched secrets are in no
        // `Values`, because their values are not read.
        let versions: BTreeMap<&SecretRef, &VersionSeen> =
            target.spec.secrets.iter().zip(&receipt.versions).chain(values.versions()).collect();
        let facts = Facts {
            target: target.base.name.as_str(),
            secrets: versions.into_iter().map(Secret::of).collect(),
            message_id: &message.id,
            time: at,
        };
        let body = content::body(&target.config.body, values, &facts)?;
        let headers = target.config.headers.iter().filter_map(|(name, source)| match source {
            HeaderSource::Value(source) => {
                Some(content::header(name.as_str(), source, values).map(|value| (name.clone(), value)))
            }
            HeaderSource::Credential(_) => None,
        });
        let headers = headers.collect::<Result<_, _>>()?;
        Ok(Box::new(Prepared { target, message, at, headers, body, gathered: None }))
    }
}

struct Prepared {
    target: Arc<Inner>,
    message: Message,
    at: Timestamp,
    /// Without those whose value is a credential.
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Option<SecretValue>,
    gathered: Option<Gathered>,
}

/// The relay's own part of a request.
struct Gathered {
    headers: Vec<(HeaderName, HeaderValue)>,
    key: SecretValue,
    request: RequestBuilder,
}

#[async_trait]
impl Write for Prepared {
    async fn gather(&mut self) -> Result<(), Failure> {
        self.gathered = Some(self.target.gather().await?);
        Ok(())
    }

    async fn send(self: Box<Self>) -> Result<Applied, ApplyError> {
        let Self { target, message, at, mut headers, body, gathered } = *self;
        let Gathered { headers: own, key, request } = match gathered {
            Some(gathered) => gathered,
            None => target.gather().await.map_err(ApplyError::before)?,
        };
        headers.extend(own);
        let id = message.id.clone();
        target.under_way().replace(message);
        let content = body.as_ref().map_or(&[][..], SecretValue::expose_bytes);
        let signature = webhook_signature::sign(&id, at.as_second(), content, key.expose_bytes());
        let mut headers: HeaderMap = headers.into_iter().collect();
        if let (Some(span), Entry::Vacant(place)) = (traces::traceparent(), headers.entry("traceparent")) {
            place.insert(span);
        }
        let mut request = request
            .headers(headers)
            .header("webhook-id", id)
            .header("webhook-timestamp", at.as_second())
            .header("webhook-signature", signature);
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, body::JSON).body(body::into_bytes(body));
        }
        let answer = request.send().await.map_err(|error| target.unanswered(error))?;
        target.judge(answer).await.map_err(|unmet| target.unmet(unmet))?;
        target.under_way().take();
        Ok(Applied { mark: None, notes: Vec::new() })
    }
}

impl Inner {
    /// The message of this write, the same for each try of it. A receiver drops what it has seen under an
    /// id, so what is sent again after something else, a rollback say, has another one.
    fn message(&self, receipt: &Receipt) -> Message {
        let under_way = self.under_way();
        let same = under_way.as_ref().filter(|message| message.digest == receipt.digest);
        same.cloned().unwrap_or_else(|| Message {
            digest: receipt.digest,
            id: format!("msg_{}", receipt.stamp.as_str()),
        })
    }

    fn under_way(&self) -> MutexGuard<'_, Option<Message>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn gather(&self) -> Result<Gathered, Failure> {
        let headers = self.credential_headers().await?;
        Ok(Gathered { headers, key: self.signing_key().await?, request: self.request().await? })
    }

    async fn request(&self) -> Result<RequestBuilder, Failure> {
        let client = self.client.get().await.map_err(|why| {
            self.failure(
                FailureCode::Unavailable,
                Retry::Backoff,
                &why,
                "make it readable, or correct `proxy`",
            )
        })?;
        Ok(client.request(self.config.method.clone(), &self.config.url).timeout(self.config.timeout))
    }

    async fn judge(&self, answer: reqwest::Response) -> Result<(), Unmet> {
        let wait = hints::asked_wait(answer.headers(), self.base.clock.timestamp());
        let expect = self.config.expect.as_deref();
        answer::status(answer.status(), wait, expect)?;
        match expect {
            Some(expect) => answer::body(answer, expect).await,
            None => Ok(()),
        }
    }

    fn unmet(&self, unmet: Unmet) -> ApplyError {
        let Unmet { code, retry, what, next_step, ambiguous } = unmet;
        ApplyError { failure: self.failure(code, retry, &what, next_step), ambiguous }
    }

    fn unanswered(&self, error: reqwest::Error) -> ApplyError {
        if let Some(why) = outbound::out_of_reach(&error) {
            return ApplyError::before(self.out_of_reach(why));
        }
        let unsent = error.is_connect() || error.is_builder();
        if error.is_connect() {
            self.client.could_not_connect();
        }
        let (code, what) = if !unsent && error.is_timeout() {
            (FailureCode::Timeout, "no answer in time".to_owned())
        } else {
            (FailureCode::Unavailable, outbound::reason(error))
        };
        let failure = self.failure(code, Retry::Backoff, &what, "none: it is tried again");
        ApplyError { failure, ambiguous: !unsent }
    }

    fn out_of_reach(&self, why: OutOfReach) -> Failure {
        let next_step = match why {
            OutOfReach::NotPublic(address, _) => format!(
                "if it is meant, name {} or {address} under `allow`; else correct `url`, or what DNS says of it",
                self.host()
            ),
            OutOfReach::Credentials(_) => {
                "correct `url`, or what DNS says of it: no target may call this address".to_owned()
            }
        };
        self.failure(FailureCode::Denied, Retry::Slowly, &why.to_string(), &next_step)
    }

    /// Only the host of the address is shown: its path or query may hold a token.
    fn failure(&self, code: FailureCode, retry: Retry, what: &str, next_step: &str) -> Failure {
        let message = format!("calling {} for target {}: {what}", self.host(), self.base.name);
        Failure::new(code, retry, message, next_step)
    }

    fn host(&self) -> String {
        let url = Url::parse(&self.config.url).ok();
        url.as_ref().and_then(Url::host_str).unwrap_or_default().to_owned()
    }
}
