//! The story of an application: take over, rotate, somebody else's deployment, a roll that fails, a stop,
//! a property that is not ours.

use std::time::Duration;

use anypoint_sandbox::anypoint::{App, DeploymentWrite, DesiredState, Redeploy, Rules};
use anypoint_sandbox::aws::{ApiDestination, Auth, Secret, events};
use anypoint_sandbox::wait_until;
use serde_json::json;

use super::switches::Proof;
use crate::support::{Bench, EVENTBRIDGE_KEY, LIMIT};

const APP: &str = "orders-api";
const TARGET: &str = "
  orders-api:
    kind: application
    platform: cloudhub2
    connection: prod
    deployment: orders-api
    coalesce: 10ms
    properties: { db.user: { secret: prod/orders/db, field: username } }
    secure_properties: { db.password: { secret: prod/orders/db, field: password } }";

struct Story {
    bench: Bench,
    app: App,
    secret: Secret,
    bus: ApiDestination,
    proof: Proof,
}

pub(super) async fn story(turn: impl FnOnce(&mut Rules), proof: Proof) {
    let mut story = Story::start(turn, proof).await;
    story.runs("first").await;

    story.bench.anypoint.expire_tokens();
    story.secret.rotate_password("second");
    story.notify();
    story.runs("second").await;

    story.a_pipeline_with_the_old_password_is_written_over().await;
    story.a_failed_roll_waits_for_a_person().await;
    story.a_stopped_application_is_left_alone().await;
    story.a_property_of_others_is_not_lost().await;

    let patches = story.bench.anypoint.log().matching(|request| request.tag == "deployments.patch");
    let asks_for_a_state = |body: &[u8]| body.windows(12).any(|text| text == b"desiredState");
    assert!(!patches.iter().any(|request| asks_for_a_state(&request.body)));
    for write in story.ours() {
        assert_eq!(write.properties["http.port"], "8081", "a neighbour was lost");
        assert_eq!(write.secure.keys().collect::<Vec<_>>(), ["db.password"]);
        assert!(!write.secure["db.password"].contains('*'), "a mask was written");
    }
}

impl Story {
    async fn start(turn: impl FnOnce(&mut Rules), proof: Proof) -> Self {
        let mut bench = Bench::new().await;
        bench.anypoint.rules(turn);
        let value = json!({ "username": "app", "password": "first" });
        let secret = bench.aws.create_secret("prod/orders/db", value);
        let app =
            bench.anypoint.deploy(APP, [("http.port", "8081"), ("db.user", "app")], [("db.password", "old")]);
        app.scale(2).roll_time(Duration::from_millis(10));
        bench.start(TARGET).await;
        let auth = Auth::ApiKey { header: "x-api-key".to_owned(), value: EVENTBRIDGE_KEY.to_owned() };
        let bus = bench.aws.api_destination(format!("{}/hooks/eventbridge", bench.hooks()), auth);
        Self { bench, app, secret, bus, proof }
    }

    /// A notification, which is a hint and not a person's wish.
    fn notify(&self) {
        let version = self.secret.current_version();
        self.bus.send(events::label_updated(self.secret.arn(), "AWSCURRENT", &version));
    }

    /// Notifies, and waits until the relay has looked at the application.
    async fn looked_at(&self) {
        let looks = || self.bench.anypoint.log().count_of(|request| request.tag == "deployments.get");
        let before = looks();
        self.notify();
        wait_until("a look at the application", LIMIT, || looks() > before).await;
        self.bench.idle().await;
    }

    fn ours(&self) -> Vec<DeploymentWrite> {
        let writes = self.app.history().writes.into_iter();
        writes.filter(|write| write.by != "pipeline").collect()
    }

    fn settled(&self) -> &'static str {
        match self.proof {
            Proof::Proved => "in_sync",
            Proof::NotShown => "accepted",
        }
    }

    fn running(&self) -> Vec<String> {
        self.bench.running(APP, "db.password")
    }

    /// Both replicas run with this password, and the relay says as much as it can know.
    async fn runs(&self, password: &str) {
        wait_until(password, LIMIT, || self.running() == [password; 2]).await;
        self.bench.ended_as(APP, self.settled()).await;
        assert_eq!(self.running(), [password; 2]);
    }

    async fn a_pipeline_with_the_old_password_is_written_over(&self) {
        let writes = self.ours().len();
        self.app.foreign_redeploy(Redeploy::of_original().carry("anypoint-relay.receipt"));
        wait_until("the end of the pipeline's roll", LIMIT, || !self.app.is_rolling()).await;
        assert_eq!(self.running(), ["old"; 2]);
        self.notify();
        self.runs("second").await;
        assert_eq!(self.ours().len(), writes + 1);
    }

    async fn a_failed_roll_waits_for_a_person(&self) {
        self.app.fail_next_rolls(1);
        self.secret.rotate_password("third");
        self.notify();
        self.bench.ended_as(APP, "parked").await;
        let code = || self.bench.outcome(APP, |outcome| outcome.failure().map(|failure| failure.code));
        assert_eq!(code().await.as_str(), "roll_failed");
        let writes = self.ours().len();
        self.looked_at().await;
        self.bench.ended_as(APP, "parked").await;
        assert_eq!(self.ours().len(), writes, "only a person repeats a failed roll");

        self.bench.trigger(&format!(r#"{{"target":"{APP}"}}"#), "").await;
        wait_until("a new write", LIMIT, || self.ours().len() > writes).await;
        wait_until("the end of its roll", LIMIT, || !self.app.is_rolling()).await;
        // A status that lags shows the failure of the roll before.
        self.runs("third").await;
        assert_eq!(self.ours().len(), writes + 1);
    }

    async fn a_stopped_application_is_left_alone(&self) {
        let writes = self.ours().len();
        self.app.want(DesiredState::Stopped);
        self.notify();
        self.bench.ended_as(APP, "stopped").await;
        self.app.want(DesiredState::Started);
        self.notify();
        self.runs("third").await;
        // Without versions a stop looks like any other change, and is written over once.
        let extra = self.ours().len() - writes;
        assert!(extra == 0 || (extra == 1 && self.proof == Proof::NotShown), "{extra} writes");
    }

    async fn a_property_of_others_is_not_lost(&mut self) {
        let writes = self.ours().len();
        self.app.foreign_redeploy(Redeploy::of_stored().secure("partner.token", "theirs"));
        wait_until("the end of the pipeline's roll", LIMIT, || !self.app.is_rolling()).await;
        self.secret.rotate_password("fourth");
        self.notify();
        self.bench.ended_as(APP, "parked").await;
        let failure = self.bench.outcome(APP, |outcome| outcome.failure().cloned()).await;
        assert_eq!(failure.code.as_str(), "would_lose");
        assert!(failure.message.contains("\"partner.token\""), "{failure}");
        assert_eq!(self.ours().len(), writes);
        assert_eq!(self.app.desired_secure()["partner.token"], "theirs");
    }
}
