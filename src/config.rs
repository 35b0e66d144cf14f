//! The configuration: one YAML file, read into checked types, all errors at once.
//!
//! [`Config`] is what the rest of the system sees; it can only come from [`load`] or [`parse`], so a
//! part never meets an unchecked value. Credentials are references; reading them is
//! [`crate::credential`]'s work.
//!
//! The way of a file: `document` (YAML to a tree with places, with `${NAME}` filled in by `interpolate`), then one file
//! per section, written with `decode`, `scalar` and `source`; what is wrong ends as a [`Problem`].
//! `config/relay.example.yaml` shows every key, and a test holds it to that.
//!
//! Not promised: that a literal text of the file is kept from `Debug`. A value that must not be seen
//! belongs in AWS, and `check` warns of a secure property that is written in the file.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::credential::CredentialRef;
use crate::model::{ConnectionName, EventRule, RollWindow, TargetName, TopicArn};
use crate::webhook_signature::PublicKey;

mod alerts;
mod audit;
mod changes;
mod channel;
mod connections;
mod decode;
mod document;
mod ingress;
mod interpolate;
mod load;
mod oauth;
mod planes;
mod problem;
mod rates;
mod runtime;
mod scalar;
mod source;
mod target;
mod targets;
mod tls;
mod traces;

pub use audit::{Audit, AuditTo};
pub use changes::Changes;
pub use channel::{Channel, ClientCertificate, HttpProxy, Proxy};
pub use load::{Probe, load, load_admin, load_probe, parse, parse_here, read};
pub use oauth::OAuth;
pub use problem::{ConfigErrors, Place, Problem};
pub use rates::Rates;
pub use scalar::parse_duration;
pub use target::{
    ApplicationTarget, CloudHubSettings, Expect, ExpectedStatus, Expiry, Fact, FieldNames, Form,
    HeaderSource, HttpBody, HttpTarget, HybridSettings, Json, Literal, Platform, SecretValueTarget,
    SharedSecretContent, SharedSecretTarget, StoreAlgorithm, StoreContent, StoreFormat, StoreKind,
    StoreTarget, Target, TargetKind, header_flaw,
};
pub use tls::Tls;
pub use traces::Traces;

/// Everything that the file says, defaults filled in.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address of the hooks.
    pub listen: SocketAddr,
    /// What they speak; none is plain HTTP.
    pub tls: Option<Tls>,
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
    /// When people are told that a target stays stale.
    pub alerts: Alerts,
    /// The record of decisions; none unless asked for.
    pub audit: Option<Audit>,
    /// Where traces go; none are made unless it is said.
    pub traces: Option<Traces>,
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
    /// Requests worked on at once; of more, those that have not proved their sender are told 503 first.
    pub concurrency: usize,
    /// Triggers that may fail to prove who sent them, from one address: so many at once, and per minute.
    pub failed_attempts: u16,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
}

/// The admin listener: health, metrics, status, and what an operator may ask for. Who asks for more than health
/// has to show a token, where there are any.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Its address; loopback unless told otherwise.
    pub listen: SocketAddr,
    /// Tokens of those who may look: the present one and the next. None where only this machine reaches it.
    pub tokens: Vec<CredentialRef>,
    /// Tokens of those who may also act on targets.
    pub operators: Vec<CredentialRef>,
    /// What it speaks; none is plain HTTP.
    pub tls: Option<Tls>,
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

/// EventBridge API destinations.
#[derive(Clone, Debug)]
pub struct EventBridgeIngress {
    /// How a request proves itself.
    pub auth: EventBridgeAuth,
    /// The rule whose way to the relay `check --online` looks at; a running relay has no use for it.
    pub rule: Option<EventRule>,
    /// Accounts whose events count; empty means any.
    pub accounts: BTreeSet<String>,
    /// Regions whose events count; empty means any.
    pub regions: BTreeSet<String>,
}

/// The credential of an EventBridge connection. One or two accepted values, so that it can rotate; what an
/// issuer signs with rotates by itself.
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
    /// A bearer token of this issuer.
    OAuth(OAuth),
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
    /// The key.
    pub key: TriggerKeyKind,
}

/// What a trigger is checked with.
#[derive(Clone, Debug)]
pub enum TriggerKeyKind {
    /// A key that both sides have: `whsec_` and base64, or any text of 24 bytes or more.
    Shared(CredentialRef),
    /// The public half of the sender's Ed25519 key.
    Public(PublicKey),
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
    /// Between two looks at a target that is confirming.
    pub confirm_poll: Duration,
}

/// Log settings.
#[derive(Clone, Debug)]
pub struct Log {
    /// Form of the lines.
    pub format: LogFormat,
    /// A level, or levels by module, such as `info` or `anypoint_relay=debug,info`.
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

/// When people are told that a target stays stale, and where besides the log.
#[derive(Clone, Debug)]
pub struct Alerts {
    /// How long AWS may be ahead of a target before that.
    pub stale_after: Duration,
    /// Between two alerts while it stays so.
    pub repeat: Duration,
    /// The topic; none means the log alone.
    pub topic: Option<TopicArn>,
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
    /// Requests per second; where connections to one host differ, the lowest holds for them all.
    pub rates: Rates,
    /// Requests at once.
    pub max_requests: usize,
    /// Applications that may roll at once.
    pub max_rolling: usize,
    /// The hours in which applications may be restarted; none means any.
    pub roll_window: Option<RollWindow>,
    /// Longest time for one request.
    pub timeout: Duration,
    /// What its requests go through.
    pub channel: Channel,
}

#[cfg(test)]
mod tests;
