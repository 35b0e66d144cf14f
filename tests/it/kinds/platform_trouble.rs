//! What can go wrong with a write to CloudHub 1.0 and to hybrid servers: the class, what is said to people,
//! and that the target ends where it should once the trouble is over.

use anypoint_relay::status::FailureView;
use anypoint_sandbox::anypoint::App;
use anypoint_sandbox::faults::{Action, Gate, Rule};
use anypoint_sandbox::wait_until;
use jiff::SignedDuration;
use serde_json::json;

use super::TARGET;
use crate::support::{Bench, LIMIT};

const PASSWORD: &str = "first-password";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    CloudHub,
    /// CloudHub 1.0, by a restart call.
    Restart,
    Hybrid,
}

impl Way {
    /// What the sandbox calls the write.
    fn write(self) -> &'static str {
        match self {
            Way::CloudHub => "cloudhub.put",
            Way::Restart => "cloudhub.status",
            Way::Hybrid => "hybrid.patch",
        }
    }

    fn read(self) -> &'static str {
        match self {
            Way::CloudHub | Way::Restart => "cloudhub.get",
            Way::Hybrid => "hybrid.get",
        }
    }

    fn api(self) -> &'static str {
        match self {
            Way::CloudHub | Way::Restart => "CloudHub",
            Way::Hybrid => "hybrid Runtime Manager",
        }
    }

    /// How a message about a failed write begins.
    fn doing(self) -> String {
        let verb = if self == Way::Restart { "restarting" } else { "writing" };
        format!("{verb} application \"orders-api\" through connection prod: ")
    }

    fn target(self) -> &'static str {
        match self {
            Way::CloudHub => {
                "platform: cloudhub
    secure_properties: { db.password: { secret: prod/orders/db, field: password } }"
            }
            Way::Restart => {
                "platform: cloudhub
    restart_by: call
    watch: [prod/orders/db]"
            }
            Way::Hybrid => {
                "platform: hybrid
    properties: { db.password: { secret: prod/orders/db, field: password } }"
            }
        }
    }
}

struct Subject {
    bench: Bench,
    app: App,
    way: Way,
}

impl Subject {
    async fn new(way: Way) -> Self {
        let bench = Bench::new().await;
        bench.aws.create_secret("prod/orders/db", json!({ "password": PASSWORD }));
        let old = [("db.password", "old")];
        let app = match way {
            Way::CloudHub | Way::Restart => {
                bench.anypoint.deploy_cloudhub("orders-api", [("http.port", "8081")], old)
            }
            Way::Hybrid => bench.anypoint.deploy_hybrid("orders-api", "group", old),
        };
        Self { bench, app, way }
    }

    /// Starts the relay with this time-out for one request and this limit for a roll.
    async fn start(&mut self, timeout: &str, roll_limit: &str) {
        let target = format!(
            "  {TARGET}:
    kind: application
    connection: prod
    deployment: orders-api
    coalesce: 10ms
    settle: 100ms
    roll_limit: {roll_limit}
    {}",
            self.way.target()
        );
        let file = self.bench.file(&target);
        let file = file.replace("  prod:\n", &format!("  prod:\n    timeout: {timeout}\n"));
        self.bench.start_with(&file.replace("slow_retry: 1h", "slow_retry: 50ms")).await;
    }

    fn spoil(&self, rule: Rule) {
        self.bench.anypoint.faults().add(rule.tag(self.way.write()));
    }

    /// How many writes took effect.
    fn writes(&self) -> usize {
        self.app.history().writes.len()
    }

    /// The target ends settled, and the application runs with the current value.
    async fn heals(&self) {
        self.bench.ended_as(TARGET, "accepted").await;
        let replica = self.app.running().remove(0);
        match self.way {
            Way::CloudHub => assert_eq!(replica.secure["db.password"], PASSWORD),
            Way::Hybrid => assert_eq!(replica.properties["db.password"], PASSWORD),
            Way::Restart => assert_eq!(replica.secure["db.password"], "old"),
        }
        assert!(self.writes() > 0);
    }

    fn says(&self, failure: &FailureView, what: &str, next_step: &str) {
        assert_eq!(failure.message, format!("{}{what}", self.way.doing()));
        assert_eq!(failure.next_step, next_step);
    }
}

const ROLL_LIMIT: &str = "15m";

async fn not_found_is_parked_and_a_person_mends_it(way: Way) {
    let mut subject = Subject::new(way).await;
    subject.spoil(Rule::status(404));
    subject.start("4s", ROLL_LIMIT).await;
    let failure = subject.bench.meets("not_found").await;
    let settings =
        "check `deployment` of target orders, and `organization` and `environment` of connection prod";
    subject.says(&failure, "HTTP 404 Not Found", settings);
    assert_eq!(subject.writes(), 0);
    subject.bench.anypoint.faults().clear();
    let answer = subject.bench.insist().await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    subject.heals().await;
}

