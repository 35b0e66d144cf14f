//! The PUT of a shared secret: the whole typed body, within the limits of its type, with the date that
//! the expiry policy asks for.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::Date;

use super::stored::{Expiration, Stored};
use crate::anypoint::body::{self, Exposed};
use crate::anypoint::kinds::Resolved;
use crate::config::{Expiry, SharedSecretTarget};
use crate::model::{Failure, FailureCode, Retry};
use crate::secret::SecretValue;
use crate::sync::values::Values;

/// The date that a PUT sends; with none Anypoint sets a year from the write.
pub(super) fn expiration(policy: Expiry, stored: &Stored, today: Date) -> Option<Date> {
    match policy {
        Expiry::Keep => match stored.expiration {
            Some(Expiration::On(date)) => Some(date),
            Some(Expiration::Unreadable) | None => None,
        },
        Expiry::Days(days) => today.checked_add(i64::from(days).days()).ok(),
        Expiry::Default => None,
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
pub(super) fn body(
    config: &SharedSecretTarget,
    name: &str,
    expiration: Option<Date>,
    values: &Values,
) -> Result<SecretValue, Failure> {
    let kind = config.content.type_name();
    let date = expiration.map(|date| date.to_string());
    let fields: Vec<Resolved<'_>> = config
        .content
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
    whole.insert("name", Exposed(name));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_expiry_policy_gives_its_date() {
        let stored = |expiration| Stored { name: "n".to_owned(), kind: None, expiration, modified: None };
        let day = |text: &str| text.parse::<Date>().unwrap();
        let today = day("2026-03-06");
        let kept = stored(Some(Expiration::On(day("2027-01-31"))));
        assert_eq!(expiration(Expiry::Keep, &kept, today), Some(day("2027-01-31")));
        assert_eq!(expiration(Expiry::Keep, &stored(None), today), None);
        assert_eq!(expiration(Expiry::Days(90), &kept, today), Some(day("2026-06-04")));
        assert_eq!(expiration(Expiry::Default, &kept, today), None);
    }
}
