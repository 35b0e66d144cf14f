//! The keys that an issuer publishes (RFC 7517): read once, found by `kid`.
//!
//! Guarantees: a key is used only for signatures of its own type; symmetric keys, keys for encryption and
//! keys that are too weak or of unknown kinds are as if they were not there.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::TokenRefusal;
use crate::model::TokenAlgorithm;

/// The largest issuers publish about ten.
const MAX_KEYS: usize = 64;
/// RSA of 2,048 to 8,192 bits.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// Why a file is no set of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Not a JSON object with a list `keys`.
    #[error("it is not a JSON object with a list `keys`; check that jwks_url is the issuer's `jwks_uri`")]
    Form,
    /// More than [`MAX_KEYS`].
    #[error("it has more than 64 keys")]
    TooMany,
    /// None of use.
    #[error(
        "none of its keys can check a token: they need a `kid`, and to be RSA of 2048 to 8192 bits, P-256, \
         P-384 or Ed25519"
    )]
    NoneUsable,
}

/// The public keys of an issuer.
#[derive(Debug)]
pub struct KeySet(Vec<Key>);

#[derive(Debug)]
struct Key {
    id: String,
    kind: Kind,
    /// The one algorithm that it is for, if the issuer says so.
    only: Option<TokenAlgorithm>,
    material: DecodingKey,
}

impl Key {
    fn is_for(&self, algorithm: TokenAlgorithm) -> bool {
        self.kind == Kind::of(algorithm) && self.only.is_none_or(|only| only == algorithm)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl Kind {
    fn of(algorithm: TokenAlgorithm) -> Self {
        match algorithm {
            TokenAlgorithm::Es256 => Kind::P256,
            TokenAlgorithm::Es384 => Kind::P384,
            TokenAlgorithm::EdDsa => Kind::Ed25519,
            TokenAlgorithm::Ps256
            | TokenAlgorithm::Ps384
            | TokenAlgorithm::Ps512
            | TokenAlgorithm::Rs256
            | TokenAlgorithm::Rs384
            | TokenAlgorithm::Rs512 => Kind::Rsa,
        }
    }
}

impl KeySet {
    /// Reads a set.
    pub fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        let set: PublishedSet<'_> = serde_json::from_slice(json).map_err(|_| KeySetError::Form)?;
        if set.keys.len() > MAX_KEYS {
            return Err(KeySetError::TooMany);
        }
        // RFC 7517, section 5: what is not understood is ignored, so that an issuer can add to it.
        let keys: Vec<Key> = set.keys.iter().filter_map(|json| Published::read(json)?.key()).collect();
        if keys.is_empty() { Err(KeySetError::NoneUsable) } else { Ok(Self(keys)) }
    }

    /// Whether a key is for one of these algorithms.
    pub fn serves(&self, algorithms: &[TokenAlgorithm]) -> bool {
        algorithms.iter().any(|algorithm| self.0.iter().any(|key| key.is_for(*algorithm)))
    }

    /// The key of this id for this algorithm. Two keys of different types may share an id (RFC 7517, 4.5).
    pub(super) fn find(&self, id: &str, algorithm: TokenAlgorithm) -> Result<&DecodingKey, TokenRefusal> {
        let mut of_id = self.0.iter().filter(|key| key.id == id).peekable();
        if of_id.peek().is_none() {
            return Err(TokenRefusal::UnknownKey);
        }
        of_id.find(|key| key.is_for(algorithm)).map(|key| &key.material).ok_or(TokenRefusal::KeyType)
    }
}

#[derive(Deserialize)]
struct PublishedSet<'j> {
    #[serde(borrow)]
    keys: Vec<&'j RawValue>,
}

/// A key as it is published, as far as it is used.
#[derive(Deserialize)]
struct Published {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Published {
    fn read(json: &RawValue) -> Option<Self> {
        serde_json::from_str(json.get()).ok()
    }

    fn key(self) -> Option<Key> {
        let for_signatures = self.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
            && self.key_ops.as_deref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !for_signatures {
            return None;
        }
        let only = match &self.alg {
            Some(name) => Some(TokenAlgorithm::named(name)?),
            None => None,
        };
        let (kind, material) = self.material()?;
        Some(Key { id: self.kid?, kind, only, material })
    }

    fn material(&self) -> Option<(Kind, DecodingKey)> {
        let length = |part: &str| URL_SAFE_NO_PAD.decode(part).ok().map(|bytes| bytes.len());
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => {
                let (modulus, exponent) = (self.n.as_deref()?, self.e.as_deref()?);
                MODULUS_BYTES.contains(&length(modulus)?).then_some(())?;
                Some((Kind::Rsa, DecodingKey::from_rsa_components(modulus, exponent).ok()?))
            }
            ("EC", Some(curve)) => {
                let (kind, bytes) = match curve {
                    "P-256" => (Kind::P256, 32),
                    "P-384" => (Kind::P384, 48),
                    _ => return None,
                };
                let (x, y) = (self.x.as_deref()?, self.y.as_deref()?);
                (length(x)? == bytes && length(y)? == bytes).then_some(())?;
                Some((kind, DecodingKey::from_ec_components(x, y).ok()?))
            }
            ("OKP", Some("Ed25519")) => {
                let x = self.x.as_deref()?;
                (length(x)? == 32).then_some(())?;
                Some((Kind::Ed25519, DecodingKey::from_ed_components(x).ok()?))
            }
            _ => None,
        }
    }
}
