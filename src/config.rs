//! The configuration: one YAML file, read into checked types, all errors at once.
//!
//! [`Config`] is what the rest of the system sees; it can only come from [`load`] or [`parse`], so a
//! part never meets an unchecked value. Credentials are references; reading them is
//! [`crate::credential`]'s work.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::credential::CredentialRef;
use crate::model::{ConnectionName, SecretRef, TargetName, TopicArn, ValueSource};

/// Everything that the file says, defaults filled in.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address of the hooks.
    pub listen: SocketAddr,
    /// Limits of the hooks' listener.
    pub limits: Limits,
    /// The admin listener; none switches it off.
    pub admin: Option<Admin>,
    /// Who may notify; nothing here means the relay works by reconcile alone.
    pub ingress: Ingress,
    /// How AWS is read.
    pub aws: Aws,
    /// How often everything is compared without being told.
    pub reconcile: Reconcile,
    /// File that keeps the receipts of kinds which have no room for one.
    pub receipts: Option<PathBuf>,
    /// Workers and retry.
    pub queue: Queue,
    /// Log form and level.
    pub log: Log,
    /// Anypoint control planes.
    pub connections: BTreeMap<ConnectionName, Connection>,
    /// What takes the values.
    pub targets: BTreeMap<TargetName, Target>,
    /// Things that are allowed but deserve a look, each one line.
    pub warnings: Vec<String>,
}

/// Limits of the hooks' listener.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest request body in bytes.
    pub body_bytes: usize,
    /// Longest time a hook may take; below EventBridge's 5 s.
    pub request_timeout: Duration,
    /// Requests worked on at once; more are told 503.
    pub concurrency: usize,
}

/// The admin listener: health, metrics, status.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Its address; loopback unless told otherwise.
    pub listen: SocketAddr,
}

/// The three triggers.
#[derive(Clone, Debug, Default)]
pub struct Ingress {
    /// SNS subscription.
    pub sns: Option<SnsIngress>,
    /// EventBridge API destination.
    pub eventbridge: Option<EventBridgeIngress>,
    /// Signed manual trigger.
    pub trigger: Option<TriggerIngress>,
}

/// How subscriptions are confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirm {
    /// `Api` where AWS credentials are found, else `Url`.
    Auto,
    /// ConfirmSubscription with AuthenticateOnUnsubscribe.
    Api,
    /// GET of a URL rebuilt from region, topic and token.
    Url,
    /// Never; a person does it.
    Off,
}

/// SNS over HTTPS.
#[derive(Clone, Debug)]
pub struct SnsIngress {
    /// Topics that are listened to; a message of any other is refused before any network use.
    pub topics: Vec<TopicArn>,
    /// What happens with a SubscriptionConfirmation.
    pub confirm: Confirm,
    /// Refuse SignatureVersion 1 (SHA-1).
    pub require_version_2: bool,
    /// Oldest message accepted.
    pub max_age: Duration,
    /// How far a message may be ahead of our clock.
    pub max_ahead: Duration,
    /// For tests and emulators.
    pub emulator: SnsEmulator,
}

/// What is changed for tests and emulators; all off by default and shown at every start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnsEmulator {
    /// Connect here instead of to the SNS host; the URL rules and the TLS name stay the same.
    pub connect: Option<SocketAddr>,
    /// One more root certificate (PEM file) for that connection.
    pub extra_root: Option<PathBuf>,
    /// A further path prefix where a certificate may lie; only with `connect` on loopback.
    pub certificate_path: Option<String>,
}

impl SnsEmulator {
    /// Whether anything is relaxed.
    pub fn is_active(&self) -> bool {
        *self != Self::default()
    }
}

/// EventBridge API destinations.
#[derive(Clone, Debug)]
pub struct EventBridgeIngress {
    /// How a request proves itself.
    pub auth: EventBridgeAuth,
    /// Accounts whose events count; empty means any.
    pub accounts: BTreeSet<String>,
    /// Regions whose events count; empty means any.
    pub regions: BTreeSet<String>,
}

/// The credential of an EventBridge connection. One or two accepted values, so that it can rotate.
#[derive(Clone, Debug)]
pub enum EventBridgeAuth {
    /// A header of this name with one of these values.
    ApiKey {
        /// Lower-case header name.
        header: String,
        /// Accepted values.
        values: Vec<CredentialRef>,
    },
    /// HTTP Basic.
    Basic {
        /// The user name.
        username: String,
        /// Accepted passwords.
        passwords: Vec<CredentialRef>,
    },
}

/// The signed manual trigger (Standard Webhooks).
#[derive(Clone, Debug)]
pub struct TriggerIngress {
    /// Accepted keys.
    pub keys: Vec<TriggerKey>,
    /// How far `webhook-timestamp` may be from our clock.
    pub tolerance: Duration,
}

/// One key of the manual trigger.
#[derive(Clone, Debug)]
pub struct TriggerKey {
    /// Shown in logs and audit.
    pub id: String,
    /// The key: `whsec_` and base64, or any text of 24 bytes or more.
    pub value: CredentialRef,
}

/// How AWS is read.
#[derive(Clone, Debug)]
pub struct Aws {
    /// Region for sources that name none; none means the SDK's own default.
    pub region: Option<String>,
    /// Endpoint override for tests and emulators; none means the SDK's own default.
    pub endpoint: Option<String>,
    /// Longest time for one call, all tries of the SDK together.
    pub timeout: Duration,
    /// How long a version that an event named is waited for before AWSCURRENT has the last word.
    pub freshness: Duration,
    /// Time between the two equal reads that a move back to an older version needs.
    pub settle: Duration,
}

