//! One kind of target with everything set up around it, and what is asked of each kind alike.

use anypoint_relay::status::FailureView;
use anypoint_sandbox::anypoint::{App, Map, Receiver, SharedSecret, Store, Stores};
use anypoint_sandbox::faults::{Faults, Rule};
use anypoint_sandbox::pki::Hierarchy;
use anypoint_sandbox::server::Recorded;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::TARGET;
use super::kind::Kind;
use crate::support::Bench;

const SECRET: &str = "prod/orders";

/// One kind of target with everything set up but the relay.
pub(super) struct Subject {
    pub(super) bench: Bench,
    pub(super) kind: Kind,
    pub(super) thing: Thing,
    /// What the secret holds, before and after it rotates.
    contents: [Value; 2],
    /// What the thing is to hold then.
    pub(super) values: [String; 2],
}

/// What the target writes to.
pub(super) enum Thing {
    App(App),
    Shared(SharedSecret),
    Store(Store),
    Value,
    Receiver(Receiver),
}

impl Subject {
    pub(super) async fn new(kind: Kind) -> Self {
        let bench = Bench::new().await;
        let anypoint = &bench.anypoint;
        let (clear, old) = ([("http.port", "8081")], [("db.password", "old")]);
        let mut values = ["first-password", "second-password"].map(str::to_owned);
        let mut contents = values.clone().map(|value| json!({ "username": "orders_app", "password": value }));
        let thing = match kind {
            Kind::cloudhub2 | Kind::rtf => Thing::App(anypoint.deploy("orders-api", clear, old)),
            Kind::cloudhub => Thing::App(anypoint.deploy_cloudhub("orders-api", clear, old)),
            Kind::restart => {
                values = ["old", "old"].map(str::to_owned);
                Thing::App(anypoint.deploy_cloudhub("orders-api", clear, old))
            }
            Kind::hybrid => Thing::App(anypoint.deploy_hybrid("orders-api", "group", old)),
            Kind::shared_secret => Thing::Shared(anypoint.add_group("orders").add_shared_secret(&json!({
                "name": "orders-db", "type": "UsernamePassword", "username": "old", "password": "old",
            }))),
            Kind::keystore | Kind::truststore | Kind::certificate => {
                let pki = Hierarchy::new();
                let [old, first, second] = ["old", "first", "second"].map(|name| pki.issue(name));
                values = [first.certificate.clone(), second.certificate.clone()];
                contents = [first, second]
                    .map(|issued| json!({ "certificate": issued.certificate, "key": issued.key }));
                let (list, part) = store(kind);
                let parts =
                    [("name", "orders-tls"), ("type", "PEM"), (part, &old.certificate), ("key", &old.key)];
                Thing::Store(anypoint.add_group("orders").add_store(list, parts))
            }
            Kind::secret_value => {
                anypoint.add_secret_value("orders-db");
                anypoint.rules(|rules| rules.secret_value_endpoint = true);
                Thing::Value
            }
            Kind::http => Thing::Receiver(Receiver::start().await),
        };
        bench.aws.create_secret(SECRET, contents[0].clone());
        // `modifiedAt` shows seconds: what was made just now has to differ from the first write.
        anypoint.shift_modified_at(SignedDuration::from_secs(5));
        Self { bench, kind, thing, contents, values }
    }

    /// Starts the relay.
    pub(super) async fn start(&mut self) {
        self.start_with("4s", "").await;
    }

    /// Starts the relay with this time-out for one request, and further settings of the target.
    pub(super) async fn start_with(&mut self, timeout: &str, further: &str) {
        let target = match &self.thing {
            Thing::Receiver(receiver) => self.kind.target(&receiver.url(), &format!(", timeout: {timeout}")),
            _ => self.kind.target("", further),
        };
        let timeout = format!("    timeout: {timeout}\n    base_url");
        let settings = [("    base_url", timeout.as_str()), ("slow_retry: 1h", "slow_retry: 50ms")];
        let text = self.bench.tuned(&target, &settings);
        self.bench.start_with(&text).await;
    }

    /// The secret rotates, and a person asks for the target.
    pub(super) async fn rotate(&self) {
        self.bench.anypoint.shift_modified_at(SignedDuration::from_secs(10));
        self.bench.aws.secret(SECRET).unwrap().rotate(self.contents[1].clone());
        self.insist().await;
    }

    /// A person asks for the target, and it settles.
    pub(super) async fn insist(&self) {
        let answer = self.bench.insist().await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }

    pub(super) fn faults(&self) -> &Faults {
        match &self.thing {
            Thing::Receiver(receiver) => receiver.faults(),
            _ => self.bench.anypoint.faults(),
        }
    }

    /// Spoils every write, unless the rule says how many.
    pub(super) fn spoil(&self, rule: Rule) {
        self.faults().add(if self.kind == Kind::http { rule } else { rule.tag(self.kind.write()) });
    }

    /// Starts the relay, whose first write meets this, and gives the failure that follows.
    pub(super) async fn stumbles(&mut self, rule: Rule, code: &str) -> FailureView {
        self.spoil(rule.times(1));
        self.start().await;
        let failure = self.bench.meets(code).await;
        assert!(failure.message.starts_with(&self.kind.writing()), "{failure:?}");
        failure
    }

    /// Starts the relay, and waits until a write fails with this class; what is said must be this.
    pub(super) async fn fails(&mut self, code: &str, what: &str, next_step: &str) {
        self.start().await;
        let failure = self.bench.meets(code).await;
        self.says(&failure, what, next_step);
    }

    pub(super) fn says(&self, failure: &FailureView, what: &str, next_step: &str) {
        // Anypoint names a transaction in some answers; it is shown behind the status.
        let message = failure.message.split(" (transaction ").next().unwrap_or_default();
        assert_eq!(message, format!("{}{what}", self.kind.writing()));
        assert_eq!(failure.next_step, next_step);
    }

    /// How many of its runs failed.
    pub(super) fn failures(&self) -> usize {
        self.bench.status().history.iter().filter(|line| line.failure.is_some()).count()
    }

    /// How often it was tried to write.
    pub(super) fn tries(&self) -> Vec<Recorded> {
        match &self.thing {
            Thing::Receiver(receiver) => receiver.received(),
            _ => self.bench.anypoint.log().matching(|request| request.tag == self.kind.write()),
        }
    }

    /// What was held after each write, oldest first, as the sandbox remembers it.
    pub(super) fn written(&self) -> Vec<String> {
        match &self.thing {
            Thing::App(app) => {
                let writes = app.history().writes.into_iter();
                writes.map(|write| self.password(&write.properties, &write.secure)).collect()
            }
            Thing::Shared(secret) => {
                secret.history().into_iter().skip(1).map(|write| write.fields["password"].clone()).collect()
            }
            Thing::Store(held) => {
                let (_, part) = store(self.kind);
                held.history().into_iter().skip(1).map(|write| write.text(part)).collect()
            }
            Thing::Value => {
                let writes = self.bench.anypoint.secret_values("orders-db").into_iter();
                writes.map(|write| write.value).collect()
            }
            Thing::Receiver(receiver) => {
                let taken = receiver.received().into_iter();
                let taken = taken.filter(|request| request.status.is_some_and(|status| status.is_success()));
                let body = taken.map(|request| serde_json::from_slice(&request.body).unwrap());
                body.map(|body: Value| body["values"]["password"].as_str().unwrap().to_owned()).collect()
            }
        }
    }

    /// What each replica of an application runs with.
    pub(super) fn running(&self) -> Vec<String> {
        let Thing::App(app) = &self.thing else { return Vec::new() };
        let replicas = app.running().into_iter();
        replicas.map(|replica| self.password(&replica.properties, &replica.secure)).collect()
    }

    fn password(&self, clear: &Map, secure: &Map) -> String {
        let map = if self.kind == Kind::hybrid { clear } else { secure };
        map["db.password"].clone()
    }

    /// The target ends settled, and holds the value from before the rotation.
    pub(super) async fn heals(&self) {
        self.holds(0).await;
    }

    /// The target ends settled, and holds the value from after the rotation.
    pub(super) async fn follows(&self) {
        self.holds(1).await;
    }

    async fn holds(&self, value: usize) {
        let value = &self.values[value];
        self.bench.ended_as(TARGET, self.kind.settled()).await;
        assert_eq!(self.written().last(), Some(value));
        if let Thing::App(_) = self.thing {
            assert_eq!(self.running(), [value.as_str()]);
        }
    }
}

/// The list that a store is in, and the part that a target replaces.
fn store(kind: Kind) -> (Stores, &'static str) {
    match kind {
        Kind::keystore => (Stores::Keystores, "certificate"),
        Kind::truststore => (Stores::Truststores, "trustStore"),
        _ => (Stores::Certificates, "certStore"),
    }
}
