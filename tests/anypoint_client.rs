//! The Anypoint side against a control plane that misbehaves.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail their test")]

#[path = "anypoint_client/fake.rs"]
mod fake;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anypoint_relay::anypoint::call::{Call, Family, Path, Purpose, Verb};
use anypoint_relay::anypoint::{Connection, Connections, HttpClients, Pacers, build};
use anypoint_relay::clock::{Clock, TestClock};
use anypoint_relay::config::{
    self, ApplicationTarget, Expiry, HttpTarget, Platform, SecretValueTarget, SharedSecretContent,
    SharedSecretTarget, TargetKind,
};
use anypoint_relay::credential::{CredentialError, CredentialRef, Credentials};
use anypoint_relay::model::{
    ConnectionName, Failure, FailureCode, Mark, Receipt, Retry, SecretRef, Selector, Stamp, TargetName,
    ValueSource, VersionId, VersionSeen, Wanted,
};
use anypoint_relay::secret::SecretValue;
use anypoint_relay::sync::ports::{
    Applied, ApplyError, FetchedSecret, Observed, SecretContent, Stage, Target,
};
use anypoint_relay::sync::values::Values;
use fake::{Answer, ENV, Fake, ORG};
use serde_json::json;

const CANARY: &str = "c4n4ry-V4lu3";
const CLIENT_SECRET: &str = "c4n4ry-Cl13nt";
const KEY: &str = "c4n4ry-signing-key-0123456789";

/// Credentials by the name of their variable; they can be replaced.
struct Fixed {
    client_secret: Mutex<String>,
    reads: AtomicUsize,
}

#[async_trait::async_trait]
impl Credentials for Fixed {
    async fn read(&self, place: &CredentialRef) -> Result<SecretValue, CredentialError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        Ok(SecretValue::from(match place.to_string().as_str() {
            "environment variable ID" => "app-id".to_owned(),
            "environment variable KEY" => KEY.to_owned(),
            _ => self.client_secret.lock().unwrap().clone(),
        }))
    }
}

struct World {
    fake: Fake,
    clock: TestClock,
    credentials: Arc<Fixed>,
    pacers: Pacers,
    timeout: Duration,
}

impl World {
    fn new() -> Self {
        Self {
            fake: Fake::start(),
            clock: TestClock::at("2026-03-06T20:00:00Z".parse().unwrap()),
            credentials: Arc::new(Fixed {
                client_secret: Mutex::new(CLIENT_SECRET.to_owned()),
                reads: AtomicUsize::new(0),
            }),
            pacers: Pacers::default(),
            timeout: Duration::from_secs(10),
        }
    }

    fn connection(&self) -> Arc<Connection> {
        let variable = |name: &str| CredentialRef::Env(name.to_owned());
        let config = config::Connection {
            name: name(),
            base_url: format!("http://{}", self.fake.address),
            client_id: variable("ID"),
            client_secret: variable("SECRET"),
            organization: ORG.to_owned(),
            environment: ENV.to_owned(),
            application_manager_rate: 12.0,
            max_rolling: 5,
            timeout: self.timeout,
            extra_root: None,
        };
        let credentials = Arc::<Fixed>::clone(&self.credentials);
        Arc::new(Connection::open(&config, credentials, &self.pacers, Arc::new(self.clock.clone())).unwrap())
    }

    fn target(&self, kind: TargetKind) -> Arc<dyn Target> {
        let connections: Connections = [(name(), self.connection())].into();
        let target =
            config::Target { name: TargetName::parse("orders").unwrap(), coalesce: Duration::ZERO, kind };
        let credentials: Arc<dyn Credentials> = Arc::<Fixed>::clone(&self.credentials);
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        build(&target, &connections, &credentials, &clock, &HttpClients::default()).unwrap()
    }

