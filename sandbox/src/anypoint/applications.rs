//! The Application Manager (contract 3c): list, GET and PATCH of deployments, behind its limit.

use axum::extract::Path;
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::answer::{Answer, Family, Problem, error, refuse};
use super::application_view as view;
use super::deployment::{Author, Deployment, DesiredState, Home, UpdateStrategy};
use super::history::Map;
use super::lost::{self, Write};
use super::rules::Rules;
use super::token::content_type;
use super::visit::{Id, Visit};
use super::world::World;

const FAMILY: Family = Family::Applications;
pub(crate) const READ: &str = "read:applications";
pub(crate) const WRITE: &str = "manage:application_settings";

/// Where properties live in `application.configuration`.
pub(crate) const SERVICE: &str = "mule.agent.application.properties.service";
/// What a GET shows instead of a secure value.
pub(crate) const MASK: &str = "******";
/// Properties per application, both maps together.
const PROPERTIES: usize = 300;
/// Characters of a key, and of a value.
const LENGTH: usize = 1_024;

pub(crate) async fn list(visit: Visit) -> Result<Answer, Answer> {
    let (world, _) = visit.enter(READ, FAMILY)?;
    let here = |deployment: &&Deployment| {
        !deployment.removed
            && deployment.home == Home::ApplicationManager
            && world.place_of(&deployment.id) == visit.place
    };
    let present = world.deployments.iter().filter(here);
    let items: Vec<Value> = present.map(|deployment| view::item(deployment, &world.rules)).collect();
    Ok(Answer::json(StatusCode::OK, json!({ "total": items.len(), "items": items })))
}

pub(crate) async fn get(visit: Visit, Path(Id { id }): Path<Id>) -> Result<Answer, Answer> {
    let (mut world, _) = visit.enter(READ, FAMILY)?;
    let rules = world.rules.clone();
    let here = world.place_of(&id) == visit.place;
    let found = world.deployment(&id).filter(|_| here).ok_or_else(|| not_found(&rules))?;
    let answer = view::detail(found, &rules);
    found.shown_once();
    Ok(Answer::json(StatusCode::OK, answer))
}

pub(crate) async fn patch_one(
    visit: Visit,
    Path(Id { id }): Path<Id>,
    body: Bytes,
) -> Result<Answer, Answer> {
    let write = {
        let (world, by) = visit.enter(WRITE, FAMILY)?;
        if world.place_of(&id) != visit.place {
            return Err(not_found(&world.rules));
        }
        if !content_type(&visit.headers).starts_with("application/json") {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(error(FAMILY, &world.rules, status, "Unsupported media type"));
        }
        let body = serde_json::from_slice(&body);
        let body = body.map_err(|_| bad(&world.rules, "body", "The body is not valid JSON", ""))?;
        Write::Deployment { id, body, by }
    };
    Ok(lost::carry_out(&visit.shared, write).await)
}

fn not_found(rules: &Rules) -> Answer {
    error(FAMILY, rules, StatusCode::NOT_FOUND, "Deployment not found")
}

fn bad(rules: &Rules, field: &str, message: &str, content: &str) -> Answer {
    let problem = Problem::new("", field, format!("{field}: {message}")).about(content);
    refuse(FAMILY, rules, StatusCode::BAD_REQUEST, "Bad request", &[problem])
}

/// Applies a PATCH.
pub(crate) fn patch(world: &mut World, id: &str, body: &Value, by: &Author) -> Answer {
    let rules = world.rules.clone();
    let now = world.now();
    let Some(deployment) = world.deployment(id) else { return not_found(&rules) };
    match try_patch(deployment, &rules, body, by, now) {
        Err(refusal) => refusal,
        Ok(Effect::AlreadySo) => Answer::empty(StatusCode::NOT_MODIFIED),
        Ok(Effect::Done) => {
            let status = if rules.patch_answers_202 { StatusCode::ACCEPTED } else { StatusCode::OK };
            Answer::json(status, view::detail(deployment, &rules))
        }
    }
}

enum Effect {
    Done,
    AlreadySo,
}

