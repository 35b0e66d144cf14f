//! Secrets that sender and relay share and that travel with each request: an API key in a header, HTTP Basic, or a
//! bearer token that is one word. TLS protects them.
//!
//! Two or more values are accepted at once, since the connection and the relay cannot change in the
//! same instant. The presented value and the accepted ones are compared by their SHA-256, in constant
//! time, and always with all of them: the time tells neither lengths nor which one fits.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::model::RefusalReason;
use crate::secret::SecretValue;

/// Why a credential was refused. Both are answered alike; logs and metrics tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialRefusal {
    /// The header is missing or has another form.
    #[error("the request carries no credential of the configured kind")]
    Missing,
    /// It is none of the accepted ones.
    #[error("the credential is not an accepted one")]
    Mismatch,
}

impl CredentialRefusal {
    /// What it counts as.
    pub fn reason(self) -> RefusalReason {
        match self {
            CredentialRefusal::Missing => RefusalReason::CredentialMissing,
            CredentialRefusal::Mismatch => RefusalReason::CredentialMismatch,
        }
    }
}

/// What is accepted. Holds digests only, and prints nothing.
pub struct AcceptedCredentials {
    scheme: Scheme,
    digests: Vec<[u8; 32]>,
}

enum Scheme {
    ApiKey,
    Basic,
    Bearer,
}

impl AcceptedCredentials {
    /// The value of the key's header is one of `values`. An empty value is never accepted.
    pub fn api_key<'v>(values: impl IntoIterator<Item = &'v SecretValue>) -> Self {
        let values = values.into_iter().filter(|value| !value.is_empty());
        Self {
            scheme: Scheme::ApiKey,
            digests: values.map(|value| digest(&[value.expose_bytes()])).collect(),
        }
    }

    /// The `Authorization` header carries `username` and one of `passwords` (RFC 7617).
    pub fn basic<'v>(username: &str, passwords: impl IntoIterator<Item = &'v SecretValue>) -> Self {
        let passwords = passwords.into_iter().filter(|password| !password.is_empty());
        let of = |password: &SecretValue| digest(&[username.as_bytes(), b":", password.expose_bytes()]);
        Self { scheme: Scheme::Basic, digests: passwords.map(of).collect() }
    }

    /// The `Authorization` header carries one of `tokens` (RFC 6750, 2.1).
    pub fn bearer<'v>(tokens: impl IntoIterator<Item = &'v SecretValue>) -> Self {
        Self { scheme: Scheme::Bearer, ..Self::api_key(tokens) }
    }

    /// Checks the value of the header that carries the credential.
    pub fn check(&self, header: Option<&[u8]>) -> Result<(), CredentialRefusal> {
        let header = header.ok_or(CredentialRefusal::Missing)?;
        let presented = match self.scheme {
            Scheme::ApiKey => digest(&[header]),
            Scheme::Basic => digest(&[&user_and_password(header).ok_or(CredentialRefusal::Missing)?]),
            Scheme::Bearer => digest(&[bearer_token(header).ok_or(CredentialRefusal::Missing)?]),
        };
        let none = Choice::from(0);
        let fits = self.digests.iter().fold(none, |any, accepted| any | accepted.ct_eq(&presented));
        if bool::from(fits) { Ok(()) } else { Err(CredentialRefusal::Mismatch) }
    }
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// The scheme's name is compared without regard to case (RFC 9110, 11.1).
fn user_and_password(header: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (scheme, token) = header.split_at_checked(6)?;
    let base64 = scheme.eq_ignore_ascii_case(b"basic ").then_some(token.trim_ascii())?;
    STANDARD.decode(base64).ok().map(Zeroizing::new)
}

fn bearer_token(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(texts: &[&str]) -> Vec<SecretValue> {
        texts.iter().map(|&text| SecretValue::from(text.to_owned())).collect()
    }

    #[test]
    fn both_api_keys_pass_while_one_replaces_the_other() {
        let accepted = AcceptedCredentials::api_key(&values(&["old-key", "new-key"]));
        for key in ["old-key", "new-key"] {
            assert_eq!(accepted.check(Some(key.as_bytes())), Ok(()));
        }
        for key in ["", "old-ke", "old-key ", "OLD-KEY", "old-keynew-key", "third"] {
            assert_eq!(accepted.check(Some(key.as_bytes())), Err(CredentialRefusal::Mismatch), "{key}");
        }
        assert_eq!(accepted.check(None), Err(CredentialRefusal::Missing));
    }

    #[test]
    fn basic_needs_user_and_password() {
        let accepted = AcceptedCredentials::basic("relay", &values(&["one:two", "three"]));
        let check = |text: &str| accepted.check(Some(format!("Basic {}", STANDARD.encode(text)).as_bytes()));
        assert_eq!(check("relay:one:two"), Ok(()));
        assert_eq!(check("relay:three"), Ok(()));
        for text in ["relay:one", "other:three", "relay", "", "relay:", ":three", "relay:three\0"] {
            assert_eq!(check(text), Err(CredentialRefusal::Mismatch), "{text}");
        }
    }

    #[test]
    fn the_name_of_the_scheme_has_any_case_and_other_schemes_are_no_credential() {
        let accepted = AcceptedCredentials::basic("relay", &values(&["three"]));
        let token = STANDARD.encode("relay:three");
        assert_eq!(accepted.check(Some(format!("bAsIc   {token}").as_bytes())), Ok(()));
        for header in
            [format!("Bearer {token}"), token.clone(), "Basic".into(), "Basic !!".into(), String::new()]
        {
            assert_eq!(accepted.check(Some(header.as_bytes())), Err(CredentialRefusal::Missing), "{header}");
        }
    }

    #[test]
    fn a_bearer_token_is_the_word_behind_the_scheme() {
        let accepted = AcceptedCredentials::bearer(&values(&["old-token", "new-token"]));
        let check = |header: &str| accepted.check(Some(header.as_bytes()));
        for header in ["Bearer old-token", "bEaReR   new-token"] {
            assert_eq!(check(header), Ok(()), "{header}");
        }
        for header in ["Bearer third", "Bearer ", "Bearer old-token new-token"] {
            assert_eq!(check(header), Err(CredentialRefusal::Mismatch), "{header}");
        }
        for header in ["old-token", "Basic old-token", "Bearer", ""] {
            assert_eq!(check(header), Err(CredentialRefusal::Missing), "{header}");
        }
        assert_eq!(
            AcceptedCredentials::bearer(&[]).check(Some(b"Bearer ")),
            Err(CredentialRefusal::Mismatch)
        );
    }

    #[test]
    fn an_empty_value_is_never_accepted() {
        let accepted = AcceptedCredentials::api_key(&values(&[""]));
        assert_eq!(accepted.check(Some(b"")), Err(CredentialRefusal::Mismatch));
        let accepted = AcceptedCredentials::basic("relay", &values(&[""]));
        let header = format!("Basic {}", STANDARD.encode("relay:"));
        assert_eq!(accepted.check(Some(header.as_bytes())), Err(CredentialRefusal::Mismatch));
    }
}
