//! CloudHub 1.0 (contract 3b): GET and PUT of an application, and its status call, behind their limit.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, State};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Map as Object, Value, json};

use super::answer::{Answer, Family, Problem, error, refuse};
use super::applications::{MASK, READ, WRITE};
use super::deployment::{Author, Deployment, DesiredState, Home, Phase};
use super::history::Map;
use super::lost::{self, Write};
use super::multipart;
use super::rules::{HiddenView, Rules};
use super::visit::admit_by_headers;
use super::world::{Shared, World};

const FAMILY: Family = Family::Applications;

pub(crate) async fn get(
    State(shared): State<Arc<Shared>>,
    Path(domain): Path<String>,
    headers: HeaderMap,
) -> Result<Answer, Answer> {
    let mut world = shared.lock();
    admit_by_headers(&world, &headers, READ)?;
    let rules = world.rules.clone();
    let found = find(&mut world, &domain).ok_or_else(|| not_found(&rules))?;
    let answer = view(found, &rules);
    found.shown_once();
    Ok(Answer::json(StatusCode::OK, answer))
}

pub(crate) async fn put_one(
    State(shared): State<Arc<Shared>>,
    Path(domain): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Answer, Answer> {
    let write = {
        let world = shared.lock();
        let by = admit_by_headers(&world, &headers, WRITE)?;
        let info =
            info(&headers, &body).ok_or_else(|| bad(&world.rules, "the application is missing", ""))?;
        Write::CloudHub { domain, info, by }
    };
    Ok(lost::carry_out(&shared, write).await)
}

/// What describes the application: `appInfoJson` of a form, or `applicationInfo` of a JSON body. Only
/// with `autoStart` is it deployed, and the relay has no use for the rest.
fn info(headers: &HeaderMap, body: &[u8]) -> Option<Value> {
    if let Some(parts) = multipart::parts(headers, body) {
        let starts = parts.get("autoStart").is_some_and(|text| text == b"true");
        return serde_json::from_slice(parts.get("appInfoJson")?).ok().filter(|_| starts);
    }
    let body: Value = serde_json::from_slice(body).ok()?;
    (body["autoStart"] == true).then(|| body.get("applicationInfo").cloned()).flatten()
}

pub(crate) fn put(world: &mut World, domain: &str, info: &Value, by: &Author) -> Answer {
    let rules = world.rules.clone();
    let now = world.now();
    let Some(found) = find(world, domain) else { return not_found(&rules) };
    let stored = found.spec();
    let mut all: Map = Map::new();
    if info.get("properties").is_none() || rules.sent_properties_merge {
        all.extend(stored.properties.clone());
        all.extend(stored.secure.clone());
    }
    for (name, value) in info["properties"].as_object().into_iter().flatten() {
        let Some(text) = value.as_str() else {
            return bad(&rules, &format!("{name} is not text"), &value.to_string());
        };
        let text = match stored.secure.get(name) {
            Some(kept) if text == MASK && rules.mask_is_kept => kept,
            _ => text,
        };
        all.insert(name.clone(), text.to_owned());
    }
    let hidden = hidden(found);
    let (secure, properties) = all.into_iter().partition(|(name, _)| hidden.contains(name));
    found.write(properties, secure, by, rules.status_lags, now);
    Answer::json(StatusCode::OK, view(found, &rules))
}

pub(crate) async fn status_one(
    State(shared): State<Arc<Shared>>,
    Path(domain): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Answer, Answer> {
    let write = {
        let world = shared.lock();
        let by = admit_by_headers(&world, &headers, WRITE)?;
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let status = body["status"].as_str().unwrap_or_default().to_lowercase();
        Write::CloudHubStatus { domain, status, by }
    };
    Ok(lost::carry_out(&shared, write).await)
}

pub(crate) fn status(world: &mut World, domain: &str, status: &str, by: &Author) -> Answer {
    let rules = world.rules.clone();
    let now = world.now();
    let Some(found) = find(world, domain) else { return not_found(&rules) };
    let runs = found.desired_state == DesiredState::Started;
    match status {
        "restart" if rules.restart_is_unknown => return bad(&rules, "status is not start or stop", status),
        "restart" if !runs || rules.restart_answers_304 => return Answer::empty(StatusCode::NOT_MODIFIED),
        "restart" => {
            let spec = found.spec();
            let (properties, secure) = (spec.properties.clone(), spec.secure.clone());
            found.write(properties, secure, by, rules.status_lags, now);
        }
        "start" if !runs => found.want(DesiredState::Started, now),
        "stop" if runs => found.want(DesiredState::Undeployed, now),
        "start" | "stop" => return Answer::empty(StatusCode::NOT_MODIFIED),
        _ => return bad(&rules, "status is not start or stop", status),
    }
    Answer::empty(StatusCode::OK)
}

fn find<'a>(world: &'a mut World, domain: &str) -> Option<&'a mut Deployment> {
    world.deployment_at(domain, |home| matches!(home, Home::CloudHub { .. }))
}

fn hidden(deployment: &Deployment) -> BTreeSet<String> {
    match &deployment.home {
        Home::CloudHub { hidden } => hidden.clone(),
        _ => BTreeSet::new(),
    }
}

fn not_found(rules: &Rules) -> Answer {
    error(FAMILY, rules, StatusCode::NOT_FOUND, "Application not found")
}

fn bad(rules: &Rules, message: &str, content: &str) -> Answer {
    let problem = Problem::new("", "properties", message).about(content);
    refuse(FAMILY, rules, StatusCode::BAD_REQUEST, "Bad request", &[problem])
}

fn view(deployment: &Deployment, rules: &Rules) -> Value {
    let spec = deployment.spec();
    let mut properties = spec.properties.clone();
    let mask = match rules.hidden_view {
        HiddenView::Mask => Some(MASK),
        HiddenView::Empty => Some(""),
        HiddenView::Absent => None,
    };
    let hidden = spec.secure.keys().filter_map(|name| Some((name.clone(), mask?.to_owned())));
    properties.extend(hidden);
    let options: Object<String, Value> =
        spec.secure.keys().map(|name| (name.clone(), json!({ "secure": true }))).collect();
    let (status, update) = statuses(deployment);
    let mut view = json!({
        "domain": deployment.name,
        "fullDomain": format!("{}.cloudhub.io", deployment.name),
        "properties": properties,
        "propertiesOptions": options,
        "status": status,
        "workers": { "type": { "name": "Micro" }, "amount": deployment.slots().len() },
        "lastUpdateTime": deployment.modified.as_millisecond(),
        "fileName": format!("{}.jar", deployment.name),
    });
    if let (Some(update), false) = (update, rules.update_status_absent) {
        view["deploymentUpdateStatus"] = update.into();
    }
    view
}

/// `status`, and beside it what becomes of an update while the version before it goes on.
fn statuses(deployment: &Deployment) -> (&'static str, Option<&'static str>) {
    if deployment.desired_state != DesiredState::Started {
        return ("UNDEPLOYED", None);
    }
    let word = match deployment.shown_phase() {
        Phase::Settled => return ("STARTED", None),
        Phase::Applying => "DEPLOYING",
        Phase::Failed => "DEPLOY_FAILED",
    };
    if deployment.any_running() { ("STARTED", Some(word)) } else { (word, None) }
}