/// The scan that makes an in-memory queue lose nothing.
#[derive(Clone, Debug)]
pub struct Reconcile {
    /// Between scans of the secrets.
    pub interval: Duration,
    /// Between scans of the targets themselves.
    pub targets_interval: Duration,
}

/// Workers and retry.
#[derive(Clone, Debug)]
pub struct Queue {
    /// Runs at once.
    pub workers: usize,
    /// First backoff.
    pub retry_base: Duration,
    /// Longest backoff.
    pub retry_cap: Duration,
    /// When a target that is parked for lack of permission or existence is looked at again.
    pub slow_retry: Duration,
}

/// Log settings.
#[derive(Clone, Debug)]
pub struct Log {
    /// Form of the lines.
    pub format: LogFormat,
    /// An `env-filter` directive such as `info` or `anypoint_relay=debug,info`.
    pub filter: String,
}

/// Form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// JSON lines.
    Json,
    /// For people.
    Pretty,
}

/// One Anypoint control plane, connected app, organization and environment.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its name.
    pub name: ConnectionName,
    /// `https://<host>` or the given base URL, without a trailing slash.
    pub base_url: String,
    /// Connected app.
    pub client_id: CredentialRef,
    /// Its secret.
    pub client_secret: CredentialRef,
    /// Organization (business group) id.
    pub organization: String,
    /// Environment id.
    pub environment: String,
    /// Requests per second to the Application Manager; Anypoint's own limit is 15 per client address.
    pub application_manager_rate: f64,
    /// Applications that may roll at once.
    pub max_rolling: usize,
    /// Longest time for one request.
    pub timeout: Duration,
    /// PEM file with a further root certificate.
    pub extra_root: Option<PathBuf>,
}

/// A target: what takes values, and how the queue treats it.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name.
    pub name: TargetName,
    /// How long the first of several changes waits for the others.
    pub coalesce: Duration,
    /// The kind and its settings.
    pub kind: TargetKind,
}

/// The kinds of targets.
#[derive(Clone, Debug)]
pub enum TargetKind {
    /// A Mule application.
    Application(ApplicationTarget),
    /// A shared secret of a secret group.
    SharedSecret(SharedSecretTarget),
    /// The call of the seed document.
    SecretValue(SecretValueTarget),
    /// A signed request to any endpoint.
    Http(HttpTarget),
}

impl TargetKind {
    /// The word after `kind:`.
    pub fn as_str(&self) -> &'static str {
        match self {
            TargetKind::Application(_) => "application",
            TargetKind::SharedSecret(_) => "shared_secret",
            TargetKind::SecretValue(_) => "secret_value",
            TargetKind::Http(_) => "http",
        }
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
            TargetKind::SecretValue(target) => vec![("value", &target.value)],
            TargetKind::Http(http) => named(&http.values).collect(),
        }
    }

    /// Every secret that the target depends on, each once.
    pub fn secrets(&self) -> BTreeSet<SecretRef> {
        let mut secrets: BTreeSet<SecretRef> =
            self.sources().into_iter().filter_map(|(_, source)| source.secret().cloned()).collect();
        if let TargetKind::Http(http) = self {
            secrets.extend(http.watch.iter().cloned());
        }
        secrets
    }

    /// The connection it goes through, if it is one of Anypoint's.
    pub fn connection(&self) -> Option<&ConnectionName> {
        match self {
            TargetKind::Application(app) => Some(&app.connection),
            TargetKind::SharedSecret(shared) => Some(&shared.connection),
            TargetKind::SecretValue(target) => Some(&target.connection),
            TargetKind::Http(_) => None,
        }
    }
}

/// Where a Mule application runs. Further platforms follow the same shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// CloudHub 2.0, through the Application Manager.
    CloudHub2,
}

/// A Mule application whose deployment holds the values as properties.
#[derive(Clone, Debug)]
pub struct ApplicationTarget {
    /// The connection.
    pub connection: ConnectionName,
    /// The platform.
    pub platform: Platform,
    /// Name or id of the deployment.
    pub deployment: String,
    /// Clear properties that the relay sets; others stay as they are.
    pub properties: BTreeMap<String, ValueSource>,
    /// All secure properties of the application: a stored one that is not listed here refuses the
    /// write, because its value would be lost.
    pub secure_properties: BTreeMap<String, ValueSource>,
    /// Stored secure properties that may be lost.
    pub forget: BTreeSet<String>,
    /// The clear property that holds the receipt.
    pub receipt_property: String,
    /// Longest time that a roll may take.
    pub roll_limit: Duration,
    /// Whether a newer version is written while our own roll is still under way.
    pub supersede: bool,
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

/// What a PUT does with `expirationDate`; left out, Anypoint sets one year from the write.
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

/// A signed (Standard Webhooks) request.
#[derive(Clone, Debug)]
pub struct HttpTarget {
    /// Where to.
    pub url: String,
    /// Signing key.
    pub key: CredentialRef,
    /// Values sent in the body under these names; empty sends a thin notice.
    pub values: BTreeMap<String, ValueSource>,
    /// Secrets that are told about without being sent.
    pub watch: BTreeSet<SecretRef>,
    /// Longest time for one request.
    pub timeout: Duration,
}
