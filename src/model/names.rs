//! Names that people wrote in the configuration, and the version ids that AWS gives.

use std::fmt;
use std::sync::Arc;

/// Why a name was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not a usable name of a target or connection.
    #[error(
        "a name has 1 to 64 characters: letters, digits, '.', '_' and '-', starting with a letter or digit"
    )]
    Name,
    /// Not a version id of Secrets Manager.
    #[error("a version id has 32 to 64 letters, digits and dashes")]
    VersionId,
}

macro_rules! configured_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Accepts 1 to 64 of `[A-Za-z0-9._-]`, starting with a letter or digit: safe as a
            /// metric label, in a URL path and in a log line.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
                let fits = text.len() <= 64
                    && text.starts_with(|c: char| c.is_ascii_alphanumeric())
                    && text.chars().all(plain);
                if fits { Ok(Self(text.into())) } else { Err(NameError::Name) }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

configured_name! {
    /// A target, by its key under `targets:`; also the queue's key and a metric label.
    TargetName
}

configured_name! {
    /// A connection, by its key under `connections:`.
    ConnectionName
}

/// The id of one version of a secret. It is no secret itself.
///
/// Source: `GetSecretValue`, parameter `VersionId` (32 to 64 characters).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VersionId(Arc<str>);

impl VersionId {
    /// Accepts 32 to 64 of `[A-Za-z0-9-]`.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let fits =
            (32..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if fits { Ok(Self(text.into())) } else { Err(NameError::VersionId) }
    }

    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first eight characters: what people compare.
    pub fn short(&self) -> &str {
        &self.0[..8]
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
