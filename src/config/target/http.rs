//! What an `http` target sends and what it takes for an answer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use http::{HeaderName, Method};
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::channel::Channel;
use crate::credential::CredentialRef;
use crate::model::{Reach, SecretRef, ValueSource};

/// A signed (Standard Webhooks) request.
#[derive(Clone, Debug)]
pub struct HttpTarget {
    /// Where to.
    pub url: String,
    /// POST, PUT or PATCH; or GET, which has no body.
    pub method: Method,
    /// Signing key.
    pub key: CredentialRef,
    /// Further headers by name, each once; none of those that the relay sets itself.
    pub headers: Vec<(HeaderName, HeaderSource)>,
    /// The body, where there is one.
    pub body: HttpBody,
    /// Secrets that are told about without being sent.
    pub watch: BTreeSet<SecretRef>,
    /// What the answer has to be for the target to count as in sync; without it a 2xx is taken, and
    /// proves nothing.
    pub expect: Option<Box<Expect>>,
    /// Longest time for one request.
    pub timeout: Duration,
    /// Which addresses may be called.
    pub reach: Reach,
    /// What its requests go through.
    pub channel: Channel,
}

impl HttpTarget {
    /// Every value source, with the header or the place in the body that it is sent at.
    pub fn sources(&self) -> Vec<(&str, &ValueSource)> {
        sources_of(&self.body, &self.headers)
    }
}

/// [`HttpTarget::sources`].
pub(in crate::config) fn sources_of<'a>(
    body: &'a HttpBody,
    headers: &'a [(HeaderName, HeaderSource)],
) -> Vec<(&'a str, &'a ValueSource)> {
    let mut sources = Vec::new();
    match body {
        HttpBody::None => {}
        HttpBody::Notice(values) => {
            sources.extend(values.iter().map(|(name, source)| (name.as_str(), source)));
        }
        HttpBody::Template(json) => json.add_sources(&mut sources),
    }
    sources.extend(headers.iter().filter_map(|(name, source)| match source {
        HeaderSource::Value(source) => Some((name.as_str(), source)),
        HeaderSource::Credential(_) => None,
    }));
    sources
}

/// What is sent.
#[derive(Clone, Debug)]
pub enum HttpBody {
    /// Nothing.
    None,
    /// The relay's own notice, with values under these names, each once and in order.
    Notice(Box<[(String, ValueSource)]>),
    /// JSON of the configuration's making.
    Template(Box<Json>),
}

/// JSON that is to be filled in.
#[derive(Clone, Debug)]
pub enum Json {
    /// Stays as it is.
    Literal(Literal),
    /// A fact of the notice.
    Fact(Fact),
    /// A value.
    Value {
        /// Its place, as an RFC 6901 pointer or as "the body".
        place: String,
        /// Where it comes from.
        source: ValueSource,
        /// What becomes of its text.
        form: Form,
    },
    /// An array.
    List(Vec<Json>),
    /// An object.
    Object(BTreeMap<String, Json>),
}

impl Json {
    fn add_sources<'a>(&'a self, sources: &mut Vec<(&'a str, &'a ValueSource)>) {
        match self {
            Json::Literal(_) | Json::Fact(_) => {}
            Json::Value { place, source, .. } => sources.push((place, source)),
            Json::List(items) => items.iter().for_each(|item| item.add_sources(sources)),
            Json::Object(members) => members.values().for_each(|member| member.add_sources(sources)),
        }
    }
}

/// A scalar of the configuration as JSON text, so that a number keeps its digits.
#[derive(Clone)]
pub struct Literal(pub(in crate::config) Box<RawValue>);

impl Literal {
    /// As it is sent.
    pub fn raw(&self) -> &RawValue {
        &self.0
    }
}

impl fmt::Debug for Literal {
    /// Without its text, as of any literal that is sent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Literal(..)")
    }
}

/// What a value is in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A text.
    Text,
    /// A number, digit by digit.
    Number,
    /// `true` or `false`.
    Boolean,
    /// The JSON that its text is.
    Json,
}

impl Form {
    /// The word after `as:`.
    pub fn as_str(self) -> &'static str {
        match self {
            Form::Text => "text",
            Form::Number => "number",
            Form::Boolean => "boolean",
            Form::Json => "json",
        }
    }
}

/// What the relay knows of a write without its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The target's name.
    Target,
    /// The secrets with their versions.
    Secrets,
    /// The `webhook-id`.
    MessageId,
    /// When this try was made.
    Time,
}

impl Fact {
    /// The word after `fact:`.
    pub fn as_str(self) -> &'static str {
        match self {
            Fact::Target => "target",
            Fact::Secrets => "secrets",
            Fact::MessageId => "message_id",
            Fact::Time => "time",
        }
    }
}

/// Where a header's value comes from.
#[derive(Clone, Debug)]
pub enum HeaderSource {
    /// A value; where it is a secret's, the target depends on it.
    Value(ValueSource),
    /// A credential of the relay's own, read afresh for each request.
    Credential(CredentialRef),
}

/// What is wrong with a header's value, if anything is. RFC 9110, section 5.5, allows more bytes, but
/// receivers disagree on what they mean, and blanks around a value are lost on the way.
pub fn header_flaw(value: &[u8]) -> Option<&'static str> {
    if !value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) {
        return Some("has characters other than those of ASCII on one line");
    }
    let blank = |byte: Option<&u8>| byte.is_some_and(|byte| matches!(byte, b'\t' | b' '));
    (blank(value.first()) || blank(value.last())).then_some("begins or ends with a blank")
}

/// What an answer has to be.
#[derive(Clone, Debug)]
pub struct Expect {
    /// One of these, in the file's order.
    pub status: Vec<ExpectedStatus>,
    /// With these values at these pointers into its body.
    pub json: BTreeMap<String, Value>,
}

/// A status, or all of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExpectedStatus {
    /// Its first digit.
    Class(u16),
    /// All of it.
    Code(u16),
}

impl ExpectedStatus {
    /// Whether this status is meant.
    pub fn is(self, status: u16) -> bool {
        match self {
            ExpectedStatus::Class(class) => status / 100 == class,
            ExpectedStatus::Code(code) => status == code,
        }
    }
}

impl fmt::Display for ExpectedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExpectedStatus::Class(class) => write!(f, "{class}xx"),
            ExpectedStatus::Code(code) => write!(f, "{code}"),
        }
    }
}
