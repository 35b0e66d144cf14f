//! What a request carries: the relay's own notice, or the JSON of the configuration, filled in; and headers.
//!
//! Guarantees: a value becomes JSON by a serializer, never by being put into text, so no value can change
//! what stands around it; what does not fit its place is refused before anything is sent, and not shown.

use std::collections::BTreeMap;

use jiff::Timestamp;
use reqwest::header::HeaderValue;
use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::super::Resolved;
use crate::anypoint::body::{self, Exposed};
use crate::config::{Fact, Form, HttpBody, Json, Literal, header_flaw};
use crate::model::{Failure, FailureCode, Retry, SecretRef, ValueSource, VersionSeen};
use crate::secret::SecretValue;
use crate::sync::values::Values;

/// What is known of a write without its values.
pub(super) struct Facts<'a> {
    pub(super) target: &'a str,
    pub(super) secrets: Vec<Secret<'a>>,
    pub(super) message_id: &'a str,
    pub(super) time: Timestamp,
}

/// A secret with its version.
#[derive(Serialize)]
pub(super) struct Secret<'a> {
    id: &'a str,
    version: &'a str,
}

impl<'a> Secret<'a> {
    pub(super) fn of((secret, seen): (&'a SecretRef, &'a VersionSeen)) -> Self {
        Self { id: secret.id(), version: seen.version.as_str() }
    }
}

/// The body as it is sent; none where the method has none.
pub(super) fn body(
    body: &HttpBody,
    values: &Values,
    facts: &Facts<'_>,
) -> Result<Option<SecretValue>, Failure> {
    match body {
        HttpBody::None => Ok(None),
        HttpBody::Notice(sources) => {
            let resolved: Vec<Resolved<'_>> = sources
                .iter()
                .map(|(name, source)| Resolved::of(name, source, values))
                .collect::<Result<_, _>>()?;
            let values = resolved.iter().map(|field| (field.name, Exposed(field.text()))).collect();
            body::json(&Notice { target: facts.target, secrets: &facts.secrets, values }).map(Some)
        }
        HttpBody::Template(json) => body::json(&fill(json, values, facts)?).map(Some),
    }
}

/// What a receiver is told where nothing else is configured.
#[derive(Serialize)]
struct Notice<'a> {
    target: &'a str,
    secrets: &'a [Secret<'a>],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    values: BTreeMap<&'a str, Exposed<'a>>,
}

/// JSON of the configuration with everything in its place.
enum Filled<'a> {
    Literal(&'a Literal),
    Fact(Fact, &'a Facts<'a>),
    Text(Resolved<'a>),
    /// JSON text; that it is JSON was seen.
    Raw(SecretValue),
    List(Vec<Filled<'a>>),
    Object(BTreeMap<&'a str, Filled<'a>>),
}

fn fill<'a>(json: &'a Json, values: &Values, facts: &'a Facts<'a>) -> Result<Filled<'a>, Failure> {
    Ok(match json {
        Json::Literal(literal) => Filled::Literal(literal),
        Json::Fact(fact) => Filled::Fact(*fact, facts),
        Json::Value { place, source, form: Form::Text } => Filled::Text(Resolved::of(place, source, values)?),
        Json::Value { place, source, form } => Filled::Raw(typed(place, source, *form, values)?),
        Json::List(items) => {
            Filled::List(items.iter().map(|item| fill(item, values, facts)).collect::<Result<_, _>>()?)
        }
        Json::Object(members) => Filled::Object(
            members
                .iter()
                .map(|(name, member)| Ok((name.as_str(), fill(member, values, facts)?)))
                .collect::<Result<_, Failure>>()?,
        ),
    })
}

/// The text of a value that is JSON of this form by itself.
fn typed(place: &str, source: &ValueSource, form: Form, values: &Values) -> Result<SecretValue, Failure> {
    let value = if form == Form::Json { values.resolve_json(source)? } else { values.resolve(source)? };
    // The parser's own message may quote the value. What surrounds a number is not part of it.
    let raw = parse(&value).filter(|raw| form == Form::Json || raw.get().len() == value.len());
    let fits = raw.is_some_and(|raw| match (form, raw.get().as_bytes()) {
        (Form::Text | Form::Json, _) => true,
        (Form::Number, text) => matches!(text, [b'-' | b'0'..=b'9', ..]),
        (Form::Boolean, text) => matches!(text, b"true" | b"false"),
    });
    if fits {
        return Ok(value);
    }
    let form = form.as_str();
    Err(unfit(
        &format!("the value for {place} is not JSON of the type {form}"),
        format!("correct the secret, or `as: {form}` of this value"),
    ))
}

fn parse(value: &SecretValue) -> Option<&RawValue> {
    serde_json::from_slice(value.expose_bytes()).ok()
}

impl Serialize for Filled<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Filled::Literal(literal) => literal.raw().serialize(serializer),
            Filled::Fact(fact, facts) => match fact {
                Fact::Target => serializer.serialize_str(facts.target),
                Fact::Secrets => facts.secrets.serialize(serializer),
                Fact::MessageId => serializer.serialize_str(facts.message_id),
                Fact::Time => serializer.collect_str(&facts.time),
            },
            Filled::Text(resolved) => Exposed(resolved.text()).serialize(serializer),
            Filled::Raw(value) => {
                parse(value).ok_or_else(|| S::Error::custom("not JSON"))?.serialize(serializer)
            }
            Filled::List(items) => serializer.collect_seq(items),
            Filled::Object(members) => serializer.collect_map(members),
        }
    }
}

/// A header's value from a secret; `name` is the header's.
pub(super) fn header(name: &str, source: &ValueSource, values: &Values) -> Result<HeaderValue, Failure> {
    header_value(values.resolve(source)?).map_err(|flaw| {
        unfit(
            &format!("the value for header {name} {flaw}"),
            "correct the secret, or send it in the body".to_owned(),
        )
    })
}

/// A header's value, or what is wrong with it; wiped with its last user and marked as sensitive.
pub(super) fn header_value(value: SecretValue) -> Result<HeaderValue, &'static str> {
    if let Some(flaw) = header_flaw(value.expose_bytes()) {
        return Err(flaw);
    }
    let mut value =
        HeaderValue::from_maybe_shared(body::into_bytes(value)).map_err(|_| "is not that of a header")?;
    value.set_sensitive(true);
    Ok(value)
}

fn unfit(what: &str, next_step: String) -> Failure {
    Failure::new(FailureCode::BadValue, Retry::Never, what, next_step)
}

#[cfg(test)]
mod tests;
