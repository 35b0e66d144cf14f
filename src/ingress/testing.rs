//! Fakes of the ports, and requests as the three senders make them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::ports::{
    Alert, Answer, CertificateFault, Certificates, Confirmer, DedupId, Hint, Intake, Subject, TargetReport,
    Ticket, TokenKeys, TokenKeysFault,
};
use super::{IngressState, Parts, router};
use crate::clock::TestClock;
use crate::config::{
    Confirm, EventBridgeAuth, EventBridgeIngress, Ingress, Limits, SnsEmulator, SnsIngress, TriggerIngress,
    TriggerKey, TriggerKeyKind,
};
use crate::credential::{CredentialError, CredentialRef, Credentials};
use crate::http::Readiness;
use crate::http::contract::Spec;
use crate::http::envelope::Sealed;
use crate::model::{Failure, FailureCode, Outcome, Retry, TargetName, TopicArn};
use crate::secret::SecretValue;
use crate::status::RunNo;
use crate::status::StatusBoard;
use crate::telemetry::audit::Audit;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::Traces;
use crate::verify::sns::testing::{self as sns, CertificateShape, TOPIC};
use crate::webhook_signature;

pub(crate) const API_KEY: &str = "eventbridge-key-of-the-tests";
pub(crate) const TRIGGER_KEY: &str = "trigger-key-of-the-tests-24-bytes";
pub(crate) const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/orders/db-a1B2c3";
pub(crate) const TARGET: &str = "orders-api";
pub(crate) const BODY_LIMIT: usize = 64 * 1024;

/// An intake with one target that uses one secret.
#[derive(Default)]
pub(crate) struct FakeIntake {
    pub(crate) hints: Mutex<Vec<Hint>>,
    pub(crate) alerts: Mutex<Vec<Alert>>,
    pub(crate) closed_after: Mutex<Option<usize>>,
    pub(crate) not_of_interest: Mutex<Option<&'static str>>,
    pub(crate) outcome: Mutex<Option<Outcome>>,
    /// Whether `settle` never ends by itself.
    pub(crate) stuck: Mutex<bool>,
    seen: Mutex<BTreeSet<String>>,
}

#[async_trait]
impl Intake for FakeIntake {
    fn offer(&self, hint: Hint) -> Answer {
        if self.closed_after.lock().unwrap().is_some_and(|limit| self.hints.lock().unwrap().len() >= limit) {
            return Answer::Closed;
        }
        if self.seen.lock().unwrap().contains(hint.id.as_str()) {
            return Answer::Duplicate;
        }
        if let Some(why) = *self.not_of_interest.lock().unwrap() {
            return Answer::NotOfInterest(why);
        }
        let known = match &hint.subject {
            Subject::Event(event) => event.secret.text == SECRET,
            Subject::Secret(secret) => secret == SECRET,
            Subject::Target(target) => target.as_str() == TARGET,
            Subject::All => true,
        };
        if !known {
            return Answer::NotConfigured;
        }
        self.seen.lock().unwrap().insert(hint.id.as_str().to_owned());
        self.hints.lock().unwrap().push(hint);
        Answer::Accepted(Ticket { targets: vec![(TargetName::parse(TARGET).unwrap(), RunNo::default())] })
    }

    async fn settle(&self, ticket: Ticket, _: Duration) -> Vec<TargetReport> {
        if *self.stuck.lock().unwrap() {
            std::future::pending::<()>().await;
        }
        let outcome = self.outcome.lock().unwrap().clone();
        ticket.due().into_iter().map(|report| TargetReport { outcome: outcome.clone(), ..report }).collect()
    }

    fn knows(&self, id: &DedupId) -> bool {
        self.seen.lock().unwrap().contains(id.as_str())
    }

    fn remember(&self, id: &DedupId) {
        self.seen.lock().unwrap().insert(id.as_str().to_owned());
    }

    fn alert(&self, alert: Alert) {
        self.alerts.lock().unwrap().push(alert);
    }
}

pub(crate) struct FakeCertificates {
    pub(crate) answer: Mutex<Result<Arc<[u8]>, CertificateFault>>,
    pub(crate) fetches: AtomicUsize,
    pub(crate) rejected: AtomicUsize,
    /// Whether a fetch never ends by itself.
    pub(crate) stuck: Mutex<bool>,
}

#[async_trait]
impl Certificates for FakeCertificates {
    async fn fetch(&self, _: &str) -> Result<Arc<[u8]>, CertificateFault> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        if *self.stuck.lock().unwrap() {
            std::future::pending::<()>().await;
        }
        self.answer.lock().unwrap().clone()
    }

    fn reject(&self, _: &str, _: &Arc<[u8]>) {
        self.rejected.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Default)]
pub(crate) struct FakeConfirmer {
    pub(crate) fails: Mutex<bool>,
    pub(crate) confirmed: Mutex<Vec<(TopicArn, String)>>,
}

