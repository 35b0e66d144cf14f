//! The values of one run, and how a source picks its part of them.
//!
//! Guarantees: every field that one write takes from a secret comes from one version of it; a part
//! that is missing, null or an object is a failure that names the field and never shows the content.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::model::{Failure, FailureCode, Retry, SecretRef, Selector, TemplatePart, ValueSource};
use crate::secret::SecretValue;
use crate::sync::ports::{FetchedSecret, SecretContent};

/// The fetched secrets of one run.
#[derive(Default)]
pub struct Values(BTreeMap<SecretRef, FetchedSecret>);

impl Values {
    /// Adds a fetched secret.
    pub fn insert(&mut self, secret: SecretRef, fetched: FetchedSecret) {
        self.0.insert(secret, fetched);
    }

    /// What was fetched, without the values.
    pub fn versions(&self) -> impl Iterator<Item = (&SecretRef, &crate::model::VersionSeen)> {
        self.0.iter().map(|(secret, fetched)| (secret, &fetched.seen))
    }

    /// The part that `source` names.
    pub fn resolve(&self, source: &ValueSource) -> Result<SecretValue, Failure> {
        match source {
            ValueSource::Literal(text) => Ok(SecretValue::from(text.clone())),
            ValueSource::Secret(secret, selector) => {
                let fetched = self
                    .0
                    .get(secret)
                    .ok_or_else(|| bad(secret, "was not fetched", "report this: it is a bug of the relay"))?;
                select(secret, &fetched.content, selector)
            }
        }
    }
}

/// Picks one part of a secret's content.
pub fn select(
    secret: &SecretRef,
    content: &SecretContent,
    selector: &Selector,
) -> Result<SecretValue, Failure> {
    match (selector, content) {
        (Selector::Whole, SecretContent::Text(text)) => Ok(SecretValue::new(text.expose_bytes().to_vec())),
        (Selector::Binary, SecretContent::Binary(bytes)) => {
            Ok(SecretValue::from(STANDARD.encode(bytes.expose_bytes())))
        }
        (Selector::Binary, SecretContent::Text(_)) => {
            Err(bad(secret, "holds text, not binary", "remove `binary: true` from the source"))
        }
        (_, SecretContent::Binary(_)) => {
            Err(bad(secret, "holds binary, not text", "set `binary: true` on the source"))
        }
        (Selector::Field(name), SecretContent::Text(text)) => {
            let json = Json::parse(secret, text)?;
            scalar(secret, json.0.get(name), &format!("field {name:?}"))
        }
        (Selector::Pointer(pointer), SecretContent::Text(text)) => {
            let json = Json::parse(secret, text)?;
            scalar(secret, json.0.pointer(pointer), &format!("pointer {pointer:?}"))
        }
        (Selector::Template(parts), SecretContent::Text(text)) => {
            let json = Json::parse(secret, text)?;
            let mut whole = Vec::new();
            for part in parts {
                match part {
                    TemplatePart::Text(text) => whole.extend_from_slice(text.as_bytes()),
                    TemplatePart::Field(name) => {
                        let place = format!("field {name:?}");
                        let value = scalar(secret, json.0.get(name), &place)?;
                        whole.extend_from_slice(value.expose_bytes());
                    }
                }
            }
            Ok(SecretValue::new(whole))
        }
    }
}

/// A parsed secret; its strings are wiped when it goes.
struct Json(serde_json::Value);

impl Json {
    fn parse(secret: &SecretRef, text: &SecretValue) -> Result<Self, Failure> {
        // serde_json's own message may quote the content, so it is not passed on.
        serde_json::from_slice(text.expose_bytes())
            .map(Self)
            .map_err(|_| bad(secret, "is not JSON", "store JSON, or use the whole string (no `field`)"))
    }
}

fn scalar(
    secret: &SecretRef,
    value: Option<&serde_json::Value>,
    place: &str,
) -> Result<SecretValue, Failure> {
    let wrong = |what: &str| {
        Err(bad(secret, &format!("{place} {what}"), "correct the secret or the source's `field`"))
    };
    match value {
        None => wrong("is missing"),
        Some(serde_json::Value::Null) => wrong("is null"),
        Some(serde_json::Value::Object(_)) => wrong("is an object, not a text"),
        Some(serde_json::Value::Array(_)) => wrong("is a list, not a text"),
        Some(serde_json::Value::String(text)) => Ok(SecretValue::from(text.clone())),
        // A port may be a number or a text (AWS's rotation templates accept both).
        Some(serde_json::Value::Number(number)) => Ok(SecretValue::from(number.to_string())),
        Some(serde_json::Value::Bool(flag)) => Ok(SecretValue::from(flag.to_string())),
    }
}

impl Drop for Json {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

fn wipe(value: &mut serde_json::Value) {
    use zeroize::Zeroize;
    match value {
        serde_json::Value::String(text) => text.zeroize(),
        serde_json::Value::Array(items) => items.iter_mut().for_each(wipe),
        serde_json::Value::Object(fields) => fields.values_mut().for_each(wipe),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}

fn bad(secret: &SecretRef, what: &str, next_step: &str) -> Failure {
    Failure::new(FailureCode::BadValue, Retry::Never, format!("secret {secret} {what}"), next_step)
}
