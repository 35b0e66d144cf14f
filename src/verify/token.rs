//! The check of a bearer token (RFC 7519, RFC 6750): what an EventBridge connection of the kind OAuth
//! sends.
//!
//! Guarantees: a token passes only if it is signed by the very key that its `kid` names, with an algorithm
//! that the configuration allows and that this key is for; `iss` and `aud` are the configured ones, `exp`
//! is there and not past, `nbf` not ahead. Nothing of the token is used to find a key but its `kid`: `jku`,
//! `jwk` and `x5u` are not looked at, and what a `crit` asks for is not known here.
//!
//! The crate `jsonwebtoken` takes the token apart and checks the signature; the claims are judged here,
//! because it would ask the machine for the time, and lets an `aud` of another form pass.
//!
//! Does not guarantee that a token is used once: it is a password for as long as it lives.

mod keys;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::{DecodingKey, Validation};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::model::{RefusalReason, TokenAlgorithm};

pub use keys::{KeySet, KeySetError};

/// A longer one is not looked at. Tokens have one or two KiB.
const MAX_TOKEN: usize = 16 * 1024;

/// What is asked of a token.
#[derive(Clone, Copy, Debug)]
pub struct TokenRules<'r> {
    /// The one `iss` that counts.
    pub issuer: &'r str,
    /// What `aud` is, or holds.
    pub audience: &'r str,
    /// How a token may be signed.
    pub algorithms: &'r [TokenAlgorithm],
    /// How far the issuer's clock may be from ours.
    pub leeway: Duration,
    /// A scope that it must have.
    pub scope: Option<&'r str>,
}

/// Why a token was refused. Holds nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    /// No `Authorization: Bearer`.
    #[error("the request carries no bearer token; let the EventBridge connection use OAuth")]
    Missing,
    /// Not a signed token in compact form, or its claims have another form than RFC 7519 gives them.
    #[error("the bearer token is not a signed JWT")]
    Malformed,
    /// It has a `crit`.
    #[error("the token asks for an extension (`crit`) that is not known here")]
    Critical,
    /// Not in the list.
    #[error("the token's algorithm is not listed in ingress.eventbridge.auth.oauth.algorithms")]
    Algorithm,
    /// In the list, but the key that it names is not for it.
    #[error("the key that the token names is not for the token's algorithm")]
    KeyType,
    /// No `kid`.
    #[error("the token does not name its key (`kid`); let the issuer put it into the header")]
    NoKeyId,
    /// A `kid` that the issuer does not publish.
    #[error("the issuer publishes no key with the token's `kid`")]
    UnknownKey,
    /// The key did not make it.
    #[error("the token's signature does not match")]
    Signature,
    /// Another `iss`, or none.
    #[error("`iss` is not ingress.eventbridge.auth.oauth.issuer")]
    Issuer,
    /// Another `aud`, or none.
    #[error("`aud` does not name ingress.eventbridge.auth.oauth.audience")]
    Audience,
    /// No `exp`.
    #[error("the token never expires (it has no `exp`)")]
    NoExpiry,
    /// Past.
    #[error("the token has expired; compare the clocks if it is fresh")]
    Expired,
    /// Before `nbf`.
    #[error("the token is not valid yet; compare the clocks")]
    Early,
    /// Without the scope.
    #[error("the token does not have the scope of ingress.eventbridge.auth.oauth.scope")]
    Scope,
}

impl TokenRefusal {
    /// What it counts as.
    pub fn reason(self) -> RefusalReason {
        match self {
            TokenRefusal::Missing => RefusalReason::TokenMissing,
            TokenRefusal::Malformed | TokenRefusal::Critical => RefusalReason::TokenMalformed,
            TokenRefusal::Algorithm | TokenRefusal::KeyType => RefusalReason::TokenAlgorithm,
            TokenRefusal::NoKeyId | TokenRefusal::UnknownKey => RefusalReason::TokenKey,
            TokenRefusal::Signature => RefusalReason::TokenSignature,
            TokenRefusal::Issuer => RefusalReason::TokenIssuer,
            TokenRefusal::Audience => RefusalReason::TokenAudience,
            TokenRefusal::NoExpiry | TokenRefusal::Expired => RefusalReason::TokenExpired,
            TokenRefusal::Early => RefusalReason::TokenEarly,
            TokenRefusal::Scope => RefusalReason::TokenScope,
        }
    }
}

/// The token in the value of an `Authorization` header. The scheme's name has any case (RFC 9110, 11.1).
pub fn bearer(header: Option<&[u8]>) -> Result<&str, TokenRefusal> {
    let (scheme, token) =
        header.and_then(|header| header.split_at_checked(7)).ok_or(TokenRefusal::Missing)?;
    if !scheme.eq_ignore_ascii_case(b"bearer ") {
        return Err(TokenRefusal::Missing);
    }
    let token = std::str::from_utf8(token.trim_ascii()).map_err(|_| TokenRefusal::Malformed)?;
    if token.is_empty() { Err(TokenRefusal::Missing) } else { Ok(token) }
}

