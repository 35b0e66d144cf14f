//! 3 am: a scope was taken from the connected app, a secret rotated, and the new value does not arrive. What a
//! person who is woken up sees and does, from the alert to the record of it. docs/RUNBOOK.md tells the same as a
//! page.

use std::time::{Duration, Instant};

use anypoint_sandbox::wait_for;
use jiff::Timestamp;
use serde_json::Value;

use crate::support::{Bench, LIMIT, ORDERS_TARGET, Run, binary, text};

const SCOPE: &str = "manage:application_settings";
const AUDIT_KEY: &str = "audit-key-0123456789abcdefghijklm";
/// `alerts.stale_after`, and how long after it the alert may come.
const STALE_AFTER: Duration = Duration::from_secs(1);
const LATE: Duration = Duration::from_secs(3);

#[tokio::test]
async fn a_scope_that_was_removed_is_told_in_time_mended_by_hand_and_all_of_it_is_on_record() {
    let mut bench = Bench::with_orders().await;
    bench.environment_with("AUDIT_KEY", AUDIT_KEY);
    let (topic, audit) = (bench.aws.topic("relay-alerts"), bench.path("audit.jsonl"));
    let relay = bench
        .spawn_with(&format!(
            "alerts: {{ stale_after: {}s, topic: \"{}\" }}\naudit: {{ to: \"{}\", key: {{ env: AUDIT_KEY }} }}\n{}",
            STALE_AFTER.as_secs(),
            topic.arn(),
            text(&audit),
            bench.file(ORDERS_TARGET),
        ))
        .await;
    relay.shows("orders-api", "in_sync").await;
    let ask = async |arguments: &[&str]| {
        Run::of(binary().env("ANYPOINT_RELAY_ADMIN_URL", &relay.admin).args(arguments)).await
    };

    bench.anypoint.grant(SCOPE, false);
    bench.orders_db().rotate_password("the new password");
    let rotated = Instant::now();
    assert_eq!(relay.trigger(r#"{"secret":"prod/orders/db"}"#, "").await.status, 202);

    // The phone rings.
    let alert = wait_for("the alert", LIMIT, || topic.published().into_iter().next()).await;
    let took = rotated.elapsed();
    println!("alert {took:?} after the rotation, stale_after {STALE_AFTER:?}");
    assert!(took >= STALE_AFTER && took < STALE_AFTER + LATE, "{took:?}");
    assert_eq!(alert.subject.as_deref(), Some("orders-api is stale (denied)"));
    let told: Value = serde_json::from_str(&alert.message).unwrap();
    assert!(told["next_step"].as_str().unwrap().contains(SCOPE), "{told}");

    // Which target, since when, why, what to do: in one look, on the terminal and on the page behind it.
    let status = ask(&["status"]).await.ended(0);
    let line = status.out.lines().nth(1).unwrap();
    assert!(line.starts_with("orders-api") && line.contains("parked"), "{}", status.out);
    let length = ask(&["status", "orders-api"]).await.ended(0);
    for part in ["parked", "denied", "HTTP 403", SCOPE] {
        assert!(length.out.contains(part), "no {part:?} in {}", length.out);
    }
    let shown = relay.target("orders-api").await;
    let since: Timestamp = shown["stale_since"].as_str().unwrap().parse().unwrap();
    let known: Timestamp = told["stale_since"].as_str().unwrap().parse().unwrap();
    assert_eq!(since, known, "the alert and the status tell the same time");
    assert!(shown["next_step"].as_str().unwrap().contains(SCOPE), "{shown}");

    // The scope is given back, and nobody waits for the slow timer.
    bench.anypoint.grant(SCOPE, true);
    ask(&["retry", "orders-api", "--reason", "INC-1: scope given back"]).await.ended(0);
    relay.shows("orders-api", "in_sync").await;
    assert_eq!(bench.running("orders-api", "db.password"), ["the new password"]);
    let healed = wait_for("the end of the alert", LIMIT, || topic.published().into_iter().nth(1)).await;
    assert_eq!(healed.subject.as_deref(), Some("orders-api is no longer stale (in_sync)"));

    // The morning after.
    relay.signal("TERM").await;
    let (ended, log) = relay.ends_within(LIMIT).await;
    assert!(ended.success(), "{log}");
    let verified =
        Run::of(bench.binary().args(["audit", "verify", &text(&audit), "--key-env", "AUDIT_KEY"])).await;
    verified.ended(0);
    let record = std::fs::read_to_string(&audit).unwrap();
    let lines: Vec<Value> = record.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let place = |what: &str, pick: &dyn Fn(&Value) -> bool| {
        lines.iter().rposition(pick).unwrap_or_else(|| panic!("no {what} in {record}"))
    };
    let says = |key: &'static str, value: &'static str| move |line: &Value| line[key] == value;
    let order = [
        place("notification", &says("what", "manual")),
        place("parked", &|line| line["what"] == "parked" && line["code"] == "denied"),
        place("alert", &|line| line["what"] == "alert" && line["alert"] == "stale"),
        place("action", &|line| line["what"] == "operated" && line["reason"] == "INC-1: scope given back"),
        place("end of the alert", &|line| line["what"] == "alert" && line["alert"] == "healed"),
    ];
    assert!(order.is_sorted(), "{order:?} in {record}");
    assert!(!record.contains("the new password") && !log.contains("the new password"));
}
