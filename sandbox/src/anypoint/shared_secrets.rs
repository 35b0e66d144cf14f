//! Shared secrets: list, read, create, replace, rename (contract 1.2 to 1.7).
//!
//! A value goes in and never comes out again over HTTP; tests read it from the history.

use axum::extract::{Path, Query};
use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Family, Problem, error, refuse};
use super::deployment::Author;
use super::groups::{
    self, Group, GroupPath, GroupState, READ, WRITE, bad_request, json_body, not_found, over_the_limit, stamp,
};
use super::history::SecretWrite;
use super::lost::{self, Write};
use super::rules::Rules;
use super::secret_types::{Checked, Kind, check, default_expiry, expiry, valid_name};
use super::visit::Visit;
use super::world::World;

const FAMILY: Family = Family::Secrets;
/// Secrets per group, of all kinds; 402 beyond.
const LIMIT: usize = 350;

#[derive(Debug)]
pub(crate) struct StoredSecret {
    pub(crate) id: String,
    pub(crate) name: String,
    kind: Kind,
    expires: Date,
    pub(crate) modified: Timestamp,
    /// Never empty: the first entry is what it was created with.
    pub(crate) writes: Vec<SecretWrite>,
}

impl StoredSecret {
    fn summary(&self, rules: &Rules) -> Value {
        json!({
            "name": self.name,
            "type": self.kind.as_str(),
            "expirationDate": self.expires.to_string(),
            "meta": {
                "id": self.id,
                "path": format!("sharedSecrets/{}", self.id),
                "modifiedAt": stamp(self.modified, rules),
            },
        })
    }

    fn detail(&self, rules: &Rules) -> Value {
        let mut view = self.summary(rules);
        if let Some(shown) = self.kind.shown() {
            view[shown] = self.writes.last().and_then(|write| write.fields.get(shown)).cloned().into();
        }
        view
    }
}

/// When a write happens: the clock of the history, the clock that `modifiedAt` shows, the day.
pub(crate) struct When {
    pub(crate) now: Timestamp,
    pub(crate) stamp: Timestamp,
    pub(crate) today: Date,
}

impl When {
    pub(crate) fn of(world: &World) -> Self {
        let now = world.now();
        Self { now, stamp: world.stamp(), today: now.to_zoned(TimeZone::UTC).date() }
    }
}

/// Adds a secret to a group, from a body as POST takes it; gives its id.
pub(crate) fn create(world: &mut World, group: &str, body: &Value, by: &str) -> Result<String, Answer> {
    let when = When::of(world);
    let rules = world.rules.clone();
    let checked = check(body, &rules).map_err(|problems| bad_request(&rules, &problems))?;
    let group = groups::find(world, group).ok_or_else(|| not_found(&rules, "Secret group"))?;
    settled(group.state, &rules)?;
    if group.secrets.iter().any(|secret| secret.name == checked.name) {
        return Err(bad_request(&rules, &[name_in_use()]));
    }
    has_room(group, &rules, "sharedSecrets")?;
    let mut secret = StoredSecret {
        id: uuid::Uuid::new_v4().to_string(),
        name: String::new(),
        kind: checked.kind,
        expires: when.today,
        modified: when.stamp,
        writes: Vec::new(),
    };
    replace(&mut secret, checked, by, &when);
    let id = secret.id.clone();
    group.secrets.push(secret);
    Ok(id)
}

/// Full replacement: what the body leaves out is not kept, the expiry included.
fn replace(secret: &mut StoredSecret, checked: Checked, by: &str, when: &When) {
    secret.name = checked.name;
    secret.expires = checked.expires.unwrap_or_else(|| default_expiry(when.today));
    secret.modified = when.stamp;
    secret.writes.push(SecretWrite {
        at: when.now,
        by: by.to_owned(),
        name: secret.name.clone(),
        kind: secret.kind.as_str().to_owned(),
        fields: checked.fields,
        expiration_date: secret.expires.to_string(),
    });
}

pub(crate) fn name_in_use() -> Problem {
    Problem::new("RB-1002", "name", "Name already in use")
}

