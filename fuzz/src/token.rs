//! Bearer tokens of an issuer (JWT), and the keys that it publishes.
//!
//! The input is `header LF claims LF signature`, the first two as JSON; the signature `@0` stands for what the
//! issuer's key makes of them, `@1` for another key. Without line ends it is a token as it is, or a set of
//! keys. The oracle reads the claims in its own way and knows who signed.

use std::sync::LazyLock;
use std::time::Duration;

use anypoint_relay::model::TokenAlgorithm;
use anypoint_relay::verify::token::{KeySet, TokenRules, bearer, check as verify};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::planted::tells_nothing;

const NOW: i32 = 1_800_000_000;
const LEEWAY: u32 = 60;
const RULES: TokenRules<'_> = TokenRules {
    issuer: "https://login.example.com/",
    audience: "anypoint-relay",
    algorithms: &[TokenAlgorithm::EdDsa, TokenAlgorithm::Es256],
    leeway: Duration::from_secs(LEEWAY as u64),
    scope: None,
};

/// The issuer's key and another one.
#[expect(clippy::expect_used, reason = "a key that cannot be made ends the program")]
static PAIRS: LazyLock<[Ed25519KeyPair; 2]> = LazyLock::new(|| {
    [[7; 32], [8; 32]].map(|seed| Ed25519KeyPair::from_seed_unchecked(&seed).expect("32 bytes are a seed"))
});

#[expect(clippy::expect_used, reason = "a key that cannot be made ends the program")]
static KEYS: LazyLock<KeySet> = LazyLock::new(|| {
    let x = URL_SAFE_NO_PAD.encode(PAIRS[0].public_key());
    let set = json!({ "keys": [{ "kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": x }] });
    KeySet::parse(set.to_string().as_bytes()).expect("a set of keys")
});

pub(crate) fn check(input: &[u8]) {
    if let Err(error) = KeySet::parse(input) {
        tells_nothing(&error);
    }
    match bearer(Some(input)) {
        Ok(token) => assert!(!passes(token), "a token that nobody signed"),
        Err(refusal) => tells_nothing(&refusal),
    }
    let Ok(text) = std::str::from_utf8(input) else { return };
    let parts: Vec<&str> = text.splitn(3, '\n').collect();
    let [header, claims, signature] = parts[..] else { return };
    let right = is_right(header, claims);
    if passes(&token(header, claims, signature)) {
        assert_eq!(signature, "@0", "the issuer did not sign it");
        // Not read by the oracle is a number out of range in a claim that nobody looks at.
        assert_ne!(right, Some(false), "a token that no rule lets pass: {header} {claims}");
    }
    // Printed again no key is there twice, and then the oracle says everything.
    let (Ok(header), Ok(claims)) = (serde_json::from_str(header), serde_json::from_str(claims)) else {
        return;
    };
    let (header, claims): (Value, Value) = (header, claims);
    let plain = header.as_object().is_some_and(|all| all.keys().all(|name| name == "alg" || name == "kid"));
    if plain && claims.is_object() {
        let (header, claims) = (header.to_string(), claims.to_string());
        let right = is_right(&header, &claims) == Some(true);
        assert_eq!(passes(&token(&header, &claims, "@0")), right, "{header} {claims}");
    }
}

fn token(header: &str, claims: &str, signature: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = match signature {
        "@0" => URL_SAFE_NO_PAD.encode(PAIRS[0].sign(message.as_bytes())),
        "@1" => URL_SAFE_NO_PAD.encode(PAIRS[1].sign(message.as_bytes())),
        other => other.to_owned(),
    };
    format!("{message}.{signature}")
}

fn passes(token: &str) -> bool {
    let Ok(now) = Timestamp::from_second(NOW.into()) else { return false };
    match verify(token, &KEYS, &RULES, now) {
        Ok(()) => true,
        Err(refusal) => {
            tells_nothing(&refusal);
            false
        }
    }
}

/// Whether the rules let it pass when it is signed; none where it is not read.
fn is_right(header: &str, claims: &str) -> Option<bool> {
    let header: Value = serde_json::from_str(header).ok()?;
    let claims: Value = serde_json::from_str(claims).ok()?;
    let absent = |value: &Value| value.is_null();
    let text = |value: &Value| value.is_string();
    let texts = |value: &Value| value.as_array().is_some_and(|all| all.iter().all(Value::is_string));
    let forms = (absent(&claims["scope"]) || text(&claims["scope"]))
        && (absent(&claims["scp"]) || text(&claims["scp"]) || texts(&claims["scp"]))
        && (absent(&claims["nbf"]) || claims["nbf"].is_number())
        && (text(&claims["aud"]) || texts(&claims["aud"]));
    let audience = claims["aud"] == RULES.audience
        || claims["aud"].as_array().is_some_and(|all| all.iter().any(|one| one == RULES.audience));
    let (now, leeway) = (f64::from(NOW), f64::from(LEEWAY));
    let in_time = claims["exp"].as_f64().is_some_and(|end| end + leeway > now)
        && claims["nbf"].as_f64().is_none_or(|start| start - leeway <= now);
    let named = header["alg"] == "EdDSA" && header["kid"] == "ed" && header["crit"].is_null();
    Some(named && forms && audience && in_time && claims["iss"] == RULES.issuer)
}
