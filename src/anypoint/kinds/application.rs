//! `application`: values as properties of a Mule application, on each platform that runs some.
//!
//! Look: property names, version where there is one, state. Write: all properties at once, of which the
//! receipt is one plain property; every write restarts the application, by a roll where there are
//! replicas. Proof: our receipt among the properties, and those in force; on CloudHub 1.0 and hybrid
//! servers, which show no version, as far as states tell (`accepted`).
//!
//! A target may only `watch` secrets: the application reads them itself when it starts. The receipt,
//! which is new in each write, then is what makes it start; or a restart call of CloudHub 1.0.
//!
//! Does not guarantee: that a writer between our look and our write keeps what it added. Anypoint has
//! no conditional write. It is noted where the answer shows it: names that we did not send, or a version
//! that is neither the one we saw nor ours. One that no replica has taken up yet shows neither.

mod browse;
mod cloudhub;
mod cloudhub2;
mod hybrid;
mod ownership;
#[cfg(test)]
mod ownership_tests;
mod platform;
mod sent;
mod stored;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use self::browse::Shelf;
use self::platform::Api;
use self::sent::Sent;
use self::stored::Stored;
use self::write::Seen;
use super::{Base, with_place};
use crate::anypoint::body::Body;
use crate::anypoint::call::{Call, Purpose, Verb};
use crate::anypoint::connection::Connection;
use crate::anypoint::error::{CallError, bad_answer};
use crate::anypoint::fingerprint::Fingerprint;
use crate::anypoint::lookup::Named;
use crate::config::{ApplicationTarget, Platform};
use crate::model::{Failure, Receipt, SecretRef, ValueSource};
use crate::sync::ports::{Observation, Observed, Proof, Target, TargetSpec};

const READ_SCOPE: &str = "Read Applications (read:applications)";
const WRITE_SCOPE: &str = "Manage Settings (manage:application_settings) and Read Applications";

/// The target.
pub struct Application(Arc<Inner>);

struct Inner {
    base: Base,
    spec: Arc<TargetSpec>,
    config: Arc<ApplicationTarget>,
    api: &'static dyn Api,
    connection: Arc<Connection>,
    deployment: Named,
    sent: Sent,
}

impl Application {
    pub(super) fn new(
        base: Base,
        config: Arc<ApplicationTarget>,
        secrets: BTreeSet<SecretRef>,
        connection: Arc<Connection>,
    ) -> Self {
        let spec = TargetSpec {
            name: base.name.clone(),
            secrets: secrets.into_iter().collect(),
            mapping: mapping(&config, &connection),
            proof: if keeps_receipt(&config.platform) { Proof::Receipt } else { Proof::None },
            rolls: true,
            supersede: config.supersede,
            confirm_limit: config.roll_limit,
        };
        let spec = Arc::new(spec);
        let setting = format!("`deployment` of target {}", base.name);
        let api = api(&config.platform);
        let deployment = match &config.platform {
            Platform::CloudHub2 | Platform::Rtf => Named::new(api.noun(), &config.deployment, setting),
            Platform::CloudHub(_) => Named::by_id(api.noun(), &config.deployment, setting),
            Platform::Hybrid(hybrid) => {
                Named::numbered(api.noun(), &config.deployment, hybrid.server.as_deref(), setting)
            }
        };
        Self(Arc::new(Inner { base, spec, config, api, connection, deployment, sent: Sent::default() }))
    }
}

/// The platform that the configuration names.
fn api(platform: &Platform) -> &'static dyn Api {
    match platform {
        Platform::CloudHub2 | Platform::Rtf => &cloudhub2::ApplicationManager,
        Platform::CloudHub(_) => &cloudhub::CloudHub,
        Platform::Hybrid(_) => &hybrid::Hybrid,
    }
}

/// Whether the application has room for a receipt that can be read back.
fn keeps_receipt(platform: &Platform) -> bool {
    match platform {
        Platform::CloudHub2 | Platform::Rtf => true,
        Platform::CloudHub(cloudhub) => !cloudhub.restarts,
        Platform::Hybrid(hybrid) => !hybrid.owns_all_properties,
    }
}

fn mapping(config: &ApplicationTarget, connection: &Connection) -> String {
    fn named(map: &BTreeMap<String, ValueSource>) -> impl Iterator<Item = (&str, &ValueSource)> {
        map.iter().map(|(name, source)| (name.as_str(), source))
    }
    let mapping = Fingerprint::new("application")
        .text(config.platform.as_str())
        .connection(connection.config())
        .text(&config.deployment)
        .sources("properties", named(&config.properties))
        .sources("secure_properties", named(&config.secure_properties));
    let mapping = match &config.platform {
        Platform::Hybrid(hybrid) => mapping.text(hybrid.server.as_deref().unwrap_or_default()),
        _ => mapping,
    };
    if config.watch.is_empty() {
        return mapping.finish();
    }
    config.watch.iter().fold(mapping.text("watch"), Fingerprint::secret).finish()
}

