//! `kind: application`: a Mule application whose deployment holds the values as properties, or that reads
//! them itself when it starts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::connections::Connections;
use super::super::decode::{Fields, Value, quoted};
use super::super::ingress::distinct;
use super::super::runtime::TICK;
use super::super::scalar::{choice, duration, flag, line};
use super::super::source::{value_source, watched};
use super::super::{ApplicationTarget, CloudHubSettings, HybridSettings, Platform};
use super::{connection, limited_source};
use crate::model::{SecretRef, Selector, TemplatePart, ValueSource};

/// Longest name and longest value of a property, in characters (CloudHub 2.0 limits page).
const MAX_PROPERTY: usize = 1024;
/// Properties of one application (the same page); the receipt is one of them.
const MAX_PROPERTIES: usize = 300;
const RECEIPT_PROPERTY: &str = "anypoint-relay.receipt";
const MAX_LIMIT: Duration = Duration::from_hours(6);
/// No source says how long a state from before a write may be shown.
const SETTLE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    CloudHub2,
    Rtf,
    CloudHub,
    Hybrid,
}

const WORDS: [(&str, Word); 4] = [
    ("cloudhub2", Word::CloudHub2),
    ("rtf", Word::Rtf),
    ("cloudhub", Word::CloudHub),
    ("hybrid", Word::Hybrid),
];

pub(super) fn application(mut fields: Fields<'_>, connections: &Connections) -> Option<ApplicationTarget> {
    let connection = connection(&mut fields, connections);
    let word =
        fields.required("platform", "cloudhub2, rtf, cloudhub or hybrid", choice("a platform", &WORDS));
    let deployment = fields.required(
        "deployment",
        "the name or id of the deployment",
        line("the name or id of a deployment"),
    );
    let properties = fields.get("properties");
    let secure_properties = fields.get("secure_properties");
    let watch = fields.get("watch");
    let forget = fields.get("forget");
    let receipt = fields.get("receipt_property");
    let roll_limit = fields.or("roll_limit", Duration::from_mins(15), duration(TICK, MAX_LIMIT));
    let supersede = fields.or("supersede", false, flag);
    let canary = fields.or("canary", false, flag);
    let restart_by = (word == Some(Word::CloudHub)).then(|| fields.get("restart_by")).flatten();
    let platform = platform(&mut fields, word, restart_by.as_ref());

    let limited = matches!(word, Some(Word::CloudHub2 | Word::Rtf));
    let clear = Sources::read(properties.as_ref(), "a mapping of property names to sources", limited);
    let secure =
        Sources::read(secure_properties.as_ref(), "a mapping of secure property names to sources", limited);
    clear.refuse_shared_with(&secure);
    secure.warn_of_literals();
    let watch = watch.map_or(Some(BTreeSet::new()), |value| {
        distinct(&value, "a list of secrets", watched).map(|list| list.into_iter().collect())
    });
    let forget = forget.map_or(Some(BTreeSet::new()), |value| forgotten(&value, &clear, &secure));
    let whole = fields.whole().clone();
    fields.finish();
    let receipt_property = receipt_property(receipt.as_ref().unwrap_or(&whole), receipt.is_some(), |name| {
        clear.named.contains_key(name) || secure.named.contains_key(name)
    });
    let count = clear.named.len() + secure.named.len();
    if limited && count >= MAX_PROPERTIES {
        whole.refuse::<()>(format!(
            "{count} properties; CloudHub 2.0 takes {MAX_PROPERTIES}, and one of them is the relay's receipt"
        ));
    }
    if let (Some(Word::Hybrid), Some(value)) = (word, &secure_properties) {
        value.refuse::<()>(
            "hybrid servers hide no values; move these to `properties`, where they stay readable",
        );
    }
    if let (Some(Platform::CloudHub(CloudHubSettings { restarts: true, .. })), Some(value)) =
        (&platform, &restart_by)
        && count > 0
    {
        value.refuse::<()>("a restart call writes no properties; leave it out, or the properties");
    }
    if !(clear.complete && secure.complete) {
        return None;
    }
    let watch = watch?;
    let sources = || clear.named.values().chain(secure.named.values());
    if watch.is_empty() && !sources().any(|source| source.secret().is_some()) {
        return whole.refuse(
            "takes no secret; give at least one value as { secret: name, field: name }, name those that the \
             application reads itself under `watch`, or delete the target",
        );
    }
    warn_of_platform(&whole, word, count > 0);
    warn_of_single_users(&whole, sources());
    Some(ApplicationTarget {
        connection: connection?,
        platform: platform?,
        deployment: deployment?,
        properties: clear.named,
        secure_properties: secure.named,
        watch,
        forget: forget?,
        receipt_property: receipt_property?,
        roll_limit,
        supersede,
        canary,
    })
}

