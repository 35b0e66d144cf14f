//! What a list tells about one of its things: the id behind a name, and whether it still rolls.
//!
//! Anypoint's lists take no query, so whole lists are read; one read serves all targets of a connection
//! that ask within a few seconds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use uuid::Uuid;

use super::body::Parsed;
use super::call::Call;
use super::caller::Caller;
use super::error::{CallError, bad_answer};
use super::flight::SharedFlight;
use crate::clock::Clock;
use crate::model::{Failure, FailureCode, Retry};

/// How old a list may be for a name to be looked up in it.
const LIST_LIFE: Duration = Duration::from_secs(5);
/// Names shown to a person whose name was not found.
const NAMES_SHOWN: usize = 10;

/// States of a deployment that is on its way to another (the lists of states have more; of those the
/// detail decides): of the Application Manager, and of hybrid servers.
const ON_ITS_WAY: [&str; 5] = ["APPLYING", "STARTING", "PARTIALLY_STARTED", "DEPLOYING", "UPDATED"];

/// What a list showed.
pub(super) struct Listing {
    entries: Vec<Entry>,
    /// There are more than the answer shows.
    partial: bool,
}

struct Entry {
    name: String,
    id: String,
    rolls: bool,
    /// Name and id of the server or group that has it, where the list says so.
    place: [Option<String>; 2],
}

type Lists = BTreeMap<String, Arc<SharedList>>;

struct SharedList {
    held: Mutex<Option<(Instant, Arc<Listing>)>>,
    reading: SharedFlight<Arc<Listing>, CallError>,
}

/// The lists of one connection, by path. As many as the configuration names.
pub(super) struct Directory {
    caller: Arc<Caller>,
    lists: Mutex<Lists>,
}

impl Directory {
    pub(super) fn new(caller: Arc<Caller>) -> Self {
        Self { caller, lists: Mutex::new(BTreeMap::new()) }
    }

    async fn list(&self, clock: &dyn Clock, call: Call, life: Duration) -> Result<Arc<Listing>, CallError> {
        let list = {
            let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
            let empty = || SharedList { held: Mutex::new(None), reading: SharedFlight::new() };
            Arc::clone(lists.entry(call.path.key()).or_insert_with(|| Arc::new(empty())))
        };
        if let Some(listing) = list.held(clock.now(), life) {
            return Ok(listing);
        }
        list.reading
            .fly(async {
                if let Some(listing) = list.held(clock.now(), life) {
                    return Ok(listing);
                }
                let doing = call.purpose.doing.clone();
                let reply = self.caller.send(call).await?;
                let listing = Listing::parse(reply.body.expose_bytes())
                    .map(Arc::new)
                    .ok_or_else(|| CallError::before(bad_answer(&doing, "the answer is not a list")))?;
                let held = Some((clock.now(), Arc::clone(&listing)));
                *list.held.lock().unwrap_or_else(PoisonError::into_inner) = held;
                Ok(listing)
            })
            .await
    }
}

impl SharedList {
    fn held(&self, now: Instant, life: Duration) -> Option<Arc<Listing>> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref()
            .filter(|(read, _)| now.saturating_duration_since(*read) < life)
            .map(|(_, listing)| Arc::clone(listing))
    }
}

impl Listing {
    /// A bare array, or an object with `items` or `data`; ids stand in the entry or in its `meta`.
    fn parse(body: &[u8]) -> Option<Self> {
        let parsed = Parsed::from_slice(body)?;
        let value = parsed.value();
        let items = value.as_array().or_else(|| {
            ["items", "data"].iter().find_map(|member| value.get(member).and_then(Value::as_array))
        })?;
        let entry = |item: &Value| {
            let name = item.get("name").or_else(|| item.pointer("/artifact/name"))?.as_str()?.to_owned();
            let id = text(item.get("id").or_else(|| item.pointer("/meta/id"))?)?;
            let states = ["status", "desiredStatus", "lastReportedStatus"];
            let rolls = states.iter().filter_map(|state| item.get(state)?.as_str());
            let place = ["/target/name", "/target/id"].map(|at| item.pointer(at).and_then(text));
            Some(Entry { name, id, rolls: rolls.into_iter().any(|state| ON_ITS_WAY.contains(&state)), place })
        };
        let entries: Vec<_> = items.iter().filter_map(entry).collect();
        let total = value.get("total").and_then(Value::as_u64).unwrap_or(0);
        Some(Self { partial: total > items.len() as u64, entries })
    }