async fn forbidden_is_parked_and_the_slow_timer_finds_it_mended(way: Way) {
    let mut subject = Subject::new(way).await;
    let anypoint = &subject.bench.anypoint;
    anypoint.grant("manage:application_settings", false);
    let next_step = format!(
        "give the connected app of connection prod the scope Manage Settings (manage:application_settings) and \
         Read Applications in environment {} of organization {}",
        anypoint.environment(),
        anypoint.organization()
    );
    subject.start("4s", ROLL_LIMIT).await;
    let failure = subject.bench.meets("denied").await;
    subject.says(&failure, "HTTP 403 Forbidden", &next_step);
    assert_eq!(subject.bench.status().outcome, Some("parked"));
    subject.bench.anypoint.grant("manage:application_settings", true);
    subject.heals().await;
}

async fn a_conflict_passes_by_itself(way: Way) {
    let mut subject = Subject::new(way).await;
    subject.spoil(Rule::status(409).times(3));
    subject.start("4s", ROLL_LIMIT).await;
    let failure = subject.bench.meets("conflict").await;
    let next_step = "usually none: it is tried again; if it stays, look at the resource in Anypoint";
    subject.says(&failure, "HTTP 409 Conflict", next_step);
    subject.heals().await;
    assert_eq!(subject.writes(), 1);
}

async fn a_rate_limit_is_waited_for_as_long_as_was_asked(way: Way) {
    let mut subject = Subject::new(way).await;
    subject.spoil(Rule::status(429).header("retry-after", "1").times(1));
    subject.start("4s", ROLL_LIMIT).await;
    let failure = subject.bench.meets("rate_limited").await;
    let next_step = format!("none: requests to the {} are slowed down", way.api());
    subject.says(&failure, "HTTP 429 Too Many Requests", &next_step);
    subject.heals().await;
    let log = subject.bench.anypoint.log().matching(|request| request.tag == way.write());
    let [refused, taken] = &log[..] else { panic!("{} writes", log.len()) };
    let waited = taken.at.duration_since(refused.at);
    assert!(waited >= SignedDuration::from_millis(950), "written again after {waited}");
}

async fn a_rate_limit_without_a_word_on_how_long_is_backed_off_from(way: Way) {
    let mut subject = Subject::new(way).await;
    subject.spoil(Rule::status(429).times(1));
    subject.start("4s", ROLL_LIMIT).await;
    subject.bench.meets("rate_limited").await;
    subject.heals().await;
    assert_eq!(subject.writes(), 1);
}

async fn a_503_is_tried_again(way: Way) {
    let mut subject = Subject::new(way).await;
    subject.spoil(Rule::status(503).times(1));
    subject.start("4s", ROLL_LIMIT).await;
    // CloudHub says so when it is asked too often. Besides, a run may be told that its turn is far away.
    let code = if way == Way::Hybrid { "unavailable" } else { "rate_limited" };
    let message = format!("{}HTTP 503 Service Unavailable", way.doing());
    let refused = || {
        let mut failures = subject.bench.status().history.into_iter().filter_map(|line| line.failure);
        failures.any(|failure| failure.code == code && failure.message == message)
    };
    wait_until("a run that is refused", LIMIT, refused).await;
    subject.heals().await;
}

async fn a_server_error_is_tried_again(way: Way) {
    let mut subject = Subject::new(way).await;
    subject.spoil(Rule::status(500).body("<html>first-password</html>"));
    subject.start("4s", ROLL_LIMIT).await;
    let failure = subject.bench.meets("unavailable").await;
    subject.says(&failure, "HTTP 500 Internal Server Error", "none: it is tried again");
    assert_eq!(subject.writes(), 0);
    subject.bench.anypoint.faults().clear();
    subject.heals().await;
}

async fn a_write_without_an_answer_is_tried_again(way: Way) {
    let mut subject = Subject::new(way).await;
    subject.spoil(Rule::new(Action::Hang(Gate::new())).times(1));
    subject.start("200ms", ROLL_LIMIT).await;
    let failure = subject.bench.meets("timeout").await;
    subject.says(&failure, "no answer in time", "none: it is tried again");
    subject.heals().await;
}

