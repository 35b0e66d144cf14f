//! Everything that the demo runs: a sandbox with one secret and one application, and the relay between
//! them, in this process and on loopback alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use anypoint_relay::app::{App as Relay, Edges};
use anypoint_relay::aws::Access;
use anypoint_relay::clock::{Clock, SystemClock};
use anypoint_relay::config::{self, Config};
use anypoint_relay::lifecycle::Lifecycle;
use anypoint_relay::model::TargetName;
use anypoint_relay::status::{StatusBoard, TargetStatus};
use anypoint_sandbox::Sandbox;
use anypoint_sandbox::anypoint::{Anypoint, App, Map, Redeploy};
use anypoint_sandbox::aws::{Auth, Aws, Secret};
use aws_credential_types::Credentials;
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// The configuration, as it is shown and as it is parsed.
pub(crate) const CONFIGURATION: &str = include_str!("relay.yaml");
/// The secret in the fake AWS.
pub(crate) const SECRET: &str = "prod/orders/db";
/// The application in the fake Anypoint, and the relay's name for it.
pub(crate) const APPLICATION: &str = "orders-api";
/// How many replicas it has.
pub(crate) const REPLICAS: usize = 2;
/// How long each of them takes to restart. A Mule application takes a minute or more.
const ROLL_TIME: Duration = Duration::from_millis(300);
/// How long the relay may take to end.
const DRAIN: Duration = Duration::from_secs(5);

/// The sandbox, and the relay once it runs.
pub(crate) struct Stage {
    pub(crate) aws: Aws,
    pub(crate) anypoint: Anypoint,
    pub(crate) secret: Secret,
    pub(crate) app: App,
    pub(crate) target: TargetName,
    pub(crate) hooks: String,
    pub(crate) admin: String,
    board: Arc<StatusBoard>,
    lifecycle: Lifecycle,
    ended: JoinHandle<Result<(), String>>,
    keys: Keys,
}

impl Stage {
    /// Starts everything. The application runs with the first password, as a pipeline would have
    /// deployed it; the relay knows nothing yet.
    pub(crate) async fn open() -> anyhow::Result<Self> {
        let Sandbox { aws, anypoint } = Sandbox::start().await;
        let (user, password) = ("orders_app", fresh_password());
        let value = serde_json::json!({
            "engine": "postgres", "host": "db.internal", "port": 5432, "username": user, "password": password,
        });
        let secret = aws.create_secret(SECRET, value);
        secret.set_alternating(true);
        let app = anypoint.deploy(
            APPLICATION,
            [("http.port", "8081")],
            [("db.user", user), ("db.password", password.as_str())],
        );
        app.scale(REPLICAS).roll_time(ROLL_TIME);

        let keys = Keys::new(&aws, &anypoint)?;
        let config = configuration(&aws, &anypoint, &keys)?;
        let own = Credentials::new("AKIADEMO", "demo/secret/access/key", None, None, "demo");
        let relay =
            Relay::build(config.clone(), Access::with_credentials(config.aws, own), Edges::default()).await?;
        let bound = relay.bind().await?;
        let hooks = format!("http://{}", bound.hooks_addr()?);
        let admin = bound.admin_addr().context("the demo's relay has an admin listener")??;
        let (board, lifecycle) = (bound.board(), Lifecycle::default());
        Ok(Self {
            target: TargetName::parse(APPLICATION)?,
            hooks,
            admin: format!("http://{admin}"),
            board,
            ended: tokio::spawn(bound.run(lifecycle.clone(), DRAIN)),
            lifecycle,
            aws,
            anypoint,
            secret,
            app,
            keys,
        })
    }

    /// Rotates the secret: another password, and the other of its two users.
    pub(crate) fn rotate(&self) {
        self.secret.rotate_password(&fresh_password());
    }

    /// A pipeline redeploys the application as it stands, but with the user and the password of before.
    pub(crate) fn redeploy_with_the_old_password(&self) {
        let history = self.secret.history();
        let Some(before) = history.len().checked_sub(2).and_then(|place| history.get(place)) else { return };
        let field = |name: &str| before.value.field(name).unwrap_or_default();
        let redeploy = Redeploy::of_stored();
        let redeploy =
            redeploy.secure("db.user", &field("username")).secure("db.password", &field("password"));
        self.app.foreign_redeploy(redeploy);
    }

    /// Whether these secure properties are what AWS serves as current.
    pub(crate) fn is_current(&self, secure: &Map) -> bool {
        let value = self.secret.current_value();
        let held = |property: &str, field: &str| {
            secure.get(property).is_some_and(|held| value.field(field).as_ref() == Some(held))
        };
        held("db.user", "username") && held("db.password", "password")
    }

    /// The credentials of the fake EventBridge's connection.
    pub(crate) fn eventbridge_auth(&self) -> Auth {
        Auth::ApiKey { header: "x-api-key".to_owned(), value: self.keys.eventbridge.clone() }
    }

    /// The key of the signed trigger.
    pub(crate) fn trigger_key(&self) -> &str {
        &self.keys.trigger
    }

    /// The file that holds the key of the signed trigger.
    pub(crate) fn trigger_key_file(&self) -> String {
        self.keys.folder.path().join("trigger").display().to_string()
    }

    /// The relay's own word about the application.
    pub(crate) fn status(&self) -> Option<TargetStatus> {
        self.board.target(&self.target, now())
    }

    /// Whether the relay has ended, which it does only when something is wrong.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.is_finished()
    }

    /// Lets the relay end, as a SIGTERM would.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        self.lifecycle.drain();
        self.ended.await?.map_err(|reason| anyhow!("the relay ended: {reason}"))
    }
}

/// Keys and credentials, as files for the relay.
struct Keys {
    folder: TempDir,
    eventbridge: String,
    trigger: String,
}

impl Keys {
    fn new(aws: &Aws, anypoint: &Anypoint) -> std::io::Result<Self> {
        let keys =
            Self { folder: tempfile::tempdir()?, eventbridge: fresh_password(), trigger: fresh_password() };
        let put = |name: &str, content: &str| std::fs::write(keys.folder.path().join(name), content);
        put("eventbridge", &keys.eventbridge)?;
        put("trigger", &keys.trigger)?;
        put("anypoint-client-id", &anypoint.client_id())?;
        put("anypoint-client-secret", &anypoint.client_secret())?;
        put("sandbox-ca.pem", aws.ca_pem())?;
        Ok(keys)
    }
}

fn configuration(aws: &Aws, anypoint: &Anypoint, keys: &Keys) -> anyhow::Result<Config> {
    let variables: BTreeMap<&str, String> = [
        ("TOPIC_ARN", aws.topic("rotations").arn().to_owned()),
        ("SNS_ADDRESS", aws.sns_tls_addr().to_string()),
        ("AWS_ENDPOINT", aws.endpoint_url()),
        ("ANYPOINT_URL", anypoint.base_url()),
        ("ANYPOINT_ORGANIZATION", anypoint.organization()),
        ("ANYPOINT_ENVIRONMENT", anypoint.environment()),
        ("KEYS", keys.folder.path().display().to_string()),
    ]
    .into();
    let config =
        config::parse(CONFIGURATION, "examples/demo/relay.yaml", &|name| variables.get(name).cloned());
    config.map_err(|errors| anyhow!("{errors}"))
}

fn fresh_password() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// The time, by the clock that relay and sandbox use.
pub(crate) fn now() -> Timestamp {
    SystemClock.timestamp()
}
