//! Keystores, truststores and certificates: list, read, create, replace (contract 1.2, 1.4, 1.5, 1.8).
//!
//! What was uploaded goes in and never comes out again over HTTP; tests read it from the history. Binary
//! stores are not opened here, so their date is a year from the write unless one was sent.

use axum::extract::{Path, Query};
use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Family, Problem, error};
use super::deployment::Author;
use super::groups::{self, READ, WRITE, bad_request, not_found, stamp};
use super::history::StoreWrite;
use super::lost::{self, Write};
use super::multipart;
use super::rules::Rules;
use super::shared_secrets::{When, created, has_room, name_in_use, settled, writable};
use super::store_types::{Checked, Parts, Stores, check, shown};
use super::visit::Visit;
use super::world::World;

const FAMILY: Family = Family::Secrets;

#[derive(Debug)]
pub(crate) struct StoredStore {
    pub(crate) id: String,
    list: Stores,
    name: String,
    kind: String,
    expires: Date,
    modified: Timestamp,
    /// Never empty: the first entry is what it was created with.
    pub(crate) writes: Vec<StoreWrite>,
}

impl StoredStore {
    pub(crate) fn is(&self, list: Stores, name: &str) -> bool {
        self.list == list && self.name == name
    }

    fn summary(&self, rules: &Rules) -> Value {
        json!({
            "name": self.name,
            "type": self.kind,
            "expirationDate": self.expires.to_string(),
            "meta": {
                "id": self.id,
                "path": format!("{}/{}", self.list.as_str(), self.id),
                "modifiedAt": stamp(self.modified, rules),
            },
        })
    }

    fn detail(&self, rules: &Rules) -> Value {
        let mut view = self.summary(rules);
        let more = self.writes.last().map(|write| shown(self.list, &write.parts));
        if let (Some(view), Some(Value::Object(more))) = (view.as_object_mut(), more) {
            view.extend(more);
        }
        view
    }

    /// Full replacement: what the upload leaves out is not kept, the expiry included.
    fn replace(&mut self, checked: Checked, by: &str, when: &When) {
        self.name = checked.name;
        self.expires = checked.expires;
        self.modified = when.stamp;
        self.writes.push(StoreWrite {
            at: when.now,
            by: by.to_owned(),
            name: self.name.clone(),
            kind: self.kind.clone(),
            parts: checked.parts,
            expiration_date: self.expires.to_string(),
        });
    }
}

/// Adds a store to a group, from an upload; gives its id.
pub(crate) fn create(world: &mut World, upload: &Upload, by: &str) -> Result<String, Answer> {
    let (when, rules) = (When::of(world), world.rules.clone());
    let Upload { group, list, parts, allow_expired, .. } = upload;
    let checked = check(*list, parts, *allow_expired, &rules, when.now);
    let checked = checked.map_err(|problems| bad_request(&rules, &problems))?;
    let group = groups::find(world, group).ok_or_else(|| not_found(&rules, "Secret group"))?;
    settled(group.state, &rules)?;
    if group.stores.iter().any(|store| store.is(*list, &checked.name)) {
        return Err(bad_request(&rules, &[name_in_use()]));
    }
    has_room(group, &rules, list.as_str())?;
    let (id, kind) = (uuid::Uuid::new_v4().to_string(), checked.kind.clone());
    let (name, expires, modified) = (String::new(), when.today, when.stamp);
    let mut store =
        StoredStore { id: id.clone(), list: *list, name, kind, expires, modified, writes: Vec::new() };
    store.replace(checked, by, &when);
    group.stores.push(store);
    Ok(id)
}

#[derive(Deserialize)]
pub(crate) struct ListPath {
    group: String,
    list: String,
}

#[derive(Deserialize)]
pub(crate) struct StorePath {
    group: String,
    list: String,
    id: String,
}

#[derive(Deserialize)]
pub(crate) struct Options {
    #[serde(rename = "allowExpiredCert", default)]
    allow_expired: bool,
}

pub(crate) async fn list(visit: Visit, Path(path): Path<ListPath>) -> Result<Answer, Answer> {
    let (mut world, _) = visit.enter(READ, FAMILY)?;
    let rules = world.rules.clone();
    let list = Stores::parse(&path.list).ok_or_else(|| not_found(&rules, "Resource"))?;
    let group = groups::find(&mut world, &path.group).ok_or_else(|| not_found(&rules, "Secret group"))?;
    let stores = group.stores.iter().filter(|store| store.list == list);
    Ok(Answer::json(StatusCode::OK, stores.map(|store| store.summary(&rules)).collect()))
}

