//! The signature of an outgoing request, after the Standard Webhooks specification: HMAC-SHA256 over
//! `id.timestamp.body`, sent as `v1,<base64>`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::secret::SecretValue;

/// The fewest bytes of a key (the specification's lower bound).
const SHORTEST_KEY: usize = 24;

/// The header's value. None where the key is neither `whsec_` and base64 nor a text of 24 bytes or
/// more.
pub(super) fn signature(key: &SecretValue, id: &str, timestamp: i64, body: &[u8]) -> Option<String> {
    let key = key_bytes(key)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

fn key_bytes(key: &SecretValue) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = match key.expose_bytes().strip_prefix(b"whsec_") {
        Some(text) => STANDARD.decode(text).ok()?,
        None => key.expose_bytes().to_vec(),
    };
    Some(Zeroizing::new(bytes)).filter(|bytes| bytes.len() >= SHORTEST_KEY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_specification() {
        // Computed with: printf 'msg_1.1674087231.{"test": 1}' | openssl dgst -sha256 -hmac KEY
        let key = "0123456789abcdef01234567";
        let body = br#"{"test": 1}"#;
        let plain = signature(&SecretValue::from(key.to_owned()), "msg_1", 1_674_087_231, body).unwrap();
        assert_eq!(plain, "v1,uYLvpd/bSDYYzzFgVdLwrYHXIhrGuOiOe4U5CX1rT0Q=");
        let encoded = SecretValue::from(format!("whsec_{}", STANDARD.encode(key)));
        assert_eq!(signature(&encoded, "msg_1", 1_674_087_231, body).unwrap(), plain);
    }

    #[test]
    fn short_and_broken_keys_sign_nothing() {
        for key in ["short", "whsec_????", "whsec_c2hvcnQ="] {
            assert_eq!(signature(&SecretValue::from(key.to_owned()), "i", 1, b""), None, "{key}");
        }
    }
}
