//! The signature of a request after "Standard Webhooks" (standardwebhooks.com) over `id.timestamp.body`:
//! HMAC-SHA256, written as `v1,<base64>`, or Ed25519, written as `v1a,<base64>`.
//!
//! One place for all sides: [`crate::verify::webhook`] checks the manual trigger, the `trigger` command
//! signs it, and `http` targets sign what they send (with HMAC). Checking, and with it every comparison of
//! signatures, is not done here.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::secret::SecretValue;

const PRIVATE: &str = "whsk_";
const PUBLIC: &str = "whpk_";

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
    /// Half of an Ed25519 pair, where both sides need the same key.
    #[error(
        "whsk_ and whpk_ are the halves of an Ed25519 pair; here a key is whsec_ and base64, or plain text"
    )]
    Pair,
    /// Not the private half.
    #[error(
        "a key that starts with whsk_ goes on in standard base64 of 32 bytes, the seed of an Ed25519 key"
    )]
    Private,
    /// Not the public half.
    #[error("a public key is whpk_ and standard base64 of 32 bytes, an Ed25519 key")]
    Public,
}

/// Reads a configured key: `whsec_` and base64, or any text of 24 bytes or more as it is. Half of a pair is
/// refused: as text it would be a secret that others may know.
pub fn decode_key(text: &SecretValue) -> Result<SecretValue, KeyError> {
    if [PRIVATE, PUBLIC].iter().any(|prefix| text.expose_bytes().starts_with(prefix.as_bytes())) {
        return Err(KeyError::Pair);
    }
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

/// The public half of an Ed25519 pair. It is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads `whpk_` and base64.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let bytes = text.strip_prefix(PUBLIC).and_then(|base64| STANDARD.decode(base64).ok());
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(KeyError::Public)
    }

    /// The key itself.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Signs requests with either kind of key. Prints nothing of it.
pub enum Signer {
    /// `v1`.
    Hmac(SecretValue),
    /// `v1a`.
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    /// Reads a key: `whsk_` and base64 for Ed25519, or what [`decode_key`] reads.
    pub fn read(text: &SecretValue) -> Result<Self, KeyError> {
        let Some(base64) = text.expose_bytes().strip_prefix(PRIVATE.as_bytes()) else {
            return decode_key(text).map(Self::Hmac);
        };
        let seed = Zeroizing::new(STANDARD.decode(base64).map_err(|_| KeyError::Private)?);
        Ed25519KeyPair::from_seed_unchecked(&seed).map(Self::Ed25519).map_err(|_| KeyError::Private)
    }

    /// The `webhook-signature` of a request, as [`sign`] makes it.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        match self {
            Signer::Hmac(key) => sign(id, timestamp, body, key.expose_bytes()),
            Signer::Ed25519(pair) => {
                let signature = pair.sign(&signed_text(id, &timestamp.to_string(), body));
                format!("v1a,{}", STANDARD.encode(signature))
            }
        }
    }

    /// What a receiver has to know of a key that it does not share.
    pub fn public_key(&self) -> Option<PublicKey> {
        match self {
            Signer::Hmac(_) => None,
            Signer::Ed25519(pair) => pair.public_key().as_ref().try_into().map(PublicKey).ok(),
        }
    }
}

/// What is signed, in one piece.
pub fn signed_text(id: &str, timestamp: &str, body: &[u8]) -> Vec<u8> {
    [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat()
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

    /// The example of the specification's own library for Go.
    const SEED: &str = "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=";

    #[test]
    fn an_ed25519_signature_is_the_published_one() {
        let signer = Signer::read(&SecretValue::from(SEED.to_owned())).unwrap();
        let made = signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(
            made,
            "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag=="
        );
        let public = signer.public_key().unwrap();
        let text = format!("whpk_{}", STANDARD.encode(public.as_bytes()));
        assert_eq!(PublicKey::parse(&text), Ok(public));
    }

    #[test]
    fn half_of_a_pair_is_never_taken_for_a_shared_key() {
        let public = format!("whpk_{}", STANDARD.encode([7; 32]));
        for half in [SEED, &public] {
            assert_eq!(decode(half).err(), Some(KeyError::Pair), "{half}");
        }
        let read = |text: &str| Signer::read(&SecretValue::from(text.to_owned())).err();
        assert_eq!(read(&public), Some(KeyError::Pair));
        for text in
            ["whsk_", "whsk_c2hvcnQ=", "whsk_no base64", &format!("whsk_{}", STANDARD.encode([7; 31]))]
        {
            assert_eq!(read(text), Some(KeyError::Private), "{text}");
        }
        let short = format!("whpk_{}", STANDARD.encode([7; 31]));
        for text in ["", "whpk_", &short, SEED, public.trim_end_matches('='), &public[5..]] {
            assert_eq!(PublicKey::parse(text), Err(KeyError::Public), "{text}");
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
