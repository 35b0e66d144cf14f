//! The words of the test's view: values, when they were current, how often they were read.

use jiff::Timestamp;
use serde_json::Value as Json;

/// What a version holds.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// A SecretString.
    Text(String),
    /// A SecretBinary.
    Binary(Vec<u8>),
}

impl Value {
    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// A field of a value that is a JSON object, as text: a string as it is, others as JSON.
    pub fn field(&self, name: &str) -> Option<String> {
        let json: Json = serde_json::from_str(self.text()?).ok()?;
        Some(json.get(name)?).map(|field| field.as_str().map_or_else(|| field.to_string(), str::to_owned))
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Value(..)")
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Json> for Value {
    /// The JSON text.
    fn from(json: Json) -> Self {
        Self::Text(json.to_string())
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes)
    }
}

/// A time during which a version was the current one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The version.
    pub version_id: String,
    /// When AWSCURRENT came to it.
    pub since: Timestamp,
    /// When AWSCURRENT left it; none while it is current.
    pub until: Option<Timestamp>,
    /// Its value.
    pub value: Value,
}

/// How often a secret was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// DescribeSecret.
    pub describe: u64,
    /// GetSecretValue, and each share in a BatchGetSecretValue.
    pub get: u64,
    /// ListSecretVersionIds.
    pub list_versions: u64,
}

/// Why reads of a secret are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// No policy allows the call (both reads).
    Access,
    /// The value's key may not be used: GetSecretValue alone fails, as AccessDeniedException.
    Kms,
    /// The value's key is disabled or gone: GetSecretValue alone fails, as DecryptionFailure.
    Decryption,
}