    /// The id behind a name that exactly one entry (of the place `on`, if there is one) has.
    fn find(&self, what: &str, wanted: &str, on: Option<&str>, setting: &str) -> Result<String, Failure> {
        let there = |entry: &&Entry| {
            entry.name == wanted && on.is_none_or(|on| entry.place.iter().flatten().any(|place| place == on))
        };
        let ids: Vec<&String> = self.entries.iter().filter(there).map(|entry| &entry.id).collect();
        let not_found =
            |message, next_step| Failure::new(FailureCode::NotFound, Retry::Slowly, message, next_step);
        match ids[..] {
            [id] => Ok(id.clone()),
            [] if self.partial => Err(not_found(
                format!("no {what} named {wanted:?} in the part of the list that Anypoint shows"),
                format!("set {setting} to its id"),
            )),
            [] if on.is_some() && self.entries.iter().any(|entry| entry.name == wanted) => Err(not_found(
                format!("no {what} named {wanted:?} is on {:?}", on.unwrap_or_default()),
                "correct `server` of the target: the name or id of its server, cluster or group".to_owned(),
            )),
            [] => Err(not_found(
                format!("no {what} is named {wanted:?}; there are {}", self.names()),
                format!("correct {setting}, or `organization` and `environment` of the connection"),
            )),
            _ => Err(not_found(
                format!("{} {what}s are named {wanted:?}", ids.len()),
                format!(
                    "set {setting} to one of the ids: {}",
                    ids.iter().take(NAMES_SHOWN).map(|id| format!("{id:?}")).collect::<Vec<_>>().join(", ")
                ),
            )),
        }
    }

    fn names(&self) -> String {
        let mut names: Vec<&str> = self.entries.iter().map(|entry| entry.name.as_str()).collect();
        if names.is_empty() {
            return "none".to_owned();
        }
        names.sort_unstable();
        let shown: Vec<String> = names.iter().take(NAMES_SHOWN).map(|name| format!("{name:?}")).collect();
        match names.len().saturating_sub(NAMES_SHOWN) {
            0 => shown.join(", "),
            more => format!("{} and {more} more", shown.join(", ")),
        }
    }
}

/// A text, or a number as one.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A thing that the configuration names by name or id.
pub(super) struct Named {
    what: &'static str,
    wanted: String,
    /// The place that it is looked for in.
    on: Option<String>,
    setting: String,
    known: Mutex<Option<String>>,
}

impl Named {
    /// `what` and `setting` are for messages: `deployment`, `` `deployment` of target orders ``.
    pub(super) fn new(what: &'static str, wanted: &str, setting: String) -> Self {
        // No name can be taken for an id: the longest name of a secret has 35 characters, and a
        // deployment's name is a DNS label that people choose.
        let is_id = wanted.len() == 36 && Uuid::parse_str(wanted).is_ok();
        Self::known_if(is_id, what, wanted, None, setting)
    }

    /// A thing whose name is its id.
    pub(super) fn by_id(what: &'static str, wanted: &str, setting: String) -> Self {
        Self::known_if(true, what, wanted, None, setting)
    }

    /// A thing whose id is a number. Its name may be taken in several places.
    pub(super) fn numbered(what: &'static str, wanted: &str, on: Option<&str>, setting: String) -> Self {
        let is_id = wanted.bytes().all(|byte| byte.is_ascii_digit());
        Self::known_if(is_id, what, wanted, on, setting)
    }

    fn known_if(is_id: bool, what: &'static str, wanted: &str, on: Option<&str>, setting: String) -> Self {
        let known = Mutex::new(is_id.then(|| wanted.to_owned()));
        Self { what, wanted: wanted.to_owned(), on: on.map(str::to_owned), setting, known }
    }

