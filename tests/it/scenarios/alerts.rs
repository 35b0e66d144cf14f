//! People are told of a target that stays stale, and when it has healed. The verdict is what the topic was
//! given and what the log says.

use anypoint_sandbox::anypoint::NONE;
use anypoint_sandbox::aws::{Publication, Topic, sns_error};
use anypoint_sandbox::{ask_for, wait_for};
use serde_json::Value;

use super::mending::OTHER;
use crate::support::{Bench, LIMIT, ORDERS_TARGET, Relay};

const TOLD: &str = r#"{"secret":"prod/orders/db"}"#;

/// A relay as a process that tells `relay-alerts` of what is stale for 300 ms, and two applications that
/// were in sync before it started.
struct Scene {
    bench: Bench,
    topic: Topic,
    relay: Relay,
}

impl Scene {
    async fn new() -> Self {
        let mut bench = Bench::orders_stopped().await;
        bench.aws.create_secret("prod/other", "first-token");
        bench.anypoint.deploy("other-api", NONE, [("token", "first-token")]);
        let targets = format!("{ORDERS_TARGET}{OTHER}");
        bench.start(&targets).await;
        for target in ["orders-api", "other-api"] {
            bench.in_sync(target).await;
        }
        bench.stop().await.unwrap();
        let topic = bench.aws.topic("relay-alerts");
        let retry = ("retry_base: 10ms, retry_cap: 100ms", "retry_base: 100ms, retry_cap: 5s");
        let alerts = format!("alerts: {{ stale_after: 300ms, topic: \"{}\" }}\n", topic.arn());
        bench.write("relay.yaml", bench.tuned(&targets, &[retry]) + &alerts);
        let relay = serve(&bench).await;
        Self { bench, topic, relay }
    }

    /// Rotates the secret of `orders-api` and tells the relay of it.
    async fn rotate(&self, password: &str) {
        self.bench.orders_db().rotate_password(password);
        assert_eq!(self.relay.trigger(TOLD, "").await.status, 202);
    }

    /// The alert of this number, once it is there: subject and text.
    async fn alert(&self, number: usize) -> (String, Value) {
        let Publication { subject, message, .. } =
            wait_for("an alert", LIMIT, || self.topic.published().into_iter().nth(number)).await;
        (subject.unwrap(), serde_json::from_str(&message).unwrap())
    }

    async fn metric(&self, sample: &str) -> u64 {
        let text = self.relay.ask("/metrics").await.text;
        let number = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        number.unwrap_or_else(|| panic!("no {sample} in {text}")).parse().unwrap()
    }
}

async fn serve(bench: &Bench) -> Relay {
    Relay::start(bench.binary().arg("serve").arg(bench.path("relay.yaml"))).await
}

fn says<'a>(message: &'a str, target: &'a str) -> impl Fn(&Value) -> bool + 'a {
    move |line| line["message"] == message && line["target"] == target
}

