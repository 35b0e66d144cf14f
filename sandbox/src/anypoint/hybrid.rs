//! Hybrid servers (contract 3d): list, GET and PATCH of applications.

use std::sync::Arc;

use axum::extract::{Path, State};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::answer::{Answer, Family, error};
use super::applications::{READ, SERVICE, WRITE};
use super::deployment::{Author, Deployment, DesiredState, Home, Phase};
use super::history::Map;
use super::lost::{self, Write};
use super::multipart;
use super::rules::Rules;
use super::token::content_type;
use super::visit::admit_by_headers;
use super::world::{Shared, World};

const FAMILY: Family = Family::Applications;

pub(crate) async fn list(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Result<Answer, Answer> {
    let world = shared.lock();
    admit_by_headers(&world, &headers, READ)?;
    let here =
        |deployment: &&Deployment| !deployment.removed && matches!(deployment.home, Home::Hybrid { .. });
    let items = world.deployments.iter().filter(here).map(|deployment| view(deployment, &world.rules));
    Ok(Answer::json(StatusCode::OK, json!({ "data": items.collect::<Vec<_>>() })))
}

pub(crate) async fn get(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Answer, Answer> {
    let mut world = shared.lock();
    admit_by_headers(&world, &headers, READ)?;
    let rules = world.rules.clone();
    let found = find(&mut world, &id).ok_or_else(|| not_found(&rules))?;
    let answer = detail(found, &rules);
    found.shown_once();
    Ok(Answer::json(StatusCode::OK, answer))
}

pub(crate) async fn patch_one(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Answer, Answer> {
    let write = {
        let world = shared.lock();
        let by = admit_by_headers(&world, &headers, WRITE)?;
        let bad = |message| error(FAMILY, &world.rules, StatusCode::BAD_REQUEST, message);
        let change = if content_type(&headers).starts_with("application/json") {
            let body: Value = serde_json::from_slice(&body).map_err(|_| bad("The body is not JSON"))?;
            Change::State(
                body["desiredStatus"]
                    .as_str()
                    .and_then(DesiredState::parse)
                    .ok_or_else(|| bad("no status"))?,
            )
        } else {
            let parts = multipart::parts(&headers, &body).ok_or_else(|| bad("The body is no form"))?;
            let configuration =
                parts.get("configuration").map(|part| serde_json::from_slice(part)).transpose();
            Change::Deploy(configuration.map_err(|_| bad("configuration is not JSON"))?)
        };
        Write::Hybrid { id, change, by }
    };
    Ok(lost::carry_out(&shared, write).await)
}

/// What a PATCH asks for.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    State(DesiredState),
    /// The same artifact again, with a new configuration if there is one.
    Deploy(Option<Value>),
}

pub(crate) fn patch(world: &mut World, id: &str, change: &Change, by: &Author) -> Answer {
    let rules = world.rules.clone();
    let now = world.now();
    let Some(found) = find(world, id) else { return not_found(&rules) };
    match change {
        Change::State(state) => found.want(*state, now),
        Change::Deploy(configuration) => {
            let sent = configuration.as_ref().and_then(|all| all[SERVICE]["properties"].as_object());
            let mut properties = Map::new();
            if sent.is_none() || rules.sent_properties_merge {
                properties.extend(found.spec().properties.clone());
            }
            for (name, value) in sent.into_iter().flatten() {
                let Some(text) = value.as_str() else {
                    return error(FAMILY, &rules, StatusCode::BAD_REQUEST, "a property is not text");
                };
                properties.insert(name.clone(), text.to_owned());
            }
            found.write(properties, Map::new(), by, rules.status_lags, now);
        }
    }
    if rules.hybrid_patch_answers_200 {
        Answer::empty(StatusCode::OK)
    } else {
        Answer::json(StatusCode::ACCEPTED, detail(found, &rules))
    }
}

fn find<'a>(world: &'a mut World, id: &str) -> Option<&'a mut Deployment> {
    world.deployment_at(id, |home| matches!(home, Home::Hybrid { .. }))
}

fn not_found(rules: &Rules) -> Answer {
    error(FAMILY, rules, StatusCode::NOT_FOUND, "application not found")
}

fn detail(deployment: &Deployment, rules: &Rules) -> Value {
    let mut view = view(deployment, rules);
    if !rules.hybrid_properties_hidden {
        let properties = &deployment.spec().properties;
        view["configuration"] =
            json!({ SERVICE: { "applicationName": deployment.name, "properties": properties } });
    }
    if !rules.hybrid_answers_without_data {
        return json!({ "data": view });
    }
    view["data"] = "".into();
    view
}

fn view(deployment: &Deployment, rules: &Rules) -> Value {
    let Home::Hybrid { server, server_id } = &deployment.home else { return Value::Null };
    let (desired, reported) = match (deployment.desired_state, deployment.shown_phase()) {
        (DesiredState::Started, Phase::Settled) => ("STARTED", "STARTED"),
        (DesiredState::Started, Phase::Applying) if rules.hybrid_progress_is_desired => {
            ("UPDATED", "STARTED")
        }
        (DesiredState::Started, Phase::Applying) => ("STARTED", "STARTING"),
        (DesiredState::Started, Phase::Failed) => ("STARTED", "DEPLOYMENT_FAILED"),
        (DesiredState::Stopped, _) => ("STOPPED", "STOPPED"),
        (DesiredState::Undeployed, _) => ("UNDEPLOYED", "UNDEPLOYED"),
    };
    let servers = deployment.slots().iter().enumerate().map(|(number, _)| {
        json!({ "serverId": number, "artifactName": deployment.name, "lastReportedStatus": reported,
            "desiredStatus": desired, "message": null, "discovered": false })
    });
    json!({
        "id": deployment.id.parse::<u64>().unwrap_or_default(),
        "timeCreated": deployment.created.as_millisecond(),
        "timeUpdated": deployment.modified.as_millisecond(),
        "serverArtifacts": servers.collect::<Vec<_>>(),
        "desiredStatus": desired,
        "lastReportedStatus": reported,
        "artifact": { "id": 32, "type": "APPLICATION", "name": deployment.name },
        "target": { "id": server_id, "name": server, "type": "SERVER_GROUP", "status": "RUNNING" },
    })
}
