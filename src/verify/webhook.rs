//! The check of a request that is signed as "Standard Webhooks" writes it: the manual trigger.
//!
//! Every shared key is tried against every signature without a branch on the outcome, so the time tells
//! neither which key fits nor how much of a signature does. What a public key says is no secret; its
//! signatures are checked last. How a signature is made stands in [`crate::webhook_signature`].

use std::time::Duration;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::model::RefusalReason;
use crate::webhook_signature::{PublicKey, signed_text, tag};

/// Most signatures in one request that are looked at.
const MAX_SIGNATURES: usize = 8;

/// The three headers, as text.
#[derive(Clone, Copy, Debug)]
pub struct WebhookHeaders<'h> {
    /// `webhook-id`: the same for every retry of a request.
    pub id: &'h str,
    /// `webhook-timestamp`: seconds since 1970.
    pub timestamp: &'h str,
    /// `webhook-signature`: a list, separated by spaces.
    pub signature: &'h str,
}

/// A key that is accepted.
#[derive(Clone, Copy)]
pub enum AcceptedKey<'k> {
    /// One that both sides have (`v1`).
    Shared(&'k [u8]),
    /// The public half of one that the sender alone has (`v1a`).
    Public(&'k PublicKey),
}

/// Which of the accepted keys signed, by its place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyIndex(pub usize);

/// Why a signed request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookRefusal {
    /// The id has another form.
    #[error("webhook-id is not 1 to 128 visible characters without a full stop")]
    Id,
    /// The timestamp is no number of seconds.
    #[error("webhook-timestamp is not a number of seconds since 1970")]
    Timestamp,
    /// No signature of a known version, or too many.
    #[error("webhook-signature is not a list of one to eight signatures with a v1 or v1a among them")]
    SignatureForm,
    /// Older than the tolerance allows.
    #[error("webhook-timestamp is too old; check the sender's clock")]
    TooOld,
    /// Further ahead than the tolerance allows.
    #[error("webhook-timestamp is too far ahead; check the sender's clock")]
    TooNew,
    /// No accepted key made any of the signatures.
    #[error("no accepted key made the signature")]
    Mismatch,
}

impl WebhookRefusal {
    /// What it counts as.
    pub fn reason(self) -> RefusalReason {
        match self {
            WebhookRefusal::Id | WebhookRefusal::Timestamp | WebhookRefusal::SignatureForm => {
                RefusalReason::WebhookForm
            }
            WebhookRefusal::TooOld => RefusalReason::TooOld,
            WebhookRefusal::TooNew => RefusalReason::TooNew,
            WebhookRefusal::Mismatch => RefusalReason::Signature,
        }
    }

    /// Whether the request is malformed (400) rather than not authorised (401).
    pub fn is_malformed(self) -> bool {
        matches!(self, WebhookRefusal::Id | WebhookRefusal::Timestamp | WebhookRefusal::SignatureForm)
    }
}

