//! The one type in which a secret value travels.
//!
//! Guarantees: it is wiped when dropped, and it has no `Debug`, `Display`, `Serialize`, `Clone` or
//! `PartialEq`, so a value can be neither printed nor copied nor compared by accident. `grep
//! expose` over the source is the complete list of places that look inside.
//!
//! Does not guarantee: that the copies which libraries keep (TLS buffers, JSON parser scratch) are
//! wiped. The binary's allocator does that when they are freed.

use zeroize::Zeroizing;

/// A value read from AWS, or a credential of the relay itself, or a request body made from them.
pub struct SecretValue(Zeroizing<Vec<u8>>);

impl SecretValue {
    /// Takes the bytes over; the caller keeps no copy.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The value as bytes.
    pub fn expose_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value as text, where it is text.
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for SecretValue {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}
