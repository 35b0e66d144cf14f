//! What EventBridge presents: an API key, or a name and a password.
//!
//! The oracle compares plain texts; the relay compares digests.

use anypoint_relay::secret::SecretValue;
use anypoint_relay::verify::shared::AcceptedCredentials;
use anypoint_relay::webhook_signature::{MIN_KEY_BYTES, decode_key};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::planted::tells_nothing;

const VALUES: [&str; 2] = ["old-key:with-a-colon", "new-key"];

pub(crate) fn check(header: &[u8]) {
    let values = || VALUES.map(|value| SecretValue::from(value.to_owned()));
    let api_key = AcceptedCredentials::api_key(&values()).check(Some(header));
    assert_eq!(api_key.is_ok(), VALUES.iter().any(|value| value.as_bytes() == header));

    let basic = AcceptedCredentials::basic("relay", &values()).check(Some(header));
    assert_eq!(basic.is_ok(), presented(header).is_some_and(|text| is_known(&text)), "{basic:?}");
    for refusal in [api_key.err(), basic.err()].into_iter().flatten() {
        tells_nothing(&refusal);
    }

    // The input as the key of a trigger, as a person may have set it.
    match decode_key(&SecretValue::new(header.to_vec())) {
        Ok(key) => assert!(key.len() >= MIN_KEY_BYTES),
        Err(error) => tells_nothing(&error),
    }
}

fn is_known(text: &[u8]) -> bool {
    VALUES.iter().any(|value| format!("relay:{value}").as_bytes() == text)
}

/// The text in `Basic <base64>`.
fn presented(header: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(header).ok()?;
    let (scheme, token) = text.split_once(' ')?;
    let token = token.trim_matches([' ', '\t', '\r', '\n', '\x0c']);
    scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(token).ok()).flatten()
}
