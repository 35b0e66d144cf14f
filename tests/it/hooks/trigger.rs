//! The manual trigger: who may, what can be asked for, and what the caller is told.

use anypoint_relay::config::{Log, LogFormat};
use anypoint_relay::telemetry::logging::{Capture, subscriber};
use anypoint_sandbox::faults::Rule;
use serde_json::{Value, json};

use crate::support::{Bench, ORDERS_TARGET, TRIGGER_KEY, cell, signed_with};

const SECRET: &str = r#"{"secret":"prod/orders/db"}"#;

/// A second application beside that of [`Bench::orders`], with a secret of its own.
const BILLING_TARGET: &str = "
  billing-api:
    kind: application
    platform: cloudhub2
    connection: prod
    deployment: billing-api
    coalesce: 10ms
    secure_properties:
      db.password: { secret: prod/billing/db, field: password }
";

fn targets(body: &Value) -> Vec<(&str, &str)> {
    let targets = body["targets"].as_array().unwrap().iter();
    targets.map(|target| (target["target"].as_str().unwrap(), target["state"].as_str().unwrap())).collect()
}

/// Two applications, one roll at a time.
async fn two() -> Bench {
    let mut bench = Bench::orders_stopped().await;
    bench.aws.create_secret("prod/billing/db", r#"{"password":"first-password"}"#);
    bench.anypoint.deploy("billing-api", [("http.port", "8081")], [("db.password", "first-password")]);
    let text = bench.file(&format!("{ORDERS_TARGET}{BILLING_TARGET}"));
    bench.start_with(&text.replace("  prod:\n", "  prod:\n    max_rolling: 1\n")).await;
    bench.in_sync("orders-api").await;
    bench.in_sync("billing-api").await;
    bench
}

#[tokio::test]
async fn a_secret_a_target_and_everything_can_be_asked_for() {
    let bench = two().await;
    let arn = bench.aws.secret("prod/orders/db").unwrap().arn().to_owned();
    let both = vec![("billing-api", "in_sync"), ("orders-api", "in_sync")];
    for (body, reached) in [
        (SECRET.to_owned(), vec![("orders-api", "in_sync")]),
        (json!({"secret": arn}).to_string(), vec![("orders-api", "in_sync")]),
        (json!({"target": "billing-api"}).to_string(), vec![("billing-api", "in_sync")]),
        (json!({"all": true}).to_string(), both),
    ] {
        let answer = bench.trigger(&body, "?wait=20s").await;
        assert_eq!(cell(&answer), (200, "settled"), "{}", answer.text);
        assert_eq!(targets(&answer.body), reached);
    }
    let answer = bench.trigger(SECRET, "").await;
    assert_eq!((cell(&answer), targets(&answer.body)), ((202, "accepted"), vec![("orders-api", "due")]));
}

#[tokio::test]
async fn a_replayed_id_is_409_and_starts_nothing() {
    let bench = Bench::orders().await;
    assert_eq!(cell(&bench.trigger_as("msg_1", SECRET, "").await), (202, "accepted"));
    assert_eq!(cell(&bench.trigger_as("msg_1", SECRET, "").await), (409, "duplicate"));
    assert_eq!(cell(&bench.trigger_as("msg_1", r#"{"all":true}"#, "").await), (409, "duplicate"));
    assert_eq!(cell(&bench.trigger_as("msg_2", SECRET, "").await), (202, "accepted"));
    assert_eq!(bench.counted("trigger", "accepted").await, 2);
}

#[tokio::test]
async fn a_trigger_outside_the_tolerance_is_401() {
    let bench = Bench::orders().await;
    for late in [305, -305] {
        let answer = bench.trigger_signed("msg_old", late, TRIGGER_KEY, SECRET).await;
        assert_eq!(cell(&answer), (401, "trigger_outside_window"));
    }
    for (id, late) in [("msg_a", 290), ("msg_b", -290)] {
        assert_eq!(cell(&bench.trigger_signed(id, late, TRIGGER_KEY, SECRET).await), (202, "accepted"));
    }
}

#[tokio::test]
async fn each_of_several_keys_signs_and_no_other() {
    let mut bench = Bench::orders_stopped().await;
    bench.set_credential("NEXT_KEY", "pipeline-key-0123456789abcdefgh");
    let one = "{ id: ops, value: { env: TRIGGER_KEY } }";
    let text = bench
        .file(ORDERS_TARGET)
        .replace(one, &format!("{one}, {{ id: pipeline, value: {{ env: NEXT_KEY }} }}"));
    bench.start_with(&text).await;
    for (id, key) in [("msg_a", TRIGGER_KEY), ("msg_b", "pipeline-key-0123456789abcdefgh")] {
        assert_eq!(cell(&bench.trigger_signed(id, 0, key, SECRET).await), (202, "accepted"));
    }
    let answer = bench.trigger_signed("msg_c", 0, "another-key-0123456789abcdefghij", SECRET).await;
    assert_eq!(cell(&answer), (401, "unauthorized"));
    assert_eq!(cell(&bench.post("/hooks/trigger", &[], SECRET).await), (401, "unauthorized"));
}

#[tokio::test]
async fn an_unknown_secret_or_target_is_404_and_its_id_stays_good() {
    let bench = Bench::orders().await;
    let stranger = bench.aws.create_secret("prod/other", "value");
    assert_eq!(
        cell(&bench.trigger_as("msg_1", r#"{"secret":"prod/other"}"#, "").await),
        (404, "not_configured")
    );
    assert_eq!(cell(&bench.trigger_as("msg_1", r#"{"target":"other"}"#, "").await), (404, "not_configured"));
    assert_eq!(cell(&bench.trigger_as("msg_1", SECRET, "").await), (202, "accepted"));
    assert_eq!(stranger.reads(), anypoint_sandbox::aws::Reads::default());
}

#[tokio::test]
async fn a_body_that_is_no_trigger_is_400() {
    let bench = Bench::orders().await;
    for body in [
        "",
        "{}",
        r#"{"secret":"a","all":true}"#,
        r#"{"all":false}"#,
        r#"{"secret":"a","x":1}"#,
        r#"{"target":"a b"}"#,
    ] {
        assert_eq!(cell(&bench.trigger(body, "").await), (400, "malformed"), "{body}");
    }
    for query in ["?wait=0s", "?wait=61s", "?wiat=5s", "?wait=5s&x=1"] {
        assert_eq!(cell(&bench.trigger(SECRET, query).await), (400, "malformed"), "{query}");
    }
}

#[tokio::test]
async fn a_wait_that_ends_during_the_roll_is_202_and_says_so() {
    let bench = Bench::orders().await;
    bench.anypoint.app("orders-api").roll_by_hand();
    bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    let answer = bench.trigger(SECRET, "?wait=1s").await;
    assert_eq!(cell(&answer), (202, "confirming"), "{}", answer.text);
    assert_eq!(targets(&answer.body), [("orders-api", "confirming")]);
    bench.anypoint.app("orders-api").finish_roll();
    bench.arrives("orders-api", "db.password", "second-password").await;
}

#[tokio::test]
async fn a_wait_that_ends_in_a_failure_is_502_and_says_what_to_do() {
    let bench = Bench::orders().await;
    bench.anypoint.faults().add(Rule::status(503).path("/deployments"));
    bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    let answer = bench.trigger(SECRET, "?wait=20s").await;
    assert_eq!(cell(&answer), (502, "failed"), "{}", answer.text);
    let target = &answer.body["targets"][0];
    assert_eq!((target["state"].as_str(), target["code"].as_str()), (Some("retrying"), Some("unavailable")));
    assert!(target["next_step"].as_str().is_some_and(|step| !step.is_empty()));

    bench.anypoint.faults().clear();
    bench.arrives("orders-api", "db.password", "second-password").await;
    bench.anypoint.app("orders-api").fail_next_rolls(1);
    bench.aws.secret("prod/orders/db").unwrap().rotate_password("third-password");
    let answer = bench.trigger(SECRET, "?wait=20s").await;
    assert_eq!(cell(&answer), (502, "failed"), "{}", answer.text);
    assert_eq!(answer.body["targets"][0]["code"], "roll_failed", "{}", answer.text);
}

#[tokio::test]
async fn a_target_that_waits_for_its_turn_to_roll_is_not_told_to_fail() {
    let bench = two().await;
    let orders = bench.anypoint.app("orders-api");
    orders.roll_by_hand();
    bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    assert_eq!(bench.trigger(SECRET, "").await.status, 202);
    anypoint_sandbox::wait_until("the first roll", crate::support::LIMIT, || orders.is_rolling()).await;

    bench.aws.secret("prod/billing/db").unwrap().rotate(r#"{"password":"second-password"}"#);
    let answer = bench.trigger(r#"{"target":"billing-api"}"#, "?wait=1s").await;
    assert_eq!(cell(&answer), (202, "confirming"), "{}", answer.text);
    assert_eq!(bench.ask("/status").await.body["queue"]["awaiting_roll"], 1);
    assert_eq!(bench.anypoint.history("billing-api").rolls(), 1, "it waits");

    orders.finish_roll();
    bench.arrives("billing-api", "db.password", "second-password").await;
    bench.arrives("orders-api", "db.password", "second-password").await;
}

#[tokio::test]
async fn reason_and_key_are_logged_with_the_request_id() {
    let capture = Capture::default();
    let log = Log { format: LogFormat::Json, filter: "info".to_owned() };
    let _listening = tracing::subscriber::set_default(subscriber(&log, capture.clone(), false).unwrap());
    let bench = Bench::orders().await;
    let answer = bench.trigger(r#"{"all":true,"reason":"the vault was restored"}"#, "?wait=20s").await;
    let request_id = answer.body["request_id"].as_str().unwrap();
    let text = capture.text();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let line = lines.iter().find(|line| line["message"] == "notification accepted").unwrap();
    assert_eq!(line["reason"], "the vault was restored");
    assert_eq!(line["key_id"], "ops");
    assert_eq!(line["request_id"], request_id);
}

#[tokio::test]
async fn an_address_that_failed_too_often_is_told_429_and_its_neighbour_behind_the_proxy_is_not() {
    let mut bench = Bench::orders_stopped().await;
    let limits = "limits: { failed_attempts: 2, trusted_proxies: [127.0.0.1],";
    let text = bench.file(ORDERS_TARGET).replace("limits: {", limits);
    bench.start_with(&text).await;
    bench.in_sync("orders-api").await;
    let from = |client: &str, id: &str, key: &str| {
        let mut headers = signed_with(id, SECRET, key).to_vec();
        headers.push(("x-forwarded-for", client.to_owned()));
        headers
    };
    for id in ["msg_1", "msg_2"] {
        let forged = from("203.0.113.7", id, "another-key-0123456789abcdefghij");
        assert_eq!(cell(&bench.post("/hooks/trigger", &forged, SECRET).await), (401, "unauthorized"));
    }
    let answer = bench.post("/hooks/trigger", &from("203.0.113.7", "msg_3", TRIGGER_KEY), SECRET).await;
    assert_eq!(cell(&answer), (429, "too_many_failures"));
    let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let answer = bench.post("/hooks/trigger", &from("203.0.113.8", "msg_3", TRIGGER_KEY), SECRET).await;
    assert_eq!(cell(&answer), (202, "accepted"));
    let sample = "relay_refused_total{route=\"trigger\",reason=\"signature\"}";
    assert_eq!(bench.metric(sample).await.as_deref(), Some("2"));
}
