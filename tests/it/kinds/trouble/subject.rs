//! One kind of target with everything set up around it, and what is asked of each kind alike.

use anypoint_relay::status::FailureView;
use anypoint_sandbox::anypoint::{Receiver, SharedSecret, Store, Stores};
use anypoint_sandbox::faults::{Faults, Rule};
use anypoint_sandbox::pki::Hierarchy;
use anypoint_sandbox::server::Recorded;
use jiff::SignedDuration;
use serde_json::json;

use super::TARGET;
use crate::support::Bench;

pub(super) const PASSWORD: &str = "first-password";

/// One kind of target with everything set up but the relay.
pub(super) struct Subject {
    pub(super) bench: Bench,
    pub(super) receiver: Receiver,
    shared: Option<SharedSecret>,
    store: Option<Store>,
    /// The certificate that a store is to have.
    certificate: String,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Application,
    SharedSecret,
    Keystore,
    Truststore,
    Certificate,
    SecretValue,
    Http,
}

impl Kind {
    /// What the sandbox calls the write.
    pub(super) fn write(self) -> &'static str {
        match self {
            Kind::Application => "deployments.patch",
            Kind::SharedSecret => "secrets.put",
            Kind::Keystore | Kind::Truststore | Kind::Certificate => "stores.put",
            Kind::SecretValue => "value.patch",
            Kind::Http => "",
        }
    }

    /// How a message about a failed write begins.
    pub(super) fn doing(self) -> &'static str {
        match self {
            Kind::Application => r#"writing deployment "orders-api" through connection prod: "#,
            Kind::SharedSecret => r#"writing shared secret "orders-db" through connection prod: "#,
            Kind::Keystore => r#"writing keystore "orders-tls" through connection prod: "#,
            Kind::Truststore => r#"writing truststore "orders-tls" through connection prod: "#,
            Kind::Certificate => r#"writing certificate "orders-tls" through connection prod: "#,
            Kind::SecretValue => r#"writing secret "orders-db" through connection prod: "#,
            Kind::Http => "calling 127.0.0.1 for target orders: ",
        }
    }

    pub(super) fn settled(self) -> &'static str {
        match self {
            Kind::SecretValue | Kind::Http => "accepted",
            _ => "in_sync",
        }
    }

    pub(super) fn api(self) -> &'static str {
        match self {
            Kind::Application => "Application Manager",
            Kind::SharedSecret | Kind::Keystore | Kind::Truststore | Kind::Certificate => "Secrets Manager",
            Kind::SecretValue => "Secrets",
            Kind::Http => "",
        }
    }
}

impl Subject {
    pub(super) async fn application() -> Self {
        Self::new(Kind::Application).await
    }

    pub(super) async fn shared_secret() -> Self {
        Self::new(Kind::SharedSecret).await
    }

    pub(super) async fn keystore() -> Self {
        Self::new(Kind::Keystore).await
    }

    pub(super) async fn truststore() -> Self {
        Self::new(Kind::Truststore).await
    }

    pub(super) async fn certificate() -> Self {
        Self::new(Kind::Certificate).await
    }

    pub(super) async fn secret_value() -> Self {
        Self::new(Kind::SecretValue).await
    }

    pub(super) async fn http() -> Self {
        Self::new(Kind::Http).await
    }

    async fn new(kind: Kind) -> Self {
        let bench = Bench::new().await;
        let receiver = Receiver::start().await;
        let (mut shared, mut store, mut certificate) = (None, None, String::new());
        bench.aws.create_secret("prod/orders/db", json!({ "username": "orders_app", "password": PASSWORD }));
        match kind {
            Kind::Application => {
                bench.anypoint.deploy("orders-api", [("http.port", "8081")], [("db.password", "old")]);
            }
            Kind::SharedSecret => {
                shared = Some(bench.anypoint.add_group("orders").add_shared_secret(&json!({
                    "name": "orders-db", "type": "UsernamePassword", "username": "old", "password": "old",
                })));
            }
            Kind::Keystore | Kind::Truststore | Kind::Certificate => {
                let pki = Hierarchy::new();
                let [old, new] = ["old", "new"].map(|name| pki.issue(name));
                let (list, part) = match kind {
                    Kind::Keystore => (Stores::Keystores, "certificate"),
                    Kind::Truststore => (Stores::Truststores, "trustStore"),
                    _ => (Stores::Certificates, "certStore"),
                };
                let parts =
                    [("name", "orders-tls"), ("type", "PEM"), (part, &old.certificate), ("key", &old.key)];
                store = Some(bench.anypoint.add_group("orders").add_store(list, parts));
                let secret = json!({ "certificate": new.certificate, "key": new.key });
                bench.aws.create_secret("prod/orders/tls", secret);
                certificate = new.certificate;
            }
            Kind::SecretValue => {
                bench.anypoint.add_secret_value("orders-db");
                bench.anypoint.rules(|rules| rules.secret_value_endpoint = true);
            }
            Kind::Http => {}
        }
        if shared.is_some() || store.is_some() {
            // So that `modifiedAt`, which shows seconds, tells the first write from this one.
            bench.anypoint.shift_modified_at(SignedDuration::from_secs(5));
        }
        Self { bench, receiver, shared, store, certificate, kind }
    }

