//! The pieces that the application is put together from: each from the configuration, none knowing the
//! others.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{BuildError, Edges};
use crate::alerts;
use crate::anypoint::{self, Connections};
use crate::aws::{Access, CertificateStore, SnsConfirmer, SnsPublisher};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::credential::Credentials;
use crate::ingress;
use crate::jwks::Jwks;
use crate::model::{SecretRef, TargetName};
use crate::outbound::{self, Lookup};
use crate::queue::{self, Policy, Queue, WorkQueue};
use crate::sync::follow::{Leader, Leaders};
use crate::sync::gate::{Canary, Gate};
use crate::sync::memory::Memory;
use crate::sync::ports::TargetSpec;
use crate::telemetry::audit::Audit;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::Traces;
use crate::worker::Station;

/// Longest time for one request to the collector. Nothing waits for it but the traces behind it.
const TRACES_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn open_connections(
    config: &Config,
    credentials: &Arc<dyn Credentials>,
    edges: &Edges,
) -> Result<Connections, BuildError> {
    let (pacers, writers) = (anypoint::Pacers::default(), anypoint::Writers::default());
    let mut connections = Connections::new();
    for (name, settings) in &config.connections {
        let connection = anypoint::Connection::open(
            settings,
            Arc::clone(credentials),
            &pacers,
            &writers,
            Arc::clone(&edges.clock),
            Arc::clone(&edges.lookup),
        )?;
        connections.insert(name.clone(), Arc::new(connection));
    }
    Ok(connections)
}

pub(super) fn build_stations(
    config: &Config,
    connections: &Connections,
    credentials: &Arc<dyn Credentials>,
    edges: &Edges,
) -> Result<BTreeMap<TargetName, Station>, BuildError> {
    let clients = anypoint::HttpClients::with_lookup(Arc::clone(&edges.lookup));
    let cooled = cooled_together(config);
    let station = |(name, target): (&TargetName, &config::Target)| {
        let station = Station {
            target: anypoint::build(target, connections, credentials, &edges.clock, &clients)?,
            kind: (&target.kind).into(),
            group: group(target),
            cools: host(config, target)
                .and_then(|host| cooled.get(&host))
                .map_or_else(Vec::new, |groups| groups.iter().cloned().collect()),
        };
        Ok((name.clone(), station))
    };
    config.targets.iter().map(station).collect()
}

/// What holds back the writes of the targets that restart something.
pub(super) fn gates(config: &Config) -> BTreeMap<TargetName, Gate> {
    let rolling = config.targets.values().filter(|target| target.kind.rolls());
    let canaries: Vec<(&config::Target, BTreeSet<SecretRef>)> = rolling
        .clone()
        .filter(|target| target.kind.is_canary())
        .map(|target| (target, target.kind.secrets()))
        .collect();
    let gate = |target: &config::Target| {
        let connection = target.kind.connection();
        let window = connection.and_then(|name| config.connections.get(name)?.roll_window.clone());
        let secrets = target.kind.secrets();
        let before = canaries.iter().filter(|(canary, theirs)| {
            !target.kind.is_canary()
                && canary.kind.connection() == connection
                && !theirs.is_disjoint(&secrets)
        });
        let canary = |(canary, secrets): &(&config::Target, BTreeSet<SecretRef>)| Canary {
            name: canary.name.clone(),
            secrets: secrets.clone(),
        };
        Gate { window, canaries: before.map(canary).collect() }
    };
    rolling.map(|target| (target.name.clone(), gate(target))).collect()
}

/// Whom the calls behind other targets follow.
pub(super) fn leaders(config: &Config, stations: &BTreeMap<TargetName, Station>) -> Leaders {
    let follows = |target: &config::Target| {
        let leader = stations.get(target.follows.as_ref()?)?.target.spec();
        let TargetSpec { name, secrets, mapping, .. } = TargetSpec::clone(leader);
        Some((target.name.clone(), Leader { name, secrets, mapping }))
    };
    config.targets.values().filter_map(follows).collect()
}

/// The queue's group of a target: connection and API, because roll slots are per connection.
fn group(target: &config::Target) -> Option<Arc<str>> {
    let connection = target.kind.connection()?;
    Some(format!("{connection} {}", target.kind.as_str()).into())
}

/// Which groups a cool-down holds back together: those of the same host and kind of call, because Anypoint counts
/// requests per client address.
fn cooled_together(config: &Config) -> HashMap<(&str, &'static str), BTreeSet<Arc<str>>> {
    let mut together: HashMap<_, BTreeSet<Arc<str>>> = HashMap::new();
    for target in config.targets.values() {
        if let (Some(host), Some(group)) = (host(config, target), group(target)) {
            together.entry(host).or_default().insert(group);
        }
    }
    together
}

/// The host and the kind of call of a target that has a connection.
fn host<'c>(config: &'c Config, target: &config::Target) -> Option<(&'c str, &'static str)> {
    let connection = config.connections.get(target.kind.connection()?)?;
    Some((connection.base_url.as_str(), target.kind.as_str()))
}

