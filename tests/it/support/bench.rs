//! One sandbox, one relay, and the questions that tests ask.

use std::collections::BTreeMap;
use std::fmt::from_fn;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anypoint_relay::app::{App, Edges};
use anypoint_relay::aws::Access;
use anypoint_relay::config::{self, Config};
use anypoint_relay::lifecycle::Lifecycle;
use anypoint_relay::model::{Outcome, TargetName};
use anypoint_relay::queue::{Phase, Queue};
use anypoint_relay::status::StatusBoard;
use anypoint_sandbox::anypoint::Anypoint;
use anypoint_sandbox::aws::{ApiDestination, Auth, Aws, Sink};
use anypoint_sandbox::{Sandbox, wait_for, wait_until};
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_secretsmanager::config::Credentials;
use tokio::task::JoinHandle;

use super::edges::{Names, SetClock};
use super::trigger::client;
use crate::openapi::Spec;

/// How long a condition is waited for before the test fails. Nothing takes this long.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) const EVENTBRIDGE_KEY: &str = "eventbridge-key-0123456789abcdef";
pub(crate) const TRIGGER_KEY: &str = "trigger-key-0123456789abcdefghij";

/// Requests per second that the Application Manager takes: a hundred times the real 15.
pub(crate) const APPLICATION_MANAGER_LIMIT: u32 = 1500;
/// What the relay sends per second at most, in the proportion of the defaults. No file may say that, so
/// a relay that runs as a process sends its 12.
const APPLICATION_MANAGER_RATE: f64 = 1200.0;

/// Timers in milliseconds: what takes minutes in production takes a moment here, in the same order.
const TIMERS: &str = "
limits: { request_timeout: 4s }
reconcile: { interval: 1h, targets_interval: 1h }
queue: { workers: 8, retry_base: 10ms, retry_cap: 100ms, slow_retry: 1h, confirm_poll: 20ms }
";

/// A running relay.
struct Running {
    lifecycle: Lifecycle,
    board: Arc<StatusBoard>,
    queue: Arc<Queue<TargetName>>,
    hooks: String,
    admin: String,
    ended: JoinHandle<Result<(), String>>,
}

/// A sandbox with the relay in front of it.
pub(crate) struct Bench {
    pub(crate) aws: Aws,
    pub(crate) anypoint: Anypoint,
    pub(super) folder: tempfile::TempDir,
    config: String,
    pub(crate) environment: BTreeMap<String, String>,
    relay: Option<Running>,
    pub(crate) client: reqwest::Client,
}

