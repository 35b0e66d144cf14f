//! The story of an application on a hybrid server: take over, rotate, somebody else's deployment, a
//! deployment that fails, a stop.

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
    platform: hybrid
    connection: prod
    deployment: orders-api
    server: group
    coalesce: 10ms
    settle: 600ms
    properties: { db.password: { secret: prod/orders/db, field: password } }";

struct Story {
    bench: Bench,
    app: App,
    secret: Secret,
}

pub(super) async fn story(turn: impl FnOnce(&mut Rules), proof: Proof) {
    let mut bench = Bench::new().await;
    bench.anypoint.rules(turn);
    let secret = bench.aws.create_secret("prod/orders/db", json!({ "password": "first" }));
    let app = bench.anypoint.deploy_hybrid(APP, "group", [("http.port", "8081"), ("db.password", "old")]);
    // Long enough to be seen, so that no write waits for `settle`, which is longer than any lag.
    app.roll_time(Duration::from_millis(80));
    bench.start(TARGET).await;
    if proof == Proof::NotShown {
        bench.ended_as(APP, "parked").await;
        bench.fails_with(APP, "would_lose").await;
        assert_eq!(app.history().writes, []);
        return;
    }
    let story = Story { bench, app, secret };
    story.runs("first").await;

    story.bench.anypoint.expire_tokens();
    story.rotate("second").await;
    story.runs("second").await;

    // A pipeline with the old password, and without the receipt.
    story.app.foreign_redeploy(Redeploy::of_original());
    wait_until("the end of the pipeline's roll", LIMIT, || !story.app.is_rolling()).await;
    story.look().await;
    story.runs("second").await;

    story.app.fail_next_rolls(1);
    story.rotate("third").await;
    story.bench.fails_with(APP, "roll_failed").await;
    let writes = story.app.history().writes.len();
    story.bench.idle().await;
    assert_eq!(story.app.history().writes.len(), writes, "only a person repeats it");
    story.look().await;
    story.runs("third").await;

    story.app.want(DesiredState::Stopped);
    story.look().await;
    story.bench.ended_as(APP, "stopped").await;
    story.app.want(DesiredState::Started);
    story.rotate("fourth").await;
    story.runs("fourth").await;
    assert_eq!(story.app.desired_properties()["http.port"], "8081", "a neighbour was lost");
}

impl Story {
    /// A person asks for a look.
    async fn look(&self) {
        self.bench.trigger(&format!(r#"{{"target":"{APP}"}}"#), "").await;
    }

    async fn rotate(&self, password: &str) {
        self.secret.rotate_password(password);
        self.look().await;
    }

    async fn runs(&self, password: &str) {
        let running = || {
            let replicas = self.app.running();
            !replicas.is_empty() && replicas.iter().all(|r| r.properties["db.password"] == password)
        };
        wait_until(password, LIMIT, running).await;
        self.bench.ended_as(APP, "accepted").await;
        assert!(running());
    }
}
