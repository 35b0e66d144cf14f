//! The fields of an envelope as they stand in the body, before anything is believed.
//!
//! Guarantees: the body is one JSON object in UTF-8 and nothing after it, no key occurs twice, and every
//! field that the check uses is a JSON string. Values are borrowed from the body unless they hold escapes.
//!
//! Own reading instead of a derived one, because a derived one skips duplicates of keys that it does
//! not know and would be silent about which rule was broken.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::SnsRefusal;

/// A field as the body has it.
#[derive(Clone, Default, PartialEq, Eq)]
enum Slot<'b> {
    #[default]
    Absent,
    Text(Cow<'b, str>),
    NotText,
}

/// The fields that the check uses, unchecked.
#[derive(Default)]
pub(crate) struct Unverified<'b> {
    slots: [Slot<'b>; NAMES.len()],
    duplicate: bool,
}

/// Without the content: a token is a credential, and a message may hold anything.
impl fmt::Debug for Unverified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unverified").finish_non_exhaustive()
    }
}

/// The fields that the check uses. Their order is that of `NAMES`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Message,
    MessageId,
    Signature,
    SignatureVersion,
    SigningCertUrl,
    Subject,
    SubscribeUrl,
    Timestamp,
    Token,
    TopicArn,
    Type,
}

const NAMES: [&str; 11] = [
    "Message",
    "MessageId",
    "Signature",
    "SignatureVersion",
    "SigningCertURL",
    "Subject",
    "SubscribeURL",
    "Timestamp",
    "Token",
    "TopicArn",
    "Type",
];

impl Field {
    /// The key in the JSON object and in the canonical string.
    pub(crate) fn name(self) -> &'static str {
        NAMES[self as usize]
    }
}

impl<'b> Unverified<'b> {
    /// Reads a body.
    pub(crate) fn read(body: &'b [u8]) -> Result<Self, SnsRefusal> {
        // The whole body, because the reader of JSON does not look into the values that are skipped.
        let text = std::str::from_utf8(body).map_err(|_| SnsRefusal::NotJson)?;
        let unverified: Self = serde_json::from_str(text).map_err(|_| SnsRefusal::NotJson)?;
        if unverified.duplicate { Err(SnsRefusal::DuplicateKey) } else { Ok(unverified) }
    }

    /// A field that every message of the type has.
    pub(crate) fn required(&self, field: Field) -> Result<&str, SnsRefusal> {
        self.optional(field)?.ok_or(SnsRefusal::Missing { field: field.name() })
    }

    /// A field that may be missing.
    pub(crate) fn optional(&self, field: Field) -> Result<Option<&str>, SnsRefusal> {
        match &self.slots[field as usize] {
            Slot::Absent => Ok(None),
            Slot::Text(text) => Ok(Some(text)),
            Slot::NotText => Err(SnsRefusal::Form { field: field.name(), expected: "a string" }),
        }
    }

    /// Refuses a field that this type of message does not have: SNS does not sign it there, so
    /// whoever passed the message on may have added it.
    pub(crate) fn absent(&self, field: Field) -> Result<(), SnsRefusal> {
        match self.slots[field as usize] {
            Slot::Absent => Ok(()),
            Slot::Text(_) | Slot::NotText => Err(SnsRefusal::Unexpected { field: field.name() }),
        }
    }

    /// Takes a field out, without a copy where it had escapes.
    pub(crate) fn take(&mut self, field: Field) -> Option<String> {
        match std::mem::take(&mut self.slots[field as usize]) {
            Slot::Text(text) => Some(text.into_owned()),
            Slot::Absent | Slot::NotText => None,
        }
    }
}

impl<'de> Deserialize<'de> for Unverified<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EnvelopeVisitor)
    }
}

struct EnvelopeVisitor;

impl<'de> Visitor<'de> for EnvelopeVisitor {
    type Value = Unverified<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an SNS envelope")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Unverified::default();
        let mut others = HashSet::new();
        while let Some(Text(Some(key))) = map.next_key::<Text<'de>>()? {
            let Some(index) = NAMES.iter().position(|name| *name == key) else {
                map.next_value::<IgnoredAny>()?;
                found.duplicate |= !others.insert(key);
                continue;
            };
            found.duplicate |= found.slots[index] != Slot::Absent;
            found.slots[index] = match map.next_value::<Text<'de>>()? {
                Text(Some(text)) => Slot::Text(text),
                Text(None) => Slot::NotText,
            };
        }
        Ok(found)
    }
}

/// A JSON string, borrowed where it can be; none for a value of any other type.
struct Text<'b>(Option<Cow<'b, str>>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor).map(Text)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}