#[tokio::test]
async fn a_target_that_stays_stale_is_told_of_once_and_once_when_it_has_healed() {
    let scene = Scene::new().await;
    let app = scene.bench.anypoint.app("orders-api");
    app.roll_by_hand();
    scene.rotate("second-password").await;
    let (subject, alert) = scene.alert(0).await;
    assert_eq!(subject, "orders-api is stale (confirming)");
    assert_eq!((&alert["alert"], &alert["target"]), (&"stale".into(), &"orders-api".into()));
    assert_eq!((&alert["outcome"], &alert["code"]), (&"confirming".into(), &Value::Null));
    assert!(alert["next_step"].as_str().unwrap().contains("replicas"), "{alert}");
    let line = scene.relay.logs("a line of the alert", says("target is stale", "orders-api")).await;
    assert_eq!((&line["level"], &line["outcome"]), (&"WARN".into(), &"confirming".into()));
    assert_eq!((&line["stale_s"], &line["next_step"]), (&alert["stale_seconds"], &alert["next_step"]));

    app.finish_roll();
    scene.relay.shows("orders-api", "in_sync").await;
    let (subject, healed) = scene.alert(1).await;
    assert_eq!(subject, "orders-api is no longer stale (in_sync)");
    assert_eq!((&healed["alert"], &healed["next_step"]), (&"healed".into(), &"nothing".into()));
    assert_eq!(healed["stale_since"], alert["stale_since"], "it speaks of the same staleness");
    scene.relay.logs("a line of the end", says("target is no longer stale", "orders-api")).await;

    // Another staleness is another alert; until it came, there was no further one.
    app.roll_by_hand();
    scene.rotate("third-password").await;
    assert_eq!(scene.alert(2).await.1["alert"], "stale");
    assert_eq!(scene.topic.published().len(), 3);
    let counted = async |kind: &str, result: &str| {
        scene.metric(&format!("relay_alerts_total{{kind=\"{kind}\",result=\"{result}\"}}")).await
    };
    // The topic has it before the relay has the answer.
    ask_for("its count", LIMIT, async || (counted("stale", "published").await == 2).then_some(())).await;
    for (kind, count) in [("stale", 2), ("still_stale", 0), ("healed", 1)] {
        for result in ["logged", "published"] {
            assert_eq!(counted(kind, result).await, count, "{kind} {result}");
        }
    }
    let told = format!("{:?}{}", scene.topic.published(), scene.relay.log());
    for value in ["first-password", "second-password", "third-password", "orders_app"] {
        assert!(!told.contains(value), "{value} in {told}");
    }
}

#[tokio::test]
async fn a_topic_that_refuses_is_told_later_and_holds_nothing_up() {
    let scene = Scene::new().await;
    let refused = sns_error(403, "AuthorizationError", "is not authorized to perform: SNS:Publish");
    let refused = scene.bench.aws.faults().add(refused.tag("Publish"));
    scene.bench.anypoint.app("orders-api").roll_by_hand();
    scene.rotate("second-password").await;
    scene.relay.logs("the alert", says("target is stale", "orders-api")).await;
    let line = scene.relay.logs("its fate", says("alert not published: tried again", "orders-api")).await;
    assert_eq!((&line["alert"], &line["code"]), (&"stale".into(), &"denied".into()));
    assert!(line["next_step"].as_str().unwrap().contains("sns:Publish"), "{line}");

    scene.bench.aws.secret("prod/other").unwrap().rotate("second-token");
    assert_eq!(scene.relay.trigger(r#"{"secret":"prod/other"}"#, "").await.status, 202);
    scene.bench.runs_with("other-api", "token", "second-token").await;
    assert_eq!(scene.topic.published(), []);

    scene.bench.aws.faults().remove(refused);
    assert_eq!(scene.alert(0).await.0, "orders-api is stale (confirming)");
    assert!(scene.metric(r#"relay_alerts_total{kind="stale",result="failed"}"#).await >= 1);
    assert_eq!(scene.metric(r#"relay_alerts_total{kind="stale",result="given_up"}"#).await, 0);
}

#[tokio::test]
async fn a_relay_that_starts_again_knows_since_when_the_target_has_been_stale() {
    let mut scene = Scene::new().await;
    scene.bench.anypoint.app("orders-api").fail_next_rolls(1);
    scene.rotate("second-password").await;
    let (_, before) = scene.alert(0).await;
    scene.relay.kill_9().await;
    scene.relay = serve(&scene.bench).await;
    let (subject, after) = scene.alert(1).await;
    assert_eq!(subject, "orders-api is stale (roll_failed)");
    assert_eq!((&after["outcome"], &after["code"]), (&"parked".into(), &"roll_failed".into()));
    assert_eq!(after["stale_since"], before["stale_since"]);

    scene.rotate("third-password").await;
    let (subject, healed) = scene.alert(2).await;
    assert_eq!(subject, "orders-api is no longer stale (in_sync)");
    assert_eq!(healed["stale_since"], before["stale_since"]);
    scene.bench.runs_with("orders-api", "db.password", "third-password").await;
}
