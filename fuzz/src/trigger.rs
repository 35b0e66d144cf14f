//! Requests that are signed after Standard Webhooks, and the body of a trigger.
//!
//! The input is `id LF timestamp LF signatures LF body`. libFuzzer cannot sign, so `@0` to `@3` among the
//! signatures stand for what four keys make of this request: two shared ones that the relay accepts, one that
//! it does not, and the private half of a pair whose public one it accepts. The oracle says for every input
//! whether it must be accepted, and for which key.

use std::sync::LazyLock;
use std::time::Duration;

use anypoint_relay::ingress::TriggerRequest;
use anypoint_relay::verify::webhook::{AcceptedKey, KeyIndex, WebhookHeaders, verify};
use anypoint_relay::webhook_signature::PublicKey;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use crate::planted::tells_nothing;

const SHARED: [&[u8]; 3] =
    [b"first-key-0123456789abcdef", b"second-key-0123456789abcde", b"unknown-key-0123456789abcd"];
#[expect(clippy::expect_used, reason = "a key that cannot be made ends the program")]
static PAIR: LazyLock<Ed25519KeyPair> =
    LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("32 bytes are a seed"));
#[expect(clippy::expect_used, reason = "a key that cannot be made ends the program")]
static PUBLIC: LazyLock<PublicKey> = LazyLock::new(|| {
    let text = format!("whpk_{}", STANDARD.encode(PAIR.public_key()));
    PublicKey::parse(&text).expect("the public half of a pair")
});

const NOW: i64 = 1_800_000_000;
const TOLERANCE: i64 = 300;

pub(crate) fn check(input: &[u8]) {
    let mut lines = input.splitn(4, |byte| *byte == b'\n');
    let mut header = || std::str::from_utf8(lines.next()?).ok();
    let (Some(id), Some(timestamp), Some(signature)) = (header(), header(), header()) else { return };
    let body = lines.next().unwrap_or_default();
    request_body(body);

    let shared = SHARED.map(|key| made(id, timestamp, body, key));
    let text = [id.as_bytes(), timestamp.as_bytes(), body].join(&b'.');
    let own = format!("v1a,{}", STANDARD.encode(PAIR.sign(&text)));
    let mut signature = signature.to_owned();
    for (place, made) in shared.iter().chain([&own]).enumerate() {
        signature = signature.replace(&format!("@{place}"), made);
    }
    let headers = WebhookHeaders { id, timestamp, signature: &signature };
    let (Ok(tolerance), Ok(now)) = (u64::try_from(TOLERANCE), Timestamp::from_second(NOW)) else { return };
    let keys = [AcceptedKey::Shared(SHARED[0]), AcceptedKey::Public(&PUBLIC), AcceptedKey::Shared(SHARED[1])];
    let verdict = verify(headers, body, &keys, Duration::from_secs(tolerance), now);

    let is_there = |made: &String| signature.split_ascii_whitespace().any(|one| one == made);
    // Shared keys are looked at first.
    let signer = [(0, &shared[0]), (2, &shared[1]), (1, &own)].into_iter().find(|(_, made)| is_there(made));
    match verdict {
        Ok(KeyIndex(index)) => {
            assert!(is_right(id, timestamp, &signature), "accepted in a wrong form, or too old");
            assert_eq!(signer.map(|(place, _)| place), Some(index), "accepted, yet not signed");
        }
        Err(refusal) => {
            tells_nothing(&refusal);
            let right = signer.is_some() && is_right(id, timestamp, &signature);
            assert!(!right, "signed, yet refused: {refusal}");
        }
    }
}

/// As `v1,<base64>`.
fn made(id: &str, timestamp: &str, body: &[u8], key: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(&[id.as_bytes(), timestamp.as_bytes(), body].join(&b'.'));
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
