//! What holds values on its way: request bodies and parsed answers, wiped when they go.
//!
//! Guarantees: a request body is written once into memory that is wiped, also where it had to grow;
//! a parsed answer wipes its strings. Does not guarantee: that serde_json's scratch space for escaped
//! strings, or the TLS layer's buffers, are wiped.

use std::borrow::Cow;
use std::io;

use bytes::Bytes;
use serde::{Serialize, Serializer};
use serde_json::Value;
use zeroize::{Zeroize, Zeroizing};

use crate::model::{Failure, FailureCode, Retry};
use crate::secret::SecretValue;

/// The content type of JSON.
pub(super) const JSON: &str = "application/json";

/// Text of a [`SecretValue`] on its way into a body; the only thing that serializes one.
pub(super) struct Exposed<'a>(pub(super) &'a str);

impl Serialize for Exposed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

/// The body of a request with its content type. No Debug and no Clone: it holds values.
pub struct Body {
    content_type: Cow<'static, str>,
    content: SecretValue,
}

impl Body {
    pub(super) fn new(content_type: String, content: SecretValue) -> Self {
        Self { content_type: content_type.into(), content }
    }

    /// What it says it is.
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// Its bytes.
    pub fn content(&self) -> &SecretValue {
        &self.content
    }

    /// As reqwest takes it: shared, so that it can be sent twice, and wiped with its last user.
    pub(super) fn into_shared(self) -> (Cow<'static, str>, Bytes) {
        (self.content_type, into_bytes(self.content))
    }
}

/// JSON.
impl From<SecretValue> for Body {
    fn from(content: SecretValue) -> Self {
        Self { content_type: Cow::Borrowed(JSON), content }
    }
}

/// Writes a JSON text.
pub(super) fn json(value: &impl Serialize) -> Result<SecretValue, Failure> {
    let mut buffer = WipingBuffer::new();
    write_json(&mut buffer, value)?;
    Ok(buffer.into_value())
}

/// Writes a JSON text behind what is in `buffer`.
pub(super) fn write_json(buffer: &mut WipingBuffer, value: &impl Serialize) -> Result<(), Failure> {
    // The error may quote the content.
    serde_json::to_writer(buffer, value).map_err(|_| {
        Failure::new(
            FailureCode::Internal,
            Retry::Never,
            "a request body could not be written as JSON",
            "report this: it is a bug of the relay",
        )
    })
}

/// Bytes as reqwest takes them, wiped with their last user.
pub(super) fn into_bytes(body: SecretValue) -> Bytes {
    struct Owner(SecretValue);
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            self.0.expose_bytes()
        }
    }
    Bytes::from_owner(Owner(body))
}

/// Memory for a body that is being written.
pub(super) struct WipingBuffer(Zeroizing<Vec<u8>>);

impl WipingBuffer {
    pub(super) fn new() -> Self {
        Self(Zeroizing::new(Vec::with_capacity(4096)))
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            // A plain Vec would leave the old block behind unwiped.
            let mut larger = Vec::with_capacity(needed.max(self.0.capacity() * 2));
            larger.extend_from_slice(&self.0);
            self.0 = Zeroizing::new(larger);
        }
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn into_value(mut self) -> SecretValue {
        SecretValue::new(std::mem::take(&mut *self.0))
    }
}

impl io::Write for WipingBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A parsed answer, or a part of one. No Debug and no Clone: it may hold values of others.
pub(super) struct Parsed(Value);

impl Parsed {
    /// Parses; the parser's own message may quote the content, so there is none.
    pub(super) fn from_slice(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().map(Self)
    }

    pub(super) fn value(&self) -> &Value {
        &self.0
    }

    /// Takes the object at an RFC 6901 pointer out, member by member; none where there is no object.
    pub(super) fn take_members(&mut self, pointer: &str) -> Option<Vec<(String, Parsed)>> {
        let Value::Object(members) = self.0.pointer_mut(pointer)? else {
            return None;
        };
        Some(std::mem::take(members).into_iter().map(|(name, value)| (name, Parsed(value))).collect())
    }
}

impl Serialize for Parsed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl Drop for Parsed {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_body_that_outgrows_its_first_block_is_whole() {
        let long = "é\"".repeat(4000);
        let body = json(&BTreeMap::from([("content", Exposed(&long))])).unwrap();
        let back: BTreeMap<String, String> = serde_json::from_slice(body.expose_bytes()).unwrap();
        assert_eq!(back["content"], long);
    }

    #[test]
    fn members_are_taken_out_only_of_objects() {
        let mut parsed = Parsed::from_slice(br#"{"a":{"x":1,"y":"2"},"b":[1]}"#).unwrap();
        let names: Vec<String> = parsed.take_members("/a").unwrap().into_iter().map(|(n, _)| n).collect();
        assert_eq!(names, ["x", "y"]);
        assert!(parsed.take_members("/b").is_none() && parsed.take_members("/c").is_none());
    }
}
