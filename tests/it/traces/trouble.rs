//! A collector that is down, slow or choosy: nothing of it shows at the targets.

use std::time::Instant;

use anypoint_sandbox::anypoint::Receiver;
use anypoint_sandbox::ask_for;
use anypoint_sandbox::faults::{Action, Gate, Rule};
use serde_json::Value;

use super::{Stage, target, with_secret};
use crate::support::LIMIT;

#[tokio::test]
async fn a_rotation_arrives_while_the_collector_is_down_and_one_line_says_so() {
    let receiver = Receiver::start().await;
    let mut bench = with_secret().await;
    let text = format!("{}traces: {{ endpoint: \"http://127.0.0.1:9\" }}\n", bench.file(&target(&receiver)));
    bench.environment_with("NO_PROXY", "127.0.0.1");
    let relay = bench.spawn_with(&text).await;
    relay.shows("orders", "accepted").await;
    let lost = |line: &Value| line["message"] == "the collector takes no traces; they are lost until it does";
    relay.logs("the line", lost).await;
    bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    let answer = relay.trigger(r#"{"target":"orders"}"#, "?wait=20s").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    receiver.wait_for(2, LIMIT).await;
    // The end sends what there is once more.
    relay.signal("TERM").await;
    let before = Instant::now();
    let (status, log) = relay.ends_within(LIMIT).await;
    println!("ended after {:?}", before.elapsed());
    assert!(status.success());
    let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(lines.iter().filter(|line| lost(line)).count(), 1, "{log}");
    let ran =
        lines.iter().find(|line| line["message"] == "run ended" && line["reasons"] == "manual").unwrap();
    let accepted = lines.iter().find(|line| line["message"] == "notification accepted").unwrap();
    assert_eq!(ran["trace_id"].as_str().map(str::len), Some(32), "{ran}");
    assert_eq!(accepted["span"]["trace_id"], ran["trace_id"], "{accepted}");
}

#[tokio::test]
async fn the_end_does_not_wait_long_for_a_collector_that_hangs() {
    let mut stage = Stage::new().await;
    let gate = Gate::new();
    stage.collector.receiver().faults().add(Rule::new(Action::Hang(gate.clone())));
    stage.rotate();
    stage.bench.trigger(r#"{"target":"orders"}"#, "?wait=20s").await;
    stage.receiver.wait_for(2, LIMIT).await;
    let before = Instant::now();
    stage.bench.stop().await.unwrap();
    println!("ended after {:?}", before.elapsed());
    assert!(gate.arrivals() > 0, "it did not hang");
    gate.open();
}

#[tokio::test]
async fn what_a_collector_does_not_take_is_counted() {
    let stage = Stage::new().await;
    stage.collector.receiver().answer(503, "full");
    stage.rotate();
    let answer = stage.bench.trigger(r#"{"target":"orders"}"#, "?wait=20s").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let not_taken = "relay_trace_spans_total{result=\"not_taken\"}";
    ask_for("the count", LIMIT, async || (stage.bench.number(not_taken).await > 0.0).then_some(())).await;
    assert_eq!(stage.bench.metric("relay_trace_spans_total{result=\"left_out\"}").await.unwrap(), "0");
}
