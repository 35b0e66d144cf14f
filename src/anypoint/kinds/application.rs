//! `application` on CloudHub 2.0: values as properties of a deployment, through the Application
//! Manager.
//!
//! Look: the deployment's property names, version and state. Write: one PATCH with both maps whole,
//! of which the receipt is one plain property; every write rolls the replicas. Proof: our receipt in
//! the desired spec, and that spec in force (see `deployment`).
//!
//! Does not guarantee: that a writer between our look and our write keeps what it added. Anypoint has
//! no conditional write. It is noted where the answer shows it: names that we did not send, or a version
//! that is neither the one we saw nor ours. One that no replica has taken up yet shows neither.

mod deployment;
mod ownership;
#[cfg(test)]
mod ownership_tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;

use self::deployment::Deployment;
use super::{Base, Resolved, with_place};
use crate::anypoint::body::{self, Exposed, Parsed};
use crate::anypoint::call::{Call, Family, Path, Purpose, Verb};
use crate::anypoint::connection::Connection;
use crate::anypoint::error::{CallError, bad_answer};
use crate::anypoint::fingerprint::Fingerprint;
use crate::anypoint::lookup::Named;
use crate::config::{ApplicationTarget, Platform};
use crate::model::{Failure, Receipt, SecretRef, ValueSource};
use crate::secret::SecretValue;
use crate::sync::ports::{Applied, ApplyError, Observation, Observed, Proof, Target, TargetSpec, Write};
use crate::sync::values::Values;

const READ_SCOPE: &str = "Read Applications (read:applications)";
const WRITE_SCOPE: &str = "Manage Settings (manage:application_settings) and Read Applications";

/// The note of a write that another one came before.
const OVERTAKEN: &str = "another writer deployed between the look and the write; what it set is overwritten, \
                         so deploy it once more";

/// The target.
pub struct Application(Arc<Inner>);

struct Inner {
    base: Base,
    spec: TargetSpec,
    config: ApplicationTarget,
    connection: Arc<Connection>,
    deployment: Named,
}

impl Application {
    pub(super) fn new(
        base: Base,
        config: ApplicationTarget,
        secrets: BTreeSet<SecretRef>,
        connection: Arc<Connection>,
    ) -> Self {
        let spec = TargetSpec {
            name: base.name.clone(),
            secrets,
            mapping: mapping(&config, &connection),
            proof: Proof::Receipt,
            rolls: true,
            supersede: config.supersede,
            confirm_limit: config.roll_limit,
        };
        let setting = format!("`deployment` of target {}", base.name);
        let deployment = Named::new("deployment", &config.deployment, setting);
        Self(Arc::new(Inner { base, spec, config, connection, deployment }))
    }
}

fn mapping(config: &ApplicationTarget, connection: &Connection) -> String {
    fn named(map: &BTreeMap<String, ValueSource>) -> impl Iterator<Item = (&str, &ValueSource)> {
        map.iter().map(|(name, source)| (name.as_str(), source))
    }
    let platform = match config.platform {
        Platform::CloudHub2 => "cloudhub2",
    };
    Fingerprint::new("application")
        .text(platform)
        .connection(connection.config())
        .text(&config.deployment)
        .sources("properties", named(&config.properties))
        .sources("secure_properties", named(&config.secure_properties))
        .finish()
}

#[async_trait]
impl Target for Application {
    fn spec(&self) -> &TargetSpec {
        &self.0.spec
    }

    fn ready(&self) -> Result<(), Failure> {
        self.0.connection.check_ready(Family::ApplicationManager)
    }

    async fn still_rolls(&self, tick: Duration) -> bool {
        let Inner { base, connection, deployment, .. } = &*self.0;
        let rolls = deployment.rolls(connection, &*base.clock, || self.0.list(), tick).await;
        // A list that fails or is forbidden must not hide what a look shows; a host that is down fails
        // the look too, and that is told.
        rolls.unwrap_or(false)
    }

    async fn observe(&self) -> Result<Box<dyn Observed>, Failure> {
        let inner = &self.0;
        let (id, stored) = inner.read().await?;
        let observation = Observation {
            receipt: receipt(&inner.config, &stored),
            mark: stored.mark.clone(),
            stage: stored.stage.clone(),
            refusal: ownership::refusal(&inner.config, &inner.base.name, &stored),
            provable: stored.provable,
        };
        Ok(Box::new(Seen { target: Arc::clone(inner), id, stored, observation }))
    }
}

/// The receipt that the deployment carries. A text that is none counts as no receipt.
fn receipt(config: &ApplicationTarget, stored: &Deployment) -> Option<Receipt> {
    let text = stored.clear.get(&config.receipt_property)?.value().as_str()?;
    Receipt::parse(text).ok()
}

impl Inner {
    /// The deployment with its id. An id that leads nowhere is looked up once more: an application
    /// that was deployed anew has another one.
    async fn read(&self) -> Result<(String, Deployment), Failure> {
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
        let id = self.deployment.id(&self.connection, &*self.base.clock, || self.list()).await?;
        self.connection.sole_writer(&self.deployment, &id)?;
        Ok(id)
    }

    fn list(&self) -> Call {
        Call {
            verb: Verb::Get,
            path: self.path(None),
            family: Family::ApplicationManager,
            body: None,
            purpose: self.purpose("looking for", READ_SCOPE),
        }
    }

