//! The write: all properties at once on top of what was seen, or, for an application that only watches,
//! a restart.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::StatusCode;

use super::platform::{Api, Maps, Property};
use super::stored::Stored;
use super::{Inner, WRITE_SCOPE, cloudhub, ownership};
use crate::anypoint::body::{Body, Exposed};
use crate::anypoint::call::{Call, Path, Verb};
use crate::anypoint::error::CallError;
use crate::anypoint::kinds::Resolved;
use crate::config::ApplicationTarget;
use crate::model::{Failure, FailureCode, Receipt, Retry, ValueSource};
use crate::sync::ports::{Applied, ApplyError, Observation, Observed, Write};
use crate::sync::values::Values;

/// The note of a write that another one came before.
const OVERTAKEN: &str = "another writer deployed between the look and the write; what it set is overwritten, \
                         so deploy it once more";

/// An application that was just looked at.
pub(super) struct Seen {
    pub(super) target: Arc<Inner>,
    pub(super) id: String,
    pub(super) stored: Stored,
    pub(super) observation: Observation,
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
        if target.restarts() {
            let (path, body) = cloudhub::restart(&id)?;
            return Ok(Box::new(Restart { target, path, body, receipt: receipt.clone() }));
        }
        let Whole { body, names } = whole(&target.config, target.api, &stored, values, receipt)?;
        Ok(Box::new(Prepared { target, id, stored, body, names, receipt: receipt.clone() }))
    }
}

struct Prepared {
    target: Arc<Inner>,
    id: String,
    stored: Stored,
    body: Body,
    /// Every name in it, and whether it is secure.
    names: BTreeMap<String, bool>,
    receipt: Receipt,
}

#[async_trait]
impl Write for Prepared {
    async fn send(self: Box<Self>) -> Result<Applied, ApplyError> {
        let Self { target, id, stored, body, names, receipt } = *self;
        let purpose = target.purpose("writing", WRITE_SCOPE);
        let at = target.base.clock.now();
        let call = target.call(target.api.verb(), Some(&id), Some(body), purpose);
        let reply = match target.connection.send(call).await {
            Ok(reply) => reply,
            Err(error) => {
                if error.ambiguous {
                    target.sent.note(receipt, at, None);
                }
                return Err(error.into());
            }
        };
        let answer = target.api.parse(reply.body.expose_bytes()).ok();
        target.sent.note(receipt, at, answer.as_ref().map(|answer| &answer.stage));
        let mut notes: Vec<String> = stored.price.iter().map(|price| (*price).to_owned()).collect();
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

/// A restart without a write. MuleSoft's command line makes it, its specification does not have it.
struct Restart {
    target: Arc<Inner>,
    path: Path,
    body: Body,
    receipt: Receipt,
}

#[async_trait]
impl Write for Restart {
    async fn send(self: Box<Self>) -> Result<Applied, ApplyError> {
        let Self { target, path, body, receipt } = *self;
        let purpose = target.purpose("restarting", WRITE_SCOPE);
        let at = target.base.clock.now();
        let call = Call { verb: Verb::Post, path, family: target.api.family(), body: Some(body), purpose };
        match target.connection.send(call).await {
            Ok(_) => {
                target.sent.note(receipt, at, None);
                Ok(Applied { mark: None, notes: Vec::new() })
            }
            Err(error) => Err(not_restarted(error)),
        }
    }
}

/// A refusal of the call itself, or "nothing to change", will not pass by itself.
fn not_restarted(error: CallError) -> ApplyError {
    let CallError { mut failure, ambiguous, status } = error;
    let unknown = failure.code == FailureCode::Rejected || status == Some(StatusCode::NOT_MODIFIED);
    if unknown {
        failure.code = FailureCode::Rejected;
        failure.retry = Retry::Never;
        "CloudHub does not restart it by this call: set `restart_by: property`, which redeploys it by a \
         property of the relay's own"
            .clone_into(&mut failure.next_step);
    }
    ApplyError { failure, ambiguous: ambiguous && !unknown }
}

/// A write of all properties.
pub(super) struct Whole {
    pub(super) body: Body,
    pub(super) names: BTreeMap<String, bool>,
}

pub(super) fn whole(
    config: &ApplicationTarget,
    api: &dyn Api,
    stored: &Stored,
    values: &Values,
    receipt: &Receipt,
) -> Result<Whole, Failure> {
    let clear = resolved(&config.properties, values)?;
    let secure = resolved(&config.secure_properties, values)?;
    let all: Vec<&Resolved<'_>> = clear.iter().chain(&secure).collect();
    ownership::check_values(&all)?;
    if api.limits() {
        ownership::check_limits(config, stored, &all)?;
    }

    let receipt = receipt.to_text(ownership::CHARACTERS);
    let mut properties: BTreeMap<&str, Property<'_>> =
        ownership::kept(config, stored).map(|(name, value)| (name, Property::Kept(value))).collect();
    properties.extend(clear.iter().map(|property| (property.name, Property::Ours(Exposed(property.text())))));
    properties.insert(&config.receipt_property, Property::Ours(Exposed(&receipt)));
    let secure: BTreeMap<&str, Exposed<'_>> =
        secure.iter().map(|property| (property.name, Exposed(property.text()))).collect();

    let names = properties
        .keys()
        .map(|name| ((*name).to_owned(), false))
        .chain(secure.keys().map(|name| ((*name).to_owned(), true)))
        .collect();
    let application_name = stored.application_name.as_deref().unwrap_or(&config.deployment);
    let body = api.body(&Maps { application_name, properties, secure })?;
    Ok(Whole { body, names })
}

fn resolved<'a>(
    sources: &'a BTreeMap<String, ValueSource>,
    values: &Values,
) -> Result<Vec<Resolved<'a>>, Failure> {
    sources.iter().map(|(name, source)| Resolved::of(name, source, values)).collect()
}
