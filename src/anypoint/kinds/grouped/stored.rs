//! What the Secrets Manager shows of an entry and its group, read leniently: its
//! specification writes dates without a zone, and clients disagree on where a group's state stands.

use jiff::civil::{Date, DateTime};
use serde_json::Value;

use crate::anypoint::body::Parsed;
use crate::anypoint::kinds::mark;
use crate::model::Mark;

/// An entry without its values, which are never shown.
#[derive(Debug)]
pub(in crate::anypoint::kinds) struct Stored {
    /// Its name; a PUT must repeat it.
    pub(super) name: String,
    /// `UsernamePassword`, ...; none where the answer has no type of a known form.
    pub(super) kind: Option<String>,
    /// `expirationDate` as it is stored.
    pub(super) expiration: Option<Expiration>,
    /// `meta.modifiedAt`.
    pub(super) modified: Option<Modified>,
    /// Whether it shows the chain of a keystore's certificate.
    pub(in crate::anypoint::kinds) has_ca_path: bool,
}

/// A stored expiration date.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expiration {
    /// Readable.
    On(Date),
    /// There is one, of a form that cannot be sent back safely.
    Unreadable,
}

/// When the entry was last written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Modified {
    /// As shown.
    pub(super) mark: Mark,
    at: Option<DateTime>,
}

impl Modified {
    fn read(value: &Value) -> Option<Self> {
        let text = match value {
            Value::String(text) if !text.is_empty() => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        Some(Self { mark: mark(&text), at: instant(&text) })
    }

    /// Whether this is of a later write than `before`. Where the form is not understood, another text
    /// is taken for later.
    pub(super) fn is_after(&self, before: &Modified) -> bool {
        match (self.at, before.at) {
            (Some(now), Some(then)) => now > then,
            _ => self.mark != before.mark,
        }
    }
}

/// `2024-07-12 18:00:54`, RFC 3339 with or without zone, or epoch milliseconds; all taken as UTC.
fn instant(text: &str) -> Option<DateTime> {
    if let Ok(millis) = text.parse::<i64>() {
        let stamp = jiff::Timestamp::from_millisecond(millis).ok()?;
        return Some(stamp.to_zoned(jiff::tz::TimeZone::UTC).datetime());
    }
    if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
        return Some(stamp.to_zoned(jiff::tz::TimeZone::UTC).datetime());
    }
    text.parse().ok()
}

impl Stored {
    /// Reads an answer; the error says what is wrong with its form.
    pub(in crate::anypoint::kinds) fn parse(body: &[u8]) -> Result<Self, &'static str> {
        let parsed = Parsed::from_slice(body).ok_or("the answer is not JSON")?;
        let value = parsed.value();
        let name = value.get("name").and_then(Value::as_str).ok_or("the answer shows no name")?;
        let expiration = match value.get("expirationDate") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(
                text.get(..10)
                    .and_then(|day| day.parse().ok())
                    .map_or(Expiration::Unreadable, Expiration::On),
            ),
            Some(_) => Some(Expiration::Unreadable),
        };
        let modified = value.pointer("/meta/modifiedAt").or_else(|| value.get("modifiedAt"));
        Ok(Self {
            name: name.to_owned(),
            kind: value.get("type").and_then(Value::as_str).map(str::to_owned),
            expiration,
            modified: modified.and_then(Modified::read),
            has_ca_path: ["/capathFileName", "/details/capath"]
                .iter()
                .any(|place| value.pointer(place).is_some_and(|shown| !shown.is_null())),
        })
    }
}

/// Whether a group is at rest: `currentState` is `Clear`, or is not shown.
pub(super) fn group_is_clear(body: &[u8]) -> Result<bool, &'static str> {
    let parsed = Parsed::from_slice(body).ok_or("the answer is not JSON")?;
    let value = parsed.value();
    let state = value.pointer("/meta/currentState").or_else(|| value.get("currentState"));
    Ok(state.and_then(Value::as_str).is_none_or(|state| state.eq_ignore_ascii_case("clear")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modified(text: &str) -> Modified {
        Modified::read(&Value::String(text.to_owned())).unwrap()
    }

    #[test]
    fn a_later_write_is_told_in_every_form() {
        for (earlier, later) in [
            ("2024-07-12 18:00:54", "2024-07-12 18:00:55"),
            ("2024-07-12T18:00:54.999Z", "2024-07-12T18:00:55Z"),
            ("1720807254000", "1720807255000"),
            ("2024-07-12 18:00:54", "2024-07-12T18:00:55Z"),
            ("sometime", "some other time"),
        ] {
            let (earlier, later) = (modified(earlier), modified(later));
            assert!(later.is_after(&earlier) && !earlier.is_after(&earlier), "{later:?}");
        }
        assert!(!modified("2024-07-12 18:00:54").is_after(&modified("2024-07-12 18:00:55")));
    }

    #[test]
    fn expiration_dates_are_read_or_known_to_be_unreadable() {
        let read = |text: &str| {
            let body = format!(r#"{{"name":"n","expirationDate":{text}}}"#);
            Stored::parse(body.as_bytes()).unwrap().expiration
        };
        let day = Some(Expiration::On("2027-01-31".parse().unwrap()));
        assert_eq!(read(r#""2027-01-31""#), day);
        assert_eq!(read(r#""2027-01-31T00:00:00Z""#), day);
        assert_eq!(read("null"), None);
        for odd in [r#""soon""#, "5", r#""31/01/2027""#, r#""ééééééé""#] {
            assert_eq!(read(odd), Some(Expiration::Unreadable), "{odd}");
        }
    }

    #[test]
    fn the_state_of_a_group_is_found_in_both_places() {
        for (body, clear) in [
            (r#"{"meta":{"currentState":"Clear"}}"#, true),
            (r#"{"currentState":"Finishing"}"#, false),
            (r#"{"meta":{"currentState":"Deleting"}}"#, false),
            (r#"{"name":"g"}"#, true),
        ] {
            assert_eq!(group_is_clear(body.as_bytes()), Ok(clear), "{body}");
        }
    }
}