    fn http(&self, values: BTreeMap<String, ValueSource>) -> TargetKind {
        TargetKind::Http(HttpTarget {
            url: format!("http://{}/flow", self.fake.address),
            key: CredentialRef::Env("KEY".to_owned()),
            values,
            watch: [secret()].into(),
            timeout: self.timeout,
        })
    }

    fn every_kind(&self) -> [TargetKind; 4] {
        let values = BTreeMap::from([("password".to_owned(), field("password"))]);
        [application(), shared_secret(), secret_value(), self.http(values)]
    }
}

fn name() -> ConnectionName {
    ConnectionName::parse("prod").unwrap()
}

fn secret() -> SecretRef {
    SecretRef::new("prod/orders/db", None, None).unwrap()
}

fn field(name: &str) -> ValueSource {
    ValueSource::Secret(secret(), Selector::Field(name.to_owned()))
}

fn seen() -> VersionSeen {
    VersionSeen { version: VersionId::parse("00000000-0000-4000-8000-000000000001").unwrap(), created: None }
}

fn values(password: &str) -> Values {
    let mut values = Values::default();
    let text = json!({"username": "app_b", "password": password}).to_string();
    values.insert(secret(), FetchedSecret { seen: seen(), content: SecretContent::Text(text.into()) });
    values
}

fn receipt(before: Option<Mark>) -> Receipt {
    let wanted = Wanted { versions: [(secret(), seen())].into(), mapping: "m".to_owned() };
    Receipt::of(&wanted, Stamp::fresh(), before)
}

fn application() -> TargetKind {
    TargetKind::Application(ApplicationTarget {
        connection: name(),
        platform: Platform::CloudHub2,
        deployment: "orders".to_owned(),
        properties: BTreeMap::new(),
        secure_properties: [
            ("db.user".to_owned(), field("username")),
            ("db.password".to_owned(), field("password")),
        ]
        .into(),
        watch: BTreeSet::new(),
        forget: BTreeSet::new(),
        receipt_property: "relay.receipt".to_owned(),
        roll_limit: Duration::from_mins(15),
        supersede: false,
    })
}

fn shared_secret() -> TargetKind {
    TargetKind::SharedSecret(SharedSecretTarget {
        connection: name(),
        group: "rotated".to_owned(),
        name: "orders-db".to_owned(),
        content: SharedSecretContent::UsernamePassword {
            username: field("username"),
            password: field("password"),
        },
        expiry: Expiry::Keep,
    })
}

fn secret_value() -> TargetKind {
    TargetKind::SecretValue(SecretValueTarget {
        connection: name(),
        secret_id: "orders/db".to_owned(),
        path: "/secrets/api/v1/organizations/{organization}/environments/{environment}/secrets/{secret}"
            .to_owned(),
        value: field("password"),
    })
}