/// Checks a token.
pub fn check(token: &str, keys: &KeySet, rules: &TokenRules<'_>, now: Timestamp) -> Result<(), TokenRefusal> {
    let header = Header::of(token).ok_or(TokenRefusal::Malformed)?;
    if header.crit.is_some() {
        return Err(TokenRefusal::Critical);
    }
    let algorithm = TokenAlgorithm::named(&header.alg)
        .filter(|algorithm| rules.algorithms.contains(algorithm))
        .ok_or(TokenRefusal::Algorithm)?;
    let id = header.kid.ok_or(TokenRefusal::NoKeyId)?;
    let key = keys.find(&id, algorithm)?;
    signed_claims(token, key, algorithm)?.judge(rules, now)
}

/// What the header tells. Every other member is left alone.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

impl Header {
    fn of(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let header = parts.next()?;
        if token.len() > MAX_TOKEN || parts.count() != 2 {
            return None;
        }
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()
    }
}

/// The claims of a token that `key` signed.
fn signed_claims(token: &str, key: &DecodingKey, algorithm: TokenAlgorithm) -> Result<Claims, TokenRefusal> {
    use jsonwebtoken::errors::ErrorKind;
    let mut signature_only = Validation::new(algorithm.into());
    signature_only.required_spec_claims.clear();
    signature_only.validate_exp = false;
    signature_only.validate_aud = false;
    match jsonwebtoken::decode::<Claims>(token, key, &signature_only) {
        Ok(decoded) => Ok(decoded.claims),
        Err(error) => Err(match error.kind() {
            // A signature that is no base64 holds no more than one that does not match.
            ErrorKind::InvalidSignature | ErrorKind::Base64(_) => TokenRefusal::Signature,
            ErrorKind::InvalidAlgorithm | ErrorKind::InvalidKeyFormat => TokenRefusal::KeyType,
            _ => TokenRefusal::Malformed,
        }),
    }
}

impl From<TokenAlgorithm> for jsonwebtoken::Algorithm {
    fn from(algorithm: TokenAlgorithm) -> Self {
        match algorithm {
            TokenAlgorithm::Es256 => Self::ES256,
            TokenAlgorithm::Es384 => Self::ES384,
            TokenAlgorithm::EdDsa => Self::EdDSA,
            TokenAlgorithm::Ps256 => Self::PS256,
            TokenAlgorithm::Ps384 => Self::PS384,
            TokenAlgorithm::Ps512 => Self::PS512,
            TokenAlgorithm::Rs256 => Self::RS256,
            TokenAlgorithm::Rs384 => Self::RS384,
            TokenAlgorithm::Rs512 => Self::RS512,
        }
    }
}

/// Those that are judged. A claim that occurs twice makes the token malformed.
#[derive(Deserialize)]
struct Claims {
    iss: Option<String>,
    aud: Option<OneOrMore>,
    exp: Option<f64>,
    nbf: Option<f64>,
    /// RFC 9068, section 2.2.3: separated by spaces.
    scope: Option<String>,
    /// How some issuers write it: the same, or a list.
    scp: Option<OneOrMore>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn holds(&self, text: &str) -> bool {
        match self {
            OneOrMore::One(one) => one == text,
            OneOrMore::More(all) => all.iter().any(|one| one == text),
        }
    }
}

impl Claims {
    fn judge(&self, rules: &TokenRules<'_>, now: Timestamp) -> Result<(), TokenRefusal> {
        if self.iss.as_deref() != Some(rules.issuer) {
            return Err(TokenRefusal::Issuer);
        }
        if !self.aud.as_ref().is_some_and(|audience| audience.holds(rules.audience)) {
            return Err(TokenRefusal::Audience);
        }
        // Seconds, perhaps with a fraction; an f64 holds those of this age exactly.
        let (now, leeway) = (now.as_duration().as_secs_f64(), rules.leeway.as_secs_f64());
        if self.exp.ok_or(TokenRefusal::NoExpiry)? + leeway <= now {
            return Err(TokenRefusal::Expired);
        }
        if self.nbf.is_some_and(|start| start - leeway > now) {
            return Err(TokenRefusal::Early);
        }
        match rules.scope {
            Some(scope) if !self.has(scope) => Err(TokenRefusal::Scope),
            _ => Ok(()),
        }
    }

    fn has(&self, scope: &str) -> bool {
        let among = |list: &str| list.split(' ').any(|one| one == scope);
        self.scope.as_deref().is_some_and(among)
            || match &self.scp {
                Some(OneOrMore::One(list)) => among(list),
                Some(list) => list.holds(scope),
                None => false,
            }
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
