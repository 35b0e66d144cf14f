//! What one list tells about its things: the id behind a name, and whether it still rolls.

use serde_json::Value;

use crate::anypoint::body::Parsed;
use crate::anypoint::browse::{List, Listed};
use crate::anypoint::error::CallError;
use crate::model::{Failure, FailureCode, Retry};

/// Names shown to a person whose name was not found.
const NAMES_SHOWN: usize = 10;

/// States of a deployment that is on its way to another (the lists of states have more; of those the
/// detail decides): of the Application Manager, and of hybrid servers.
const ON_ITS_WAY: [&str; 5] = ["APPLYING", "STARTING", "PARTIALLY_STARTED", "DEPLOYING", "UPDATED"];

/// Why a name led to no id.
pub(in crate::anypoint) struct Unlisted {
    pub(in crate::anypoint) failure: Failure,
    /// The list is whole and has no such name.
    pub(in crate::anypoint) absent: bool,
}

impl From<Unlisted> for Failure {
    fn from(unlisted: Unlisted) -> Self {
        unlisted.failure
    }
}

impl From<CallError> for Unlisted {
    fn from(error: CallError) -> Self {
        Self { failure: error.failure, absent: false }
    }
}

/// What a list showed.
pub(in crate::anypoint) struct Listing {
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

impl Listing {
    /// A bare array, or an object with `items` or `data`; ids stand in the entry or in its `meta`.
    pub(in crate::anypoint) fn parse(body: &[u8]) -> Option<Self> {
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

    /// All that it shows, in its order.
    pub(in crate::anypoint) fn into_list(self) -> List {
        let listed = |Entry { name, id, place: [server, _], .. }| Listed { name, id, server };
        List { items: self.entries.into_iter().map(listed).collect(), partial: self.partial }
    }

    /// The id behind a name that exactly one entry (of the place `on`, if there is one) has.
    pub(super) fn find(
        &self,
        what: &str,
        wanted: &str,
        on: Option<&str>,
        setting: &str,
    ) -> Result<String, Unlisted> {
        let there = |entry: &&Entry| {
            entry.name == wanted && on.is_none_or(|on| entry.place.iter().flatten().any(|place| place == on))
        };
        let ids: Vec<&String> = self.entries.iter().filter(there).map(|entry| &entry.id).collect();
        let not_found = |message, next_step| Unlisted {
            failure: Failure::new(FailureCode::NotFound, Retry::Slowly, message, next_step),
            absent: false,
        };
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
            [] => Err(Unlisted {
                absent: true,
                ..not_found(
                    format!("no {what} is named {wanted:?}; there are {}", self.names()),
                    format!("correct {setting}, or `organization` and `environment` of the connection"),
                )
            }),
            _ => Err(not_found(
                format!("{} {what}s are named {wanted:?}", ids.len()),
                format!(
                    "set {setting} to one of the ids: {}",
                    ids.iter().take(NAMES_SHOWN).map(|id| format!("{id:?}")).collect::<Vec<_>>().join(", ")
                ),
            )),
        }
    }

    /// Whether the thing with this id is on its way to another state.
    pub(super) fn rolls(&self, id: &str) -> bool {
        self.entries.iter().any(|entry| entry.id == id && entry.rolls)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn find(list: &str, wanted: &str) -> Result<String, String> {
        let listing = Listing::parse(list.as_bytes()).ok_or("no list")?;
        listing.find("deployment", wanted, None, "`deployment`").map_err(|unlisted| unlisted.failure.message)
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
    fn a_name_is_absent_only_where_the_whole_list_does_not_have_it() {
        let absent = |list: &str, on| {
            let listing = Listing::parse(list.as_bytes()).unwrap();
            listing.find("deployment", "a", on, "`deployment`").is_err_and(|unlisted| unlisted.absent)
        };
        assert!(absent("[]", None) && absent(r#"[{"id":"1","name":"b"}]"#, None));
        assert!(!absent(r#"{"total":2,"items":[{"id":"1","name":"b"}]}"#, None), "there are more");
        assert!(!absent(r#"[{"id":"1","name":"a"},{"id":"2","name":"a"}]"#, None), "it is there twice");
        assert!(!absent(r#"[{"id":"1","name":"a"}]"#, Some("west")), "it is there, elsewhere");
    }

    #[test]
    fn a_name_on_two_servers_is_told_apart_by_the_server() {
        let list = r#"{"data":[{"id":1,"artifact":{"name":"a"},"target":{"id":7,"name":"east"}},
            {"id":2,"artifact":{"name":"a"},"target":{"id":8,"name":"west"}}]}"#;
        let listing = Listing::parse(list.as_bytes()).unwrap();
        let find = |on| {
            listing.find("application", "a", on, "`deployment`").map_err(|unlisted| unlisted.failure.message)
        };
        assert_eq!(find(Some("west")).as_deref(), Ok("2"));
        assert_eq!(find(Some("7")).as_deref(), Ok("1"));
        assert_eq!(find(None).unwrap_err(), r#"2 applications are named "a""#);
        assert_eq!(find(Some("north")).unwrap_err(), r#"no application named "a" is on "north""#);
    }
}