    /// What it is.
    pub(super) fn what(&self) -> &'static str {
        self.what
    }

    /// As the configuration says it.
    pub(super) fn wanted(&self) -> &str {
        &self.wanted
    }

    /// The setting that names it.
    pub(super) fn setting(&self) -> &str {
        &self.setting
    }

    /// Its id; `list` makes the call that lists its kind, where the id is not known.
    pub(super) async fn id(
        &self,
        directory: &Directory,
        clock: &dyn Clock,
        list: impl FnOnce() -> Call,
    ) -> Result<String, Failure> {
        if let Some(id) = self.lock().clone() {
            return Ok(id);
        }
        let listing = directory.list(clock, list(), LIST_LIFE).await?;
        let id = listing.find(self.what, &self.wanted, self.on.as_deref(), &self.setting)?;
        *self.lock() = Some(id.clone());
        Ok(id)
    }

    /// Whether a list that is at most as old as `life` says that it is on its way to another state. No
    /// is no proof of rest: the list may not tell, or not show it.
    pub(super) async fn rolls(
        &self,
        directory: &Directory,
        clock: &dyn Clock,
        list: impl FnOnce() -> Call,
        life: Duration,
    ) -> Result<bool, Failure> {
        let Some(id) = self.known() else { return Ok(false) };
        let listing = directory.list(clock, list(), life).await?;
        Ok(listing.entries.iter().any(|entry| entry.id == id && entry.rolls))
    }

    /// The id, if it is known.
    pub(super) fn known(&self) -> Option<String> {
        self.lock().clone()
    }

    /// Forgets an id that led nowhere. True where a look-up may give another one: the thing was
    /// made anew under its name.
    pub(super) fn forget(&self, stale: &str) -> bool {
        let mut known = self.lock();
        if self.wanted == stale || known.as_deref() != Some(stale) {
            return false;
        }
        *known = None;
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(list: &str, wanted: &str) -> Result<String, String> {
        let listing = Listing::parse(list.as_bytes()).ok_or("no list")?;
        listing.find("deployment", wanted, None, "`deployment`").map_err(|failure| failure.message)
    }

    #[test]
    fn lists_of_every_form_are_read() {
        for list in [
            r#"[{"name":"a","meta":{"id":"1"}}]"#,
            r#"{"total":1,"items":[{"id":"1","name":"a"}]}"#,
            r#"{"data":[{"id":"1","name":"a"},{"odd":true},null]}"#,
        ] {
            assert_eq!(find(list, "a").as_deref(), Ok("1"), "{list}");
        }
        assert_eq!(find(r#"{"items":{}}"#, "a"), Err("no list".to_owned()));
    }

    #[test]
    fn a_missing_or_ambiguous_name_says_what_there_is() {
        let list = r#"[{"id":"1","name":"b"},{"id":"2","name":"a"},{"id":"3","name":"b"}]"#;
        assert_eq!(find(list, "c").unwrap_err(), r#"no deployment is named "c"; there are "a", "b", "b""#);
        assert_eq!(find(list, "b").unwrap_err(), r#"2 deployments are named "b""#);
        let partial = r#"{"total":5,"items":[{"id":"1","name":"b"}]}"#;
        assert!(find(partial, "c").unwrap_err().contains("in the part of the list"));
    }

    #[test]
    fn a_name_on_two_servers_is_told_apart_by_the_server() {
        let list = r#"{"data":[{"id":1,"artifact":{"name":"a"},"target":{"id":7,"name":"east"}},
            {"id":2,"artifact":{"name":"a"},"target":{"id":8,"name":"west"}}]}"#;
        let listing = Listing::parse(list.as_bytes()).unwrap();
        let find =
            |on| listing.find("application", "a", on, "`deployment`").map_err(|failure| failure.message);
        assert_eq!(find(Some("west")).as_deref(), Ok("2"));
        assert_eq!(find(Some("7")).as_deref(), Ok("1"));
        assert_eq!(find(None).unwrap_err(), r#"2 applications are named "a""#);
        assert_eq!(find(Some("north")).unwrap_err(), r#"no application named "a" is on "north""#);
    }

    #[test]
    fn an_id_needs_no_look_up_and_is_never_forgotten() {
        let id = "6f1f3c1e-7c1d-4b7a-9a43-0a6a3a1c0001";
        let named = Named::new("deployment", id, String::new());
        assert_eq!(named.lock().as_deref(), Some(id));
        assert!(!named.forget(id));
        let named = Named::new("deployment", "orders", String::new());
        *named.lock() = Some(id.to_owned());
        assert!(named.forget(id) && named.lock().is_none() && !named.forget(id));
    }
}