    /// Starts the relay with this time-out for one request.
    pub(super) async fn start(&mut self, timeout: &str) {
        let target = match self.kind {
            Kind::Application => "kind: application
    platform: cloudhub2
    connection: prod
    deployment: orders-api
    secure_properties: { db.password: { secret: prod/orders/db, field: password } }"
                .to_owned(),
            Kind::SharedSecret => "kind: shared_secret
    connection: prod
    group: orders
    name: orders-db
    type: UsernamePassword
    username: { secret: prod/orders/db, field: username }
    password: { secret: prod/orders/db, field: password }"
                .to_owned(),
            Kind::Keystore => "kind: keystore
    connection: prod
    group: orders
    name: orders-tls
    type: PEM
    certificate: { secret: prod/orders/tls, field: certificate }
    key: { secret: prod/orders/tls, field: key }"
                .to_owned(),
            Kind::Truststore => "kind: truststore
    connection: prod
    group: orders
    name: orders-tls
    type: PEM
    truststore: { secret: prod/orders/tls, field: certificate }"
                .to_owned(),
            Kind::Certificate => "kind: certificate
    connection: prod
    group: orders
    name: orders-tls
    certificate: { secret: prod/orders/tls, field: certificate }"
                .to_owned(),
            Kind::SecretValue => "kind: secret_value
    connection: prod
    secret_id: orders-db
    value: { secret: prod/orders/db, field: password }"
                .to_owned(),
            Kind::Http => format!(
                "kind: http
    url: {}/refresh
    allow: [127.0.0.1]
    timeout: {timeout}
    key: {{ env: TRIGGER_KEY }}
    values: {{ password: {{ secret: prod/orders/db, field: password }} }}",
                self.receiver.url()
            ),
        };
        let file = self.bench.file(&format!("  {TARGET}:\n    coalesce: 10ms\n    {target}"));
        let file = file.replace("  prod:\n", &format!("  prod:\n    timeout: {timeout}\n"));
        self.bench.start_with(&file.replace("slow_retry: 1h", "slow_retry: 50ms")).await;
    }

    pub(super) fn faults(&self) -> &Faults {
        match self.kind {
            Kind::Http => self.receiver.faults(),
            _ => self.bench.anypoint.faults(),
        }
    }

    /// Spoils every write, or the first `times`.
    pub(super) fn spoil(&self, rule: Rule, times: Option<u64>) {
        let rule = if self.kind == Kind::Http { rule } else { rule.tag(self.kind.write()) };
        self.faults().add(match times {
            Some(times) => rule.times(times),
            None => rule,
        });
    }

    /// Starts the relay, whose first write meets this, and gives the failure that follows.
    pub(super) async fn stumbles(&mut self, rule: Rule, code: &str) -> FailureView {
        self.spoil(rule, Some(1));
        self.start("4s").await;
        let failure = self.bench.meets(code).await;
        assert!(failure.message.starts_with(self.kind.doing()), "{failure:?}");
        failure
    }

    /// How often it was tried to write.
    pub(super) fn tries(&self) -> Vec<Recorded> {
        match self.kind {
            Kind::Http => self.receiver.received(),
            _ => self.bench.anypoint.log().matching(|request| request.tag == self.kind.write()),
        }
    }

    /// Every value that was written, oldest first, as the sandbox remembers it. A store with the wanted
    /// certificate counts as [`PASSWORD`].
    pub(super) fn written(&self) -> Vec<String> {
        let anypoint = &self.bench.anypoint;
        match self.kind {
            Kind::Application => {
                let writes = anypoint.history("orders-api").writes.into_iter();
                writes.map(|write| write.secure["db.password"].clone()).collect()
            }
            Kind::SharedSecret => {
                let history = self.shared.as_ref().map(SharedSecret::history).unwrap_or_default();
                history.into_iter().skip(1).map(|write| write.fields["password"].clone()).collect()
            }
            Kind::Keystore | Kind::Truststore | Kind::Certificate => {
                let history = self.store.as_ref().map(Store::history).unwrap_or_default();
                let parts = history.into_iter().skip(1).map(|write| write.parts);
                parts
                    .map(|parts| {
                        let held = parts.values().any(|part| part == self.certificate.as_bytes());
                        if held { PASSWORD.to_owned() } else { format!("{parts:?}") }
                    })
                    .collect()
            }
            Kind::SecretValue => {
                anypoint.secret_values("orders-db").into_iter().map(|write| write.value).collect()
            }
            Kind::Http => {
                let taken = self.receiver.received().into_iter();
                let taken = taken.filter(|request| request.status.is_some_and(|status| status.is_success()));
                let body = taken.map(|request| serde_json::from_slice(&request.body).unwrap());
                body.map(|body: serde_json::Value| body["values"]["password"].as_str().unwrap().to_owned())
                    .collect()
            }
        }
    }

    /// The target ends settled, and what it was given is the current value.
    pub(super) async fn heals(&self) {
        self.bench.ended_as(TARGET, self.kind.settled()).await;
        assert_eq!(self.written().last().map(String::as_str), Some(PASSWORD));
        if self.kind == Kind::Application {
            assert_eq!(self.bench.running("orders-api", "db.password"), [PASSWORD]);
        }
    }

    pub(super) fn says(&self, failure: &FailureView, what: &str, next_step: &str) {
        // Anypoint names a transaction in some answers; it is shown behind the status.
        let message = failure.message.split(" (transaction ").next().unwrap_or_default();
        assert_eq!(message, format!("{}{what}", self.kind.doing()));
        assert_eq!(failure.next_step, next_step);
    }
}