    async fn get(&self, id: &str) -> Result<Deployment, CallError> {
        let purpose = self.purpose("reading", READ_SCOPE);
        let doing = purpose.doing.clone();
        let call = Call {
            verb: Verb::Get,
            path: self.path(Some(id)),
            family: Family::ApplicationManager,
            body: None,
            purpose,
        };
        let reply = self.connection.send(call).await?;
        Deployment::parse(reply.body.expose_bytes())
            .map_err(|what| CallError::before(bad_answer(&doing, what)))
    }

    fn path(&self, id: Option<&str>) -> Path {
        let config = self.connection.config();
        let all = ["amc", "application-manager", "api", "v2", "organizations", &config.organization];
        let rest = ["environments", &config.environment, "deployments"];
        Path::new(all.into_iter().chain(rest).chain(id))
    }

    fn purpose(&self, doing: &str, scope: &'static str) -> Purpose {
        Purpose {
            doing: format!("{doing} deployment {:?}", self.deployment.wanted()),
            scope,
            settings: with_place(self.deployment.setting(), &self.connection),
        }
    }
}

/// A deployment that was just looked at.
struct Seen {
    target: Arc<Inner>,
    id: String,
    stored: Deployment,
    observation: Observation,
}

impl Observed for Seen {
    fn observation(&self) -> &Observation {
        &self.observation
    }

    fn prepare(self: Box<Self>, values: &Values, receipt: &Receipt) -> Result<Box<dyn Write>, Failure> {
        let Self { target, id, stored, observation } = *self;
        if let Some(refusal) = observation.refusal {
            return Err(refusal);
        }
        let Patch { body, names } = patch(&target.config, &stored, values, receipt)?;
        Ok(Box::new(Prepared { target, id, stored, body, names }))
    }
}

struct Prepared {
    target: Arc<Inner>,
    id: String,
    stored: Deployment,
    body: SecretValue,
    /// Every name in it, and whether it is secure.
    names: BTreeMap<String, bool>,
}

#[async_trait]
impl Write for Prepared {
    async fn send(self: Box<Self>) -> Result<Applied, ApplyError> {
        let Self { target, id, stored, body, names } = *self;
        let call = Call {
            verb: Verb::Patch,
            path: target.path(Some(&id)),
            family: Family::ApplicationManager,
            body: Some(body),
            purpose: target.purpose("writing", WRITE_SCOPE),
        };
        let reply = target.connection.send(call).await?;
        let mut notes = Vec::new();
        if stored.recreates {
            notes
                .push("the update strategy is `recreate`: the application is down while it rolls".to_owned());
        }
        let answer = Deployment::parse(reply.body.expose_bytes()).ok();
        if let Some(answer) = &answer {
            notes.extend(ownership::differences(&names, answer));
            if stored.was_overtaken(answer) {
                notes.push(OVERTAKEN.to_owned());
            }
        }
        // A mark that did not move is that of the spec before the write.
        let mark = answer.and_then(|answer| answer.mark).filter(|mark| Some(mark) != stored.mark.as_ref());
        Ok(Applied { mark, notes })
    }
}

/// The body of a write.
struct Patch {
    body: SecretValue,
    names: BTreeMap<String, bool>,
}

fn patch(
    config: &ApplicationTarget,
    stored: &Deployment,
    values: &Values,
    receipt: &Receipt,
) -> Result<Patch, Failure> {
    let clear = resolved(&config.properties, values)?;
    let secure = resolved(&config.secure_properties, values)?;
    let all: Vec<&Resolved<'_>> = clear.iter().chain(&secure).collect();
    ownership::check_limits(config, stored, &all)?;

    let receipt = receipt.to_text(ownership::CHARACTERS);
    let mut properties: BTreeMap<&str, Property<'_>> =
        ownership::kept(config, stored).map(|(name, value)| (name, Property::Kept(value))).collect();
    properties.extend(clear.iter().map(|property| (property.name, Property::Ours(Exposed(property.text())))));
    properties.insert(&config.receipt_property, Property::Ours(Exposed(&receipt)));
    let secure_properties: BTreeMap<&str, Exposed<'_>> =
        secure.iter().map(|property| (property.name, Exposed(property.text()))).collect();

    let names = properties
        .keys()
        .map(|name| ((*name).to_owned(), false))
        .chain(secure_properties.keys().map(|name| ((*name).to_owned(), true)))
        .collect();
    let service = Service {
        application_name: stored.application_name.as_deref().unwrap_or(&config.deployment),
        properties,
        secure_properties,
    };
    let whole = Body { application: BodyApplication { configuration: Configuration { service } } };
    Ok(Patch { body: body::json(&whole)?, names })
}

fn resolved<'a>(
    sources: &'a BTreeMap<String, ValueSource>,
    values: &Values,
) -> Result<Vec<Resolved<'a>>, Failure> {
    sources.iter().map(|(name, source)| Resolved::of(name, source, values)).collect()
}

/// The smallest body that changes properties.
#[derive(Serialize)]
struct Body<'a> {
    application: BodyApplication<'a>,
}

#[derive(Serialize)]
struct BodyApplication<'a> {
    configuration: Configuration<'a>,
}

#[derive(Serialize)]
struct Configuration<'a> {
    #[serde(rename = "mule.agent.application.properties.service")]
    service: Service<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Service<'a> {
    application_name: &'a str,
    properties: BTreeMap<&'a str, Property<'a>>,
    secure_properties: BTreeMap<&'a str, Exposed<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Property<'a> {
    Kept(&'a Parsed),
    Ours(Exposed<'a>),
}
