//! A fake AWS: Secrets Manager, SNS, STS and EventBridge, as their clients and endpoints see them.
//!
//! One plain endpoint takes what the SDK sends (`AWS_ENDPOINT_URL`); a second one, over TLS, is SNS under
//! its real host names, for its certificates and its SubscribeURL. Requests must be signed, but the
//! signature is not checked: the credential scope tells region and caller. Time is real time; the
//! delays of deliveries are scaled down and can be set.

mod caller;
mod delivery;
mod eventbridge;
pub mod events;
mod failure;
mod oauth;
mod outbox;
mod patterns;
mod query;
mod rules;
mod secrets;
mod sns;
mod sts;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use reqwest::Client;
use serde_json::json;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::caller::Scope;
pub use self::delivery::{Attempt, Outcome};
pub use self::eventbridge::{ApiDestination, Auth, BusPolicy, Sink};
pub use self::events::Source;
pub use self::failure::Failure;
pub use self::oauth::Grant;
pub use self::outbox::Order;
use self::query::Parameters;
pub use self::rules::Rule as EventRule;
pub use self::secrets::{
    CURRENT, Denied, Held, Operation, PENDING, PREVIOUS, Reads, Secret, StalePlan, Value,
};
use self::secrets::{Change, Secrets};
use self::sns::Sns;
pub use self::sns::{
    Confirmed, Kind, Publication, RetryPolicy, SnsMessage, Status, Subscription, Topic, timestamp,
};
pub use self::sts::Assumed;
use self::sts::Sts;
use crate::faults::{Faults, Rule};
use crate::pki::{Authority, SigningCertificate};
use crate::server::{RequestLog, Server, plain};

/// The region of everything that names no other.
pub const REGION: &str = "eu-west-1";
/// The account of the sandbox.
pub const ACCOUNT: &str = "123456789012";
/// The access key that [`Aws::environment`] gives.
pub const ACCESS_KEY: &str = "AKIASANDBOXSANDBOXSA";
/// The regions under whose SNS host names the TLS endpoint shows a certificate.
pub const SNS_REGIONS: [&str; 6] =
    [REGION, "us-east-1", "us-west-2", "eu-central-1", "ap-east-1", "cn-north-1"];

/// The fake AWS; clones are the same one. Its servers stop with the last clone.
#[derive(Clone, Debug)]
pub struct Aws {
    core: Arc<Core>,
    servers: Arc<Servers>,
}

#[derive(Debug)]
struct Servers {
    api: Server,
    sns: Server,
    _stop: DropGuard,
}

/// The state that the servers and the handles share.
#[derive(Debug)]
pub(crate) struct Core {
    account: String,
    authority: Authority,
    secrets: Secrets,
    sns: Sns,
    sts: Sts,
    bus: eventbridge::Bus,
    rules: rules::Rules,
    client: Client,
    stop: CancellationToken,
}

impl Core {
    /// Runs until it ends or the sandbox does.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = task => {}
            }
        });
    }

    fn announce(self: &Arc<Self>, changes: &[Change]) {
        eventbridge::announce(self, changes);
    }
}

impl Aws {
    /// Starts it on free loopback ports.
    pub async fn start() -> Self {
        let authority = Authority::new();
        let stop = CancellationToken::new();
        let core = Arc::new(Core {
            account: ACCOUNT.to_owned(),
            secrets: Secrets::default(),
            sns: Sns::new(authority.signing_certificate().issue()),
            sts: Sts::default(),
            bus: eventbridge::Bus::default(),
            rules: rules::Rules::default(),
            client: delivery::client(&authority),
            authority: authority.clone(),
            stop: stop.clone(),
        });
        let mut hosts = SNS_REGIONS.map(sns::host).to_vec();
        hosts.push(format!("secretsmanager.{REGION}.amazonaws.com"));
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        let router = || Router::new().fallback(entry).with_state(Arc::clone(&core));
        let servers = Servers {
            api: Server::builder(router()).tag(operation).start().await,
            sns: Server::builder(router()).tag(operation).tls(authority.server_config(&hosts)).start().await,
            _stop: stop.drop_guard(),
        };
        Self { core, servers: Arc::new(servers) }
    }

    /// The endpoint for the SDK, `http://127.0.0.1:<port>`.
    pub fn endpoint_url(&self) -> String {
        self.servers.api.url()
    }

