//! The relay's own credentials in a request: the signing key, and headers. Read afresh for each request, so
//! that they can rotate.

use reqwest::header::{HeaderName, HeaderValue};

use super::{Inner, content};
use crate::config::HeaderSource;
use crate::credential::CredentialRef;
use crate::model::{Failure, FailureCode, Retry};
use crate::secret::SecretValue;
use crate::webhook_signature;

impl Inner {
    pub(super) async fn signing_key(&self) -> Result<SecretValue, Failure> {
        let key = self.credential(&self.config.key, "the signing key", "`key`").await?;
        webhook_signature::decode_key(&key).map_err(|error| {
            self.failure(
                FailureCode::Unauthenticated,
                Retry::Slowly,
                &format!("the signing key cannot be used: {error}"),
                "give `whsec_` and base64, or a text of 24 bytes or more",
            )
        })
    }

    pub(super) async fn credential_headers(&self) -> Result<Vec<(HeaderName, HeaderValue)>, Failure> {
        let mut headers = Vec::new();
        for (name, source) in &self.config.headers {
            let HeaderSource::Credential(place) = source else { continue };
            let value = self.credential(place, &format!("header {name}"), "`headers`").await?;
            let value = content::header_value(value).map_err(|flaw| {
                self.failure(
                    FailureCode::BadValue,
                    Retry::Slowly,
                    &format!("the credential for header {name} {flaw}"),
                    &format!("correct what stands at its place, {place}"),
                )
            })?;
            headers.push((name.clone(), value));
        }
        Ok(headers)
    }

    async fn credential(
        &self,
        place: &CredentialRef,
        what: &str,
        setting: &str,
    ) -> Result<SecretValue, Failure> {
        self.credentials.read(place).await.map_err(|error| {
            self.failure(
                FailureCode::Unauthenticated,
                Retry::Backoff,
                &format!("cannot read {what}: {error}"),
                &format!("make it readable, or correct {setting}"),
            )
        })
    }
}
