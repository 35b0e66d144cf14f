//! The fakes with everything in them: secrets, targets, topic, destination; and the relay's configuration.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use anypoint_relay::model::show_duration;
use anypoint_sandbox::Sandbox;
use anypoint_sandbox::anypoint::{Anypoint, App, Map, SecretGroup, SharedSecret, UpdateStrategy};
use anypoint_sandbox::aws::{ApiDestination, Auth, Aws, Secret, Topic};
use fastrand::Rng;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::endpoint::Endpoint;
use crate::history::Field;
use crate::leak::MARKER;
use crate::mix::{self, Draft, Kind, Platform, secret_name};
use crate::options::Options;

/// How long a replica takes to restart, from and to. A Mule application takes a minute or more.
const ROLL_MILLIS: std::ops::Range<u64> = 20..200;
/// The relay's limit for one request to Anypoint or to an endpoint, and for a call of AWS with its tries.
pub(crate) const REQUEST: Duration = Duration::from_secs(2);
/// How long a relay that restarts waits for a version that an event named, and between two equal reads.
const FRESHNESS: Duration = Duration::from_secs(3);
const SETTLE: Duration = Duration::from_secs(1);

/// What the fakes have for a target.
pub(crate) enum Place {
    App {
        app: App,
        original: (Map, Map),
    },
    Shared(SharedSecret),
    /// The storm's own endpoint has it.
    Endpoint,
}

/// A target and its place.
pub(crate) struct Target {
    pub(crate) draft: Draft,
    pub(crate) place: Place,
}

impl Target {
    pub(crate) fn app(&self) -> Option<&App> {
        match &self.place {
            Place::App { app, .. } => Some(app),
            Place::Shared(_) | Place::Endpoint => None,
        }
    }
}

/// Where the relay listens, in every life of it.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    pub(crate) hooks: String,
    pub(crate) admin: String,
}

/// Everything but the relay.
pub(crate) struct World {
    pub(crate) aws: Aws,
    pub(crate) anypoint: Anypoint,
    pub(crate) endpoint: Endpoint,
    pub(crate) secrets: Vec<Secret>,
    pub(crate) targets: Vec<Target>,
    pub(crate) topic: Topic,
    pub(crate) destination: ApiDestination,
    pub(crate) addresses: Addresses,
    pub(crate) trigger_key: String,
    folder: Folder,
}

enum Folder {
    Kept(PathBuf),
    Temporary(TempDir),
}

impl World {
    pub(crate) async fn open(options: &Options, rng: &mut Rng) -> anyhow::Result<Self> {
        let Sandbox { aws, anypoint } = Sandbox::start().await;
        anypoint.set_application_manager_limit(Some(options.limit));
        anypoint.set_client_secret(&key("client", rng));
        let count = usize::try_from(options.secrets())?;
        let secrets: Vec<Secret> = (0..count).map(|number| secret(&aws, number, rng)).collect();
        let drafts = mix::draw(usize::try_from(options.targets)?, secrets.len(), rng);
        let mut groups = Vec::new();
        let targets = drafts
            .into_iter()
            .map(|draft| Target { place: place(&anypoint, &draft, &mut groups, rng), draft })
            .collect();
        let addresses = Addresses { hooks: free_address()?, admin: free_address()? };
        let (topic, auth) = (
            aws.topic("rotations"),
            Auth::ApiKey { header: "x-api-key".to_owned(), value: key("eventbridge", rng) },
        );
        let destination =
            aws.api_destination(format!("http://{}/hooks/eventbridge", addresses.hooks), auth.clone());
        let folder = match &options.keep {
            Some(folder) => {
                std::fs::create_dir_all(folder)
                    .with_context(|| format!("cannot make {}", folder.display()))?;
                Folder::Kept(folder.canonicalize()?)
            }
            None => Folder::Temporary(tempfile::tempdir()?),
        };
        let endpoint = Endpoint::start().await;
        let trigger_key = key("trigger", rng);
        let world = Self {
            aws,
            anypoint,
            endpoint,
            secrets,
            targets,
            topic,
            destination,
            addresses,
            trigger_key,
            folder,
        };
        world.write_files(options, &auth)?;
        Ok(world)
    }

