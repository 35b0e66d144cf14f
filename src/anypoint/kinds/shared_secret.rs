//! `shared_secret`: a value in a secret group of Anypoint's Secrets Manager: the whole typed body, within
//! the limits of its type.
//!
//! Look, write and proof are those of [`super::grouped`]. No running Mule application reads shared
//! secrets: this kind alone changes none.

use std::collections::BTreeMap;

use super::Resolved;
use super::grouped::{Content, Fixed, Whole};
use crate::anypoint::body::{self, Exposed};
use crate::anypoint::fingerprint::Fingerprint;
use crate::config::{SharedSecretContent, SharedSecretTarget};
use crate::model::{Failure, FailureCode, Retry};
use crate::secret::SecretValue;
use crate::sync::values::Values;

impl Content for SharedSecretTarget {
    fn what(&self) -> &'static str {
        "shared secret"
    }

    fn list(&self) -> &'static str {
        "sharedSecrets"
    }

    fn type_name(&self) -> &'static str {
        self.content.type_name()
    }

    fn mapping(&self, fingerprint: Fingerprint) -> Fingerprint {
        fingerprint
    }

    fn whole(&self, fixed: &Fixed<'_>, values: &Values) -> Result<Whole, Failure> {
        Ok(Whole { body: body(&self.content, fixed, values)?.into(), notes: Vec::new() })
    }
}

/// The longest text of each value field, in characters (Secrets Manager API, request schemas).
fn limit(field: &str) -> usize {
    match field {
        "username" | "password" => 64,
        "accessKeyId" | "secretAccessKey" => 136,
        "key" => 2_048,
        _ => 1_024_000,
    }
}

/// The body; a value that Anypoint would refuse for its length is not sent.
fn body(content: &SharedSecretContent, fixed: &Fixed<'_>, values: &Values) -> Result<SecretValue, Failure> {
    let kind = content.type_name();
    let date = fixed.expiration.map(|date| date.to_string());
    let fields: Vec<Resolved<'_>> = content
        .sources()
        .into_iter()
        .map(|(field, source)| Resolved::of(field, source, values))
        .collect::<Result<_, _>>()?;
    for field in &fields {
        if field.text().chars().count() > limit(field.name) {
            return Err(too_long(kind, field.name));
        }
    }
    let mut whole: BTreeMap<&str, Exposed<'_>> =
        fields.iter().map(|field| (field.name, Exposed(field.text()))).collect();
    whole.insert("name", Exposed(fixed.name));
    whole.insert("type", Exposed(kind));
    if let Some(date) = &date {
        whole.insert("expirationDate", Exposed(date));
    }
    body::json(&whole)
}

fn too_long(kind: &str, field: &str) -> Failure {
    let limit = limit(field);
    let next_step = if kind == "Blob" {
        "store less: this is the largest type that Anypoint has".to_owned()
    } else {
        "make rotation create a shorter value, or use a shared secret of type Blob (1,024,000 characters)"
            .to_owned()
    };
    Failure::new(
        FailureCode::TooLong,
        Retry::Never,
        format!("{field} of a {kind} may have {limit} characters, and the value has more"),
        next_step,
    )
}
