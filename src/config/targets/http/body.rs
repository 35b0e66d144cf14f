//! `body`: YAML that becomes JSON, with places that are filled in for each write.
//!
//! A mapping with the key `secret` is a value, one with the key `fact` a fact of the write; every other
//! mapping is an object. A member that is itself called so is written with a backslash before its name,
//! which no name keeps.

use std::collections::BTreeMap;

use serde_json::value::{RawValue, to_raw_value};

use super::super::super::decode::Value;
use super::super::super::document::Kind;
use super::super::super::scalar::choice;
use super::super::super::source::typed_part;
use super::super::super::{Fact, Json, Literal};

pub(super) fn body(value: &Value<'_>) -> Option<Json> {
    if matches!(value.kind(), Kind::Null) {
        return value.refuse("expected what is to be sent; without `body` it is the relay's own notice");
    }
    json(value, String::new())
}

/// `place` is the RFC 6901 pointer to it.
fn json(value: &Value<'_>, place: String) -> Option<Json> {
    match value.kind() {
        Kind::Null | Kind::Text(_) => literal(value).map(Json::Literal),
        Kind::List(_) => {
            let items = value.items("a list")?.into_iter().enumerate();
            let read: Vec<Option<Json>> =
                items.map(|(index, item)| json(&item, format!("{place}/{index}"))).collect();
            read.into_iter().collect::<Option<_>>().map(Json::List)
        }
        Kind::Map(_) if value.has_any(&["secret"]) => {
            let (source, form) = typed_part(value)?;
            let place = if place.is_empty() { "the body".to_owned() } else { place };
            Some(Json::Value { place, source, form })
        }
        Kind::Map(_) if value.has_any(&["fact"]) => fact(value).map(Json::Fact),
        Kind::Map(_) => members(value, &place).map(Json::Object),
    }
}

fn members(value: &Value<'_>, place: &str) -> Option<BTreeMap<String, Json>> {
    let mut members = BTreeMap::new();
    let mut complete = true;
    for (key, value) in value.entries("a mapping")? {
        let name = key.strip_prefix('\\').unwrap_or(key);
        let step = name.replace('~', "~0").replace('/', "~1");
        match json(&value, format!("{place}/{step}")) {
            Some(member) if !members.contains_key(name) => {
                members.insert(name.to_owned(), member);
            }
            Some(_) => {
                value.refuse::<()>("given twice, once with a backslash");
                complete = false;
            }
            None => complete = false,
        }
    }
    complete.then_some(members)
}

fn fact(value: &Value<'_>) -> Option<Fact> {
    let facts = [Fact::Target, Fact::Secrets, Fact::MessageId, Fact::Time].map(|fact| (fact.as_str(), fact));
    let mut fields = value.fields("a fact; a member of that name is written `\\fact`")?;
    let fact = fields.required("fact", "a fact", choice("a fact", &facts));
    fields.finish();
    fact
}

/// A scalar as JSON: without quotes `true`, `false`, `null` and numbers are what they are in JSON, and
/// all else is a text; so is what holds something from the environment.
pub(super) fn literal(value: &Value<'_>) -> Option<Literal> {
    if matches!(value.kind(), Kind::Null) {
        return to_raw_value(&()).ok().map(Literal);
    }
    let text = value.text("a text, a number, true, false or null")?;
    let typed = match value.kind() {
        Kind::Text(scalar) if scalar.plain && scalar.written == text => {
            serde_json::from_str::<&RawValue>(text).ok()
        }
        _ => None,
    };
    typed.map_or_else(|| to_raw_value(text).ok(), |raw| Some(raw.to_owned())).map(Literal)
}
