//! The fake control plane with a connection to it, and a target of each kind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anypoint_relay::anypoint::call::{Call, Family, Path, Purpose, Verb};
use anypoint_relay::anypoint::{Connection, Connections, HttpClients, Pacers, Writers, build};
use anypoint_relay::clock::{Clock, TestClock};
use anypoint_relay::config::{
    self, ApplicationTarget, Expiry, HttpBody, HttpTarget, Platform, SecretValueTarget, SharedSecretContent,
    SharedSecretTarget, TargetKind,
};
use anypoint_relay::credential::{CredentialError, CredentialRef, Credentials};
use anypoint_relay::model::{
    ConnectionName, Failure, Mark, Reach, Receipt, SecretRef, Selector, Stamp, TargetName, ValueSource,
    VersionId, VersionSeen, Wanted,
};
use anypoint_relay::outbound::{Lookup, SystemLookup};
use anypoint_relay::secret::SecretValue;
use anypoint_relay::sync::ports::{Applied, ApplyError, FetchedSecret, Observed, SecretContent, Target};
use anypoint_relay::sync::values::Values;
use serde_json::json;

use crate::fake::{ENV, Fake, ORG};

pub(crate) const CANARY: &str = "c4n4ry-V4lu3";
pub(crate) const CLIENT_SECRET: &str = "c4n4ry-Cl13nt";
/// Requests per second to the Application Manager.
pub(crate) const RATE: f64 = 12.0;
pub(crate) const KEY: &str = "c4n4ry-signing-key-0123456789";

/// Credentials by the name of their variable; they can be replaced.
pub(crate) struct Fixed {
    pub(crate) client_secret: Mutex<String>,
}

#[async_trait::async_trait]
impl Credentials for Fixed {
    async fn read(&self, place: &CredentialRef) -> Result<SecretValue, CredentialError> {
        Ok(SecretValue::from(match place.to_string().as_str() {
            "environment variable ID" => "app-id".to_owned(),
            "environment variable KEY" => KEY.to_owned(),
            _ => self.client_secret.lock().unwrap().clone(),
        }))
    }
}

pub(crate) struct World {
    pub(crate) fake: Fake,
    pub(crate) clock: TestClock,
    pub(crate) credentials: Arc<Fixed>,
    pub(crate) pacers: Pacers,
    pub(crate) timeout: Duration,
    pub(crate) max_requests: usize,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            fake: Fake::start(),
            clock: TestClock::at("2026-03-06T20:00:00Z".parse().unwrap()),
            credentials: Arc::new(Fixed { client_secret: Mutex::new(CLIENT_SECRET.to_owned()) }),
            pacers: Pacers::default(),
            timeout: Duration::from_secs(10),
            max_requests: 16,
        }
    }

    pub(crate) fn connection(&self) -> Arc<Connection> {
        let variable = |name: &str| CredentialRef::Env(name.to_owned());
        let config = config::Connection {
            name: name(),
            base_url: format!("http://{}", self.fake.address),
            client_id: variable("ID"),
            client_secret: variable("SECRET"),
            organization: ORG.to_owned(),
            environment: ENV.to_owned(),
            rates: config::Rates { application_manager: RATE, ..Default::default() },
            max_requests: self.max_requests,
            max_rolling: 5,
            roll_window: None,
            timeout: self.timeout,
            channel: config::Channel::default(),
        };
        let credentials = Arc::<Fixed>::clone(&self.credentials);
        let (writers, clock) = (Writers::default(), Arc::new(self.clock.clone()));
        let lookup = Arc::new(SystemLookup);
        Arc::new(Connection::open(&config, credentials, &self.pacers, &writers, clock, lookup).unwrap())
    }

    pub(crate) fn target(&self, kind: TargetKind) -> Arc<dyn Target> {
        self.target_on(&self.connection(), "orders", kind)
    }

    pub(crate) fn target_on(
        &self,
        connection: &Arc<Connection>,
        target: &str,
        kind: TargetKind,
    ) -> Arc<dyn Target> {
        self.build(connection, target, kind, &HttpClients::default())
    }

    /// A target whose HTTP clients look names up in this way.
    pub(crate) fn target_by(&self, lookup: Arc<dyn Lookup>, kind: TargetKind) -> Arc<dyn Target> {
        self.build(&self.connection(), "orders", kind, &HttpClients::with_lookup(lookup))
    }

    fn build(
        &self,
        connection: &Arc<Connection>,
        target: &str,
        kind: TargetKind,
        clients: &HttpClients,
    ) -> Arc<dyn Target> {
        let connections: Connections = [(name(), Arc::clone(connection))].into();
        let target = config::Target {
            name: TargetName::parse(target).unwrap(),
            coalesce: Duration::ZERO,
            kind,
            follows: None,
        };
        let credentials: Arc<dyn Credentials> = Arc::<Fixed>::clone(&self.credentials);
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        build(&target, &connections, &credentials, &clock, clients).unwrap()
    }

    pub(crate) fn http(&self, values: BTreeMap<String, ValueSource>) -> TargetKind {
        TargetKind::Http(Arc::new(self.http_target(values)))
    }

    pub(crate) fn http_target(&self, values: BTreeMap<String, ValueSource>) -> HttpTarget {
        HttpTarget {
            url: format!("http://{}/flow", self.fake.address),
            method: http::Method::POST,
            key: CredentialRef::Env("KEY".to_owned()),
            headers: Vec::new(),
            body: HttpBody::Notice(values.into_iter().collect()),
            watch: [secret()].into(),
            expect: None,
            timeout: self.timeout,
            reach: Reach::default(),
            channel: config::Channel::default(),
        }
    }

    pub(crate) fn every_kind(&self) -> [TargetKind; 4] {
        let values = BTreeMap::from([("password".to_owned(), field("password"))]);
        [application(), shared_secret(), secret_value(), self.http(values)]
    }
}