#[async_trait]
impl Target for Application {
    fn spec(&self) -> &Arc<TargetSpec> {
        &self.0.spec
    }

    fn only_watches(&self, secret: &SecretRef) -> bool {
        let config = &self.0.config;
        let mut sources = config.properties.values().chain(config.secure_properties.values());
        !sources.any(|source| source.secret() == Some(secret))
    }

    fn ready(&self) -> Result<(), Failure> {
        self.0.connection.check_ready(self.0.api.family())
    }

    async fn still_rolls(&self, tick: Duration) -> bool {
        let Inner { base, config, connection, deployment, sent, .. } = &*self.0;
        if matches!(config.platform, Platform::CloudHub(_)) {
            // Its list is as dear as a look at each.
            return false;
        }
        let rolls = deployment.rolls(connection.directory(), &*base.clock, || self.0.list(), tick).await;
        // A list that fails or is forbidden must not hide what a look shows; a host that is down fails
        // the look too, and that is told.
        let rolls = rolls.unwrap_or(false);
        if rolls {
            sent.moves();
        }
        rolls
    }

    async fn observe(&self) -> Result<Box<dyn Observed>, Failure> {
        let inner = &self.0;
        let (id, mut stored) = inner.read().await?;
        if let Some(settle) = inner.config.platform.settle() {
            stored.stage = inner.sent.stage(stored.stage, inner.base.clock.now(), settle);
        }
        let observation = Observation {
            receipt: inner.receipt(&stored),
            mark: stored.mark.clone(),
            stage: stored.stage.clone(),
            refusal: inner.refusal(&stored),
            provable: stored.provable,
        };
        Ok(Box::new(Seen { target: Arc::clone(inner), id, stored, observation }))
    }
}

impl Inner {
    /// The receipt that the application carries, or, where it can carry none, that of our last write. A
    /// text that is none counts as no receipt.
    fn receipt(&self, stored: &Stored) -> Option<Receipt> {
        if !keeps_receipt(&self.config.platform) {
            return self.sent.receipt();
        }
        let text = stored.clear.get(&self.config.receipt_property)?.value().as_str()?;
        Receipt::parse(text).ok()
    }

    fn refusal(&self, stored: &Stored) -> Option<Failure> {
        if self.restarts() {
            return None;
        }
        ownership::refusal(&self.config, &self.base.name, self.api.hiding(), stored)
    }

    /// Whether a write is a restart and no more.
    fn restarts(&self) -> bool {
        matches!(&self.config.platform, Platform::CloudHub(cloudhub) if cloudhub.restarts)
    }

    /// The application with its id. An id that leads nowhere is looked up once more: an application
    /// that was deployed anew has another one.
    async fn read(&self) -> Result<(String, Stored), Failure> {
        let id = self.id().await?;
        match self.get(&id).await {
            Err(error) if error.is_not_found() && self.deployment.forget(&id) => {
                let id = self.id().await?;
                let stored = self.get(&id).await?;
                Ok((id, stored))
            }
            result => Ok((id, result?)),
        }
    }

    async fn id(&self) -> Result<String, Failure> {
        let id = self.deployment.id(self.connection.directory(), &*self.base.clock, || self.list()).await?;
        self.connection.sole_writer(&self.deployment, &id)?;
        Ok(id)
    }

    fn list(&self) -> Call {
        self.call(Verb::Get, None, None, self.purpose("looking for", READ_SCOPE))
    }

    async fn get(&self, id: &str) -> Result<Stored, CallError> {
        let purpose = self.purpose("reading", READ_SCOPE);
        let doing = purpose.doing.clone();
        let reply = self.connection.send(self.call(Verb::Get, Some(id), None, purpose)).await?;
        self.api.parse(reply.body.expose_bytes()).map_err(|what| CallError::before(bad_answer(&doing, what)))
    }

    fn call(&self, verb: Verb, id: Option<&str>, body: Option<Body>, purpose: Purpose) -> Call {
        let path = self.api.path(self.connection.config(), id);
        Call { verb, path, family: self.api.family(), body, purpose }
    }

    fn purpose(&self, doing: &str, scope: &'static str) -> Purpose {
        Purpose {
            doing: format!("{doing} {} {:?}", self.deployment.what(), self.deployment.wanted()),
            scope,
            settings: with_place(self.deployment.setting(), &self.connection),
        }
    }
}
