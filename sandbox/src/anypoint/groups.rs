//! Secret groups (contract 1.2, 1.5, 1.7), and the DELETEs that a client must never send.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Family, Problem, error, refuse};
use super::rules::Rules;
use super::shared_secrets::StoredSecret;
use super::stores::StoredStore;
use super::token::content_type;
use super::visit::{Visit, admit};
use super::world::{Shared, World};

const FAMILY: Family = Family::Secrets;
/// Groups per organization and environment; 402 beyond.
const LIMIT: usize = 25;

pub(crate) const READ: &str = "read:secrets_metadata";
pub(crate) const WRITE: &str = "manage:secrets";
const MANAGE: &str = "manage:secret_groups";

/// What a group is busy with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupState {
    /// Nothing: it can be written to.
    #[default]
    Clear,
    /// A change is being finished.
    Finishing,
    /// It is being deleted.
    Deleting,
    /// A change is being taken back.
    Cancelling,
}

impl GroupState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "Clear",
            Self::Finishing => "Finishing",
            Self::Deleting => "Deleting",
            Self::Cancelling => "Cancelling",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) state: GroupState,
    pub(crate) secrets: Vec<StoredSecret>,
    pub(crate) stores: Vec<StoredStore>,
    downloadable: bool,
    created: Timestamp,
    pub(crate) modified: Timestamp,
    modified_by: String,
}

impl Group {
    pub(crate) fn new(name: &str, downloadable: bool, by: &str, now: Timestamp) -> Self {
        Self {
            id: uuid::Uuid::new_v4().to_string(),
            name: name.to_owned(),
            state: GroupState::Clear,
            secrets: Vec::new(),
            stores: Vec::new(),
            downloadable,
            created: now,
            modified: now,
            modified_by: by.to_owned(),
        }
    }

    fn view(&self, rules: &Rules) -> Value {
        let dates = json!({
            "createdAt": stamp(self.created, rules),
            "modifiedAt": stamp(self.modified, rules),
            "modifiedBy": self.modified_by,
            "locked": false,
            "currentState": self.state.as_str(),
        });
        let mut view =
            json!({ "name": self.name, "downloadable": self.downloadable, "meta": { "id": self.id } });
        let place = if rules.group_state_at_top_level { &mut view } else { &mut view["meta"] };
        if let (Some(place), Value::Object(dates)) = (place.as_object_mut(), dates) {
            place.extend(dates);
        }
        view
    }
}

/// A date as this API writes it: one-second resolution and no zone, unless the rules differ.
pub(crate) fn stamp(at: Timestamp, rules: &Rules) -> String {
    let form = if rules.modified_at_is_iso { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%d %H:%M:%S" };
    at.strftime(form).to_string()
}

/// The body as JSON, or the refusal that its absence deserves.
pub(crate) fn json_body(rules: &Rules, headers: &HeaderMap, body: &Bytes) -> Result<Value, Answer> {
    if !content_type(headers).starts_with("application/json") {
        return Err(error(FAMILY, rules, StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported media type"));
    }
    serde_json::from_slice(body).ok().filter(Value::is_object).ok_or_else(|| {
        let problem = Problem::new("RB-1001", "body", "The body is not valid JSON");
        bad_request(rules, &[problem])
    })
}

pub(crate) fn bad_request(rules: &Rules, problems: &[Problem]) -> Answer {
    refuse(FAMILY, rules, StatusCode::BAD_REQUEST, "Bad request", problems)
}

pub(crate) fn not_found(rules: &Rules, what: &str) -> Answer {
    error(FAMILY, rules, StatusCode::NOT_FOUND, &format!("{what} not found"))
}

pub(crate) fn over_the_limit(rules: &Rules, what: &str) -> Answer {
    let problem = Problem::new("RB-1008", what, format!("Limit of {what} exceeded"));
    refuse(FAMILY, rules, StatusCode::PAYMENT_REQUIRED, "Resource creation limit exceeded", &[problem])
}

#[derive(Deserialize)]
pub(crate) struct GroupPath {
    pub(crate) group: String,
}

#[derive(Deserialize)]
pub(crate) struct Filter {
    downloadable: Option<String>,
}

pub(crate) async fn list(visit: Visit, Query(filter): Query<Filter>) -> Result<Answer, Answer> {
    let (world, _) = visit.enter(READ, FAMILY)?;
    let wanted = filter.downloadable.map(|text| text == "true");
    let groups = world.groups.iter().filter(|group| wanted.is_none_or(|wanted| group.downloadable == wanted));
    Ok(Answer::json(StatusCode::OK, groups.map(|group| group.view(&world.rules)).collect()))
}

pub(crate) async fn get(visit: Visit, Path(GroupPath { group }): Path<GroupPath>) -> Result<Answer, Answer> {
    let (world, _) = visit.enter(READ, FAMILY)?;
    let found = world.groups.iter().find(|candidate| candidate.id == group);
    let found = found.ok_or_else(|| not_found(&world.rules, "Secret group"))?;
    Ok(Answer::json(StatusCode::OK, found.view(&world.rules)))
}

pub(crate) async fn post(visit: Visit, body: Bytes) -> Result<Answer, Answer> {
    let (mut world, by) = visit.enter(MANAGE, FAMILY)?;
    let body = json_body(&world.rules, &visit.headers, &body)?;
    let name = body["name"].as_str().filter(|name| !name.is_empty()).ok_or_else(|| {
        bad_request(&world.rules, &[Problem::new("RB-1004", "name", "name is missing or empty")])
    })?;
    if world.groups.len() >= LIMIT {
        return Err(over_the_limit(&world.rules, "secretGroups"));
    }
    if world.groups.iter().any(|group| group.name == name) {
        return Err(bad_request(&world.rules, &[Problem::new("RB-1002", "name", "Name already in use")]));
    }
    let downloadable = body["downloadable"].as_bool().unwrap_or_default();
    let group = Group::new(name, downloadable, &by.client, world.stamp());
    let answer = json!({ "id": group.id, "message": "Secret group created" });
    world.groups.push(group);
    Ok(Answer::json(StatusCode::CREATED, answer))
}

/// DELETE on an environment or an organization: the spec says that it deletes all of it. Counted, so
/// that a test can say that it never happened.
pub(crate) async fn wipe(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Result<Answer, Answer> {
    let mut world = shared.lock();
    admit(&world, &headers, &world.first_place(), MANAGE, FAMILY)?;
    world.groups.clear();
    world.wiped += 1;
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

pub(crate) fn find<'w>(world: &'w mut World, id: &str) -> Option<&'w mut Group> {
    world.groups.iter_mut().find(|group| group.id == id)
}
