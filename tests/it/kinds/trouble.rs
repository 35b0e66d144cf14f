//! What can go wrong with a write, for every kind: the outcome, the class, what is said to people, and
//! that the target is brought in sync once the trouble is over.

use anypoint_relay::status::FailureView;
use anypoint_sandbox::anypoint::{Receiver, SharedSecret};
use anypoint_sandbox::faults::{Action, Faults, Gate, Rule};
use jiff::SignedDuration;
use serde_json::json;

use super::TARGET;
use crate::support::Bench;

const PASSWORD: &str = "first-password";

/// One kind of target with everything set up but the relay.
struct Subject {
    bench: Bench,
    receiver: Receiver,
    shared: Option<SharedSecret>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Application,
    SharedSecret,
    SecretValue,
    Http,
}

impl Kind {
    /// What the sandbox calls the write.
    fn write(self) -> &'static str {
        match self {
            Kind::Application => "deployments.patch",
            Kind::SharedSecret => "secrets.put",
            Kind::SecretValue => "value.patch",
            Kind::Http => "",
        }
    }

    /// How a message about a failed write begins.
    fn doing(self) -> &'static str {
        match self {
            Kind::Application => r#"writing deployment "orders-api" through connection prod: "#,
            Kind::SharedSecret => r#"writing shared secret "orders-db" through connection prod: "#,
            Kind::SecretValue => r#"writing secret "orders-db" through connection prod: "#,
            Kind::Http => "calling 127.0.0.1 for target orders: ",
        }
    }

    fn settled(self) -> &'static str {
        match self {
            Kind::Application | Kind::SharedSecret => "in_sync",
            Kind::SecretValue | Kind::Http => "accepted",
        }
    }

    fn api(self) -> &'static str {
        match self {
            Kind::Application => "Application Manager",
            Kind::SharedSecret => "Secrets Manager",
            Kind::SecretValue => "Secrets",
            Kind::Http => "",
        }
    }
}

impl Subject {
    async fn new(kind: Kind) -> Self {
        let bench = Bench::new().await;
        let receiver = Receiver::start().await;
        let mut shared = None;
        bench.aws.create_secret("prod/orders/db", json!({ "username": "orders_app", "password": PASSWORD }));
        match kind {
            Kind::Application => {
                bench.anypoint.deploy("orders-api", [("http.port", "8081")], [("db.password", "old")]);
            }
            Kind::SharedSecret => {
                shared = Some(bench.anypoint.add_group("orders").add_shared_secret(&json!({
                    "name": "orders-db", "type": "UsernamePassword", "username": "old", "password": "old",
                })));
                // So that `modifiedAt`, which shows seconds, tells the first write from this one.
                bench.anypoint.shift_modified_at(SignedDuration::from_secs(5));
            }
            Kind::SecretValue => {
                bench.anypoint.add_secret_value("orders-db");
                bench.anypoint.rules(|rules| rules.secret_value_endpoint = true);
            }
            Kind::Http => {}
        }
        Self { bench, receiver, shared, kind }
    }