/// The platform with the settings that only it has.
fn platform(fields: &mut Fields<'_>, word: Option<Word>, restart_by: Option<&Value<'_>>) -> Option<Platform> {
    let settle = |fields: &mut Fields<'_>| fields.or("settle", SETTLE, duration(TICK, MAX_LIMIT));
    Some(match word? {
        Word::CloudHub2 => Platform::CloudHub2,
        Word::Rtf => Platform::Rtf,
        Word::CloudHub => Platform::CloudHub(CloudHubSettings {
            settle: settle(fields),
            restarts: restart_by.map_or(Some(false), restarts)?,
        }),
        Word::Hybrid => Platform::Hybrid(HybridSettings {
            settle: settle(fields),
            server: fields.optional("server", line("the name or id of a server, group or cluster")),
            owns_all_properties: fields.or("owns_all_properties", false, flag),
        }),
    })
}

fn restarts(value: &Value<'_>) -> Option<bool> {
    let by_call = choice("a way to restart", &[("property", false), ("call", true)])(value)?;
    if by_call {
        value.warn(
            "MuleSoft's command line restarts by this call, its specification does not have it; nothing then \
             proves that the application did, so the outcome is `accepted`",
        );
    }
    Some(by_call)
}

fn warn_of_platform(value: &Value<'_>, word: Option<Word>, writes: bool) {
    if word == Some(Word::Rtf) && writes {
        value.warn(
            "a property that `rtfctl apply secure-property` stored in the cluster takes precedence over the \
             same name here, and Anypoint does not show it: the relay would say `in_sync` while the \
             application runs with the cluster's value; remove those from the cluster",
        );
    }
    if word == Some(Word::Hybrid) {
        value.warn(
            "hybrid servers restart the application for each write, with a brief downtime, and its properties \
             stay readable in Runtime Manager; to keep them unseen, let it read AWS itself and `watch`",
        );
    }
}

/// A password without its user name: then the user is most likely the same after each rotation. What AWS
/// really does is not known from here.
fn warn_of_single_users<'a>(value: &Value<'_>, sources: impl Iterator<Item = &'a ValueSource>) {
    let mut parts: BTreeMap<&SecretRef, [bool; 2]> = BTreeMap::new();
    for source in sources {
        let ValueSource::Secret(secret, selector) = source else { continue };
        let [password, user] = parts.entry(secret).or_default();
        *password |= names_one_of(selector, &["password", "passwd", "pwd"]);
        *user |= names_one_of(selector, &["user", "login"]);
    }
    for (secret, _) in parts.into_iter().filter(|(_, found)| *found == [true, false]) {
        value.warn(format!(
            "takes a password of {} and no user name; if its rotation keeps the user, what still runs with the \
             old password loses access until the restart has ended; let the rotation alternate two users, and \
             take the user name from the secret too",
            quoted(secret.id())
        ));
    }
}

fn names_one_of(selector: &Selector, words: &[&str]) -> bool {
    let fits = |name: &str| {
        let name = name.to_lowercase();
        words.iter().any(|word| name.contains(word))
    };
    match selector {
        Selector::Whole | Selector::Binary => false,
        Selector::Field(name) => fits(name),
        Selector::Pointer(pointer) => fits(pointer.rsplit('/').next().unwrap_or_default()),
        Selector::Template(parts) => {
            parts.iter().any(|part| matches!(part, TemplatePart::Field(name) if fits(name)))
        }
    }
}

/// One of the two property maps.
struct Sources<'a> {
    named: BTreeMap<String, ValueSource>,
    places: BTreeMap<String, Value<'a>>,
    /// Whether every entry could be read.
    complete: bool,
}

impl<'a> Sources<'a> {
    fn read(value: Option<&Value<'a>>, what: &str, limited: bool) -> Self {
        let mut sources = Self { named: BTreeMap::new(), places: BTreeMap::new(), complete: true };
        let entries = value.map_or(Some(Vec::new()), |value| value.entries(what));
        sources.complete = entries.is_some();
        for (name, value) in entries.unwrap_or_default() {
            let source = property(&value, limited);
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

fn property(value: &Value<'_>, limited: bool) -> Option<ValueSource> {
    let source = if limited { limited_source(MAX_PROPERTY)(value)? } else { value_source(value)? };
    match &source {
        ValueSource::Literal(text) if !text.is_empty() && text.chars().all(|c| c == '*') => {
            value.refuse("only asterisks: that is how Anypoint masks a value, not a value; give the real one")
        }
        _ => Some(source),
    }
}