    /// The variables under which the SDK of a child process finds this AWS.
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", self.endpoint_url().as_str()),
            ("AWS_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", "sandbox/secret/access/key"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// The faults of the SDK's endpoint; requests are tagged with the operation, e.g. `GetSecretValue`.
    pub fn faults(&self) -> &Faults {
        self.servers.api.faults()
    }

    /// What the SDK's endpoint was asked.
    pub fn log(&self) -> &RequestLog {
        self.servers.api.log()
    }

    /// SNS under its real names (`sns.<region>.amazonaws.com`), and Secrets Manager of [`REGION`] under
    /// its own: connect here instead, and trust [`Self::ca_pem`].
    pub fn sns_tls_addr(&self) -> SocketAddr {
        self.servers.sns.addr()
    }

    /// The faults of SNS's TLS endpoint; the certificates have the tag `certificate`.
    pub fn sns_faults(&self) -> &Faults {
        self.servers.sns.faults()
    }

    /// What SNS's TLS endpoint was asked.
    pub fn sns_log(&self) -> &RequestLog {
        self.servers.sns.log()
    }

    /// The root certificate to trust.
    pub fn ca_pem(&self) -> &str {
        self.core.authority.pem()
    }

    /// The authority, for further servers and signing certificates.
    pub fn authority(&self) -> &Authority {
        &self.core.authority
    }

    /// Creates a secret in [`REGION`].
    pub fn create_secret(&self, name: &str, value: impl Into<Value>) -> Secret {
        self.create_secret_in(REGION, name, value)
    }

    /// Creates a secret in a region.
    pub fn create_secret_in(&self, region: &str, name: &str, value: impl Into<Value>) -> Secret {
        Secret::create(Arc::clone(&self.core), region, name, value.into())
    }

    /// A secret of [`REGION`] by name or ARN.
    pub fn secret(&self, id: &str) -> Option<Secret> {
        Secret::existing(Arc::clone(&self.core), REGION, id)
    }

    /// Answers the next calls to Secrets Manager, this many, with ThrottlingException.
    pub fn throttle(&self, calls: u64) {
        self.core.secrets.lock().throttle(calls);
    }

    /// Refuses ListSecrets, or allows it again.
    pub fn deny_lists(&self, denied: bool) {
        self.core.secrets.lock().deny_lists(denied);
    }

    /// How often ListSecrets was called.
    pub fn lists(&self) -> u64 {
        self.core.secrets.lock().lists()
    }

    /// The topic of this name in [`REGION`], new or not.
    pub fn topic(&self, name: &str) -> Topic {
        self.topic_in(REGION, name)
    }

    /// The topic of this name in a region, new or not.
    pub fn topic_in(&self, region: &str, name: &str) -> Topic {
        Topic::create(Arc::clone(&self.core), region, name)
    }

    /// How SNS tries again, from the next message on.
    pub fn set_sns_policy(&self, policy: RetryPolicy) {
        self.core.sns.lock().set_policy(policy);
    }

    /// Signs with this certificate from now on; gives the URL path under which it is served. The former
    /// ones stay where they are.
    pub fn set_signing_certificate(&self, certificate: SigningCertificate) -> String {
        self.core.sns.lock().set_signing(certificate)
    }

    /// Serves a file like a certificate; gives its URL path.
    pub fn serve_certificate(&self, pem: &str) -> String {
        self.core.sns.lock().add_certificate(pem)
    }

    /// Signs a message with the current certificate and gives its body. `SigningCertURL` is filled in
    /// where it is empty, for the region of the topic.
    pub fn sign_notification(&self, message: &mut SnsMessage) -> String {
        let region = message.topic_arn.split(':').nth(3).unwrap_or_default().to_owned();
        self.core.sns.lock().sign(&region, message);
        message.body()
    }

    /// A new API destination.
    pub fn api_destination(&self, url: impl Into<String>, auth: Auth) -> ApiDestination {
        ApiDestination::create(Arc::clone(&self.core), url.into(), auth)
    }

    /// A rule as EventBridge's API shows it, which leads to this destination.
    pub fn event_rule(&self, name: &str, pattern: &serde_json::Value, to: &ApiDestination) -> EventRule {
        EventRule::create(Arc::clone(&self.core), name, pattern, to)
    }

    /// From now on, native events (label moves) go to this sink too.
    pub fn emit_on_rotation(&self, sink: &Sink) {
        self.emit(Source::Native, sink);
    }

    /// From now on, events of this source go to this sink too.
    pub fn emit(&self, source: Source, sink: &Sink) {
        self.core.bus.add_rule(source, sink);
    }

    /// Whether the creation of a secret brings a native event as well: not confirmed of AWS. It does by
    /// default.
    pub fn set_creation_events(&self, told: bool) {
        self.core.secrets.lock().set_creation_events(told);
    }

    /// Sends events nowhere any more.
    pub fn stop_emitting(&self) {
        self.core.bus.clear_rules();
    }

    /// All attempts of SNS and EventBridge to deliver something, to whom it may be.
    pub fn deliveries(&self) -> Vec<Attempt> {
        let mut all = self.core.bus.attempts();
        all.extend(self.core.sns.lock().attempts());
        all
    }

    /// The same, and forgets them: for those who send for hours.
    pub fn take_deliveries(&self) -> Vec<Attempt> {
        let mut all = self.core.bus.take_attempts();
        all.extend(self.core.sns.lock().take_attempts());
        all
    }

    /// The roles that were assumed, oldest first.
    pub fn assumed_roles(&self) -> Vec<Assumed> {
        self.core.sts.assumed()
    }

    /// Refuses AssumeRole for a role, or allows it again.
    pub fn deny_role(&self, role_arn: &str, denied: bool) {
        if denied {
            self.core.sts.deny_role(role_arn);
        } else {
            self.core.sts.allow_role(role_arn);
        }
    }

    /// How long the credentials of a role last from now on; an hour by default.
    pub fn set_session_lifetime(&self, lifetime: Duration) {
        self.core.sts.set_lifetime(lifetime);
    }

    /// Answers every call with this access key with this failure (e.g. `ExpiredTokenException`,
    /// `UnrecognizedClientException`), or no longer.
    pub fn refuse_key(&self, access_key: &str, failure: Option<Failure>) {
        match failure {
            Some(failure) => self.core.sts.refuse_key(access_key, failure),
            None => self.core.sts.accept_key(access_key),
        }
    }
}

/// A rule that answers as Secrets Manager does when it fails, e.g. 500 `InternalServiceError`.
pub fn secrets_error(status: u16, code: &str, message: &str) -> Rule {
    Rule::status(status)
        .header("content-type", "application/x-amz-json-1.1")
        .body(json!({"__type": code, "message": message}).to_string())
}

/// A rule that answers as SNS does when it fails, e.g. 403 `AuthorizationError`, 500 `InternalError`.
pub fn sns_error(status: u16, code: &str, message: &str) -> Rule {
    let status_code = StatusCode::from_u16(status).expect("a status code");
    let failure = Failure::sender(code, message).with_status(status_code);
    Rule::status(status).header("content-type", "text/xml").body(failure.xml_text(sns::NAMESPACE))
}

/// What a request asks for: the operation of a call, `certificate`, or nothing.
fn operation(parts: &Parts, body: &Bytes) -> String {
    if let Some(target) = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()) {
        return target.rsplit('.').next().unwrap_or_default().to_owned();
    }
    if is_certificate(parts) {
        return "certificate".to_owned();
    }
    parameters(parts, body).get("Action").unwrap_or_default().to_owned()
}

