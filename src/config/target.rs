//! What a target is: the thing in Anypoint that takes values, and how each kind is addressed.
//!
//! Values of these types come from `config::load` only, so names, lengths, connections and the rule of
//! one writer per thing are settled.

mod http;
mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::model::{ConnectionName, SecretRef, TargetName, ValueSource};

pub(super) use http::sources_of;
pub use http::{
    Expect, ExpectedStatus, Fact, Form, HeaderSource, HttpBody, HttpTarget, Json, Literal, header_flaw,
};
pub use store::{FieldNames, StoreAlgorithm, StoreContent, StoreFormat, StoreKind, StoreTarget};

/// A target: what takes values, and how the queue treats it.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name.
    pub name: TargetName,
    /// How long the first of several changes waits for the others.
    pub coalesce: Duration,
    /// The kind and its settings.
    pub kind: TargetKind,
    /// The target behind whose writes it comes (`then`).
    pub follows: Option<TargetName>,
}

/// The kinds of targets. Settings are shared with what works by them: a large configuration is held once.
#[derive(Clone, Debug)]
pub enum TargetKind {
    /// A Mule application.
    Application(Arc<ApplicationTarget>),
    /// A shared secret of a secret group.
    SharedSecret(Arc<SharedSecretTarget>),
    /// A keystore, truststore or certificate of a secret group.
    Store(Arc<StoreTarget>),
    /// The call of the seed document.
    SecretValue(Arc<SecretValueTarget>),
    /// A signed request to any endpoint.
    Http(Arc<HttpTarget>),
}

impl TargetKind {
    /// The word after `kind:`.
    pub fn as_str(&self) -> &'static str {
        match self {
            TargetKind::Application(_) => "application",
            TargetKind::SharedSecret(_) => "shared_secret",
            TargetKind::Store(store) => store.content.kind().as_str(),
            TargetKind::SecretValue(_) => "secret_value",
            TargetKind::Http(_) => "http",
        }
    }

    /// The thing in Anypoint, or the endpoint, as a person knows it.
    pub fn place(&self) -> String {
        match self {
            TargetKind::Application(target) => target.place(),
            TargetKind::SharedSecret(target) => {
                format!("shared secret {:?} of group {:?}", target.name, target.group)
            }
            TargetKind::Store(target) => {
                format!("{} {:?} of group {:?}", target.content.kind().as_str(), target.name, target.group)
            }
            TargetKind::SecretValue(target) => format!("secret {:?}", target.secret_id),
            TargetKind::Http(target) => target.url.clone(),
        }
    }

    /// Whether a write restarts something.
    pub fn rolls(&self) -> bool {
        matches!(self, TargetKind::Application(_))
    }

    /// Whether others of its connection wait until it runs with a new value.
    pub fn is_canary(&self) -> bool {
        matches!(self, TargetKind::Application(target) if target.canary)
    }

    /// Every value source of the target, with the name it is written under.
    pub fn sources(&self) -> Vec<(&str, &ValueSource)> {
        fn named(map: &BTreeMap<String, ValueSource>) -> impl Iterator<Item = (&str, &ValueSource)> {
            map.iter().map(|(name, source)| (name.as_str(), source))
        }
        match self {
            TargetKind::Application(app) => {
                named(&app.properties).chain(named(&app.secure_properties)).collect()
            }
            TargetKind::SharedSecret(shared) => shared.content.sources(),
            TargetKind::Store(store) => store.content.sources(),
            TargetKind::SecretValue(target) => vec![("value", &target.value)],
            TargetKind::Http(http) => http.sources(),
        }
    }

    /// Every secret that the target depends on, each once.
    pub fn secrets(&self) -> BTreeSet<SecretRef> {
        let mut secrets: BTreeSet<SecretRef> =
            self.sources().into_iter().filter_map(|(_, source)| source.secret().cloned()).collect();
        secrets.extend(match self {
            TargetKind::Http(http) => http.watch.clone(),
            TargetKind::Application(app) => app.watch.clone(),
            TargetKind::SharedSecret(_) | TargetKind::Store(_) | TargetKind::SecretValue(_) => {
                BTreeSet::new()
            }
        });
        secrets
    }

    /// The connection it goes through, if it is one of Anypoint's.
    pub fn connection(&self) -> Option<&ConnectionName> {
        match self {
            TargetKind::Application(app) => Some(&app.connection),
            TargetKind::SharedSecret(shared) => Some(&shared.connection),
            TargetKind::Store(store) => Some(&store.connection),
            TargetKind::SecretValue(target) => Some(&target.connection),
            TargetKind::Http(_) => None,
        }
    }
}

/// Where a Mule application runs, with what only that platform needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Platform {
    /// CloudHub 2.0, through the Application Manager.
    CloudHub2,
    /// Runtime Fabric, through the Application Manager.
    Rtf,
    /// CloudHub 1.0.
    CloudHub(CloudHubSettings),
    /// Own servers, server groups and clusters.
    Hybrid(HybridSettings),
}

impl Platform {
    /// The word after `platform:`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Platform::CloudHub2 => "cloudhub2",
            Platform::Rtf => "rtf",
            Platform::CloudHub(_) => "cloudhub",
            Platform::Hybrid(_) => "hybrid",
        }
    }

    /// How long the state from before a write may still be shown, where no version tells.
    pub fn settle(&self) -> Option<Duration> {
        match self {
            Platform::CloudHub2 | Platform::Rtf => None,
            Platform::CloudHub(cloudhub) => Some(cloudhub.settle),
            Platform::Hybrid(hybrid) => Some(hybrid.settle),
        }
    }
}

