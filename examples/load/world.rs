//! The fakes behind the relay, and its configuration: that of production but for addresses and for where SNS keeps its
//! certificates.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use anypoint_relay::clock::{Clock, SystemClock};
use anypoint_sandbox::Sandbox;
use anypoint_sandbox::anypoint::Anypoint;
use anypoint_sandbox::aws::{Aws, Secret, SnsMessage};
use anypoint_sandbox::pki::RsaKey;
use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;

/// The secret that the notifications are about.
pub(crate) const SECRET: &str = "prod/orders/db";

/// Everything but what is measured.
pub(crate) struct World {
    aws: Aws,
    anypoint: Anypoint,
    folder: TempDir,
    pub(crate) topic_arn: String,
    pub(crate) secret: Secret,
    pub(crate) signing_key: Arc<RsaKey>,
    pub(crate) certificate_url: String,
    pub(crate) certificate_pem: String,
    pub(crate) eventbridge_key: String,
    pub(crate) trigger_key: String,
}

impl World {
    pub(crate) async fn open() -> anyhow::Result<Self> {
        let Sandbox { aws, anypoint } = Sandbox::start().await;
        let secret = aws.create_secret(SECRET, json!({"username": "orders_app", "password": "of the load"}));
        anypoint.deploy("orders-api", [("http.port", "8081")], [("db.password", "of the load")]);
        let signing_key = Arc::new(RsaKey::generate());
        let certificate = aws.authority().signing_certificate().key(Arc::clone(&signing_key)).issue();
        let certificate_pem = certificate.pem.clone();
        aws.set_signing_certificate(certificate);
        let topic_arn = aws.topic("rotations").arn().to_owned();
        let mut sample = SnsMessage::notification(&topic_arn, "", now());
        aws.sign_notification(&mut sample);
        Ok(Self {
            topic_arn,
            secret,
            signing_key,
            certificate_url: sample.signing_cert_url,
            certificate_pem,
            eventbridge_key: key(),
            trigger_key: key(),
            aws,
            anypoint,
            folder: tempfile::tempdir()?,
        })
    }

    /// A file of the run.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the relay's configuration and gives its place.
    pub(crate) fn configuration(&self, listen: SocketAddr) -> anyhow::Result<PathBuf> {
        let (file, root) = (self.file("relay.yaml"), self.file("root.pem"));
        std::fs::write(&root, self.aws.ca_pem())?;
        let text = format!(
            "listen: {listen}
admin: off
aws: {{ region: eu-west-1, endpoint: \"{aws}\" }}
ingress:
  sns:
    topics: [\"{topic}\"]
    emulator: {{ connect: \"{sns}\", extra_root: \"{root}\" }}
  eventbridge: {{ auth: {{ api_key: {{ header: x-api-key, value: {{ env: EVENTBRIDGE_KEY }} }} }} }}
  trigger: {{ keys: [ {{ id: load, value: {{ env: TRIGGER_KEY }} }} ] }}
{connection}targets:
  orders-api:
    kind: application
    platform: cloudhub2
    connection: load
    deployment: orders-api
    secure_properties:
      db.password: {{ secret: {SECRET}, field: password }}
",
            aws = self.aws.endpoint_url(),
            topic = self.topic_arn,
            sns = self.aws.sns_tls_addr(),
            root = root.display(),
            connection = connection(&self.anypoint, ""),
        );
        std::fs::write(&file, text)?;
        Ok(file)
    }

    /// The variables of the relay and of what one might run instead.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let mut environment = self.aws.environment();
        for (name, value) in [
            ("EVENTBRIDGE_KEY", &self.eventbridge_key),
            ("TRIGGER_KEY", &self.trigger_key),
            ("TOPIC_ARN", &self.topic_arn),
        ] {
            environment.push((name.to_owned(), value.clone()));
        }
        environment.extend(connected_app(&self.anypoint));
        environment
    }
}

/// The connection `load` of a configuration, with further lines of its own.
pub(crate) fn connection(anypoint: &Anypoint, more: &str) -> String {
    format!(
        "connections:
  load:
    base_url: \"{}\"
    client_id: {{ env: ANYPOINT_CLIENT_ID }}
    client_secret: {{ env: ANYPOINT_CLIENT_SECRET }}
    organization: {}
    environment: {}
{more}",
        anypoint.base_url(),
        anypoint.organization(),
        anypoint.environment(),
    )
}

/// The variables that [`connection`] names.
pub(crate) fn connected_app(anypoint: &Anypoint) -> [(String, String); 2] {
    [("ANYPOINT_CLIENT_ID", anypoint.client_id()), ("ANYPOINT_CLIENT_SECRET", anypoint.client_secret())]
        .map(|(name, value)| (name.to_owned(), value))
}

fn key() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// The time, by the clock of the relay and the fakes.
pub(crate) fn now() -> Timestamp {
    SystemClock.timestamp()
}

/// An address that is free now.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0)).context("no free port")?.local_addr()?)
}