#[async_trait]
impl Confirmer for FakeConfirmer {
    async fn confirm(&self, topic: &TopicArn, token: &str) -> Result<(), Failure> {
        if *self.fails.lock().unwrap() {
            let (message, next) = ("internal text: no permission", "grant sns:ConfirmSubscription");
            return Err(Failure::new(FailureCode::Denied, Retry::Slowly, message, next));
        }
        self.confirmed.lock().unwrap().push((topic.clone(), token.to_owned()));
        Ok(())
    }
}

/// An issuer that publishes these keys; none while it cannot be reached.
#[derive(Default)]
pub(crate) struct FakeIssuer(pub(crate) Mutex<Option<Bytes>>);

#[async_trait]
impl TokenKeys for FakeIssuer {
    async fn fetch(&self) -> Result<Bytes, TokenKeysFault> {
        let published = self.0.lock().unwrap().clone();
        published.ok_or_else(|| TokenKeysFault("internal text: no route".to_owned()))
    }
}

/// Credentials by the name of an environment variable that nobody sets.
#[derive(Default)]
pub(crate) struct FakeCredentials(pub(crate) Mutex<BTreeMap<String, String>>);

#[async_trait]
impl Credentials for FakeCredentials {
    async fn read(&self, place: &CredentialRef) -> Result<SecretValue, CredentialError> {
        let values = self.0.lock().unwrap();
        let found = match place {
            CredentialRef::Env(name) => values.get(name).cloned(),
            CredentialRef::File(_) | CredentialRef::AwsSecret(..) => None,
        };
        let missing = || CredentialError { place: place.to_string(), reason: "missing".to_owned() };
        found.map(SecretValue::from).ok_or_else(missing)
    }
}

/// The hooks with all their fakes within reach.
pub(crate) struct App {
    pub(crate) clock: TestClock,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) intake: Arc<FakeIntake>,
    pub(crate) certificates: Arc<FakeCertificates>,
    pub(crate) confirmer: Arc<FakeConfirmer>,
    pub(crate) issuer: Arc<FakeIssuer>,
    pub(crate) credentials: Arc<FakeCredentials>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) config: Ingress,
    pub(crate) limits: Limits,
}

impl App {
    /// Everything enabled and fine.
    pub(crate) fn new() -> Self {
        let readiness = Readiness::default();
        readiness.started();
        readiness.reconciled();
        let pem: Arc<[u8]> = sns::certificate(&CertificateShape::default()).into_bytes().into();
        let credentials = FakeCredentials::default();
        credentials.0.lock().unwrap().extend([
            ("EVENTBRIDGE_KEY".to_owned(), API_KEY.to_owned()),
            ("TRIGGER_KEY".to_owned(), TRIGGER_KEY.to_owned()),
        ]);
        Self {
            clock: TestClock::at(now()),
            readiness: Arc::new(readiness),
            intake: Arc::default(),
            certificates: Arc::new(FakeCertificates {
                answer: Mutex::new(Ok(pem)),
                fetches: AtomicUsize::new(0),
                rejected: AtomicUsize::new(0),
                stuck: Mutex::default(),
            }),
            confirmer: Arc::default(),
            issuer: Arc::default(),
            credentials: Arc::new(credentials),
            metrics: Arc::new(Metrics::new([])),
            config: config(),
            limits: Limits {
                body_bytes: BODY_LIMIT,
                request_timeout: Duration::from_secs(4),
                concurrency: 16,
                failed_attempts: 30,
                trusted_proxies: Vec::new(),
            },
        }
    }

    pub(crate) fn parts(&self) -> Parts {
        Parts {
            clock: Arc::new(self.clock.clone()),
            readiness: Arc::clone(&self.readiness),
            intake: Arc::clone(&self.intake) as _,
            certificates: Arc::clone(&self.certificates) as _,
            confirmer: Arc::clone(&self.confirmer) as _,
            token_keys: Some(Arc::clone(&self.issuer) as _),
            credentials: Arc::clone(&self.credentials) as _,
            board: Arc::new(StatusBoard::new([], [])),
            metrics: Arc::clone(&self.metrics),
            audit: Arc::new(Audit::off()),
            traces: Arc::new(Traces::off()),
        }
    }

    pub(crate) async fn router(&self) -> Sealed {
        router(IngressState::open(&self.config, self.limits.clone(), self.parts()).await.unwrap())
    }

    /// One request through a fresh router.
    pub(crate) async fn ask(&self, request: Request) -> Reply {
        ask(&self.router().await, request).await
    }

    /// The value of `relay_notifications_total` for these labels.
    pub(crate) fn counted(&self, route: &str, verdict: &str) -> u64 {
        let sample = format!("relay_notifications_total{{route=\"{route}\",verdict=\"{verdict}\"}} ");
        let text = self.metrics.encode();
        text.lines().find_map(|line| line.strip_prefix(&sample)).map_or(0, |count| count.parse().unwrap())
    }