    /// Starts the relay with this time-out for one request.
    async fn start(&mut self, timeout: &str) {
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
            Kind::SecretValue => "kind: secret_value
    connection: prod
    secret_id: orders-db
    value: { secret: prod/orders/db, field: password }"
                .to_owned(),
            Kind::Http => format!(
                "kind: http
    url: {}/refresh
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

    fn faults(&self) -> &Faults {
        match self.kind {
            Kind::Http => self.receiver.faults(),
            Kind::Application | Kind::SharedSecret | Kind::SecretValue => self.bench.anypoint.faults(),
        }
    }

    /// Spoils every write, or the first `times`.
    fn spoil(&self, rule: Rule, times: Option<u64>) {
        let rule = if self.kind == Kind::Http { rule } else { rule.tag(self.kind.write()) };
        self.faults().add(match times {
            Some(times) => rule.times(times),
            None => rule,
        });
    }

    /// Every value that was written, oldest first, as the sandbox remembers it.
    fn written(&self) -> Vec<String> {
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
    async fn heals(&self) {
        self.bench.ended_as(TARGET, self.kind.settled()).await;
        assert_eq!(self.written().last().map(String::as_str), Some(PASSWORD));
        if self.kind == Kind::Application {
            assert_eq!(self.bench.running("orders-api", "db.password"), [PASSWORD]);
        }
    }

    fn says(&self, failure: &FailureView, what: &str, next_step: &str) {
        // Anypoint names a transaction in some answers; it is shown behind the status.
        let message = failure.message.split(" (transaction ").next().unwrap_or_default();
        assert_eq!(message, format!("{}{what}", self.kind.doing()));
        assert_eq!(failure.next_step, next_step);
    }
}

async fn not_found_is_parked_and_a_person_mends_it(kind: Kind) {
    let mut subject = Subject::new(kind).await;
    subject.spoil(Rule::status(404), None);
    subject.start("4s").await;
    let failure = subject.bench.meets("not_found").await;
    subject.says(
        &failure,
        "HTTP 404 Not Found",
        match kind {
            Kind::Application => {
                "check `deployment` of target orders, and `organization` and `environment` of connection prod"
            }
            Kind::SharedSecret => {
                "check `name` of target orders, and `organization` and `environment` of connection prod"
            }
            Kind::SecretValue => {
                "check `path` and `secret_id` of target orders, and `organization` and `environment` of \
                 connection prod"
            }
            Kind::Http => "check `url`, and that the receiver runs",
        },
    );
    assert_eq!(subject.written(), Vec::<String>::new());
    subject.faults().clear();
    let answer = subject.bench.insist().await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    subject.heals().await;
}

async fn forbidden_is_parked_and_the_slow_timer_finds_it_mended(kind: Kind) {
    let mut subject = Subject::new(kind).await;
    let scope = match kind {
        Kind::Application => Some("manage:application_settings"),
        Kind::SharedSecret | Kind::SecretValue => Some("manage:secrets"),
        Kind::Http => None,
    };
    match scope {
        Some(scope) => subject.bench.anypoint.grant(scope, false),
        None => subject.spoil(Rule::status(403), None),
    }
    subject.start("4s").await;
    let failure = subject.bench.meets("denied").await;
    let give = |scope: &str| {
        let (organization, environment) =
            (subject.bench.anypoint.organization(), subject.bench.anypoint.environment());
        format!(
            "give the connected app of connection prod the scope {scope} in environment {environment} of \
             organization {organization}"
        )
    };
    let next_step = match kind {
        Kind::Application => give("Manage Settings (manage:application_settings) and Read Applications"),
        Kind::SharedSecret => give("Write secrets (manage:secrets)"),
        Kind::SecretValue => give("that this API asks for (none is documented)"),
        Kind::Http => {
            "check that the receiver verifies with the same key and that the clocks agree".to_owned()
        }
    };
    subject.says(&failure, "HTTP 403 Forbidden", &next_step);
    assert_eq!(subject.bench.status().outcome, Some("parked"));
    match scope {
        Some(scope) => subject.bench.anypoint.grant(scope, true),
        None => subject.faults().clear(),
    }
    subject.heals().await;
}

async fn a_conflict_passes_by_itself(kind: Kind) {
    let mut subject = Subject::new(kind).await;
    subject.spoil(Rule::status(409), Some(3));
    subject.start("4s").await;
    let failure = subject.bench.meets("conflict").await;
    subject.says(
        &failure,
        "HTTP 409 Conflict",
        match kind {
            Kind::Http => "none: it is tried again",
            _ => "usually none: it is tried again; if it stays, look at the resource in Anypoint",
        },
    );
    subject.heals().await;
    assert_eq!(subject.written().len(), 1);
}

async fn a_rate_limit_is_waited_for_as_long_as_was_asked(kind: Kind) {
    let mut subject = Subject::new(kind).await;
    subject.spoil(Rule::status(429).header("retry-after", "1"), Some(1));
    subject.start("4s").await;
    let failure = subject.bench.meets("rate_limited").await;
    let next_step = match kind {
        Kind::Http => "none: it is tried again".to_owned(),
        _ => format!("none: requests to the {} are slowed down", kind.api()),
    };
    subject.says(&failure, "HTTP 429 Too Many Requests", &next_step);
    subject.heals().await;
    let log = match kind {
        Kind::Http => subject.receiver.received(),
        _ => subject.bench.anypoint.log().matching(|request| request.tag == kind.write()),
    };
    let [refused, taken] = &log[..] else { panic!("{} writes", log.len()) };
    let waited = taken.at.duration_since(refused.at);
    assert!(waited >= SignedDuration::from_millis(950), "written again after {waited}");
}

async fn a_server_error_is_tried_again(kind: Kind) {
    let mut subject = Subject::new(kind).await;
    subject.spoil(Rule::status(500).body("<html>first-password</html>"), None);
    subject.start("4s").await;
    let failure = subject.bench.meets("unavailable").await;
    subject.says(&failure, "HTTP 500 Internal Server Error", "none: it is tried again");
    assert_eq!(subject.written(), Vec::<String>::new());
    subject.faults().clear();
    subject.heals().await;
}

async fn a_write_without_an_answer_is_tried_again(kind: Kind) {
    let mut subject = Subject::new(kind).await;
    let gate = Gate::new();
    subject.spoil(Rule::new(Action::Hang(gate)), Some(1));
    subject.start("200ms").await;
    let failure = subject.bench.meets("timeout").await;
    subject.says(&failure, "no answer in time", "none: it is tried again");
    subject.heals().await;
}

async fn a_truncated_answer_is_not_taken_for_a_success(kind: Kind) {
    let mut subject = Subject::new(kind).await;
    subject.spoil(Rule::new(Action::TruncateBody), Some(1));
    subject.start("4s").await;
    let failure = subject.bench.meets("unavailable").await;
    assert!(failure.message.starts_with(kind.doing()), "{failure:?}");
    subject.heals().await;
    assert_eq!(subject.written(), [PASSWORD, PASSWORD], "the first write had taken effect");
}

async fn a_connection_reset_before_the_write_is_tried_again(kind: Kind) {
    let mut subject = Subject::new(kind).await;
    subject.spoil(Rule::new(Action::ResetBefore), Some(1));
    subject.start("4s").await;
    let failure = subject.bench.meets("unavailable").await;
    assert!(failure.message.starts_with(kind.doing()), "{failure:?}");
    subject.heals().await;
    assert_eq!(subject.written(), [PASSWORD]);
}

async fn a_connection_reset_after_the_write_is_written_once_more(kind: Kind) {
    let mut subject = Subject::new(kind).await;
    subject.spoil(Rule::new(Action::ResetAfter), Some(1));
    subject.start("4s").await;
    let failure = subject.bench.meets("unavailable").await;
    assert!(failure.message.starts_with(kind.doing()), "{failure:?}");
    subject.heals().await;
    match kind {
        Kind::Http => assert_eq!(subject.receiver.received().len(), 2),
        _ => assert_eq!(subject.written(), [PASSWORD, PASSWORD]),
    }
}

async fn a_look_that_fails_is_tried_again(kind: Kind) {
    let mut subject = Subject::new(kind).await;
    let tag = if kind == Kind::Application { "deployments.get" } else { "secrets.get" };
    let faults = subject.bench.anypoint.faults();
    faults.add(Rule::new(Action::TruncateBody).tag(tag).times(1));
    faults.add(Rule::status(200).body("<html>login</html>").tag(tag).times(1));
    subject.start("4s").await;
    subject.bench.meets("unavailable").await;
    let failure = subject.bench.meets("bad_answer").await;
    let doing = kind.doing().replace("writing", "reading").replace(" through connection prod", "");
    assert_eq!(failure.message, format!("{doing}the answer is not JSON"));
    subject.heals().await;
}

async fn a_token_that_is_refused_is_replaced_once(kind: Kind) {
    let mut subject = Subject::new(kind).await;
    subject.start("4s").await;
    subject.heals().await;
    let minted = subject.bench.anypoint.tokens_minted();
    subject.bench.anypoint.expire_tokens();
    subject.bench.anypoint.shift_modified_at(SignedDuration::from_secs(10));
    subject.bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    subject.bench.insist().await;
    subject.bench.ended_as(TARGET, kind.settled()).await;
    assert_eq!(subject.written().last().map(String::as_str), Some("second-password"));
    assert_eq!(subject.bench.anypoint.tokens_minted(), minted + 1);
}

macro_rules! for_each_kind {
    ($($kind:ident $module:ident: $($trouble:ident)+;)+) => {
        $(mod $module {
            use super::Kind;

            $(#[tokio::test]
            async fn $trouble() {
                super::$trouble(Kind::$kind).await;
            })+
        })+
    };
}

for_each_kind! {
    Application application:
        not_found_is_parked_and_a_person_mends_it
        forbidden_is_parked_and_the_slow_timer_finds_it_mended
        a_conflict_passes_by_itself
        a_rate_limit_is_waited_for_as_long_as_was_asked
        a_server_error_is_tried_again
        a_write_without_an_answer_is_tried_again
        a_truncated_answer_is_not_taken_for_a_success
        a_connection_reset_before_the_write_is_tried_again
        a_connection_reset_after_the_write_is_written_once_more
        a_look_that_fails_is_tried_again
        a_token_that_is_refused_is_replaced_once;
    SharedSecret shared_secret:
        not_found_is_parked_and_a_person_mends_it
        forbidden_is_parked_and_the_slow_timer_finds_it_mended
        a_conflict_passes_by_itself
        a_rate_limit_is_waited_for_as_long_as_was_asked
        a_server_error_is_tried_again
        a_write_without_an_answer_is_tried_again
        a_truncated_answer_is_not_taken_for_a_success
        a_connection_reset_before_the_write_is_tried_again
        a_connection_reset_after_the_write_is_written_once_more
        a_look_that_fails_is_tried_again
        a_token_that_is_refused_is_replaced_once;
    SecretValue secret_value:
        not_found_is_parked_and_a_person_mends_it
        forbidden_is_parked_and_the_slow_timer_finds_it_mended
        a_conflict_passes_by_itself
        a_rate_limit_is_waited_for_as_long_as_was_asked
        a_server_error_is_tried_again
        a_write_without_an_answer_is_tried_again
        a_truncated_answer_is_not_taken_for_a_success
        a_connection_reset_before_the_write_is_tried_again
        a_connection_reset_after_the_write_is_written_once_more
        a_token_that_is_refused_is_replaced_once;
    Http http:
        not_found_is_parked_and_a_person_mends_it
        forbidden_is_parked_and_the_slow_timer_finds_it_mended
        a_conflict_passes_by_itself
        a_rate_limit_is_waited_for_as_long_as_was_asked
        a_server_error_is_tried_again
        a_write_without_an_answer_is_tried_again
        a_connection_reset_before_the_write_is_tried_again
        a_connection_reset_after_the_write_is_written_once_more;
}

/// Took it, and never showed it.
mod never_confirmed {
    use super::*;

    #[tokio::test]
    async fn a_roll_that_does_not_end_parks_the_application_and_a_person_brings_it_back() {
        let mut subject = Subject::new(Kind::Application).await;
        let app = subject.bench.anypoint.app("orders-api");
        app.roll_by_hand();
        let file = subject.bench.file(
            "
  orders:
    kind: application
    platform: cloudhub2
    connection: prod
    deployment: orders-api
    coalesce: 10ms
    roll_limit: 1s
    secure_properties: { db.password: { secret: prod/orders/db, field: password } }",
        );
        subject.bench.start_with(&file).await;
        let failure = subject.bench.parks("roll_overdue").await;
        assert_eq!(failure.message, "the roll did not end within 1s");
        assert_eq!(
            failure.next_step,
            "look at the replicas in Runtime Manager; raise `roll_limit` if the application starts slowly"
        );
        assert_eq!(subject.bench.running("orders-api", "db.password"), ["old"]);
        app.finish_roll();
        let answer = subject.bench.insist().await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        subject.heals().await;
        assert_eq!(subject.written().len(), 1, "the roll that ended late was enough");
    }

    #[tokio::test]
    async fn a_shared_secret_whose_date_never_moves_is_accepted_after_a_second_write() {
        let mut subject = Subject::new(Kind::SharedSecret).await;
        subject.bench.anypoint.stop_clock();
        subject.bench.anypoint.shift_modified_at(SignedDuration::from_secs(-60));
        subject.start("4s").await;
        subject.bench.ended_as(TARGET, "accepted").await;
        assert_eq!(subject.written(), [PASSWORD, PASSWORD]);
    }
}