/// Checks a request. The id is bound by the signature; remembering it is the caller's.
pub fn verify(
    headers: WebhookHeaders<'_>,
    body: &[u8],
    keys: &[AcceptedKey<'_>],
    tolerance: Duration,
    now: Timestamp,
) -> Result<KeyIndex, WebhookRefusal> {
    // A full stop in the id would let its end pass for the timestamp.
    let visible = |b: u8| b.is_ascii_graphic() && b != b'.';
    if !(1..=128).contains(&headers.id.len()) || !headers.id.bytes().all(visible) {
        return Err(WebhookRefusal::Id);
    }
    let digits =
        (1..=12).contains(&headers.timestamp.len()) && headers.timestamp.bytes().all(|b| b.is_ascii_digit());
    let sent = digits
        .then(|| Timestamp::from_second(headers.timestamp.parse().ok()?).ok())
        .flatten()
        .ok_or(WebhookRefusal::Timestamp)?;
    let signatures = listed(headers.signature)?;
    check_time(sent, tolerance, now)?;

    let mut found = Choice::from(0);
    let mut index = 0_u64;
    for (key, place) in keys.iter().zip(0_u64..) {
        let AcceptedKey::Shared(key) = key else { continue };
        let made = tag(headers.id, headers.timestamp, body, key).ok_or(WebhookRefusal::Mismatch)?;
        let fits =
            signatures.v1.iter().fold(Choice::from(0), |any, signature| any | signature[..].ct_eq(&made));
        index = u64::conditional_select(&index, &place, fits & !found);
        found |= fits;
    }
    if bool::from(found) {
        return usize::try_from(index).map(KeyIndex).map_err(|_| WebhookRefusal::Mismatch);
    }
    // Not made unless somebody could have signed it so.
    let text =
        if signatures.v1a.is_empty() { Vec::new() } else { signed_text(headers.id, headers.timestamp, body) };
    let signed = |key: &PublicKey| {
        let key = UnparsedPublicKey::new(&ED25519, key.as_bytes());
        signatures.v1a.iter().any(|signature| key.verify(&text, signature).is_ok())
    };
    let fits = keys.iter().position(|key| matches!(key, AcceptedKey::Public(key) if signed(key)));
    fits.map(KeyIndex).ok_or(WebhookRefusal::Mismatch)
}

/// The signatures of the versions that are known. Others may stand beside them.
#[derive(Default)]
struct Signatures {
    v1: Vec<[u8; 32]>,
    v1a: Vec<[u8; 64]>,
}

fn listed(header: &str) -> Result<Signatures, WebhookRefusal> {
    let mut signatures = Signatures::default();
    for (count, entry) in header.split_ascii_whitespace().enumerate() {
        if count == MAX_SIGNATURES {
            return Err(WebhookRefusal::SignatureForm);
        }
        let Some((version, text)) = entry.split_once(',') else { continue };
        let bytes = STANDARD.decode(text).unwrap_or_default();
        match version {
            "v1" => signatures.v1.extend(<[u8; 32]>::try_from(bytes).ok()),
            "v1a" => signatures.v1a.extend(<[u8; 64]>::try_from(bytes).ok()),
            _ => {}
        }
    }
    let none = signatures.v1.is_empty() && signatures.v1a.is_empty();
    if none { Err(WebhookRefusal::SignatureForm) } else { Ok(signatures) }
}

fn check_time(sent: Timestamp, tolerance: Duration, now: Timestamp) -> Result<(), WebhookRefusal> {
    let tolerance = SignedDuration::try_from(tolerance).unwrap_or(SignedDuration::MAX);
    // The header has whole seconds, so the present is taken in whole seconds too.
    let age = SignedDuration::from_secs(now.as_second() - sent.as_second());
    if age > tolerance {
        Err(WebhookRefusal::TooOld)
    } else if -age > tolerance {
        Err(WebhookRefusal::TooNew)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretValue;
    use crate::webhook_signature::{Signer, decode_key, sign};

    // The example of the Standard Webhooks specification.
    const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SENT: i64 = 1_614_265_330;
    const BODY: &[u8] = b"{\"test\": 2432232314}";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const OTHER: &[u8] = b"another key of some thirty bytes";

    fn key() -> SecretValue {
        decode_key(&SecretValue::from(KEY.to_owned())).unwrap()
    }

    fn check(
        id: &str,
        timestamp: &str,
        signature: &str,
        body: &[u8],
        late: i64,
    ) -> Result<KeyIndex, WebhookRefusal> {
        let key = key();
        let now = Timestamp::from_second(SENT + late).unwrap();
        let headers = WebhookHeaders { id, timestamp, signature };
        let keys = [AcceptedKey::Shared(OTHER), AcceptedKey::Shared(key.expose_bytes())];
        verify(headers, body, &keys, Duration::from_mins(5), now)
    }

    fn check_signature(signature: &str) -> Result<KeyIndex, WebhookRefusal> {
        check(ID, &SENT.to_string(), signature, BODY, 0)
    }

    #[test]
    fn the_published_example_verifies_and_is_what_we_sign() {
        assert_eq!(sign(ID, SENT, BODY, key().expose_bytes()), SIGNATURE);
        assert_eq!(check_signature(SIGNATURE), Ok(KeyIndex(1)));
    }

    #[test]
    fn any_signature_of_the_list_by_any_key_is_enough_and_the_first_key_wins() {
        let other = sign(ID, SENT, BODY, OTHER);
        let wrong = sign(ID, SENT, BODY, b"x");
        assert_eq!(check_signature(&format!("v1a,abc {wrong} {SIGNATURE}")), Ok(KeyIndex(1)));
        assert_eq!(check_signature(&format!("{SIGNATURE} {wrong}")), Ok(KeyIndex(1)));
        assert_eq!(check_signature(&other), Ok(KeyIndex(0)));
        assert_eq!(check_signature(&format!("{SIGNATURE} {other}")), Ok(KeyIndex(0)));
        assert_eq!(check_signature(&wrong), Err(WebhookRefusal::Mismatch));
    }

    #[test]
    fn every_changed_byte_is_refused() {
        let at = SENT.to_string();
        for index in 0..BODY.len() {
            let mut body = BODY.to_vec();
            body[index] ^= 1;
            assert_eq!(check(ID, &at, SIGNATURE, &body, 0), Err(WebhookRefusal::Mismatch));
        }
        for index in 0..ID.len() {
            let mut id = ID.as_bytes().to_vec();
            id[index] ^= 1;
            let id = String::from_utf8(id).unwrap();
            assert_eq!(check(&id, &at, SIGNATURE, BODY, 0), Err(WebhookRefusal::Mismatch));
        }
        for index in 0..32 {
            let mut tag = STANDARD.decode(&SIGNATURE[3..]).unwrap();
            tag[index] ^= 1;
            assert_eq!(
                check_signature(&format!("v1,{}", STANDARD.encode(tag))),
                Err(WebhookRefusal::Mismatch)
            );
        }
        assert_eq!(check(ID, &(SENT + 1).to_string(), SIGNATURE, BODY, 0), Err(WebhookRefusal::Mismatch));
        assert_eq!(check(ID, &format!("0{at}"), SIGNATURE, BODY, 0), Err(WebhookRefusal::Mismatch));
    }

    #[test]
    fn the_tolerance_holds_on_both_sides_to_the_second() {
        let at = SENT.to_string();
        for (late, result) in [
            (300, Ok(KeyIndex(1))),
            (301, Err(WebhookRefusal::TooOld)),
            (-300, Ok(KeyIndex(1))),
            (-301, Err(WebhookRefusal::TooNew)),
        ] {
            assert_eq!(check(ID, &at, SIGNATURE, BODY, late), result, "{late}");
        }
    }

    #[test]
    fn malformed_headers_are_told_from_wrong_ones() {
        let at = SENT.to_string();
        for id in ["", "a.b", "a b", "a\n", &"x".repeat(129)] {
            assert_eq!(check(id, &at, SIGNATURE, BODY, 0), Err(WebhookRefusal::Id), "{id}");
        }
        for timestamp in ["", "-1", "+1614265330", "1614265330.0", " 1614265330", "9999999999999", "x"] {
            let result = check(ID, timestamp, SIGNATURE, BODY, 0);
            assert_eq!(result, Err(WebhookRefusal::Timestamp), "{timestamp}");
        }
        let many = [SIGNATURE; 9].join(" ");
        let unpadded = SIGNATURE.trim_end_matches('=');
        for signature in ["", "v1", "v1,", "v1,AAAA", "v2,g0hM9SsE", &SIGNATURE[3..], unpadded, &many] {
            let refusal = check_signature(signature).unwrap_err();
            assert_eq!(refusal, WebhookRefusal::SignatureForm, "{signature}");
            assert!(refusal.is_malformed());
        }
        assert!(!WebhookRefusal::Mismatch.is_malformed() && !WebhookRefusal::TooOld.is_malformed());
    }

    /// The example of the specification's own library for Go.
    const SEED: &str = "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=";
    const V1A: &str =
        "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag==";

    fn signer(text: &str) -> Signer {
        Signer::read(&SecretValue::from(text.to_owned())).unwrap()
    }

    /// Checks the example against a shared and a public key.
    fn check_mixed(signature: &str, body: &[u8]) -> Result<KeyIndex, WebhookRefusal> {
        let (key, public) = (key(), signer(SEED).public_key().unwrap());
        let keys = [
            AcceptedKey::Shared(OTHER),
            AcceptedKey::Public(&public),
            AcceptedKey::Shared(key.expose_bytes()),
        ];
        let at = SENT.to_string();
        let headers = WebhookHeaders { id: ID, timestamp: &at, signature };
        verify(headers, body, &keys, Duration::from_mins(5), Timestamp::from_second(SENT).unwrap())
    }

    #[test]
    fn the_published_example_of_an_ed25519_key_verifies_beside_shared_keys() {
        assert_eq!(check_mixed(V1A, BODY), Ok(KeyIndex(1)));
        assert_eq!(check_mixed(SIGNATURE, BODY), Ok(KeyIndex(2)));
        let stranger = signer(&format!("whsk_{}", STANDARD.encode([7; 32]))).sign(ID, SENT, BODY);
        assert_eq!(check_mixed(&format!("{stranger} v1,AAAA {V1A}"), BODY), Ok(KeyIndex(1)));
        assert_eq!(check_mixed(&stranger, BODY), Err(WebhookRefusal::Mismatch));
        assert_eq!(check_signature(V1A), Err(WebhookRefusal::Mismatch), "no public key is accepted");
    }

    #[test]
    fn every_changed_byte_of_an_ed25519_signature_or_of_its_body_is_refused() {
        for index in 0..64 {
            let mut tag = STANDARD.decode(&V1A[4..]).unwrap();
            tag[index] ^= 1;
            let changed = format!("v1a,{}", STANDARD.encode(tag));
            assert_eq!(check_mixed(&changed, BODY), Err(WebhookRefusal::Mismatch), "{index}");
        }
        for index in 0..BODY.len() {
            let mut body = BODY.to_vec();
            body[index] ^= 1;
            assert_eq!(check_mixed(V1A, &body), Err(WebhookRefusal::Mismatch), "{index}");
        }
    }

    #[test]
    fn a_public_key_taken_for_a_shared_one_makes_nothing_valid() {
        let public = signer(SEED).public_key().unwrap();
        for version in ["v1", "v1a"] {
            let tag = sign(ID, SENT, BODY, public.as_bytes());
            let refusal = check_mixed(&tag.replacen("v1", version, 1), BODY).unwrap_err();
            assert!(matches!(refusal, WebhookRefusal::Mismatch | WebhookRefusal::SignatureForm));
        }
        // The right bytes under the other version's name are of the wrong length for it.
        assert_eq!(check_mixed(&V1A.replacen("v1a", "v1", 1), BODY), Err(WebhookRefusal::SignatureForm));
    }

    #[test]
    fn without_keys_nothing_verifies() {
        let at = SENT.to_string();
        let headers = WebhookHeaders { id: ID, timestamp: &at, signature: SIGNATURE };
        let now = Timestamp::from_second(SENT).unwrap();
        assert_eq!(verify(headers, BODY, &[], Duration::from_mins(5), now), Err(WebhookRefusal::Mismatch));
    }
}
