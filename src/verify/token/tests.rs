//! Each known way to make a verifier of tokens believe what it should not.

use std::sync::LazyLock;

use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::Sha256;

use super::testing::{Pair, key_set, part};
use super::*;

const ISSUER: &str = "https://login.example.com/";
const AUDIENCE: &str = "anypoint-relay";
const NOW: i64 = 1_803_891_600;
const ALL: [TokenAlgorithm; 5] = [
    TokenAlgorithm::Rs256,
    TokenAlgorithm::Ps256,
    TokenAlgorithm::Es256,
    TokenAlgorithm::Es384,
    TokenAlgorithm::EdDsa,
];

/// One key of each type, under the names rsa, p256, p384 and ed.
struct Keys {
    rsa: Pair,
    p256: Pair,
    p384: Pair,
    ed: Pair,
    set: KeySet,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let (rsa, p256, p384, ed) = (Pair::rsa(), Pair::p256(), Pair::p384(), Pair::ed25519());
    let set = key_set(&[rsa.jwk("rsa"), p256.jwk("p256"), p384.jwk("p384"), ed.jwk("ed")]);
    let set = KeySet::parse(&set).unwrap();
    Keys { rsa, p256, p384, ed, set }
});

const RULES: TokenRules<'_> = TokenRules {
    issuer: ISSUER,
    audience: AUDIENCE,
    algorithms: &ALL,
    leeway: Duration::from_mins(1),
    scope: None,
};

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "exp": NOW + 300, "nbf": NOW - 300, "iat": NOW - 300})
}

/// The usual claims with one of them changed; null takes it away.
fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    match value {
        Value::Null => claims.as_object_mut().unwrap().remove(name),
        value => claims.as_object_mut().unwrap().insert(name.to_owned(), value),
    };
    claims
}

fn check_by(rules: &TokenRules<'_>, token: &str) -> Result<(), TokenRefusal> {
    check(token, &KEYS.set, rules, Timestamp::from_second(NOW).unwrap())
}

fn check_now(token: &str) -> Result<(), TokenRefusal> {
    check_by(&RULES, token)
}

fn check_claims(claims: &Value) -> Result<(), TokenRefusal> {
    check_now(&KEYS.p256.token("p256", claims))
}

#[test]
fn a_token_of_each_type_of_key_passes() {
    for (pair, id) in [(&KEYS.rsa, "rsa"), (&KEYS.p256, "p256"), (&KEYS.p384, "p384"), (&KEYS.ed, "ed")] {
        assert_eq!(check_now(&pair.token(id, &claims())), Ok(()), "{id}");
    }
    let pss = KEYS.rsa.sign(&json!({"alg": "PS256", "kid": "rsa"}), &claims());
    assert_eq!(check_now(&pss), Ok(()));
}