fn try_patch(
    deployment: &mut Deployment,
    rules: &Rules,
    body: &Value,
    by: &Author,
    now: jiff::Timestamp,
) -> Result<Effect, Answer> {
    let state = desired_state(body, rules)?;
    let strategy = strategy(body, rules)?;
    let maps = new_maps(deployment, &body["application"]["configuration"][SERVICE], rules)?;
    if deployment.is_rolling() && rules.patch_during_roll_conflicts && maps.is_some() {
        return Err(error(FAMILY, rules, StatusCode::CONFLICT, "A deployment is in progress"));
    }
    if let Some(strategy) = strategy {
        deployment.strategy = strategy;
    }
    if let Value::Object(services) = &body["application"]["configuration"] {
        let others = services.iter().filter(|(service, _)| *service != SERVICE);
        deployment.other_configuration.extend(others.map(|(name, value)| (name.clone(), value.clone())));
    }
    let changes = state.is_some_and(|state| state != deployment.desired_state);
    match (maps, state) {
        (Some(maps), state) => {
            if let Some(state) = state.filter(|_| changes) {
                deployment.set_desired(state, now);
            }
            store(deployment, rules, maps, by, now);
        }
        (None, Some(state)) if changes => deployment.want(state, now),
        (None, Some(DesiredState::Started)) if rules.started_again_rolls => {
            let maps = (deployment.spec().properties.clone(), deployment.spec().secure.clone());
            deployment.write(maps.0, maps.1, by, rules.status_lags, now);
        }
        (None, Some(_)) if strategy.is_none() => return Ok(Effect::AlreadySo),
        (None, _) => {}
    }
    Ok(Effect::Done)
}

fn store(deployment: &mut Deployment, rules: &Rules, maps: (Map, Map), by: &Author, now: jiff::Timestamp) {
    let same = deployment.spec().properties == maps.0 && deployment.spec().secure == maps.1;
    if same && !rules.same_maps_start_a_roll {
        deployment.note_unchanged(by, now);
    } else {
        deployment.write(maps.0, maps.1, by, rules.status_lags, now);
    }
}

fn desired_state(body: &Value, rules: &Rules) -> Result<Option<DesiredState>, Answer> {
    match &body["application"]["desiredState"] {
        Value::Null => Ok(None),
        other => other
            .as_str()
            .and_then(DesiredState::parse)
            .map(Some)
            .ok_or_else(|| bad(rules, "desiredState", "not a state", &other.to_string())),
    }
}

fn strategy(body: &Value, rules: &Rules) -> Result<Option<UpdateStrategy>, Answer> {
    match &body["target"]["deploymentSettings"]["updateStrategy"] {
        Value::Null => Ok(None),
        Value::String(text) if text == UpdateStrategy::Rolling.as_str() => Ok(Some(UpdateStrategy::Rolling)),
        Value::String(text) if text == UpdateStrategy::Recreate.as_str() => {
            Ok(Some(UpdateStrategy::Recreate))
        }
        other => Err(bad(rules, "updateStrategy", "not a strategy", &other.to_string())),
    }
}

/// Both maps as they will be stored, if the body names either.
fn new_maps(deployment: &Deployment, service: &Value, rules: &Rules) -> Result<Option<(Map, Map)>, Answer> {
    let stored = deployment.spec();
    let sent = |name: &str| service.get(name);
    let properties = sent("properties");
    let secure = sent("secureProperties").or_else(|| sent("secureproperties"));
    if properties.is_none() && secure.is_none() {
        return Ok(None);
    }
    let left_out = |map: &Map| if rules.maps_replaced_together { Map::new() } else { map.clone() };
    let properties = match properties {
        Some(sent) => read_map("properties", sent, rules, |_, value| value.as_str().map(str::to_owned))?,
        None => left_out(&stored.properties),
    };
    let secure = match secure {
        Some(sent) => read_map("secureProperties", sent, rules, |name, value| match value {
            Value::Null if rules.mask_is_kept => Some(stored.secure.get(name).cloned().unwrap_or_default()),
            Value::String(text) if text == MASK && rules.mask_is_kept => {
                Some(stored.secure.get(name).unwrap_or(text).clone())
            }
            Value::String(text) => Some(text.clone()),
            _ => None,
        })?,
        None => left_out(&stored.secure),
    };
    if properties.len() + secure.len() > PROPERTIES {
        return Err(bad(rules, "properties", "more than 300 properties", ""));
    }
    Ok(Some((properties, secure)))
}

/// A map of text. Null for the whole map means an empty one; a null value drops its property unless
/// `value` makes something of it.
fn read_map(
    field: &str,
    sent: &Value,
    rules: &Rules,
    value: impl Fn(&str, &Value) -> Option<String>,
) -> Result<Map, Answer> {
    let mut map = Map::new();
    let Some(entries) = sent.as_object() else {
        if sent.is_null() {
            return Ok(map);
        }
        return Err(bad(rules, field, "not an object", &sent.to_string()));
    };
    for (name, content) in entries {
        let Some(text) = value(name, content) else {
            if content.is_null() {
                continue;
            }
            return Err(bad(rules, field, &format!("{name} is not text"), &content.to_string()));
        };
        if name.chars().count() > LENGTH || text.chars().count() > LENGTH {
            return Err(bad(rules, field, &format!("{name} is longer than {LENGTH} characters"), &text));
        }
        map.insert(name.clone(), text);
    }
    Ok(map)
}
