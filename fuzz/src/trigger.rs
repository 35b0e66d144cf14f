//! Requests that are signed after Standard Webhooks, and the body of a trigger.
//!
//! The input is `id LF timestamp LF signatures LF body`. libFuzzer cannot sign, so `@0`, `@1` and `@2` among
//! the signatures stand for what three keys make of this request; the relay accepts the first two keys.
//! The oracle says for every input whether it must be accepted, and for which key.

use std::time::Duration;

use anypoint_relay::ingress::TriggerRequest;
use anypoint_relay::verify::webhook::{KeyIndex, WebhookHeaders, WebhookRefusal, verify};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use crate::planted::tells_nothing;

const KEYS: [&[u8]; 3] =
    [b"first-key-0123456789abcdef", b"second-key-0123456789abcde", b"unknown-key-0123456789abcd"];
const NOW: i64 = 1_800_000_000;
const TOLERANCE: i64 = 300;

pub(crate) fn check(input: &[u8]) {
    let mut lines = input.splitn(4, |byte| *byte == b'\n');
    let mut header = || std::str::from_utf8(lines.next()?).ok();
    let (Some(id), Some(timestamp), Some(signature)) = (header(), header(), header()) else { return };
    let body = lines.next().unwrap_or_default();
    request_body(body);

    let mut signature = signature.to_owned();
    for (place, key) in KEYS.iter().enumerate() {
        signature = signature.replace(&format!("@{place}"), &made(id, timestamp, body, key));
    }
    let headers = WebhookHeaders { id, timestamp, signature: &signature };
    let (Ok(tolerance), Ok(now)) = (u64::try_from(TOLERANCE), Timestamp::from_second(NOW)) else { return };
    let verdict = verify(headers, body, &KEYS[..2], Duration::from_secs(tolerance), now);
    let fits =
        |key: &&[u8]| signature.split_ascii_whitespace().any(|one| one == made(id, timestamp, body, key));
    match verdict {
        Ok(KeyIndex(index)) => {
            assert!(is_right(id, timestamp, &signature), "accepted in a wrong form, or too old");
            assert_eq!(KEYS[..2].iter().position(fits), Some(index), "accepted, yet not signed");
        }
        Err(refusal) => {
            tells_nothing(&refusal);
            assert!(WebhookRefusal::CODES.contains(&refusal.code()));
            let signed = KEYS[..2].iter().any(fits);
            assert!(!(signed && is_right(id, timestamp, &signature)), "signed, yet refused: {refusal}");
        }
    }
}

/// As `v1,<base64>`.
fn made(id: &str, timestamp: &str, body: &[u8], key: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    let text = [id.as_bytes(), timestamp.as_bytes(), body].join(&b'.');
    mac.update(&text);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// Whether everything but the signature is as documented.
fn is_right(id: &str, timestamp: &str, signature: &str) -> bool {
    let id_is_right =
        !id.is_empty() && id.len() <= 128 && id.chars().all(|c| matches!(c, '!'..='~') && c != '.');
    let digits =
        !timestamp.is_empty() && timestamp.len() <= 12 && timestamp.chars().all(|c| c.is_ascii_digit());
    let sent: Option<i64> = timestamp.parse().ok().filter(|_| digits);
    let in_time = sent.is_some_and(|sent| (NOW - TOLERANCE..=NOW + TOLERANCE).contains(&sent));
    id_is_right && in_time && signature.split_ascii_whitespace().count() <= 8
}

/// What is read prints back to the same.
fn request_body(body: &[u8]) {
    let Ok(request) = serde_json::from_slice::<TriggerRequest>(body) else { return };
    let again = serde_json::to_vec(&request).and_then(|text| serde_json::from_slice(&text));
    assert_eq!(again.ok(), Some(request));
}