fn read_call() -> Call {
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

async fn send(
    observed: Box<dyn Observed>,
    values: &Values,
    receipt: &Receipt,
) -> Result<Applied, ApplyError> {
    observed.prepare(values, receipt).map_err(ApplyError::before)?.send().await
}

async fn deliver(target: &Arc<dyn Target>, password: &str) -> Result<Applied, ApplyError> {
    let observed = target.observe().await.map_err(ApplyError::before)?;
    let receipt = receipt(observed.observation().mark.clone());
    send(observed, &values(password), &receipt).await
}

async fn observe_failure(target: &Arc<dyn Target>) -> Failure {
    target.observe().await.err().expect("the look fails")
}

// Token

#[tokio::test]
async fn calls_that_come_together_share_one_token() {
    let world = World::new();
    let connection = world.connection();
    let calls = futures_util::future::join_all((0..3).map(|_| connection.send(read_call()))).await;
    assert!(calls.iter().all(Result::is_ok));
    assert_eq!(world.fake.seen("POST", "/token").len(), 1);
    assert_eq!(world.fake.seen("GET", "/deployments")[0].header("authorization"), "Bearer token-1");
}

#[tokio::test]
async fn waiters_share_a_failed_mint_and_the_next_call_tries_again() {
    let world = World::new();
    let connection = world.connection();
    world.fake.fault("POST", "/token", Answer::Echo(401, vec![]));
    let calls = futures_util::future::join_all((0..3).map(|_| connection.send(read_call()))).await;
    for call in calls {
        let failure = call.err().unwrap().failure;
        assert_eq!((failure.code, failure.retry), (FailureCode::Unauthenticated, Retry::Slowly));
        assert!(failure.next_step.contains("environment variable SECRET"), "{}", failure.next_step);
    }
    assert_eq!(world.fake.seen("POST", "/token").len(), 1);
    assert!(connection.send(read_call()).await.is_ok());
}

#[tokio::test]
async fn a_refused_token_is_renewed_and_the_call_repeated_once() {
    let world = World::new();
    let connection = world.connection();
    world.fake.fault("GET", "/deployments", Answer::Json(401, json!({})));
    assert!(connection.send(read_call()).await.is_ok());
    let calls = world.fake.seen("GET", "/deployments");
    let tokens: Vec<&str> = calls.iter().map(|call| call.header("authorization")).collect();
    assert_eq!(tokens, ["Bearer token-1", "Bearer token-2"]);

    for _ in 0..2 {
        world.fake.fault("GET", "/deployments", Answer::Json(401, json!({})));
    }
    let failure = connection.send(read_call()).await.err().unwrap().failure;
    assert_eq!(failure.code, FailureCode::Unauthenticated);
    assert_eq!(world.fake.seen("GET", "/deployments").len(), 4);
}

#[tokio::test]
async fn a_rotated_client_secret_is_picked_up() {
    let world = World::new();
    let connection = world.connection();
    connection.send(read_call()).await.ok().unwrap();
    world.fake.state().client_secret = Some("rotated".to_owned());
    *world.credentials.client_secret.lock().unwrap() = "rotated".to_owned();
    world.fake.fault("GET", "/deployments", Answer::Json(401, json!({})));
    assert!(connection.send(read_call()).await.is_ok());
    assert_eq!(world.fake.seen("POST", "/token")[1].json()["client_secret"], "rotated");
}

#[tokio::test]
async fn a_token_is_renewed_at_four_fifths_of_its_life_and_used_to_its_end() {
    let world = World::new();
    let connection = world.connection();
    let minted = || world.fake.seen("POST", "/token").len();
    connection.send(read_call()).await.ok().unwrap();
    world.clock.advance(Duration::from_mins(47));
    connection.send(read_call()).await.ok().unwrap();
    assert_eq!(minted(), 1);

    world.clock.advance(Duration::from_mins(2));
    world.fake.fault("POST", "/token", Answer::Json(500, json!({})));
    connection.send(read_call()).await.ok().unwrap();
    assert_eq!(minted(), 2);
    connection.send(read_call()).await.ok().unwrap();
    assert_eq!(minted(), 2, "the renewal pauses after a failure");

    world.clock.advance(Duration::from_mins(1));
    connection.send(read_call()).await.ok().unwrap();
    assert_eq!(minted(), 3);
    let last = world.fake.seen("GET", "/deployments").pop().unwrap();
    assert_eq!(last.header("authorization"), "Bearer token-2");
}

// Limits and trouble

#[tokio::test]
async fn a_429_cools_the_family_down_for_every_connection_to_the_host() {
    let world = World::new();
    let (one, other) = (world.target(application()), world.target(application()));
    world.fake.fault("GET", "/deployments", Answer::Echo(429, vec![("retry-after", "7".to_owned())]));
    let failure = observe_failure(&one).await;
    assert_eq!(
        (failure.code, failure.retry),
        (FailureCode::RateLimited, Retry::CoolDown(Duration::from_secs(7)))
    );

    let failure = observe_failure(&other).await;
    let Retry::Turn(wait) = failure.retry else { panic!("{failure:?}") };
    assert!(wait <= Duration::from_secs(7) && wait > Duration::from_secs(6), "{wait:?}");
    assert_eq!(world.fake.seen("GET", "/deployments").len(), 1, "nothing was asked meanwhile");
    assert!(world.target(shared_secret()).observe().await.is_ok(), "another family goes on");

    world.clock.advance(Duration::from_secs(7));
    assert!(other.observe().await.is_ok());
}

#[tokio::test]
async fn a_503_of_the_token_endpoint_is_a_rate_limit_and_its_reset_is_obeyed() {
    let world = World::new();
    let reset = (world.clock.timestamp().as_second() + 30).to_string();
    world.fake.fault("POST", "/token", Answer::Echo(503, vec![("x-ratelimit-reset", reset)]));
    let failure = observe_failure(&world.target(application())).await;
    let expected = (FailureCode::RateLimited, Retry::CoolDown(Duration::from_secs(30)));
    assert_eq!((failure.code, failure.retry), expected);
}

#[tokio::test]
async fn writes_without_a_whole_answer_are_ambiguous() {
    for (answer, code) in [
        (Answer::Truncated, FailureCode::Unavailable),
        (Answer::Reset, FailureCode::Unavailable),
        (Answer::Silence, FailureCode::Timeout),
        (Answer::Json(500, json!({})), FailureCode::Unavailable),
        (Answer::Json(304, json!({})), FailureCode::Conflict),
    ] {
        for (kind, method, part) in
            [(0, "PATCH", "/deployments/"), (1, "PUT", "/sharedSecrets/"), (2, "PATCH", "/secrets/")]
        {
            let timeout = Duration::from_secs(if matches!(answer, Answer::Silence) { 1 } else { 10 });
            let world = World { timeout, ..World::new() };
            let target = world.target(world.every_kind()[kind].clone());
            world.fake.fault(method, part, answer.clone());
            let error = deliver(&target, CANARY).await.unwrap_err();
            assert_eq!((error.failure.code, error.ambiguous), (code, true), "{part}: {error:?}");
            assert_eq!(error.failure.retry, Retry::Backoff);
            assert_eq!(world.fake.seen(method, part).len(), 1, "not repeated here");
        }
    }
}

#[tokio::test]
async fn refused_writes_and_broken_looks_are_not_ambiguous() {
    let world = World::new();
    let target = world.target(application());
    for (status, code) in [
        (400, FailureCode::Rejected),
        (402, FailureCode::OverQuota),
        (403, FailureCode::Denied),
        (404, FailureCode::NotFound),
        (409, FailureCode::Conflict),
    ] {
        world.fake.fault("PATCH", "/deployments/", Answer::Echo(status, vec![]));
        let error = deliver(&target, CANARY).await.unwrap_err();
        assert_eq!((error.failure.code, error.ambiguous), (code, false), "{status}");
        world.clock.advance(Duration::from_secs(1));
    }
    world.fake.fault("GET", "/deployments/", Answer::Truncated);
    assert_eq!(observe_failure(&target).await.code, FailureCode::Unavailable);
}

#[tokio::test]
async fn a_host_that_cannot_be_reached_was_sent_nothing() {
    let mut world = World::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    world.fake.address = free;
    let failure = observe_failure(&world.target(application())).await;
    assert_eq!((failure.code, failure.retry), (FailureCode::Unavailable, Retry::Backoff));
    let http = world.target(world.http(BTreeMap::new()));
    let error = deliver(&http, CANARY).await.unwrap_err();
    assert_eq!((error.failure.code, error.ambiguous), (FailureCode::Unavailable, false));
}

// Kinds

#[tokio::test]
async fn an_application_gets_both_maps_whole_and_shows_the_receipt() {
    let world = World::new();
    let target = world.target(application());
    let observed = target.observe().await.ok().unwrap();
    let observation = observed.observation().clone();
    assert_eq!(observation.mark, Some(Mark("v1".to_owned())));
    assert_eq!((observation.stage, observation.provable), (Stage::Settled, true));
    assert_eq!((observation.receipt, observation.refusal), (None, None));

    let receipt = receipt(observation.mark);
    let applied = send(observed, &values(CANARY), &receipt).await.unwrap();
    assert_eq!(applied.mark, Some(Mark("v2".to_owned())));
    assert!(applied.notes.len() == 1 && applied.notes[0].contains("recreate"), "{:?}", applied.notes);

    let sent = world.fake.seen("PATCH", "/deployments/dep-1")[0].json();
    assert_eq!(
        sent,
        json!({"application": {"configuration": {"mule.agent.application.properties.service": {
            "applicationName": "orders",
            "properties": {"db.host": "db.internal", "relay.receipt": receipt.to_text(1024)},
            "secureProperties": {"db.user": "app_b", "db.password": CANARY}}}}})
    );
    let after = target.observe().await.ok().unwrap();
    assert_eq!(after.observation().receipt.as_ref(), Some(&receipt));
    assert_eq!(after.observation().stage, Stage::Rolling);
}

#[tokio::test]
async fn an_application_with_a_foreign_secure_property_is_not_written() {
    let world = World::new();
    let service = "/application/configuration/mule.agent.application.properties.service/secureProperties";
    world.fake.state().deployment.pointer_mut(service).unwrap()["api.key"] = json!("******");
    let target = world.target(application());
    let observed = target.observe().await.ok().unwrap();
    let refusal = observed.observation().refusal.clone().unwrap();
    assert_eq!((refusal.code, refusal.retry), (FailureCode::WouldLose, Retry::Never));
    assert!(refusal.message.contains(r#""api.key""#), "{}", refusal.message);

    let error = send(observed, &values(CANARY), &receipt(None)).await.unwrap_err();
    assert_eq!(error, ApplyError::before(refusal));
    assert!(world.fake.seen("PATCH", "").is_empty());
}

#[tokio::test]
async fn an_application_that_was_deployed_anew_is_found_under_its_name() {
    let world = World::new();
    let target = world.target(application());
    target.observe().await.ok().unwrap();
    world.fake.state().deployment_id = "dep-2".to_owned();
    world.clock.advance(Duration::from_secs(10));
    assert!(target.observe().await.is_ok());
    assert_eq!(world.fake.seen("GET", "/deployments/dep-2").len(), 1);
}

#[tokio::test]
async fn an_unknown_application_name_lists_those_that_exist() {
    let world = World::new();
    let TargetKind::Application(mut app) = application() else { unreachable!() };
    app.deployment = "order".to_owned();
    let failure = observe_failure(&world.target(TargetKind::Application(app))).await;
    assert_eq!((failure.code, failure.retry), (FailureCode::NotFound, Retry::Slowly));
    assert_eq!(failure.message, r#"no deployment is named "order"; there are "orders""#);
}

#[tokio::test]
async fn names_of_many_targets_are_looked_up_in_one_list() {
    let world = World::new();
    let connections: Connections = [(name(), world.connection())].into();
    let credentials: Arc<dyn Credentials> = Arc::<Fixed>::clone(&world.credentials);
    let clock: Arc<dyn Clock> = Arc::new(world.clock.clone());
    for target in ["a", "b", "c"] {
        let target = config::Target {
            name: TargetName::parse(target).unwrap(),
            coalesce: Duration::ZERO,
            kind: application(),
        };
        let target = build(&target, &connections, &credentials, &clock, &HttpClients::default()).unwrap();
        target.observe().await.ok().unwrap();
    }
    let lists =
        world.fake.seen("GET", "/deployments").into_iter().filter(|r| r.path.ends_with("/deployments"));
    assert_eq!(lists.count(), 1);
}

#[tokio::test]
async fn a_shared_secret_is_replaced_whole_and_proved_by_its_time() {
    let world = World::new();
    let target = world.target(shared_secret());
    let applied = deliver(&target, CANARY).await.unwrap();
    assert_eq!(applied, Applied { mark: Some(Mark("2026-03-06 20:00:07".to_owned())), notes: vec![] });
    assert_eq!(
        world.fake.seen("PUT", "/sharedSecrets/sec-1")[0].json(),
        json!({"name": "orders-db", "type": "UsernamePassword", "username": "app_b", "password": CANARY,
            "expirationDate": "2027-01-31"})
    );
}

#[tokio::test]
async fn writes_of_one_shared_secret_are_spaced() {
    let world = World::new();
    let target = world.target(shared_secret());
    deliver(&target, CANARY).await.unwrap();
    let error = deliver(&target, CANARY).await.unwrap_err();
    assert_eq!(error.failure.retry, Retry::Turn(Duration::from_secs(2)));
    assert!(!error.ambiguous);
    world.clock.advance(Duration::from_secs(2));
    // The fake shows no newer time for this one.
    let applied = deliver(&target, CANARY).await.unwrap();
    assert_eq!((applied.mark, applied.notes.len()), (None, 1));
    assert_eq!(world.fake.seen("PUT", "").len(), 2);
}

#[tokio::test]
async fn a_shared_secret_that_cannot_take_the_value_is_not_written() {
    let world = World::new();
    let target = world.target(shared_secret());
    let error = deliver(&target, &CANARY.repeat(6)).await.unwrap_err();
    assert_eq!(error.failure.code, FailureCode::TooLong);
    assert!(error.failure.next_step.contains("Blob"), "{}", error.failure.next_step);
    assert!(deliver(&target, &"é".repeat(64)).await.is_ok(), "characters count, not bytes");

    world.fake.state().secret["type"] = json!("Blob");
    let observed = target.observe().await.ok().unwrap();
    assert_eq!(observed.observation().refusal.as_ref().unwrap().code, FailureCode::Rejected);

    world.fake.state().secret_group = "Finishing".to_owned();
    let failure = observe_failure(&target).await;
    assert_eq!((failure.code, failure.retry), (FailureCode::Conflict, Retry::Backoff));
    assert_eq!(world.fake.seen("PUT", "").len(), 1);
}

#[tokio::test]
async fn a_secret_value_is_patched_at_its_path() {
    let world = World::new();
    let target = world.target(secret_value());
    let applied = deliver(&target, CANARY).await.unwrap();
    assert_eq!(applied, Applied { mark: None, notes: vec![] });
    let sent = &world.fake.seen("PATCH", "/secrets/")[0];
    let path = format!("/secrets/api/v1/organizations/{ORG}/environments/{ENV}/secrets/orders%2Fdb");
    assert_eq!((sent.path.as_str(), sent.json()), (path.as_str(), json!({"value": CANARY})));
}

#[tokio::test]
async fn an_http_target_is_told_signed_and_with_one_id_per_write() {
    let world = World::new();
    let TargetKind::Http(mut full) = world.http(BTreeMap::new()) else { unreachable!() };
    full.values.insert("password".to_owned(), field("password"));
    let target = world.target(TargetKind::Http(full));
    let receipt = receipt(None);
    for _ in 0..2 {
        let observed = target.observe().await.ok().unwrap();
        send(observed, &values(CANARY), &receipt).await.unwrap();
    }
    let sent = world.fake.seen("POST", "/flow");
    assert_eq!(
        sent[0].json(),
        json!({"target": "orders", "values": {"password": CANARY}, "secrets":
            [{"id": "prod/orders/db", "version": "00000000-0000-4000-8000-000000000001"}]})
    );
    let id = format!("msg_{}", receipt.stamp.as_str());
    assert!(sent.iter().all(|request| request.header("webhook-id") == id));
    let timestamp = world.clock.timestamp().as_second().to_string();
    assert_eq!(sent[0].header("webhook-timestamp"), timestamp);
    assert_eq!(sent[0].header("webhook-signature"), signature(&id, &timestamp, &sent[0].body));
}

/// Written apart from the code under test.
fn signature(id: &str, timestamp: &str, body: &str) -> String {
    use aws_lc_rs::hmac;
    use base64::Engine;
    let key = hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes());
    let tag = hmac::sign(&key, format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", base64::engine::general_purpose::STANDARD.encode(tag))
}

#[tokio::test]
async fn a_thin_notice_names_the_versions_without_their_values() {
    let world = World::new();
    let target = world.target(world.http(BTreeMap::new()));
    let observed = target.observe().await.ok().unwrap();
    send(observed, &Values::default(), &receipt(None)).await.unwrap();
    assert_eq!(
        world.fake.seen("POST", "/flow")[0].json(),
        json!({"target": "orders", "secrets":
            [{"id": "prod/orders/db", "version": "00000000-0000-4000-8000-000000000001"}]})
    );
}

#[tokio::test]
async fn an_http_receiver_decides_what_follows_by_its_status() {
    let world = World { timeout: Duration::from_secs(2), ..World::new() };
    let target = world.target(world.http(BTreeMap::new()));
    let wait = || vec![("retry-after", "60".to_owned())];
    for (answer, retry, ambiguous) in [
        (Answer::Echo(410, vec![]), Retry::Never, false),
        (Answer::Echo(302, vec![("location", "http://127.0.0.1:1/".to_owned())]), Retry::Never, false),
        (Answer::Echo(401, vec![]), Retry::Slowly, false),
        (Answer::Echo(429, wait()), Retry::CoolDown(Duration::from_mins(1)), false),
        (Answer::Echo(503, wait()), Retry::CoolDown(Duration::from_mins(1)), true),
        (Answer::Echo(500, vec![]), Retry::Backoff, true),
        (Answer::Silence, Retry::Backoff, true),
        (Answer::Reset, Retry::Backoff, true),
    ] {
        world.fake.fault("POST", "/flow", answer);
        let error = deliver(&target, CANARY).await.unwrap_err();
        assert_eq!((error.failure.retry, error.ambiguous), (retry, ambiguous), "{error:?}");
    }
}

// Secrets

#[tokio::test]
async fn no_failure_shows_a_value_that_the_answer_echoes() {
    let statuses = [301, 304, 400, 401, 402, 403, 404, 405, 408, 409, 410, 415, 418, 422, 429, 500, 502, 503];
    let leaks = |failure: &Failure| {
        let text = format!("{failure:?} {failure}");
        [CANARY, CLIENT_SECRET, KEY, "token-1"].into_iter().find(|secret| text.contains(secret))
    };
    let planted = Failure::new(FailureCode::Rejected, Retry::Never, CANARY, "");
    assert_eq!(leaks(&planted), Some(CANARY), "the scan sees a leak");

    let mut failures = 0;
    for kind in 0..4 {
        let world = World::new();
        let target = world.target(world.every_kind()[kind].clone());
        for status in statuses {
            for (method, part) in [("POST", "/token"), ("PATCH", "/"), ("PUT", "/"), ("POST", "/flow")] {
                // Past every cool-down, and past the token's life.
                world.clock.advance(Duration::from_hours(2));
                let headers = vec![("x-anypnt-trx-id", CANARY.to_owned())];
                world.fake.state().faults = [(method, part, Answer::Echo(status, headers))].into();
                if let Err(error) = deliver(&target, CANARY).await {
                    failures += 1;
                    assert_eq!(leaks(&error.failure), None, "{:?}", error.failure);
                }
            }
        }
    }
    // Each kind fails at its token and at its write for every status; `http` needs no token, and a
    // write that is told 401 once is repeated.
    assert_eq!(failures, 3 * (2 * statuses.len() - 1) + statuses.len());
}
