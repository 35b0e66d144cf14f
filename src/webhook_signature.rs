//! The signature of a request after "Standard Webhooks" (standardwebhooks.com): HMAC-SHA256 over
//! `id.timestamp.body`, written as `v1,<base64>`.
//!
//! One place for all sides: [`crate::verify::webhook`] checks the manual trigger, the `trigger` command
//! signs it, and `http` targets sign what they send. Checking, and with it every comparison of
//! signatures, is not done here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::secret::SecretValue;

/// Shortest key, in bytes (the specification's lower bound).
pub const MIN_KEY_BYTES: usize = 24;

/// Why a key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// `whsec_` without base64 behind it.
    #[error("a key that starts with whsec_ goes on in standard base64")]
    Base64,
    /// Too short to be safe.
    #[error("a key has at least 24 bytes; make one with: echo whsec_$(openssl rand -base64 32)")]
    Short,
}

/// Reads a configured key: `whsec_` and base64, or any text of 24 bytes or more as it is.
pub fn decode_key(text: &SecretValue) -> Result<SecretValue, KeyError> {
    let bytes = match text.expose_bytes().strip_prefix(b"whsec_") {
        Some(base64) => STANDARD.decode(base64).map_err(|_| KeyError::Base64)?,
        None => text.expose_bytes().to_vec(),
    };
    let key = SecretValue::new(bytes);
    if key.len() < MIN_KEY_BYTES { Err(KeyError::Short) } else { Ok(key) }
}

/// The `webhook-signature` of a request. `id` must hold no full stop; `timestamp` is in seconds.
pub fn sign(id: &str, timestamp: i64, body: &[u8], key: &[u8]) -> String {
    // HMAC takes keys of any length, so the empty text is never sent.
    let tag = tag(id, &timestamp.to_string(), body, key);
    tag.map_or_else(String::new, |tag| format!("v1,{}", STANDARD.encode(tag)))
}

/// The bytes behind `v1,`. `timestamp` is taken as it stands in the header.
pub fn tag(id: &str, timestamp: &str, body: &[u8], key: &[u8]) -> Option<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    Some(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> Result<SecretValue, KeyError> {
        decode_key(&SecretValue::from(text.to_owned()))
    }

    #[test]
    fn a_signature_is_what_openssl_makes_of_the_same_text() {
        // Computed with: printf 'msg_1.1674087231.{"test": 1}' | openssl dgst -sha256 -hmac KEY -binary | base64
        let key = "0123456789abcdef01234567";
        let expected = "v1,uYLvpd/bSDYYzzFgVdLwrYHXIhrGuOiOe4U5CX1rT0Q=";
        for text in [key.to_owned(), format!("whsec_{}", STANDARD.encode(key))] {
            let key = decode(&text).unwrap();
            assert_eq!(sign("msg_1", 1_674_087_231, br#"{"test": 1}"#, key.expose_bytes()), expected);
        }
    }

    #[test]
    fn keys_come_as_base64_or_as_plain_text_and_are_never_short() {
        assert_eq!(decode("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap().len(), 24);
        assert_eq!(decode("exactly twenty-four byte").unwrap().expose_bytes(), b"exactly twenty-four byte");
        for (text, error) in [
            ("twenty-three bytes long", KeyError::Short),
            ("", KeyError::Short),
            ("whsec_c2hvcnQ=", KeyError::Short),
            ("whsec_not base64 at all, though long", KeyError::Base64),
        ] {
            assert_eq!(decode(text).err(), Some(error), "{text}");
        }
    }
}