pub(super) fn build_queue(
    config: &Config,
    stations: &BTreeMap<TargetName, Station>,
    clock: &Arc<dyn Clock>,
) -> Queue<TargetName> {
    let mut queue = WorkQueue::new((&config.queue).into(), queue::full_jitter());
    for (name, station) in stations {
        let coalesce = config.targets[name].coalesce;
        let policy = Policy { group: station.group.clone(), coalesce, coalesce_cap: coalesce * 6 };
        queue.register(name.clone(), &policy);
        let connection = config.targets[name].kind.connection().and_then(|name| config.connections.get(name));
        if let (Some(group), Some(connection)) = (&station.group, connection) {
            queue.set_max_rolling(group, connection.max_rolling);
        }
    }
    Queue::new(queue, Arc::clone(clock))
}

pub(super) fn open_memory(config: &Config) -> Result<Memory, BuildError> {
    match &config.receipts {
        Some(file) => {
            Memory::open(file).map_err(|error| BuildError::Receipts(file.display().to_string(), error))
        }
        None => Ok(Memory::volatile()),
    }
}

/// The record of decisions, or none.
pub(super) async fn open_audit(
    config: &Config,
    credentials: &Arc<dyn Credentials>,
    metrics: &Arc<Metrics>,
    clock: &Arc<dyn Clock>,
) -> Result<Audit, BuildError> {
    let Some(settings) = &config.audit else { return Ok(Audit::off()) };
    let key = credentials.read(&settings.key).await.map_err(BuildError::AuditKey)?;
    Ok(Audit::open(settings, &key, Arc::clone(metrics), Arc::clone(clock))?)
}

/// What makes and sends spans, or nothing.
pub(super) async fn open_traces(
    config: &Config,
    credentials: &Arc<dyn Credentials>,
    metrics: &Arc<Metrics>,
    clock: &Arc<dyn Clock>,
    lookup: &Arc<dyn Lookup>,
) -> Result<Traces, BuildError> {
    let Some(settings) = &config.traces else { return Ok(Traces::off()) };
    let mut headers = HeaderMap::new();
    for (name, place) in &settings.headers {
        let value = credentials.read(place).await.map_err(BuildError::TracesHeader)?;
        let pair = HeaderName::from_bytes(name.as_bytes())
            .ok()
            .zip(HeaderValue::from_bytes(value.expose_bytes()).ok());
        let (name, mut value) = pair.ok_or_else(|| BuildError::NoHeader(place.to_string()))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    let options = outbound::Options::within(TRACES_TIMEOUT, TRACES_TIMEOUT);
    let options = outbound::Options { lookup: Arc::clone(lookup), ..options };
    let client = outbound::client(&options).map_err(BuildError::Traces)?;
    Ok(Traces::open(settings, headers, client, Arc::clone(metrics), Arc::clone(clock)))
}

pub(super) fn secrets_of(specs: &[Arc<TargetSpec>]) -> BTreeSet<SecretRef> {
    specs.iter().flat_map(|spec| spec.secrets.iter().cloned()).collect()
}

/// The certificate store as the hooks see it.
pub(super) struct Certificates(pub(super) CertificateStore);

#[async_trait::async_trait]
impl ingress::ports::Certificates for Certificates {
    async fn fetch(&self, url: &str) -> Result<Arc<[u8]>, ingress::ports::CertificateFault> {
        self.0.fetch(url).await.map_err(|error| ingress::ports::CertificateFault(error.0))
    }

    fn reject(&self, url: &str, pem: &Arc<[u8]>) {
        self.0.reject(url, pem);
    }
}

/// An issuer's keys as the hooks see them.
pub(super) struct TokenKeys(Jwks);

impl TokenKeys {
    /// Of the issuer that the configuration names, if it names one.
    pub(super) fn of(
        config: &config::Ingress,
        lookup: &Arc<dyn Lookup>,
    ) -> Result<Option<Arc<dyn ingress::ports::TokenKeys>>, BuildError> {
        match config.eventbridge.as_ref().map(|eventbridge| &eventbridge.auth) {
            Some(config::EventBridgeAuth::OAuth(oauth)) => {
                Ok(Some(Arc::new(Self(Jwks::new(oauth, Arc::clone(lookup))?))))
            }
            _ => Ok(None),
        }
    }
}

#[async_trait::async_trait]
impl ingress::ports::TokenKeys for TokenKeys {
    async fn fetch(&self) -> Result<Bytes, ingress::ports::TokenKeysFault> {
        self.0.fetch().await.map_err(ingress::ports::TokenKeysFault)
    }
}

/// The confirmer as the hooks see it.
pub(super) struct Confirmer(pub(super) SnsConfirmer);

#[async_trait::async_trait]
impl ingress::ports::Confirmer for Confirmer {
    async fn confirm(
        &self,
        topic: &crate::model::TopicArn,
        token: &str,
    ) -> Result<(), crate::model::Failure> {
        let route = self.0.confirm(topic, token).await?;
        tracing::info!(%topic, route = ?route, "subscription confirmed");
        Ok(())
    }
}

/// Where alerts go besides the log.
pub(super) fn alerts_topic(config: &Config, access: &Arc<Access>) -> Option<Arc<dyn alerts::Channel>> {
    let topic = config.alerts.topic.clone()?;
    Some(Arc::new(AlertsTopic(SnsPublisher::new(Arc::clone(access), topic))))
}

/// A topic as the alerts see it.
struct AlertsTopic(SnsPublisher);

#[async_trait::async_trait]
impl alerts::Channel for AlertsTopic {
    async fn publish(&self, subject: &str, message: &str) -> Result<(), crate::model::Failure> {
        self.0.publish(subject, message).await
    }
}