async fn an_answer_that_breaks_off_is_not_taken_for_a_success(way: Way) {
    let mut subject = Subject::new(way).await;
    subject.spoil(Rule::new(Action::ResetAfter).times(1));
    subject.start("4s", ROLL_LIMIT).await;
    let failure = subject.bench.meets("unavailable").await;
    assert!(failure.message.starts_with(&way.doing()), "{failure:?}");
    subject.heals().await;
    assert_eq!(subject.writes(), 2, "the first write had taken effect");
}

async fn a_truncated_answer_is_not_taken_for_a_success(way: Way) {
    let mut subject = Subject::new(way).await;
    subject.spoil(Rule::new(Action::TruncateBody).times(1));
    subject.start("4s", ROLL_LIMIT).await;
    let failure = subject.bench.meets("unavailable").await;
    assert!(failure.message.starts_with(&way.doing()), "{failure:?}");
    subject.heals().await;
    assert_eq!(subject.writes(), 2, "the first write had taken effect");
}

async fn a_connection_reset_before_the_write_is_tried_again(way: Way) {
    let mut subject = Subject::new(way).await;
    subject.spoil(Rule::new(Action::ResetBefore).times(1));
    subject.start("4s", ROLL_LIMIT).await;
    subject.bench.meets("unavailable").await;
    subject.heals().await;
    assert_eq!(subject.writes(), 1);
}

async fn a_look_that_fails_is_tried_again(way: Way) {
    let mut subject = Subject::new(way).await;
    let faults = subject.bench.anypoint.faults();
    faults.add(Rule::new(Action::TruncateBody).tag(way.read()).times(1));
    faults.add(Rule::status(200).body("<html>login</html>").tag(way.read()).times(1));
    subject.start("4s", ROLL_LIMIT).await;
    subject.bench.meets("unavailable").await;
    let failure = subject.bench.meets("bad_answer").await;
    assert_eq!(failure.message, "reading application \"orders-api\": the answer is not JSON");
    subject.heals().await;
}

async fn a_token_that_is_refused_is_replaced_once(way: Way) {
    let mut subject = Subject::new(way).await;
    subject.start("4s", ROLL_LIMIT).await;
    subject.heals().await;
    let minted = subject.bench.anypoint.tokens_minted();
    subject.bench.anypoint.expire_tokens();
    subject.bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    subject.bench.insist().await;
    subject.bench.ended_as(TARGET, "accepted").await;
    assert_eq!(subject.writes(), 2);
    assert_eq!(subject.bench.anypoint.tokens_minted(), minted + 1);
}

async fn what_is_taken_and_never_confirmed_parks_and_a_person_brings_it_back(way: Way) {
    let mut subject = Subject::new(way).await;
    subject.app.roll_by_hand();
    subject.start("4s", "1s").await;
    let failure = subject.bench.parks("roll_overdue").await;
    assert_eq!(failure.message, "the roll did not end within 1s");
    assert!(subject.app.is_rolling());
    subject.app.finish_roll();
    let answer = subject.bench.insist().await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    subject.heals().await;
    assert_eq!(subject.writes(), 1, "the roll that ended late was enough");
}

macro_rules! for_each_way {
    ($($trouble:ident)+) => {
        $(mod $trouble {
            use super::{$trouble as trouble, Way};

            #[tokio::test]
            async fn on_cloudhub() {
                trouble(Way::CloudHub).await;
            }

            #[tokio::test]
            async fn by_a_restart_call() {
                trouble(Way::Restart).await;
            }

            #[tokio::test]
            async fn on_hybrid_servers() {
                trouble(Way::Hybrid).await;
            }
        })+
    };
}

for_each_way! {
    not_found_is_parked_and_a_person_mends_it
    forbidden_is_parked_and_the_slow_timer_finds_it_mended
    a_conflict_passes_by_itself
    a_rate_limit_is_waited_for_as_long_as_was_asked
    a_rate_limit_without_a_word_on_how_long_is_backed_off_from
    a_503_is_tried_again
    a_server_error_is_tried_again
    a_write_without_an_answer_is_tried_again
    an_answer_that_breaks_off_is_not_taken_for_a_success
    a_connection_reset_before_the_write_is_tried_again
    a_look_that_fails_is_tried_again
    a_token_that_is_refused_is_replaced_once
    what_is_taken_and_never_confirmed_parks_and_a_person_brings_it_back
}

// A restart call answers without a body, so nothing of it can be cut off.
#[tokio::test]
async fn a_truncated_answer_of_cloudhub() {
    a_truncated_answer_is_not_taken_for_a_success(Way::CloudHub).await;
}

#[tokio::test]
async fn a_truncated_answer_of_hybrid_servers() {
    a_truncated_answer_is_not_taken_for_a_success(Way::Hybrid).await;
}