impl Bench {
    /// A sandbox. The relay is not started yet.
    pub(crate) async fn new() -> Self {
        let Sandbox { aws, anypoint } = Sandbox::start().await;
        anypoint.set_application_manager_limit(Some(APPLICATION_MANAGER_LIMIT));
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), aws.ca_pem()).unwrap();
        let environment = [
            ("EVENTBRIDGE_KEY", EVENTBRIDGE_KEY.to_owned()),
            ("TRIGGER_KEY", TRIGGER_KEY.to_owned()),
            ("ANYPOINT_CLIENT_ID", anypoint.client_id()),
            ("ANYPOINT_CLIENT_SECRET", anypoint.client_secret()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        Self { aws, anypoint, folder, config: String::new(), environment, relay: None, client: client() }
    }

    /// A sandbox with the secret `prod/orders/db` and the application `orders-api`, which runs with its
    /// first password, and a relay that looks after it.
    pub(crate) async fn orders() -> Self {
        let mut bench = Self::orders_stopped().await;
        bench.start(ORDERS_TARGET).await;
        bench.in_sync("orders-api").await;
        bench
    }

    /// As [`Bench::orders`], with the relay not started yet.
    pub(crate) async fn orders_stopped() -> Self {
        let bench = Self::new().await;
        bench.aws.create_secret("prod/orders/db", ORDERS_SECRET);
        bench.anypoint.deploy(
            "orders-api",
            [("http.port", "8081")],
            [("db.user", "orders_app"), ("db.password", "first-password")],
        );
        bench
    }

    /// Starts the relay with these targets (YAML below `targets:`); the rest of the file is the same in
    /// every test.
    pub(crate) async fn start(&mut self, targets: &str) {
        let text = self.file(targets);
        self.start_with(&text).await;
    }

    /// Starts the relay with a whole configuration.
    pub(crate) async fn start_with(&mut self, text: &str) {
        self.start_as(text, identity()).await;
    }

    /// Starts the relay with a whole configuration and another identity at AWS.
    pub(crate) async fn start_as(&mut self, text: &str, identity: impl ProvideCredentials + 'static) {
        let config = self.parse(text);
        self.start_config(text, config, identity).await;
    }

    /// Starts the relay on another clock than the machine's.
    pub(crate) async fn start_at(&mut self, text: &str, clock: Arc<SetClock>) {
        let config = self.parse(text);
        let access = Access::with_credentials(config.aws.clone(), identity());
        self.start_on(text, config, access, Edges { clock, ..Edges::default() }).await;
    }

    /// Starts the relay among other names than the machine knows. A file may name hosts over HTTPS only, so
    /// `change` names them.
    pub(crate) async fn start_among(&mut self, text: &str, names: &Names, change: impl FnOnce(&mut Config)) {
        let mut config = self.parse(text);
        change(&mut config);
        let access = Access::with_credentials(config.aws.clone(), identity());
        let access = access.with_http_client(names.sdk_client());
        let edges = Edges { lookup: Arc::new(names.clone()), ..Edges::default() };
        self.start_on(text, config, access, edges).await;
    }

    /// Starts the relay with settings that no file may have.
    pub(crate) async fn start_beyond(&mut self, text: &str, change: impl FnOnce(&mut Config)) {
        let mut config = self.parse(text);
        change(&mut config);
        self.start_config(text, config, identity()).await;
    }

    async fn start_config(
        &mut self,
        text: &str,
        config: Config,
        identity: impl ProvideCredentials + 'static,
    ) {
        let access = Access::with_credentials(config.aws.clone(), identity);
        self.start_on(text, config, access, Edges::default()).await;
    }

    async fn start_on(&mut self, text: &str, config: Config, access: Access, edges: Edges) {
        text.clone_into(&mut self.config);
        let bound = App::build(config, access, edges).await.unwrap().bind().await.unwrap();
        let lifecycle = Lifecycle::default();
        self.relay = Some(Running {
            board: bound.board(),
            queue: bound.queue(),
            hooks: format!("http://{}", bound.hooks_addr().unwrap()),
            admin: format!("http://{}", bound.admin_addr().unwrap().unwrap()),
            ended: tokio::spawn(bound.run(lifecycle.clone(), Duration::from_secs(10))),
            lifecycle,
        });
    }

    /// A whole configuration with these targets.
    pub(crate) fn file(&self, targets: &str) -> String {
        let (aws, anypoint) = (&self.aws, &self.anypoint);
        format!(
            "listen: 127.0.0.1:0
admin: {{ listen: 127.0.0.1:0 }}
aws: {{ region: eu-west-1, endpoint: \"{endpoint}\", freshness: 500ms, settle: 100ms }}
{TIMERS}
ingress:
  sns:
    topics: [\"{topic}\"]
    emulator: {{ connect: \"{sns}\", extra_root: \"{root}\" }}
  eventbridge: {{ auth: {{ api_key: {{ header: x-api-key, value: {{ env: EVENTBRIDGE_KEY }} }} }} }}
  trigger: {{ keys: [ {{ id: ops, value: {{ env: TRIGGER_KEY }} }} ] }}
connections:
  prod:
    base_url: \"{base_url}\"
    client_id: {{ env: ANYPOINT_CLIENT_ID }}
    client_secret: {{ env: ANYPOINT_CLIENT_SECRET }}
    organization: {organization}
    environment: {environment}
targets:
{targets}
",
            endpoint = aws.endpoint_url(),
            topic = aws.topic("rotations").arn(),
            sns = aws.sns_tls_addr(),
            root = self.ca_file().display(),
            base_url = anypoint.base_url(),
            organization = anypoint.organization(),
            environment = anypoint.environment(),
        )
    }

    /// The root certificate of the sandbox, as a file.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Sets what stands at a credential's place (in the configuration: `{ env: NAME }`), at any time.
    pub(crate) fn set_credential(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
        std::fs::write(self.folder.path().join(name), value).unwrap();
    }

    fn parse(&self, text: &str) -> Config {
        for (name, value) in &self.environment {
            // Credentials are read from files, so that tests in one process don't share an environment.
            std::fs::write(self.folder.path().join(name), value).unwrap();
        }
        let text = text.replace("{ env: ", &format!("{{ file: {}/", self.folder.path().display()));
        let mut config =
            config::parse(&text, "relay.yaml", &|_| None).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
        for connection in config.connections.values_mut() {
            connection.rates.application_manager = APPLICATION_MANAGER_RATE;
        }
        config
    }

    /// Drains the relay and waits for its end.
    pub(crate) async fn stop(&mut self) -> Result<(), String> {
        let running = self.relay.take().expect("the relay runs");
        running.lifecycle.drain();
        running.ended.await.unwrap()
    }

    /// Stops the relay and starts it again with the same configuration, remembering nothing.
    pub(crate) async fn restart(&mut self) {
        self.stop().await.unwrap();
        let text = self.config.clone();
        self.start_with(&text).await;
    }

    fn relay(&self) -> &Running {
        self.relay.as_ref().expect("the relay runs")
    }

    /// The hooks listener.
    pub(crate) fn hooks(&self) -> &str {
        &self.relay().hooks
    }

    /// The admin listener.
    pub(crate) fn admin(&self) -> &str {
        &self.relay().admin
    }

    /// The status board.
    pub(crate) fn board(&self) -> &StatusBoard {
        &self.relay().board
    }

    /// Every rotation from now on is told through EventBridge.
    pub(crate) fn tell_by_eventbridge(&self) {
        self.aws.emit_on_rotation(&Sink::Destination(self.destination()));
    }

    /// An API destination that leads to the relay.
    pub(crate) fn destination(&self) -> ApiDestination {
        let url = format!("{}/hooks/eventbridge", self.hooks());
        let auth = Auth::ApiKey { header: "x-api-key".to_owned(), value: EVENTBRIDGE_KEY.to_owned() };
        self.aws.api_destination(url, auth)
    }

    /// Every rotation from now on is told through the SNS topic, to a confirmed subscription.
    pub(crate) async fn tell_by_sns(&self) {
        let topic = self.aws.topic("rotations");
        let subscription = topic.subscribe(format!("{}/hooks/sns", self.hooks()));
        subscription.confirmed(LIMIT).await;
        self.aws.emit_on_rotation(&Sink::Topic(topic));
    }

    /// Waits until the target is in sync and nothing is due for it.
    pub(crate) async fn in_sync(&self, target: &str) {
        self.ended_as(target, "in_sync").await;
    }

    /// Waits until the target's last run ended with this outcome and nothing is due for it.
    pub(crate) async fn ended_as(&self, target: &str, outcome: &str) {
        let target = name(target);
        let what = from_fn(|f| write!(f, "{target} {outcome}; it is {:?}", self.board().outcome(&target)));
        let ended = || {
            let resting = matches!(self.phase(&target), Phase::Idle | Phase::Parked);
            resting && self.board().outcome(&target).is_some_and(|last| last.label() == outcome)
        };
        wait_until(what, LIMIT, ended).await;
    }

    /// Waits until every replica runs with this value and the relay says so.
    pub(crate) async fn arrives(&self, app: &str, property: &str, value: &str) {
        let arrived = || {
            let running = self.running(app, property);
            !running.is_empty() && running.iter().all(|held| held == value)
        };
        wait_until("the new value at every replica", LIMIT, arrived).await;
        self.in_sync(app).await;
        assert!(arrived(), "in sync, and the replicas hold something else");
    }

    /// Waits until nothing is due for any target.
    pub(crate) async fn idle(&self) {
        wait_until("an idle queue", LIMIT, || self.relay().queue.is_idle()).await;
    }

    /// Waits for an outcome that `pick` accepts.
    pub(crate) async fn outcome<T>(&self, target: &str, pick: impl Fn(&Outcome) -> Option<T>) -> T {
        let target = name(target);
        wait_for("an outcome", LIMIT, || pick(&self.board().outcome(&target)?)).await
    }

    /// Where a target stands in the queue.
    pub(crate) fn phase_of(&self, target: &str) -> Phase {
        self.phase(&name(target))
    }

    /// How many keys the queue knows.
    pub(crate) fn keys(&self) -> usize {
        self.relay().queue.snapshot().keys.len()
    }

    fn phase(&self, target: &TargetName) -> Phase {
        self.relay().queue.snapshot().of(target).expect("a configured target").phase
    }

    /// What every replica of the application runs with right now, for one secure property.
    pub(crate) fn running(&self, app: &str, property: &str) -> Vec<String> {
        let replicas = self.anypoint.running(app);
        replicas.into_iter().map(|replica| replica.secure[property].clone()).collect()
    }
}

/// What the relay answered to SNS and EventBridge is held to `openapi.yaml` as well.
impl Drop for Bench {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for attempt in self.aws.deliveries() {
            let path = attempt.url.parse::<http::Uri>().unwrap().path().to_owned();
            let Some(status) = attempt.outcome.status().filter(|_| path.starts_with("/hooks/")) else {
                continue;
            };
            Spec::get().check("POST", &path, status, &attempt.headers, &attempt.body);
        }
    }
}

/// The relay's usual identity at AWS.
fn identity() -> Credentials {
    Credentials::new("AKIASANDBOX", "sandbox/secret/access/key", None, None, "sandbox")
}

/// A target's name.
pub(crate) fn name(text: &str) -> TargetName {
    TargetName::parse(text).unwrap()
}

/// The secret of [`Bench::orders`].
pub(crate) const ORDERS_SECRET: &str = r#"{"engine":"postgres","host":"db.internal","port":5432,"username":"orders_app","password":"first-password"}"#;

/// The target of [`Bench::orders`].
pub(crate) const ORDERS_TARGET: &str = "
  orders-api:
    kind: application
    platform: cloudhub2
    connection: prod
    deployment: orders-api
    coalesce: 10ms
    secure_properties:
      db.user: { secret: prod/orders/db, field: username }
      db.password: { secret: prod/orders/db, field: password }
";
