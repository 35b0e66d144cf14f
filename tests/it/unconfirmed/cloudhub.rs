//! The story of an application on CloudHub 1.0: take over, rotate, somebody else's deployment, a
//! redeployment that fails, a stop, a hidden property that is not ours.

use std::time::Duration;

use anypoint_sandbox::anypoint::{App, DesiredState, Redeploy, Rules};
use anypoint_sandbox::aws::Secret;
use anypoint_sandbox::wait_until;
use serde_json::json;

use super::switches::Proof;
use crate::support::{Bench, LIMIT};

const APP: &str = "orders-api";
const TARGET: &str = "
  orders-api:
    kind: application
    platform: cloudhub
    connection: prod
    deployment: orders-api
    coalesce: 10ms
    settle: 600ms
    properties: { db.user: { secret: prod/orders/db, field: username } }
    secure_properties: { db.password: { secret: prod/orders/db, field: password } }";

struct Story {
    bench: Bench,
    app: App,
    secret: Secret,
}

pub(super) async fn story(turn: impl FnOnce(&mut Rules), proof: Proof) {
    let mut bench = Bench::new().await;
    bench.anypoint.rules(turn);
    let secret = bench.aws.create_secret("prod/orders/db", json!({ "username": "app", "password": "first" }));
    let clear = [("http.port", "8081"), ("db.user", "app")];
    let app = bench.anypoint.deploy_cloudhub(APP, clear, [("db.password", "old")]);
    // Long enough to be seen, so that no write waits for `settle`, which is longer than any lag.
    app.roll_time(Duration::from_millis(80));
    bench.start(TARGET).await;
    let story = Story { bench, app, secret };
    story.runs("first").await;

    story.bench.anypoint.expire_tokens();
    story.rotate("second").await;
    story.runs("second").await;

    // A pipeline with the old password, and without the receipt.
    story.deployed(Redeploy::of_original()).await;
    story.look().await;
    story.runs("second").await;

    if proof == Proof::Proved {
        story.app.fail_next_rolls(1);
        story.rotate("third").await;
        story.bench.fails_with(APP, "roll_failed").await;
        let writes = story.ours();
        story.bench.idle().await;
        assert_eq!(story.ours(), writes, "only a person repeats it");
        story.look().await;
        story.runs("third").await;
    }

    story.app.want(DesiredState::Undeployed);
    story.look().await;
    story.bench.ended_as(APP, "stopped").await;
    story.app.want(DesiredState::Started);
    story.rotate("fourth").await;
    story.runs("fourth").await;
    assert_eq!(story.app.desired_properties()["http.port"], "8081", "a neighbour was lost");
    for request in story.bench.anypoint.log().matching(|request| request.tag == "cloudhub.put") {
        assert!(!String::from_utf8_lossy(&request.body).contains("***"), "a mask was written");
    }
}

impl Story {
    /// How many writes were not the pipeline's.
    fn ours(&self) -> usize {
        self.app.history().writes.iter().filter(|write| write.by != "pipeline").count()
    }

    /// A person asks for a look.
    async fn look(&self) {
        self.bench.trigger(&format!(r#"{{"target":"{APP}"}}"#), "").await;
    }

    async fn rotate(&self, password: &str) {
        self.secret.rotate_password(password);
        self.look().await;
    }

    async fn deployed(&self, redeploy: Redeploy) {
        self.app.foreign_redeploy(redeploy);
        wait_until("the end of the pipeline's roll", LIMIT, || !self.app.is_rolling()).await;
    }

    async fn runs(&self, password: &str) {
        self.bench.runs_with(APP, "db.password", password).await;
        self.bench.ended_as(APP, "accepted").await;
        assert_eq!(self.bench.running(APP, "db.password"), [password]);
    }
}