pub(crate) fn has_room(group: &Group, rules: &Rules, what: &str) -> Result<(), Answer> {
    let full = group.secrets.len() + group.stores.len() >= LIMIT;
    if full { Err(over_the_limit(rules, what)) } else { Ok(()) }
}

pub(crate) fn settled(state: GroupState, rules: &Rules) -> Result<(), Answer> {
    if state == GroupState::Clear {
        return Ok(());
    }
    let message = "The secret group's current state does not allow this operation";
    Err(error(FAMILY, rules, StatusCode::CONFLICT, message))
}

#[derive(Deserialize)]
pub(crate) struct SecretPath {
    group: String,
    id: String,
}

#[derive(Deserialize)]
pub(crate) struct Filter {
    #[serde(rename = "type")]
    kind: Option<String>,
}

pub(crate) async fn list(
    visit: Visit,
    Path(GroupPath { group }): Path<GroupPath>,
    Query(filter): Query<Filter>,
) -> Result<Answer, Answer> {
    let (world, _) = visit.enter(READ, FAMILY)?;
    let found = world.groups.iter().find(|candidate| candidate.id == group);
    let found = found.ok_or_else(|| not_found(&world.rules, "Secret group"))?;
    let wanted =
        |secret: &&StoredSecret| filter.kind.as_ref().is_none_or(|kind| secret.kind.as_str() == kind);
    let secrets = found.secrets.iter().filter(wanted).map(|secret| secret.summary(&world.rules)).collect();
    Ok(Answer::json(StatusCode::OK, secrets))
}

pub(crate) async fn get(
    visit: Visit,
    Path(SecretPath { group, id }): Path<SecretPath>,
) -> Result<Answer, Answer> {
    let (mut world, _) = visit.enter(READ, FAMILY)?;
    let rules = world.rules.clone();
    let secret = find(&mut world, &group, &id, &rules)?;
    Ok(Answer::json(StatusCode::OK, secret.detail(&rules)))
}

pub(crate) async fn post_one(
    visit: Visit,
    Path(GroupPath { group }): Path<GroupPath>,
    body: Bytes,
) -> Result<Answer, Answer> {
    let write = {
        let (world, by) = visit.enter(WRITE, FAMILY)?;
        let body = json_body(&world.rules, &visit.headers, &body)?;
        Write::SharedSecret { group, id: None, body, by }
    };
    Ok(lost::carry_out(&visit.shared, write).await)
}

/// Creates a secret. No second time: its name is taken then.
pub(crate) fn post(world: &mut World, group: &str, body: &Value, by: &Author) -> Answer {
    match create(world, group, body, &by.client) {
        Err(refusal) => refusal,
        Ok(id) => created(&world.rules, &id),
    }
}

pub(crate) fn created(rules: &Rules, id: &str) -> Answer {
    let status = if rules.post_answers_200 { StatusCode::OK } else { StatusCode::CREATED };
    Answer::json(status, json!({ "id": id, "message": "Secret created" }))
}

pub(crate) async fn put_one(
    visit: Visit,
    Path(SecretPath { group, id }): Path<SecretPath>,
    body: Bytes,
) -> Result<Answer, Answer> {
    let write = {
        let (world, by) = visit.enter(WRITE, FAMILY)?;
        let body = json_body(&world.rules, &visit.headers, &body)?;
        Write::SharedSecret { group, id: Some(id), body, by }
    };
    Ok(lost::carry_out(&visit.shared, write).await)
}

/// Replaces a secret.
pub(crate) fn put(world: &mut World, group: &str, id: &str, body: &Value, by: &Author) -> Answer {
    let rules = world.rules.clone();
    let written = try_put(world, &rules, group, id, body, by);
    match written {
        Err(refusal) => refusal,
        Ok(()) if rules.put_answers_204 => Answer::empty(StatusCode::NO_CONTENT),
        Ok(()) => Answer::json(StatusCode::OK, json!({ "message": "Shared secret updated" })),
    }
}