/// RFC 7515, appendices A.2 and A.3: the keys, and the tokens that they signed.
#[test]
fn the_published_examples_are_signed_by_their_keys() {
    let rsa = json!({"kty": "RSA", "kid": "rfc", "e": "AQAB",
        "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-\
              yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-K\
              XBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9\
              iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"});
    let ec = json!({"kty": "EC", "kid": "rfc", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
    let payload =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let by_rsa = format!(
        "eyJhbGciOiJSUzI1NiJ9.{payload}.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0\
         Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjt\
         QBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUip\
         UTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
    );
    let by_ec = format!(
        "eyJhbGciOiJFUzI1NiJ9.{payload}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJ\
         qPP3-Kg6NU1Q"
    );
    for (jwk, token, algorithm) in [(rsa, by_rsa, TokenAlgorithm::Rs256), (ec, by_ec, TokenAlgorithm::Es256)]
    {
        let set = KeySet::parse(&key_set(&[jwk])).unwrap();
        let signed = signed_claims(&token, set.find("rfc", algorithm).unwrap(), algorithm).unwrap();
        assert_eq!((signed.iss.as_deref(), signed.exp), (Some("joe"), Some(1_300_819_380.0)));
        assert_eq!(check(&token, &set, &RULES, Timestamp::UNIX_EPOCH), Err(TokenRefusal::NoKeyId));
    }
}

#[test]
fn a_token_without_a_signature_is_refused_however_none_is_spelled() {
    for alg in ["none", "None", "NONE", "", "nOnE"] {
        let head = part(json!({"alg": alg, "kid": "rsa"}).to_string());
        for signature in ["", "AAAA"] {
            let token = format!("{head}.{}.{signature}", part(claims().to_string()));
            assert_eq!(check_now(&token), Err(TokenRefusal::Algorithm), "{alg:?}");
        }
    }
}

#[test]
fn a_public_key_taken_for_an_hmac_secret_makes_nothing_valid() {
    let jwk = KEYS.rsa.jwk("rsa");
    for secret in [jwk.to_string(), jwk["n"].as_str().unwrap().to_owned()] {
        let message = format!("{}.{}", part(r#"{"alg":"HS256","kid":"rsa"}"#), part(claims().to_string()));
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(message.as_bytes());
        let token = format!("{message}.{}", part(mac.finalize().into_bytes()));
        assert_eq!(check_now(&token), Err(TokenRefusal::Algorithm));
    }
}

#[test]
fn a_key_is_used_for_algorithms_of_its_own_type_only() {
    let pairs = [(&KEYS.rsa, "rsa"), (&KEYS.p256, "p256"), (&KEYS.p384, "p384"), (&KEYS.ed, "ed")];
    for (pair, id) in pairs {
        for (_, other) in pairs.iter().filter(|(_, other)| *other != id) {
            let token = pair.sign(&json!({"alg": pair.algorithm(), "kid": other}), &claims());
            assert_eq!(check_now(&token), Err(TokenRefusal::KeyType), "{id} as {other}");
        }
    }
    let mut rsa = KEYS.rsa.jwk("rsa");
    rsa["alg"] = json!("RS256");
    let set = KeySet::parse(&key_set(&[rsa])).unwrap();
    let pss = KEYS.rsa.sign(&json!({"alg": "PS256", "kid": "rsa"}), &claims());
    let now = Timestamp::from_second(NOW).unwrap();
    assert_eq!(check(&pss, &set, &RULES, now), Err(TokenRefusal::KeyType), "the issuer says RS256");
}

#[test]
fn an_algorithm_that_is_not_listed_is_refused_before_anything_is_verified() {
    let rules = TokenRules { algorithms: &[TokenAlgorithm::Es256], ..RULES };
    assert_eq!(check_by(&rules, &KEYS.p256.token("p256", &claims())), Ok(()));
    for token in [
        KEYS.rsa.token("rsa", &claims()),
        KEYS.ed.token("ed", &claims()),
        KEYS.rsa.sign(&json!({"alg": "rs256", "kid": "rsa"}), &claims()),
    ] {
        assert_eq!(check_by(&rules, &token), Err(TokenRefusal::Algorithm));
    }
}

#[test]
fn a_key_is_named_by_its_id_and_by_nothing_else() {
    let alg = "ES256";
    assert_eq!(check_now(&KEYS.p256.sign(&json!({"alg": alg}), &claims())), Err(TokenRefusal::NoKeyId));
    assert_eq!(check_now(&KEYS.p256.token("other", &claims())), Err(TokenRefusal::UnknownKey));
    for id in ["", "../p256", "P256", "p256' OR '1'='1", "/dev/null", "p256\0"] {
        assert_eq!(check_now(&KEYS.p256.token(id, &claims())), Err(TokenRefusal::UnknownKey), "{id}");
    }
    // Signed by a stranger, who offers his own key in every way that RFC 7515 knows.
    let stranger = Pair::p256();
    for (name, value) in [
        ("jwk", stranger.jwk("p256")),
        ("jku", json!("https://stranger.example.com/keys")),
        ("x5u", json!("https://stranger.example.com/chain")),
        ("x5c", json!(["MIIB"])),
    ] {
        let header = json!({"alg": alg, "kid": "p256", name: value});
        assert_eq!(check_now(&stranger.sign(&header, &claims())), Err(TokenRefusal::Signature), "{name}");
    }
}

#[test]
fn an_extension_that_must_be_understood_is_refused() {
    for crit in [json!(["exp"]), json!([]), json!("b64")] {
        let header = json!({"alg": "ES256", "kid": "p256", "crit": crit, "b64": false});
        assert_eq!(check_now(&KEYS.p256.sign(&header, &claims())), Err(TokenRefusal::Critical));
    }
}

#[test]
fn issuer_and_audience_are_the_configured_ones_to_the_letter() {
    for issuer in
        [json!("https://login.example.com"), json!("https://LOGIN.example.com/"), json!(""), Value::Null]
    {
        assert_eq!(check_claims(&with("iss", issuer.clone())), Err(TokenRefusal::Issuer), "{issuer}");
    }
    for audience in [json!("other"), json!(["other"]), json!([]), json!("anypoint-relay "), Value::Null] {
        assert_eq!(check_claims(&with("aud", audience.clone())), Err(TokenRefusal::Audience), "{audience}");
    }
    assert_eq!(check_claims(&with("aud", json!(["other", AUDIENCE]))), Ok(()));
}

#[test]
fn time_counts_to_the_second_with_the_leeway_on_both_sides() {
    for (exp, result) in [
        (json!(NOW - 59), Ok(())),
        (json!(NOW - 60), Err(TokenRefusal::Expired)),
        (json!(f64::from(1_803_891_540) + 0.5), Ok(())),
        (json!(0), Err(TokenRefusal::Expired)),
        (json!(-1), Err(TokenRefusal::Expired)),
        (json!(1e300), Ok(())),
        (Value::Null, Err(TokenRefusal::NoExpiry)),
    ] {
        assert_eq!(check_claims(&with("exp", exp.clone())), result, "exp {exp}");
    }
    for (nbf, result) in
        [(json!(NOW + 60), Ok(())), (json!(NOW + 61), Err(TokenRefusal::Early)), (Value::Null, Ok(()))]
    {
        assert_eq!(check_claims(&with("nbf", nbf.clone())), result, "nbf {nbf}");
    }
}

#[test]
fn a_scope_is_looked_for_wherever_issuers_write_it() {
    let rules = TokenRules { scope: Some("relay/notify"), ..RULES };
    let check = |claims: &Value| check_by(&rules, &KEYS.ed.token("ed", claims));
    for (name, value) in [
        ("scope", json!("read relay/notify")),
        ("scp", json!("relay/notify write")),
        ("scp", json!(["read", "relay/notify"])),
    ] {
        assert_eq!(check(&with(name, value)), Ok(()), "{name}");
    }
    for value in ["relay/notifyx", "xrelay/notify", "relay", "", "relay/notify,read"] {
        assert_eq!(check(&with("scope", json!(value))), Err(TokenRefusal::Scope), "{value}");
    }
    assert_eq!(check(&claims()), Err(TokenRefusal::Scope));
}

#[test]
fn claims_of_another_form_are_malformed_and_never_passed_over() {
    for (name, value) in [
        ("exp", json!((NOW + 300).to_string())),
        ("nbf", json!("soon")),
        ("iss", json!([ISSUER])),
        ("aud", json!({"0": AUDIENCE})),
        ("aud", json!([AUDIENCE, 7])),
        ("exp", json!([NOW + 300])),
    ] {
        assert_eq!(check_claims(&with(name, value.clone())), Err(TokenRefusal::Malformed), "{name} {value}");
    }
    assert_eq!(check_claims(&json!([])), Err(TokenRefusal::Malformed));
}

/// Signs `payload` as it stands.
fn sign_text(header: &str, payload: &str) -> String {
    let Pair::P256(pair) = &KEYS.p256 else { panic!("a P-256 key") };
    let message = format!("{}.{}", part(header), part(payload));
    let random = aws_lc_rs::rand::SystemRandom::new();
    format!("{message}.{}", part(pair.sign(&random, message.as_bytes()).unwrap()))
}

#[test]
fn a_member_that_occurs_twice_is_malformed() {
    let header = r#"{"alg":"ES256","kid":"p256"}"#;
    let twice = format!(r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","exp":{},"exp":{}}}"#, NOW - 600, NOW + 600);
    assert_eq!(check_now(&sign_text(header, &twice)), Err(TokenRefusal::Malformed));
    let header = r#"{"alg":"ES256","alg":"none","kid":"p256"}"#;
    assert_eq!(check_now(&sign_text(header, &claims().to_string())), Err(TokenRefusal::Malformed));
}

#[test]
fn what_is_no_token_is_malformed() {
    let token = KEYS.p256.token("p256", &claims());
    let (rest, signature) = token.rsplit_once('.').unwrap();
    for text in [
        String::new(),
        "..".to_owned(),
        rest.to_owned(),
        format!("{token}.AAAA"),
        format!(".{token}"),
        format!("{token}{}", "A".repeat(MAX_TOKEN)),
        format!("!{token}"),
        format!("{}.{signature}", part("{}")),
    ] {
        assert_eq!(check_now(&text), Err(TokenRefusal::Malformed), "{}", text.len());
    }
    assert_eq!(check_now(&format!("{rest}.")), Err(TokenRefusal::Signature));
    assert_eq!(
        check_now(&format!("{token}=")),
        Err(TokenRefusal::Signature),
        "padding is not part of the form"
    );
}

#[test]
fn every_changed_character_is_refused() {
    let token = KEYS.ed.token("ed", &claims());
    for index in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(check_now(&changed).is_err(), "character {index}");
    }
}

#[test]
fn the_scheme_is_bearer_in_any_case() {
    assert_eq!(bearer(Some(b"Bearer a.b.c")), Ok("a.b.c"));
    assert_eq!(bearer(Some(b"bEARER   a.b.c ")), Ok("a.b.c"));
    for header in [&b"Basic a.b.c"[..], b"Bearer", b"Bearer ", b"a.b.c", b"", b"Bearera.b.c"] {
        assert_eq!(bearer(Some(header)), Err(TokenRefusal::Missing));
    }
    assert_eq!(bearer(None), Err(TokenRefusal::Missing));
    assert_eq!(bearer(Some(b"Bearer \xff")), Err(TokenRefusal::Malformed));
}

#[test]
fn keys_that_are_not_for_checking_signatures_are_as_if_they_were_not_there() {
    let small = json!({"kty": "RSA", "kid": "k", "n": part([0xff; 128]), "e": "AQAB"});
    let changed = |name: &str, value: Value| {
        let mut key = KEYS.p256.jwk("k");
        key[name] = value;
        key
    };
    let useless = [
        json!({"kty": "oct", "kid": "k", "k": part("a secret that nobody should publish")}),
        small,
        changed("use", json!("enc")),
        changed("key_ops", json!(["sign"])),
        changed("alg", json!("ECDH-ES")),
        changed("alg", json!("none")),
        changed("crv", json!("secp256k1")),
        changed("x", json!(part([1; 31]))),
        changed("y", json!("not base64!")),
        changed("kid", Value::Null),
        changed("kty", json!("ec")),
        json!({}),
        json!("text"),
    ];
    for key in &useless {
        assert_eq!(
            KeySet::parse(&key_set(std::slice::from_ref(key))).err(),
            Some(KeySetError::NoneUsable),
            "{key}"
        );
    }
    let mut keys = useless.to_vec();
    keys.push(KEYS.p256.jwk("good"));
    let set = KeySet::parse(&key_set(&keys)).unwrap();
    let now = Timestamp::from_second(NOW).unwrap();
    assert_eq!(check(&KEYS.p256.token("good", &claims()), &set, &RULES, now), Ok(()));
    assert_eq!(check(&KEYS.p256.token("k", &claims()), &set, &RULES, now), Err(TokenRefusal::UnknownKey));
}

#[test]
fn a_file_that_is_no_set_of_keys_is_an_error() {
    for text in ["", "[]", "{}", "<html>", r#"{"keys": {}}"#, r#"{"keys": []"#] {
        assert_eq!(KeySet::parse(text.as_bytes()).err(), Some(KeySetError::Form), "{text}");
    }
    assert_eq!(KeySet::parse(br#"{"keys": []}"#).err(), Some(KeySetError::NoneUsable));
    let many: Vec<Value> = (0..65).map(|index| KEYS.ed.jwk(&index.to_string())).collect();
    assert_eq!(KeySet::parse(&key_set(&many)).err(), Some(KeySetError::TooMany));
    assert!(KeySet::parse(&key_set(&many[..64])).is_ok());
}

proptest! {
    #[test]
    fn no_header_or_claims_make_the_check_panic(header in "\\PC{0,60}", claims in "\\PC{0,60}") {
        prop_assert!(check_now(&sign_text(&header, &claims)).is_err());
        let unsigned = [header.as_str(), &claims, ""].join(".");
        prop_assert!(check_now(&unsigned).is_err());
    }

    #[test]
    fn signed_claims_that_are_not_the_asked_ones_are_refused(
        claims in proptest::collection::btree_map("iss|aud|exp|nbf|scope", "[a-z0-9]{0,4}", 0..5)
    ) {
        let header = r#"{"alg":"ES256","kid":"p256"}"#;
        prop_assert!(check_now(&sign_text(header, &json!(claims).to_string())).is_err());
    }

    #[test]
    fn no_file_makes_the_reader_of_keys_panic(json in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(KeySet::parse(&json).is_err());
    }
}