pub(crate) fn name() -> ConnectionName {
    ConnectionName::parse("prod").unwrap()
}

pub(crate) fn secret() -> SecretRef {
    SecretRef::new("prod/orders/db", None, None).unwrap()
}

pub(crate) fn field(name: &str) -> ValueSource {
    ValueSource::Secret(secret(), Selector::Field(name.to_owned()))
}

pub(crate) fn seen() -> VersionSeen {
    VersionSeen { version: VersionId::parse("00000000-0000-4000-8000-000000000001").unwrap(), created: None }
}

pub(crate) fn values(password: &str) -> Values {
    let mut values = Values::default();
    let text = json!({"username": "app_b", "password": password}).to_string();
    let content = SecretContent::Text(text.into());
    values.insert(secret(), FetchedSecret { arn: None, seen: seen(), content });
    values
}

pub(crate) fn receipt(before: Option<Mark>) -> Receipt {
    let wanted = Wanted { versions: [(secret(), seen())].into(), mapping: "m".to_owned() };
    Receipt::of(&wanted, Stamp::fresh(), before)
}

pub(crate) fn application() -> TargetKind {
    TargetKind::Application(Arc::new(ApplicationTarget {
        connection: name(),
        platform: Platform::CloudHub2,
        deployment: "orders".to_owned(),
        properties: BTreeMap::new(),
        secure_properties: [
            ("db.user".to_owned(), field("username")),
            ("db.password".to_owned(), field("password")),
        ]
        .into(),
        forget: BTreeSet::new(),
        receipt_property: "relay.receipt".to_owned(),
        roll_limit: Duration::from_mins(15),
        supersede: false,
        canary: false,
        watch: BTreeSet::new(),
    }))
}

pub(crate) fn shared_secret() -> TargetKind {
    TargetKind::SharedSecret(Arc::new(SharedSecretTarget {
        connection: name(),
        group: "rotated".to_owned(),
        name: "orders-db".to_owned(),
        content: SharedSecretContent::UsernamePassword {
            username: field("username"),
            password: field("password"),
        },
        create: false,
        expiry: Expiry::Keep,
    }))
}

pub(crate) fn secret_value() -> TargetKind {
    TargetKind::SecretValue(Arc::new(SecretValueTarget {
        connection: name(),
        secret_id: "orders/db".to_owned(),
        path: "/secrets/api/v1/organizations/{organization}/environments/{environment}/secrets/{secret}"
            .to_owned(),
        value: field("password"),
    }))
}

pub(crate) fn read_call() -> Call {
    Call {
        verb: Verb::Get,
        path: Path::new([
            "amc",
            "application-manager",
            "api",
            "v2",
            "organizations",
            ORG,
            "environments",
            ENV,
            "deployments",
        ]),
        family: Family::ApplicationManager,
        body: None,
        purpose: Purpose { doing: "reading".to_owned(), scope: "reading", settings: "settings".to_owned() },
    }
}

pub(crate) async fn send(
    observed: Box<dyn Observed>,
    values: &Values,
    receipt: &Receipt,
) -> Result<Applied, ApplyError> {
    observed.prepare(values, receipt).map_err(ApplyError::before)?.send().await
}

pub(crate) async fn deliver(target: &Arc<dyn Target>, password: &str) -> Result<Applied, ApplyError> {
    let observed = target.observe().await.map_err(ApplyError::before)?;
    let receipt = receipt(observed.observation().mark.clone());
    send(observed, &values(password), &receipt).await
}

pub(crate) async fn observe_failure(target: &Arc<dyn Target>) -> Failure {
    target.observe().await.err().expect("the look fails")
}
