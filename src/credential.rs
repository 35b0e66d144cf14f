//! The relay's own credentials, by reference: the configuration says where each one lies, and it is
//! read again when it was refused, so it can rotate as well.

use std::env::VarError;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use crate::model::{SecretRef, Selector};
use crate::secret::SecretValue;

/// Where a credential lies.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CredentialRef {
    /// An environment variable.
    Env(String),
    /// A file; one trailing line end is not part of the credential.
    File(PathBuf),
    /// A secret in AWS Secrets Manager.
    AwsSecret(SecretRef, Selector),
}

impl fmt::Display for CredentialRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CredentialRef::Env(name) => write!(f, "environment variable {name}"),
            CredentialRef::File(path) => write!(f, "file {}", path.display()),
            CredentialRef::AwsSecret(secret, _) => write!(f, "AWS secret {secret}"),
        }
    }
}

impl fmt::Debug for CredentialRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a credential could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct CredentialError {
    /// The reference, in words.
    pub place: String,
    /// What is wrong.
    pub reason: String,
}

/// Reads a credential afresh at each call.
#[async_trait]
pub trait Credentials: Send + Sync {
    /// The credential as it is now.
    async fn read(&self, place: &CredentialRef) -> Result<SecretValue, CredentialError>;
}

/// Reads environment and files itself, and asks `aws` for the rest.
pub struct CredentialReader {
    aws: Option<Arc<dyn Credentials>>,
}

impl CredentialReader {
    /// A reader; without `aws` an `aws_secret` reference is an error.
    pub fn new(aws: Option<Arc<dyn Credentials>>) -> Self {
        Self { aws }
    }
}

#[async_trait]
impl Credentials for CredentialReader {
    async fn read(&self, place: &CredentialRef) -> Result<SecretValue, CredentialError> {
        let failed = |reason: String| CredentialError { place: place.to_string(), reason };
        let value = match place {
            CredentialRef::Env(name) => {
                #[expect(clippy::disallowed_methods, reason = "credentials by reference are read here")]
                let value = std::env::var(name).map_err(|error| {
                    // `VarError`'s own text repeats a value that is not Unicode.
                    let reason = match error {
                        VarError::NotPresent => "it is not set",
                        VarError::NotUnicode(_) => "it is not text in UTF-8",
                    };
                    failed(reason.to_owned())
                })?;
                SecretValue::from(value)
            }
            CredentialRef::File(path) => {
                let bytes = tokio::fs::read(path).await.map_err(|error| failed(error.to_string()))?;
                without_line_end(bytes)
            }
            CredentialRef::AwsSecret(..) => match &self.aws {
                Some(aws) => aws.read(place).await?,
                None => return Err(failed("AWS is not set up".to_owned())),
            },
        };
        if value.is_empty() {
            return Err(failed("it is empty".to_owned()));
        }
        Ok(value)
    }
}

fn without_line_end(mut bytes: Vec<u8>) -> SecretValue {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    SecretValue::new(bytes)
}