    /// The value of `relay_refused_total` for these labels.
    pub(crate) fn refused(&self, route: &str, reason: &str) -> u64 {
        let sample = format!("relay_refused_total{{route=\"{route}\",reason=\"{reason}\"}} ");
        let text = self.metrics.encode();
        text.lines().find_map(|line| line.strip_prefix(&sample)).map_or(0, |count| count.parse().unwrap())
    }

    pub(crate) fn hints(&self) -> Vec<Hint> {
        self.intake.hints.lock().unwrap().clone()
    }
}

/// Parts with nothing special about them.
pub(crate) fn parts() -> Parts {
    App::new().parts()
}

/// The time at which all fixtures were sent.
pub(crate) fn now() -> Timestamp {
    sns::sent()
}

fn config() -> Ingress {
    let env = |name: &str| CredentialRef::Env(name.to_owned());
    Ingress {
        sns: Some(SnsIngress {
            topics: vec![TopicArn::parse(TOPIC).unwrap()],
            confirm: Confirm::Auto,
            require_version_2: false,
            max_age: Duration::from_mins(75),
            max_ahead: Duration::from_mins(5),
            emulator: SnsEmulator { connect: None, extra_root: None::<PathBuf>, certificate_path: None },
        }),
        eventbridge: Some(EventBridgeIngress {
            rule: None,
            auth: EventBridgeAuth::ApiKey {
                header: "x-api-key".to_owned(),
                values: vec![env("EVENTBRIDGE_KEY")],
            },
            accounts: BTreeSet::new(),
            regions: BTreeSet::new(),
        }),
        trigger: Some(TriggerIngress {
            keys: vec![TriggerKey { id: "ops".to_owned(), key: TriggerKeyKind::Shared(env("TRIGGER_KEY")) }],
            tolerance: Duration::from_mins(5),
        }),
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Reply {
    /// Status and `code` or `result`: what each cell of the table is about.
    pub(crate) fn cell(&self) -> (u16, &str) {
        let word = self.body.get("code").or_else(|| self.body.get("result"));
        (self.status.as_u16(), word.and_then(Value::as_str).unwrap_or("none"))
    }
}

/// For a server of axum's.
pub(crate) fn bare(router: Sealed) -> axum::Router {
    axum::Router::new().fallback(move |request| {
        let router = router.clone();
        async move { router.answer(request).await }
    })
}

/// Sends a request and holds the answer to `openapi.yaml`.
pub(crate) async fn ask(router: &Sealed, request: Request) -> Reply {
    let (method, uri) = (request.method().clone(), request.uri().to_string());
    let response = router.answer(request).await;
    let (head, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, 1_000_000).await.unwrap();
    Spec::get().check(method.as_str(), &uri, head.status.as_u16(), &head.headers, &bytes);
    Reply {
        status: head.status,
        headers: head.headers,
        body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    }
}

/// A native event about the configured secret.
pub(crate) fn event(id: &str) -> Value {
    event_about(id, SECRET)
}

pub(crate) fn event_about(id: &str, secret: &str) -> Value {
    json!({
        "version": "0", "id": id, "detail-type": "Secret Label Updated", "source": "aws.secretsmanager",
        "account": "123456789012", "time": "2027-03-01T08:59:58Z", "region": "eu-west-1",
        "resources": [secret],
        "detail": {
            "name": "prod/orders/db", "labelUpdated": "AWSCURRENT",
            "versionId": "5d3b0d34-8f5e-4c57-a1a5-1c9f4f6f2b11",
        },
    })
}

pub(crate) fn get(path: &str) -> Request {
    Request::builder().uri(path).body(Body::empty()).unwrap()
}

pub(crate) fn post(path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request {
    let request = Request::builder().method("POST").uri(path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(body.into()).unwrap()
}

/// A request as SNS makes it.
pub(crate) fn sns_post(draft: &sns::Draft) -> Request {
    let kind = draft.0["Type"].as_str();
    let headers = [("content-type", "text/plain; charset=UTF-8"), ("x-amz-sns-message-type", kind)];
    post("/hooks/sns", &headers, draft.body())
}

/// A signed notification with this content.
pub(crate) fn notification(message: &Value) -> sns::Draft {
    sns::Draft::notification(&message.to_string()).signed()
}

/// A request as EventBridge makes it.
pub(crate) fn eventbridge_post(body: &Value) -> Request {
    let headers = [("x-api-key", API_KEY), ("range", "bytes=0-1048575"), ("connection", "close")];
    post("/hooks/eventbridge", &headers, body.to_string())
}

/// A signed trigger.
pub(crate) fn trigger_post(path: &str, id: &str, body: &Value) -> Request {
    trigger_signed(path, id, &body.to_string(), now(), TRIGGER_KEY)
}

pub(crate) fn trigger_signed(path: &str, id: &str, body: &str, at: Timestamp, key: &str) -> Request {
    let signature = webhook_signature::sign(id, at.as_second(), body.as_bytes(), key.as_bytes());
    let at = at.as_second().to_string();
    let headers = [("webhook-id", id), ("webhook-timestamp", &at), ("webhook-signature", &signature)];
    post(path, &headers, body.to_owned())
}
