//! A JSON document that borrows its texts from the body it was read from.
//!
//! Why: a notification is read once, and of its forty or so fields five are looked at. A tree that owns every key and
//! every text costs more than all else that is done with an event (docs/PERFORMANCE.md).
//!
//! Guarantees: what `serde_json` takes for JSON is JSON here and nothing else is; of a key that comes twice the last
//! one counts, as there. Not kept: numbers, which no event says anything with.

use std::borrow::Cow;
use std::fmt;
use std::ops::Index;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json<'b> {
    /// `null`, or nothing at all.
    Null,
    Bool(bool),
    Number,
    Text(Cow<'b, str>),
    Array(Vec<Json<'b>>),
    Object(Vec<(Cow<'b, str>, Json<'b>)>),
}

impl<'b> Json<'b> {
    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// The keys and values of an object, in the order of the document.
    pub(super) fn as_object(&self) -> Option<&[(Cow<'b, str>, Self)]> {
        match self {
            Self::Object(entries) => Some(entries),
            _ => None,
        }
    }
}

/// The value of a key, [`Json::Null`] without it.
impl<'b> Index<&str> for Json<'b> {
    type Output = Json<'b>;

    fn index(&self, key: &str) -> &Self::Output {
        let mut entries = self.as_object().unwrap_or_default().iter().rev();
        entries.find(|(found, _)| found == key).map_or(&Json::Null, |(_, value)| value)
    }
}

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

/// A key: borrowed where it can be, which `Cow` by itself never does.
struct Key<'b>(Cow<'b, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_str(JsonVisitor)? {
            Json::Text(text) => Ok(Self(text)),
            _ => Err(serde::de::Error::custom("a key is a text")),
        }
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Json::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Json::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Json::Number)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut array = Vec::new();
        while let Some(element) = elements.next_element()? {
            array.push(element);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut object = Vec::new();
        while let Some((Key(key), value)) = entries.next_entry()? {
            object.push((key, value));
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn read(text: &str) -> Json<'_> {
        serde_json::from_str(text).unwrap()
    }

    /// As `serde_json` reads it, without the numbers.
    fn as_value(json: &Json<'_>) -> Value {
        match json {
            Json::Null | Json::Number => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Text(text) => Value::String(text.clone().into_owned()),
            Json::Array(array) => array.iter().map(as_value).collect(),
            Json::Object(object) => {
                Value::Object(object.iter().map(|(key, value)| (key.to_string(), as_value(value))).collect())
            }
        }
    }

    fn without_numbers(value: Value) -> Value {
        match value {
            Value::Number(_) => Value::Null,
            Value::Array(array) => array.into_iter().map(without_numbers).collect(),
            Value::Object(object) => {
                Value::Object(object.into_iter().map(|(key, value)| (key, without_numbers(value))).collect())
            }
            other => other,
        }
    }

    #[test]
    fn texts_without_escapes_and_keys_are_borrowed() {
        let json = read(r#"{"a": "plain", "b\u0021": "es\"caped"}"#);
        let object = json.as_object().unwrap();
        assert!(matches!(object[0], (Cow::Borrowed("a"), Json::Text(Cow::Borrowed("plain")))));
        assert_eq!(object[1], (Cow::Owned("b!".to_owned()), Json::Text(Cow::Owned("es\"caped".to_owned()))));
    }

    #[test]
    fn the_last_of_a_key_counts_and_what_is_missing_is_null() {
        let json = read(r#"{"a": "first", "a": "last"}"#);
        assert_eq!(json["a"].as_str(), Some("last"));
        assert_eq!((&json["b"], &json["a"]["c"]), (&Json::Null, &Json::Null));
    }

    #[test]
    fn what_serde_json_refuses_is_refused() {
        let deep = "[".repeat(200) + &"]".repeat(200);
        for text in ["", "{", "[1,]", "{\"a\" 1}", "1e999", "\"\\ud800\"", "nul", "[1] 2", "{1: 2}", &deep] {
            assert!(serde_json::from_str::<Value>(text).is_err(), "{text}");
            assert!(serde_json::from_str::<Json<'_>>(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn it_reads_what_serde_json_reads(
            keys in proptest::collection::vec(("[ab\"\\\\\u{e9}]{0,3}", ".{0,6}", any::<i64>()), 0..6),
        ) {
            let quoted = |text: &String| serde_json::to_string(text).unwrap();
            let entries: Vec<String> = keys
                .iter()
                .map(|(key, text, number)| format!("{}: [{}, {number}, {{}}, true]", quoted(key), quoted(text)))
                .collect();
            let text = format!("{{{}}}", entries.join(", "));
            let value: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(as_value(&read(&text)), without_numbers(value));
        }
    }
}
