//! How a deployment looks in an answer (contract 3c; shape of MuleSoft's recorded answers).

use jiff::Timestamp;
use serde_json::{Map as Object, Value, json};

use super::applications::{MASK, SERVICE};
use super::deployment::{Deployment, DesiredState, Phase, Slot};
use super::history::Map;
use super::rules::{EmptySecure, Rules};

/// An item of the list.
pub(crate) fn item(deployment: &Deployment, rules: &Rules) -> Value {
    let mut item = common(deployment, rules);
    if !rules.list_has_no_status {
        item["status"] = status(deployment, rules).into();
        item["application"] = json!({ "status": application_status(deployment) });
    }
    item
}

/// The whole deployment.
pub(crate) fn detail(deployment: &Deployment, rules: &Rules) -> Value {
    let mut view = common(deployment, rules);
    view["target"]["deploymentSettings"] = json!({ "updateStrategy": deployment.strategy.as_str() });
    view["target"]["replicas"] = deployment.slots().len().into();
    view["status"] = status(deployment, rules).into();
    let mut configuration = deployment.other_configuration.clone();
    configuration.insert(SERVICE.to_owned(), properties(deployment, rules));
    view["application"] = json!({
        "status": application_status(deployment),
        "desiredState": deployment.desired_state.as_str(),
        "ref": { "groupId": "sandbox", "artifactId": deployment.name, "version": "1.0.0", "packaging": "jar" },
        "configuration": configuration,
    });
    if !rules.versions_absent {
        view["desiredVersion"] = deployment.spec().version.clone().into();
        view["lastSuccessfulVersion"] = deployment.last_good().map(|good| good.version.clone()).into();
    }
    if !rules.replicas_absent {
        view["replicas"] = deployment.slots().iter().map(|slot| replica(slot, rules)).collect();
    }
    view
}

fn common(deployment: &Deployment, rules: &Rules) -> Value {
    json!({
        "id": deployment.id,
        "name": deployment.name,
        "creationDate": date(deployment.created, rules),
        "lastModifiedDate": date(deployment.modified, rules),
        "target": { "provider": "MC", "targetId": "sandbox" },
    })
}

fn date(at: Timestamp, rules: &Rules) -> Value {
    if rules.dates_as_epoch_millis {
        at.as_millisecond().into()
    } else {
        at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string().into()
    }
}

fn status(deployment: &Deployment, rules: &Rules) -> &'static str {
    match deployment.shown_phase() {
        Phase::Applying => "APPLYING",
        Phase::Failed if rules.failure_is_called_deployment_failed => "DEPLOYMENT_FAILED",
        Phase::Failed => "FAILED",
        Phase::Settled
            if deployment.desired_state != DesiredState::Started && rules.stopped_is_shown_at_top =>
        {
            deployment.desired_state.as_str()
        }
        Phase::Settled if rules.settled_is_called_started => "STARTED",
        Phase::Settled => "APPLIED",
    }
}

fn application_status(deployment: &Deployment) -> &'static str {
    if deployment.any_running() { "RUNNING" } else { "NOT_RUNNING" }
}

fn replica(slot: &Slot, rules: &Rules) -> Value {
    let mut view = json!({
        "id": slot.id,
        "state": if slot.config().is_some() { "STARTED" } else { "STOPPED" },
        "deploymentLocation": "sandbox",
        "reason": "",
    });
    if let (Some(config), false) = (slot.config(), rules.versions_absent) {
        view["currentDeploymentVersion"] = config.version.clone().into();
    }
    view
}

fn properties(deployment: &Deployment, rules: &Rules) -> Value {
    let spec = deployment.spec();
    let mut service = Object::new();
    service.insert("applicationName".to_owned(), deployment.name.clone().into());
    service.insert("properties".to_owned(), json!(spec.properties));
    let name = if rules.lowercase_secureproperties { "secureproperties" } else { "secureProperties" };
    let secure = match (spec.secure.is_empty(), rules.secure_when_empty) {
        (true, EmptySecure::Absent) => None,
        (true, EmptySecure::Null) => Some(Value::Null),
        (true, EmptySecure::Object) | (false, _) => Some(masked(&spec.secure)),
    };
    service.extend(secure.map(|secure| (name.to_owned(), secure)));
    service.into()
}

fn masked(secure: &Map) -> Value {
    Value::Object(secure.keys().map(|name| (name.clone(), MASK.into())).collect())
}