/// What only CloudHub 1.0 needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudHubSettings {
    /// How long the state from before a write may still be shown.
    pub settle: Duration,
    /// A write is a restart call and no more. Only for targets that do nothing but watch.
    pub restarts: bool,
}

/// What only hybrid servers need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HybridSettings {
    /// How long the state from before a write may still be shown.
    pub settle: Duration,
    /// Name or id of the server, group or cluster, where the application's name is not enough.
    pub server: Option<String>,
    /// Nobody else has properties there, so they need not be shown to be kept.
    pub owns_all_properties: bool,
}

/// A Mule application whose deployment holds the values as properties, or that reads them itself.
#[derive(Clone, Debug)]
pub struct ApplicationTarget {
    /// The connection.
    pub connection: ConnectionName,
    /// The platform.
    pub platform: Platform,
    /// Name or id of the deployment; on CloudHub 1.0 the domain, on hybrid servers the application's.
    pub deployment: String,
    /// Clear properties that the relay sets; others stay as they are.
    pub properties: BTreeMap<String, ValueSource>,
    /// All secure properties of the application: a stored one that is not listed here refuses the
    /// write, because its value would be lost.
    pub secure_properties: BTreeMap<String, ValueSource>,
    /// Secrets that the application reads itself when it starts.
    pub watch: BTreeSet<SecretRef>,
    /// Stored secure properties that may be lost.
    pub forget: BTreeSet<String>,
    /// The clear property that holds the receipt.
    pub receipt_property: String,
    /// Longest time that a roll may take.
    pub roll_limit: Duration,
    /// Whether a newer version is written while our own roll is still under way.
    pub supersede: bool,
    /// Whether the other applications of the connection that use one of its secrets wait until it runs
    /// with a new value.
    pub canary: bool,
}

impl ApplicationTarget {
    fn place(&self) -> String {
        let name = &self.deployment;
        match &self.platform {
            Platform::CloudHub2 | Platform::Rtf => format!("deployment {name:?}"),
            Platform::CloudHub(_) => format!("CloudHub application {name:?}"),
            Platform::Hybrid(HybridSettings { server: Some(server), .. }) => {
                format!("hybrid application {name:?} on {server:?}")
            }
            Platform::Hybrid(_) => format!("hybrid application {name:?}"),
        }
    }
}

/// A shared secret.
#[derive(Clone, Debug)]
pub struct SharedSecretTarget {
    /// The connection.
    pub connection: ConnectionName,
    /// Name or id of the secret group.
    pub group: String,
    /// Name or id of the shared secret.
    pub name: String,
    /// Type and values.
    pub content: SharedSecretContent,
    /// What happens to the expiration date.
    pub expiry: Expiry,
    /// Whether it is created where the group has none of this name.
    pub create: bool,
}

/// The four types that can be written.
#[derive(Clone, Debug)]
pub enum SharedSecretContent {
    /// 64 characters each.
    UsernamePassword {
        /// `username`
        username: ValueSource,
        /// `password`
        password: ValueSource,
    },
    /// Base64, 2,048 characters.
    SymmetricKey {
        /// `key`
        key: ValueSource,
    },
    /// 136 characters each.
    S3Credential {
        /// `accessKeyId`
        access_key_id: ValueSource,
        /// `secretAccessKey`
        secret_access_key: ValueSource,
    },
    /// 1,024,000 characters.
    Blob {
        /// `content`
        content: ValueSource,
    },
}

impl SharedSecretContent {
    /// The `type` that Anypoint uses.
    pub fn type_name(&self) -> &'static str {
        match self {
            SharedSecretContent::UsernamePassword { .. } => "UsernamePassword",
            SharedSecretContent::SymmetricKey { .. } => "SymmetricKey",
            SharedSecretContent::S3Credential { .. } => "S3Credential",
            SharedSecretContent::Blob { .. } => "Blob",
        }
    }

    /// The value fields as Anypoint names them.
    pub fn sources(&self) -> Vec<(&str, &ValueSource)> {
        match self {
            SharedSecretContent::UsernamePassword { username, password } => {
                vec![("username", username), ("password", password)]
            }
            SharedSecretContent::SymmetricKey { key } => vec![("key", key)],
            SharedSecretContent::S3Credential { access_key_id, secret_access_key } => {
                vec![("accessKeyId", access_key_id), ("secretAccessKey", secret_access_key)]
            }
            SharedSecretContent::Blob { content } => vec![("content", content)],
        }
    }
}

/// What a PUT does with `expirationDate`; left out, Anypoint sets one year from the write for a shared
/// secret, and the end of the earliest certificate for a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Send back the date that is stored.
    Keep,
    /// This many days after the write.
    Days(u16),
    /// Send none, so Anypoint's default applies.
    Default,
}

/// The seed's `PATCH {"value": ...}`. In no MuleSoft source; `check` warns.
#[derive(Clone, Debug)]
pub struct SecretValueTarget {
    /// The connection.
    pub connection: ConnectionName,
    /// Id of the secret, put into the path.
    pub secret_id: String,
    /// Path with `{organization}`, `{environment}` and `{secret}`.
    pub path: String,
    /// The value.
    pub value: ValueSource,
}
