//! The relay of the show, in this process, between the two sides of the sandbox.

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
use anypoint_sandbox::anypoint::Anypoint;
use anypoint_sandbox::aws::{Auth, Aws};
use aws_credential_types::Credentials;
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::backend::{APPLICATION, Backend, fresh_password};

/// The configuration, as it is shown and as it is parsed.
pub(crate) const CONFIGURATION: &str = include_str!("relay.yaml");
/// How long the relay may take to end.
const DRAIN: Duration = Duration::from_secs(5);

/// The sandbox, and the relay once it runs.
pub(crate) struct Stage {
    pub(crate) backend: Arc<Backend>,
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
        let backend = Arc::new(Backend::start(fresh_password()).await);
        let (aws, anypoint) = (&backend.aws, &backend.anypoint);
        let keys = Keys::new(aws, anypoint)?;
        let config = configuration(aws, anypoint, &keys)?;
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
            backend,
            keys,
        })
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

/// The time, by the clock that relay and sandbox use.
pub(crate) fn now() -> Timestamp {
    SystemClock.timestamp()
}
