//! `targets`: what takes the values; one file per kind, and the rules that hold between targets.

mod application;
mod http;
mod secret_value;
mod shared_secret;
mod store;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::connections::Connections;
use super::decode::{Fields, Value};
use super::scalar::{choice, duration};
use super::source::value_source;
use super::{StoreKind, Target, TargetKind};
use crate::model::{TargetName, ValueSource};

/// A short window gives several secrets of one application one roll.
const COALESCE: Duration = Duration::from_secs(5);
const MAX_COALESCE: Duration = Duration::from_mins(10);

#[derive(Clone, Copy)]
enum Kind {
    Application,
    SharedSecret,
    Store(StoreKind),
    SecretValue,
    Http,
}

pub(super) fn targets(value: &Value<'_>, connections: &Connections) -> Option<BTreeMap<TargetName, Target>> {
    let mut targets = BTreeMap::new();
    let mut writers = HashMap::new();
    let mut followers = Vec::new();
    for (key, value) in value.entries("a mapping of names to targets")? {
        let name = match TargetName::parse(key) {
            Ok(name) => name,
            Err(error) => {
                value.refuse::<()>(error.to_string());
                continue;
            }
        };
        let Some((target, then)) = target(&value, &name, connections) else { continue };
        one_writer(&value, &target.kind, connections, &mut writers);
        followers.extend(then.and_then(|then| follower(&then, &target)));
        targets.insert(name, target);
    }
    for (follower, value) in followers {
        if targets.contains_key(&follower.name) {
            value.refuse::<()>(format!(
                "is called {} in the status, and another target has that name",
                follower.name
            ));
        }
        targets.insert(follower.name.clone(), follower);
    }
    // Built anew from all of them, a tree is full; one that grew in this order is half empty.
    Some(targets.into_iter().collect())
}

/// The call behind the writes of a target, as a target of its own.
fn follower<'a>(then: &Value<'a>, leader: &Target) -> Option<(Target, Value<'a>)> {
    let call = http::http(then.fields("an http target")?, leader.kind.secrets());
    let Ok(name) = TargetName::parse(&format!("{}.then", leader.name)) else {
        return then.refuse(format!(
            "is called {}.then in the status, and such a name has at most 64 characters; give the target a shorter one",
            leader.name
        ));
    };
    let follows = Some(leader.name.clone());
    let target = Target { name, coalesce: Duration::ZERO, kind: TargetKind::Http(Arc::new(call?)), follows };
    Some((target, then.clone()))
}

/// A target, and what its `then` says.
fn target<'a>(
    value: &Value<'a>,
    name: &TargetName,
    connections: &Connections,
) -> Option<(Target, Option<Value<'a>>)> {
    const KINDS: [(&str, Kind); 7] = [
        ("application", Kind::Application),
        ("shared_secret", Kind::SharedSecret),
        ("keystore", Kind::Store(StoreKind::Keystore)),
        ("truststore", Kind::Store(StoreKind::Truststore)),
        ("certificate", Kind::Store(StoreKind::Certificate)),
        ("secret_value", Kind::SecretValue),
        ("http", Kind::Http),
    ];
    let mut common = value.fields("a target")?;
    let kind = common.required(
        "kind",
        "application, shared_secret, keystore, truststore, certificate, secret_value or http",
        choice("a kind", &KINDS),
    );
    let coalesce = common.or("coalesce", COALESCE, duration(Duration::ZERO, MAX_COALESCE));
    let then = common.get("then");
    // Without a kind nobody knows which other keys are right.
    let fields = |name| value.fields(name).map(|fields| fields.after(&common));
    let kind = match kind? {
        Kind::Application => TargetKind::Application(Arc::new(application::application(
            fields("an application target")?,
            connections,
        )?)),
        Kind::SharedSecret => TargetKind::SharedSecret(Arc::new(shared_secret::shared_secret(
            fields("a shared_secret target")?,
            connections,
        )?)),
        Kind::Store(kind) => {
            let name = match kind {
                StoreKind::Keystore => "a keystore target",
                StoreKind::Truststore => "a truststore target",
                StoreKind::Certificate => "a certificate target",
            };
            TargetKind::Store(Arc::new(store::store(fields(name)?, kind, connections)?))
        }
        Kind::SecretValue => TargetKind::SecretValue(Arc::new(secret_value::secret_value(
            fields("a secret_value target")?,
            connections,
        )?)),
        Kind::Http => TargetKind::Http(Arc::new(http::http(fields("an http target")?, BTreeSet::new())?)),
    };
    Some((Target { name: name.clone(), coalesce, kind, follows: None }, then))
}

/// Refuses a second target for one thing in Anypoint: each would undo what the other wrote. That a name
/// and an id mean one thing is found out when the name is looked up.
fn one_writer(
    value: &Value<'_>,
    kind: &TargetKind,
    connections: &Connections,
    writers: &mut HashMap<String, (String, usize)>,
) {
    let thing = kind.place();
    let Some(connection) = kind.connection() else { return };
    let key = format!("{} {thing}", connections.environment(connection));
    if let Some((first, line)) = writers.get(&key) {
        value.refuse::<()>(format!(
            "writes {thing} as {first} (line {line}) does; a thing has one writer, so put all of it into one target"
        ));
    } else {
        writers.insert(key, (value.path().to_string(), value.line()));
    }
}

/// The reference that every kind of Anypoint's has.
fn connection(fields: &mut Fields<'_>, connections: &Connections) -> Option<crate::model::ConnectionName> {
    fields.required("connection", "the name of a connection", |value| connections.reference(value))
}

/// A source whose literal text must fit the target; what comes from AWS is checked when it is known.
fn limited_source(limit: usize) -> impl Fn(&Value<'_>) -> Option<ValueSource> {
    move |value| {
        let source = value_source(value)?;
        let ValueSource::Literal(text) = &source else { return Some(source) };
        let length = text.chars().count();
        if length > limit {
            return value.refuse(format!("{length} characters; Anypoint takes at most {limit} here"));
        }
        Some(source)
    }
}

/// Refuses a target that takes nothing from AWS: nothing would ever bring it up to date.
fn takes_a_secret<'a>(value: &Value<'_>, sources: impl IntoIterator<Item = &'a ValueSource>) -> Option<()> {
    if sources.into_iter().any(|source| source.secret().is_some()) {
        return Some(());
    }
    value.refuse(
        "takes no secret; give at least one value as { secret: name, field: name }, or delete the target",
    )
}
