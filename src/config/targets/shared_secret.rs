//! `kind: shared_secret`: an entry of a secret group; its `type` decides which values it has.

use super::super::connections::Connections;
use super::super::decode::{Fields, Value};
use super::super::scalar::{choice, flag, is_uuid, line, whole};
use super::super::{Expiry, SharedSecretContent, SharedSecretTarget};
use super::{connection, limited_source, takes_a_secret};
use crate::model::ValueSource;

#[derive(Clone, Copy)]
enum Type {
    UsernamePassword,
    SymmetricKey,
    S3Credential,
    Blob,
}

pub(super) fn shared_secret(mut fields: Fields<'_>, connections: &Connections) -> Option<SharedSecretTarget> {
    const TYPES: [(&str, Type); 4] = [
        ("UsernamePassword", Type::UsernamePassword),
        ("SymmetricKey", Type::SymmetricKey),
        ("S3Credential", Type::S3Credential),
        ("Blob", Type::Blob),
    ];
    let connection = connection(&mut fields, connections);
    let entry = entry(&mut fields, "shared secret", Expiry::Keep);
    let typed = fields.required(
        "type",
        "UsernamePassword, SymmetricKey, S3Credential or Blob",
        choice("a type of shared secret", &TYPES),
    );
    fields.whole().warn(
        "no Mule application reads shared secrets; to change what an application runs with, use `kind: application`",
    );
    // Without a type nobody knows which value keys are right.
    let content = content(&mut fields, typed?);
    let whole = fields.whole().clone();
    fields.finish();
    let content = content?;
    takes_a_secret(&whole, content.sources().into_iter().map(|(_, source)| source))?;
    let Entry { group, name, expiry, create } = entry?;
    Some(SharedSecretTarget { connection: connection?, group, name, content, expiry, create })
}

/// Where an entry of a secret group lies, and how it is treated.
pub(super) struct Entry {
    pub(super) group: String,
    pub(super) name: String,
    pub(super) expiry: Expiry,
    pub(super) create: bool,
}

pub(super) fn entry(fields: &mut Fields<'_>, what: &str, usual: Expiry) -> Option<Entry> {
    let group = fields.required(
        "group",
        "the name or id of the secret group",
        line("the name or id of a secret group"),
    );
    let name = fields.required("name", &format!("the name or id of the {what}"), |value| name(value, what));
    let expiry = fields.optional("expiry", expiry);
    let create = fields.or("create", false, |value| create(value, name.as_deref()));
    if create && expiry.is_none() && usual == Expiry::Keep {
        fields.whole().warn(
            "what is created gets Anypoint's own expiration date, a year from then, and `expiry: keep` keeps that \
             date whatever is written later; set `expiry` to `default` or { days: 90 } to move it with each write",
        );
    }
    Some(Entry { group: group?, name: name?, expiry: expiry.unwrap_or(usual), create })
}

/// The values of a type, with the lengths that Anypoint's own specification of it gives.
fn content(fields: &mut Fields<'_>, typed: Type) -> Option<SharedSecretContent> {
    let mut source = |key, limit| -> Option<ValueSource> {
        fields.required(key, "a source such as { secret: name, field: name }", limited_source(limit))
    };
    match typed {
        Type::UsernamePassword => {
            let (username, password) = (source("username", 64), source("password", 64));
            Some(SharedSecretContent::UsernamePassword { username: username?, password: password? })
        }
        Type::SymmetricKey => Some(SharedSecretContent::SymmetricKey { key: source("key", 2048)? }),
        Type::S3Credential => {
            let (id, secret) = (source("access_key_id", 136), source("secret_access_key", 136));
            Some(SharedSecretContent::S3Credential { access_key_id: id?, secret_access_key: secret? })
        }
        Type::Blob => Some(SharedSecretContent::Blob { content: source("content", 1_024_000)? }),
    }
}

/// Anypoint: `^[a-zA-Z][-a-zA-Z0-9]*$`, 3 to 35 characters. An id is taken as well.
fn name(value: &Value<'_>, what: &str) -> Option<String> {
    let text = value.text(&format!("the name or id of a {what}"))?;
    let fits = (3..=35).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if fits || is_uuid(text) {
        return Some(text.to_owned());
    }
    value.refuse(format!(
        "{} cannot be a {what}: Anypoint's names have 3 to 35 letters, digits and dashes, a letter first",
        value.found()
    ))
}

/// Whether a missing entry is created, which takes a name that it can have.
fn create(value: &Value<'_>, name: Option<&str>) -> Option<bool> {
    let create = flag(value)?;
    match name {
        Some(name) if create && is_uuid(name) => {
            value.refuse("Anypoint gives out the id of what is created, so `name` has to be a name")
        }
        // Anypoint's user interface takes none; its API's pattern does.
        Some(name) if create && name.ends_with('-') => {
            value.refuse("a name that is created does not end in a dash, and `name` does")
        }
        _ => Some(create),
    }
}

/// `keep`, `default` or `{ days: N }`.
fn expiry(value: &Value<'_>) -> Option<Expiry> {
    if value.is_mapping() {
        let mut fields = value.fields("`expiry`")?;
        let days = fields.required("days", "a number of days after the write", whole(1..=3650));
        fields.finish();
        return days.map(Expiry::Days);
    }
    let what = "`keep`, `default` or { days: 90 }";
    match value.text(what)? {
        "keep" => Some(Expiry::Keep),
        "default" => Some(Expiry::Default),
        _ => value.expected(what),
    }
}