fn try_put(
    world: &mut World,
    rules: &Rules,
    group: &str,
    id: &str,
    body: &Value,
    by: &Author,
) -> Result<(), Answer> {
    let when = When::of(world);
    let checked = check(body, rules).map_err(|problems| bad_request(rules, &problems))?;
    writable(world, group, rules)?;
    name_is_free(world, group, id, &checked.name, rules)?;
    let secret = find(world, group, id, rules)?;
    if checked.kind != secret.kind {
        let problem = Problem::new("RB-1003", "type", "The type cannot be changed");
        return Err(bad_request(rules, &[problem]));
    }
    if secret.kind == Kind::VdpContext {
        let problem =
            Problem::new("OE-1003", "type", "A shared secret of type VDPContext cannot be replaced");
        return Err(bad_request(rules, &[problem]));
    }
    if rules.expired_is_refused && checked.expires.is_some_and(|date| date < when.today) {
        let problem = Problem::new("OE-1001", "expirationDate", "The shared secret is expired");
        return Err(refuse(FAMILY, rules, StatusCode::CONFLICT, "Conflict", &[problem]));
    }
    replace(secret, checked, &by.client, &when);
    Ok(())
}

/// Renames or re-dates; refuses anything else, because it cannot change a value.
pub(crate) async fn patch_one(
    visit: Visit,
    Path(SecretPath { group, id }): Path<SecretPath>,
    body: Bytes,
) -> Result<Answer, Answer> {
    let (mut world, _) = visit.enter(WRITE, FAMILY)?;
    let rules = world.rules.clone();
    let body = json_body(&rules, &visit.headers, &body)?;
    let (name, expires) = patch_body(&body).map_err(|problem| bad_request(&rules, &[problem]))?;
    let modified = world.stamp();
    writable(&mut world, &group, &rules)?;
    if let Some(name) = &name {
        name_is_free(&mut world, &group, &id, name, &rules)?;
    }
    let secret = find(&mut world, &group, &id, &rules)?;
    secret.name = name.unwrap_or_else(|| secret.name.clone());
    secret.expires = expires.unwrap_or(secret.expires);
    secret.modified = modified;
    Ok(Answer::json(StatusCode::OK, json!({ "message": "Shared secret updated" })))
}

fn patch_body(body: &Value) -> Result<(Option<String>, Option<Date>), Problem> {
    let known = ["name", "expirationDate"];
    let fields = body.as_object().into_iter().flat_map(serde_json::Map::keys);
    if let Some(other) = fields.into_iter().find(|field| !known.contains(&field.as_str())) {
        return Err(Problem::new("RB-1003", other, "only name and expirationDate can be patched"));
    }
    let name = body["name"].as_str().map(str::to_owned);
    if let Some(name) = &name {
        valid_name(name)?;
    }
    let expires = expiry(body)?;
    if name.is_none() && expires.is_none() {
        return Err(Problem::new("RB-1004", "name", "name or expirationDate is needed"));
    }
    Ok((name, expires))
}

pub(crate) fn writable(world: &mut World, group: &str, rules: &Rules) -> Result<(), Answer> {
    let group = groups::find(world, group).ok_or_else(|| not_found(rules, "Secret group"))?;
    settled(group.state, rules)
}

fn name_is_free(world: &mut World, group: &str, id: &str, name: &str, rules: &Rules) -> Result<(), Answer> {
    let mut others = groups::find(world, group).into_iter().flat_map(|group| group.secrets.iter());
    if others.any(|other| other.id != id && other.name == name) {
        return Err(refuse(FAMILY, rules, StatusCode::BAD_REQUEST, "Bad request", &[name_in_use()]));
    }
    Ok(())
}

pub(crate) fn find<'w>(
    world: &'w mut World,
    group: &str,
    id: &str,
    rules: &Rules,
) -> Result<&'w mut StoredSecret, Answer> {
    let group = groups::find(world, group).ok_or_else(|| not_found(rules, "Secret group"))?;
    let secret = group.secrets.iter_mut().find(|secret| secret.id == id);
    secret.ok_or_else(|| not_found(rules, "Shared secret"))
}