pub(crate) async fn get(visit: Visit, Path(path): Path<StorePath>) -> Result<Answer, Answer> {
    let (mut world, _) = visit.enter(READ, FAMILY)?;
    let rules = world.rules.clone();
    let list = Stores::parse(&path.list).ok_or_else(|| not_found(&rules, "Resource"))?;
    let store = find(&mut world, &path.group, list, &path.id, &rules)?;
    Ok(Answer::json(StatusCode::OK, store.detail(&rules)))
}

pub(crate) async fn post_one(
    visit: Visit,
    Path(ListPath { group, list }): Path<ListPath>,
    Query(options): Query<Options>,
    body: Bytes,
) -> Result<Answer, Answer> {
    upload(&visit, (group, list, None), options, &body).await
}

pub(crate) async fn put_one(
    visit: Visit,
    Path(StorePath { group, list, id }): Path<StorePath>,
    Query(options): Query<Options>,
    body: Bytes,
) -> Result<Answer, Answer> {
    upload(&visit, (group, list, Some(id)), options, &body).await
}

async fn upload(
    visit: &Visit,
    (group, list, id): (String, String, Option<String>),
    Options { allow_expired }: Options,
    body: &Bytes,
) -> Result<Answer, Answer> {
    let write = {
        let (world, by) = visit.enter(WRITE, FAMILY)?;
        let rules = &world.rules;
        let list = Stores::parse(&list).ok_or_else(|| not_found(rules, "Resource"))?;
        let parts = multipart::parts(&visit.headers, body).ok_or_else(|| {
            error(FAMILY, rules, StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported media type")
        })?;
        Write::Store { upload: Upload { group, list, id, parts, allow_expired }, by }
    };
    Ok(lost::carry_out(&visit.shared, write).await)
}

/// A POST or PUT that was let in.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub(crate) group: String,
    pub(crate) list: Stores,
    /// None creates a store.
    pub(crate) id: Option<String>,
    pub(crate) parts: Parts,
    pub(crate) allow_expired: bool,
}

/// Creates or replaces a store.
pub(crate) fn write(world: &mut World, upload: &Upload, by: &Author) -> Answer {
    let rules = world.rules.clone();
    let Some(id) = &upload.id else {
        let id = create(world, upload, &by.client);
        return id.map_or_else(|refusal| refusal, |id| created(&rules, &id));
    };
    match try_put(world, &rules, upload, id, by) {
        Err(refusal) => refusal,
        Ok(()) if rules.put_answers_204 => Answer::empty(StatusCode::NO_CONTENT),
        Ok(()) => Answer::json(StatusCode::OK, json!({ "message": "Secret updated successfully" })),
    }
}

fn try_put(world: &mut World, rules: &Rules, upload: &Upload, id: &str, by: &Author) -> Result<(), Answer> {
    let when = When::of(world);
    let Upload { group, list, parts, allow_expired, .. } = upload;
    let checked = check(*list, parts, *allow_expired, rules, when.now);
    let checked = checked.map_err(|problems| bad_request(rules, &problems))?;
    writable(world, group, rules)?;
    let mut others = groups::find(world, group).into_iter().flat_map(|group| group.stores.iter());
    if others.any(|other| other.id != id && other.list == *list && other.name == checked.name) {
        return Err(bad_request(rules, &[name_in_use()]));
    }
    let store = find(world, group, *list, id, rules)?;
    if checked.kind != store.kind {
        let problem = Problem::new("RB-1003", "type", "The type cannot be changed");
        return Err(bad_request(rules, &[problem]));
    }
    store.replace(checked, &by.client, &when);
    Ok(())
}

fn find<'w>(
    world: &'w mut World,
    group: &str,
    list: Stores,
    id: &str,
    rules: &Rules,
) -> Result<&'w mut StoredStore, Answer> {
    let group = groups::find(world, group).ok_or_else(|| not_found(rules, "Secret group"))?;
    let store = group.stores.iter_mut().find(|store| store.list == list && store.id == id);
    store.ok_or_else(|| not_found(rules, "Secret"))
}
