//! A source as the configuration names it: which secret, and which part of it.

use std::fmt;
use std::sync::Arc;

use super::SecretArn;

/// Why a secret id was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretIdError {
    /// Empty or longer than Secrets Manager allows.
    #[error("a secret id has 1 to 2048 characters")]
    Length,
    /// Characters that no secret name has.
    #[error("a secret name has letters, digits and /_+=.@-! only")]
    Characters,
    /// Starts like an ARN but is none.
    #[error("an ARN of a secret reads arn:<partition>:secretsmanager:<region>:<account>:secret:<name>")]
    Arn,
    /// The region of the ARN and the configured one differ.
    #[error("the ARN names region {arn}, the configuration {configured}")]
    Region {
        /// Region in the ARN.
        arn: String,
        /// Region given beside it.
        configured: String,
    },
}

#[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Inner {
    id: Box<str>,
    region: Option<Box<str>>,
    role: Option<Box<str>>,
}

/// A secret, by name, partial ARN or full ARN, with the region and role to read it with.
/// Cheap to clone; two references that are written differently are different keys, although they
/// may mean one secret.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretRef(Arc<Inner>);

impl SecretRef {
    /// Checks the id. A region inside an ARN wins and must agree with `region`.
    pub fn new(id: &str, region: Option<&str>, role: Option<&str>) -> Result<Self, SecretIdError> {
        if id.is_empty() || id.len() > 2048 {
            return Err(SecretIdError::Length);
        }
        let mut region: Option<Box<str>> = region.map(Box::from);
        if id.starts_with("arn:") {
            let arn = SecretArn::parse(id).map_err(|_| SecretIdError::Arn)?;
            match &region {
                Some(configured) if &**configured != arn.region() => {
                    return Err(SecretIdError::Region {
                        arn: arn.region().to_owned(),
                        configured: configured.to_string(),
                    });
                }
                Some(_) => {}
                None => region = Some(arn.region().into()),
            }
        } else if !id.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_+=.@-!".contains(&b)) {
            return Err(SecretIdError::Characters);
        }
        Ok(Self(Arc::new(Inner { id: id.into(), region, role: role.map(Box::from) })))
    }

    /// The id as it goes to Secrets Manager.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The region to read it in; none means the relay's own.
    pub fn region(&self) -> Option<&str> {
        self.0.region.as_deref()
    }

    /// The role to assume for reading it; none means the relay's own identity.
    pub fn role(&self) -> Option<&str> {
        self.0.role.as_deref()
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.id)
    }
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretRef({})", self.0.id)
    }
}

/// Which part of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Selector {
    /// The whole string as it is.
    Whole,
    /// The binary, as standard base64 text.
    Binary,
    /// A top-level field of a JSON object.
    Field(String),
    /// An RFC 6901 pointer into a JSON document.
    Pointer(String),
    /// A text with `{field}` places, all from one version of one secret.
    Template(Vec<TemplatePart>),
}

/// A piece of a [`Selector::Template`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TemplatePart {
    /// Text that stands for itself.
    Text(String),
    /// A top-level field of the secret's JSON object.
    Field(String),
}

/// Where a value that is written comes from.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ValueSource {
    /// A part of a secret.
    Secret(SecretRef, Selector),
    /// A text of the configuration itself.
    Literal(String),
}

impl fmt::Debug for ValueSource {
    /// Without a literal's text: it may have come from the environment, and may be a credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueSource::Secret(secret, selector) => {
                f.debug_tuple("Secret").field(secret).field(selector).finish()
            }
            ValueSource::Literal(_) => f.write_str("Literal(..)"),
        }
    }
}

impl ValueSource {
    /// The secret behind it, if any.
    pub fn secret(&self) -> Option<&SecretRef> {
        match self {
            ValueSource::Secret(secret, _) => Some(secret),
            ValueSource::Literal(_) => None,
        }
    }
}
