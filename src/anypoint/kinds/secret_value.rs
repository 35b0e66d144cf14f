//! `secret_value`: the call that the project's seed document sketches, `PATCH .../secrets/{secretId}`
//! with `{"value": ...}`.
//!
//! It is in no source of MuleSoft's, so the path is a template of the configuration and `check`
//! warns. Nothing can be read back: a 2xx is `accepted`, never `in sync`.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;

use super::{Base, Resolved, nothing_to_see, with_place};
use crate::anypoint::body::{self, Exposed};
use crate::anypoint::call::{Call, Family, Path, Purpose, Verb};
use crate::anypoint::connection::Connection;
use crate::anypoint::fingerprint::Fingerprint;
use crate::config;
use crate::model::{Failure, Receipt, SecretRef};
use crate::secret::SecretValue;
use crate::sync::ports::{Applied, ApplyError, Observation, Observed, Target, TargetSpec, Write};
use crate::sync::values::Values;

/// The target.
pub struct SecretValueTarget(Arc<Inner>);

struct Inner {
    base: Base,
    spec: Arc<TargetSpec>,
    config: Arc<config::SecretValueTarget>,
    connection: Arc<Connection>,
}

impl SecretValueTarget {
    pub(super) fn new(
        base: Base,
        config: Arc<config::SecretValueTarget>,
        secrets: BTreeSet<SecretRef>,
        connection: Arc<Connection>,
    ) -> Self {
        let mapping = Fingerprint::new("secret_value")
            .connection(connection.config())
            .text(&config.path)
            .text(&config.secret_id)
            .sources("value", [("value", &config.value)])
            .finish();
        let spec = Arc::new(base.unproved(secrets, mapping));
        Self(Arc::new(Inner { base, spec, config, connection }))
    }
}

#[async_trait]
impl Target for SecretValueTarget {
    fn spec(&self) -> &Arc<TargetSpec> {
        &self.0.spec
    }

    fn ready(&self) -> Result<(), Failure> {
        self.0.connection.check_ready(Family::Secrets)
    }

    async fn observe(&self) -> Result<Box<dyn Observed>, Failure> {
        Ok(Box::new(Seen { target: Arc::clone(&self.0), observation: nothing_to_see() }))
    }
}

struct Seen {
    target: Arc<Inner>,
    observation: Observation,
}

#[derive(Serialize)]
struct Body<'a> {
    value: Exposed<'a>,
}

impl Observed for Seen {
    fn observation(&self) -> &Observation {
        &self.observation
    }

    fn prepare(self: Box<Self>, values: &Values, _receipt: &Receipt) -> Result<Box<dyn Write>, Failure> {
        let value = Resolved::of("value", &self.target.config.value, values)?;
        let body = body::json(&Body { value: Exposed(value.text()) })?;
        Ok(Box::new(Prepared { target: self.target, body }))
    }
}

struct Prepared {
    target: Arc<Inner>,
    body: SecretValue,
}

#[async_trait]
impl Write for Prepared {
    async fn send(self: Box<Self>) -> Result<Applied, ApplyError> {
        let Inner { base, config, connection, .. } = &*self.target;
        let setting = format!("`path` and `secret_id` of target {}", base.name);
        connection
            .send(Call {
                verb: Verb::Patch,
                path: path(config, connection.config()),
                family: Family::Secrets,
                body: Some(self.body.into()),
                purpose: Purpose {
                    doing: format!("writing secret {:?}", config.secret_id),
                    scope: "that this API asks for (none is documented)",
                    settings: with_place(&setting, connection),
                },
            })
            .await?;
        Ok(Applied { mark: None, notes: Vec::new() })
    }
}

/// The template filled segment by segment, so an id stays inside its segment.
fn path(config: &config::SecretValueTarget, connection: &config::Connection) -> Path {
    let fill = |segment: &str| {
        segment
            .replace("{organization}", &connection.organization)
            .replace("{environment}", &connection.environment)
            .replace("{secret}", &config.secret_id)
    };
    Path::new(config.path.trim_matches('/').split('/').map(fill))
}