fn is_certificate(parts: &Parts) -> bool {
    parts.method == Method::GET && parts.uri.path().strip_suffix(".pem").is_some()
}

fn parameters(parts: &Parts, body: &Bytes) -> Parameters {
    match parts.method {
        Method::GET => Parameters::parse(parts.uri.query().unwrap_or_default()),
        _ => Parameters::parse(&String::from_utf8_lossy(body)),
    }
}

async fn entry(State(core): State<Arc<Core>>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return plain(StatusCode::BAD_REQUEST, "the body could not be read");
    };
    dispatch(&core, &parts, &body.to_bytes())
}

fn dispatch(core: &Arc<Core>, parts: &Parts, body: &Bytes) -> Response<Body> {
    if is_certificate(parts) {
        let sns = core.sns.lock();
        return match sns.certificate(parts.uri.path()) {
            Some(pem) => failure::respond(StatusCode::OK, "application/x-pem-file", pem.to_owned()),
            None => plain(StatusCode::NOT_FOUND, "no such certificate"),
        };
    }
    let scope = Scope::of(&parts.headers);
    if let Some(target) = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()) {
        let caller = scope.and_then(|scope| scope.identify(&core.sts, &core.account));
        return match (target.split_once('.'), caller) {
            (_, Err(failure)) => failure.json(),
            (Some(("secretsmanager", operation)), Ok(caller)) => {
                secrets::serve(core, &caller, operation, body)
            }
            (Some(("AWSEvents", operation)), Ok(caller)) => rules::serve(core, &caller, operation, body),
            _ => plain(StatusCode::NOT_FOUND, "the sandbox does not have this service"),
        };
    }
    let parameters = parameters(parts, body);
    let Ok(scope) = scope else { return sns::serve(core, None, &parameters) };
    match (scope.service, scope.identify(&core.sts, &core.account)) {
        ("sts", Ok(caller)) => core.sts.serve(&caller, &parameters),
        ("sts", Err(failure)) => failure.xml(sts::NAMESPACE),
        (_, Ok(caller)) => sns::serve(core, Some(&caller), &parameters),
        (_, Err(failure)) => failure.xml(sns::NAMESPACE),
    }
}