    /// A file of the relay.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        match &self.folder {
            Folder::Kept(folder) => folder.join(name),
            Folder::Temporary(folder) => folder.path().join(name),
        }
    }

    /// The variables of the relay's process.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let mut environment = self.aws.environment();
        for (name, value) in &mut environment {
            if name == "AWS_SECRET_ACCESS_KEY" {
                *value = format!("{MARKER}/access/key");
            }
        }
        environment.extend([
            ("TRIGGER_KEY".to_owned(), self.trigger_key.clone()),
            ("ENDPOINT_KEY".to_owned(), format!("{MARKER}-endpoint-0123456789")),
            ("ANYPOINT_CLIENT_ID".to_owned(), self.anypoint.client_id()),
            ("ANYPOINT_CLIENT_SECRET".to_owned(), self.anypoint.client_secret()),
        ]);
        environment
    }

    fn write_files(&self, options: &Options, auth: &Auth) -> anyhow::Result<()> {
        let Auth::ApiKey { value: eventbridge, .. } = auth else { anyhow::bail!("the storm has an API key") };
        let put = |name: &str, text: &str| std::fs::write(self.file(name), text);
        put("eventbridge", eventbridge)?;
        put("sandbox-ca.pem", self.aws.ca_pem())?;
        std::fs::remove_file(self.file("receipts.json")).or_else(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
        put("relay.yaml", &self.configuration(options)?)?;
        Ok(())
    }

    /// The timers are those of production in the same order, so short that a minute is a day.
    fn configuration(&self, options: &Options) -> anyhow::Result<String> {
        let (targets, secrets) = (u64::from(options.targets), u64::from(options.secrets()));
        let mut text = format!(
            "# The relay of a storm over {targets} targets, seed {seed}.
listen: {hooks}
admin: {{ listen: {admin} }}
aws: {{ region: eu-west-1, timeout: {request}, freshness: {freshness}, settle: {settle} }}
reconcile: {{ interval: {interval}, targets_interval: {looks} }}
queue: {{ workers: 64, retry_base: 50ms, retry_cap: 1s, slow_retry: 2s, confirm_poll: 200ms }}
receipts: \"{receipts}\"
log: {{ filter: \"info,anypoint_relay=debug\" }}
ingress:
  sns:
    topics: [\"{topic}\"]
    emulator: {{ connect: \"{sns}\", extra_root: \"{root}\" }}
  eventbridge: {{ auth: {{ api_key: {{ header: x-api-key, value: {{ file: \"{eventbridge}\" }} }} }} }}
  trigger: {{ keys: [ {{ id: storm, value: {{ env: TRIGGER_KEY }} }} ] }}
connections:
  storm:
    base_url: \"{base_url}\"
    client_id: {{ env: ANYPOINT_CLIENT_ID }}
    client_secret: {{ env: ANYPOINT_CLIENT_SECRET }}
    organization: {organization}
    environment: {environment}
    rates: {{ application_manager: {rate}, secrets_manager: {rate}, accounts: 100 }}
    max_requests: 64
    max_rolling: {rolling}
    timeout: {request}
targets:
",
            seed = options.seed(),
            hooks = self.addresses.hooks,
            admin = self.addresses.admin,
            request = show_duration(REQUEST),
            freshness = show_duration(FRESHNESS),
            settle = show_duration(SETTLE),
            interval = show_duration(Duration::from_millis(1000 + 3 * secrets)),
            looks = show_duration(self.looks_every()),
            receipts = self.file("receipts.json").display(),
            topic = self.topic.arn(),
            sns = self.aws.sns_tls_addr(),
            root = self.file("sandbox-ca.pem").display(),
            eventbridge = self.file("eventbridge").display(),
            base_url = self.anypoint.base_url(),
            organization = self.anypoint.organization(),
            environment = self.anypoint.environment(),
            rate = options.rate(),
            rolling = (targets / 4).max(20),
        );
        for target in &self.targets {
            write!(text, "{}", target.draft.yaml(&self.endpoint.url(&target.draft.name)))?;
        }
        Ok(text)
    }

    /// How often the relay looks at every target.
    pub(crate) fn looks_every(&self) -> Duration {
        Duration::from_millis(2000 + 6 * self.targets.len() as u64)
    }
}

/// A key that is found wherever it leaks.
fn key(name: &str, rng: &mut Rng) -> String {
    format!("{MARKER}-{name}-{:016x}", rng.u64(..))
}

/// A password that no other version has.
pub(crate) fn password(rng: &mut Rng) -> String {
    format!("{MARKER}-{:016x}", rng.u64(..))
}

fn secret(aws: &Aws, number: usize, rng: &mut Rng) -> Secret {
    let value = json!({
        "engine": "postgres", "host": format!("db-{number:04}.internal"), "port": 5432,
        "username": format!("app_{number:04}"), "password": password(rng),
    });
    let secret = aws.create_secret(&secret_name(number), value);
    secret.set_alternating(number.is_multiple_of(3));
    secret
}

/// Puts a target's thing where the relay will find it, with values that are nobody's.
fn place(anypoint: &Anypoint, draft: &Draft, groups: &mut Vec<SecretGroup>, rng: &mut Rng) -> Place {
    const NOTHING: &str = "none yet";
    let name = draft.name.as_str();
    if let Kind::SharedSecret(group) = draft.kind {
        while groups.len() <= group {
            groups.push(anypoint.add_group(&format!("storm-{}", groups.len())));
        }
        let body: Value =
            json!({"name": name, "type": "UsernamePassword", "username": NOTHING, "password": NOTHING});
        return Place::Shared(groups[group].add_shared_secret(&body));
    }
    let Some(platform) = draft.platform() else { return Place::Endpoint };
    let held = draft.parts.iter().filter(|part| part.field != Field::Version);
    let (secure, clear): (Vec<_>, Vec<_>) = held.partition(|part| draft.hides(part));
    let secure: Map = secure.iter().map(|part| (part.name.clone(), NOTHING.to_owned())).collect();
    let mut properties: Map = clear.iter().map(|part| (part.name.clone(), NOTHING.to_owned())).collect();
    let others = [("http.port", "8081"), ("team", "storm"), ("build", "0")];
    properties.extend(others.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let original = (properties.clone(), secure.clone());
    let app = match platform {
        Platform::CloudHub2 | Platform::Rtf => anypoint.deploy(name, properties, secure),
        Platform::CloudHub => anypoint.deploy_cloudhub(name, properties, secure),
        Platform::Hybrid => anypoint.deploy_hybrid(name, "east", properties),
    };
    app.scale(rng.usize(1..=3)).roll_time(Duration::from_millis(rng.u64(ROLL_MILLIS)));
    if rng.u32(..10) == 0 {
        app.strategy(UpdateStrategy::Recreate);
    }
    Place::App { app, original }
}

/// An address that is free now and stays the relay's: what AWS was told must lead to each of its lives.
fn free_address() -> anyhow::Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port")?;
    Ok(listener.local_addr()?.to_string())
}

/// The text of a file, empty where there is none.
pub(crate) fn content(file: &Path) -> Vec<u8> {
    std::fs::read(file).unwrap_or_default()
}
