//! `kind: application`: a Mule application whose deployment holds the values as properties.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::connections::Connections;
use super::super::decode::{Fields, Value, quoted};
use super::super::ingress::distinct;
use super::super::runtime::TICK;
use super::super::scalar::{choice, duration, flag, line};
use super::super::{ApplicationTarget, Platform};
use super::{connection, limited_source, takes_a_secret};
use crate::model::ValueSource;

/// Longest name and longest value of a property, in characters (CloudHub 2.0 limits page).
const MAX_PROPERTY: usize = 1024;
/// Properties of one application (the same page); the receipt is one of them.
const MAX_PROPERTIES: usize = 300;
const RECEIPT_PROPERTY: &str = "anypoint-relay.receipt";

pub(super) fn application(mut fields: Fields<'_>, connections: &Connections) -> Option<ApplicationTarget> {
    let connection = connection(&mut fields, connections);
    let platform = fields.required(
        "platform",
        "cloudhub2",
        choice("a platform that this version serves", &[("cloudhub2", Platform::CloudHub2)]),
    );
    let deployment = fields.required(
        "deployment",
        "the name or id of the deployment",
        line("the name or id of a deployment"),
    );
    let properties = fields.get("properties");
    let secure_properties = fields.get("secure_properties");
    let forget = fields.get("forget");
    let receipt = fields.get("receipt_property");
    let roll_limit =
        fields.or("roll_limit", Duration::from_mins(15), duration(TICK, Duration::from_hours(6)));
    let supersede = fields.or("supersede", false, flag);
    let canary = fields.or("canary", false, flag);

    let clear = Sources::read(properties.as_ref(), "a mapping of property names to sources");
    let secure = Sources::read(secure_properties.as_ref(), "a mapping of secure property names to sources");
    clear.refuse_shared_with(&secure);
    secure.warn_of_literals();
    let forget = forget.map_or(Some(BTreeSet::new()), |value| forgotten(&value, &clear, &secure));
    let whole = fields.whole().clone();
    fields.finish();
    let receipt_property = receipt_property(receipt.as_ref().unwrap_or(&whole), receipt.is_some(), |name| {
        clear.named.contains_key(name) || secure.named.contains_key(name)
    });
    let count = clear.named.len() + secure.named.len();
    if count >= MAX_PROPERTIES {
        whole.refuse::<()>(format!(
            "{count} properties; CloudHub 2.0 takes {MAX_PROPERTIES}, and one of them is the relay's receipt"
        ));
    }
    if !(clear.complete && secure.complete) {
        return None;
    }
    takes_a_secret(&whole, clear.named.values().chain(secure.named.values()))?;
    Some(ApplicationTarget {
        connection: connection?,
        platform: platform?,
        deployment: deployment?,
        properties: clear.named,
        secure_properties: secure.named,
        forget: forget?,
        receipt_property: receipt_property?,
        roll_limit,
        supersede,
        canary,
    })
}

/// One of the two property maps.
struct Sources<'a> {
    named: BTreeMap<String, ValueSource>,
    places: BTreeMap<String, Value<'a>>,
    /// Whether every entry could be read.
    complete: bool,
}

impl<'a> Sources<'a> {
    fn read(value: Option<&Value<'a>>, what: &str) -> Self {
        let mut sources = Self { named: BTreeMap::new(), places: BTreeMap::new(), complete: true };
        let entries = value.map_or(Some(Vec::new()), |value| value.entries(what));
        sources.complete = entries.is_some();
        for (name, value) in entries.unwrap_or_default() {
            let source = property(&value);
            if let (Some(name), Some(source)) = (property_name(&value, name), source) {
                sources.named.insert(name.clone(), source);
                sources.places.insert(name, value);
            } else {
                sources.complete = false;
            }
        }
        sources
    }

    fn refuse_shared_with(&self, secure: &Self) {
        for (name, value) in &self.places {
            if secure.named.contains_key(name) {
                value.refuse::<()>(
                    "in `secure_properties` too; a property is one or the other, so keep one of them",
                );
            }
        }
    }

    fn warn_of_literals(&self) {
        for (name, value) in &self.places {
            if matches!(self.named.get(name), Some(ValueSource::Literal(_))) {
                value.warn(
                    "a secure property whose value is in this file; take it from AWS if it is a secret",
                );
            }
        }
    }
}

/// Names that may be lost, none of them one that the target sets.
fn forgotten(value: &Value<'_>, clear: &Sources<'_>, secure: &Sources<'_>) -> Option<BTreeSet<String>> {
    let names = distinct(value, "a list of names of secure properties", |item| {
        let name = property_name(item, item.text("the name of a secure property")?)?;
        if secure.named.contains_key(&name) || clear.named.contains_key(&name) {
            return item
                .refuse("this target sets it; a property is either set or forgotten, so keep one of them");
        }
        Some(name)
    })?;
    Some(names.into_iter().collect())
}

/// The name given at `value`, or the default one where `value` is the target as a whole.
fn receipt_property(value: &Value<'_>, given: bool, taken: impl Fn(&str) -> bool) -> Option<String> {
    let name = if given { value.text("the name of a property")? } else { RECEIPT_PROPERTY };
    let name = property_name(value, name)?;
    if taken(&name) {
        return value.refuse(format!(
            "property {} holds the relay's receipt; rename yours, or set `receipt_property` to a free name",
            quoted(&name)
        ));
    }
    Some(name)
}

fn property_name(value: &Value<'_>, name: &str) -> Option<String> {
    let length = name.chars().count();
    if (1..=MAX_PROPERTY).contains(&length) && !name.chars().any(char::is_control) {
        return Some(name.to_owned());
    }
    value.refuse(format!(
        "a property name has 1 to {MAX_PROPERTY} characters, none of them a control character"
    ))
}

fn property(value: &Value<'_>) -> Option<ValueSource> {
    let source = limited_source(MAX_PROPERTY)(value)?;
    match &source {
        ValueSource::Literal(text) if !text.is_empty() && text.chars().all(|c| c == '*') => {
            value.refuse("only asterisks: that is how Anypoint masks a value, not a value; give the real one")
        }
        _ => Some(source),
    }
}
