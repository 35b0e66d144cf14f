//! Every action is a line of the audit, whoever did it; no token is anywhere.

use serde_json::{Value, json};

use super::{OPERATOR, READER, act_at, guarded, read};
use crate::support::{Bench, LIMIT, ORDERS_TARGET, Relay, Run, text};

const AUDIT_KEY: &str = "audit-key-0123456789abcdefghijklmnop";

fn entries(audit: &str) -> Vec<Value> {
    let lines = audit.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|entry| entry["what"] == "operated").collect()
}

#[tokio::test]
async fn each_action_is_a_line_of_an_intact_audit_and_no_token_is_shown_anywhere() {
    let mut bench = Bench::with_orders().await.with_tokens();
    bench.environment_with("AUDIT_KEY", AUDIT_KEY);
    let path = bench.path("audit.jsonl");
    let audit = format!("audit: {{ to: {}, key: {{ env: AUDIT_KEY }} }}\n", text(&path));
    let config = bench.write("relay.yaml", format!("{}{audit}", guarded(&bench.file(ORDERS_TARGET))));
    let relay = Relay::launch(bench.binary().arg("serve").arg(&config)).await;
    relay.logs("the start", |line| line["message"] == "reconciled").await;

    let mut asked = Vec::new();
    for (action, body) in [
        ("retry", json!({"reason": "the roll limit was raised"})),
        ("sync", json!({"reason": "CHG0012345"})),
        ("pause", json!({"reason": "a freeze", "for": "2h"})),
        ("resume", json!({"reason": "the freeze is over"})),
    ] {
        let refused = act_at(&relay.admin, READER, "orders-api", action, &body).await;
        assert_eq!(refused.status, 403, "{action}");
        let done = act_at(&relay.admin, OPERATOR, "orders-api", action, &body).await;
        assert!(matches!(done.status, 200 | 202), "{}", done.text);
        asked.push((action, body["reason"].clone(), done.body["request_id"].clone()));
    }
    assert_eq!(
        act_at(&relay.admin, OPERATOR, "orders-api", "resume", &json!({"reason": "again"})).await.status,
        409
    );
    act_at(&relay.admin, "a-guess", "orders-api", "resume", &json!({"reason": "again"})).await;
    let pages = [read(&relay, READER, "/status").await.text, read(&relay, OPERATOR, "/metrics").await.text];
    relay.signal("TERM").await;
    let (_, log) = relay.ends_within(LIMIT).await;

    let audit = std::fs::read_to_string(&path).unwrap();
    let entries = entries(&audit);
    let said: Vec<_> = entries
        .iter()
        .map(|entry| {
            (entry["action"].as_str().unwrap(), entry["reason"].clone(), entry["request_id"].clone())
        })
        .collect();
    assert_eq!(said, asked, "{audit}");
    for entry in &entries {
        assert_eq!((&entry["target"], &entry["role"]), (&json!("orders-api"), &json!("operator")));
        assert_eq!(
            (&entry["key_id"], &entry["peer"]),
            (&json!("environment variable OPERATOR"), &json!("127.0.0.1"))
        );
        assert_eq!(entry.get("until").is_some(), entry["action"] == "pause");
    }
    Run::of(bench.binary().args(["audit", "verify"]).arg(&path)).await.ended(0);
    for text in pages.iter().chain([&log, &audit]) {
        assert!(!text.contains(OPERATOR) && !text.contains(READER), "a token in {text}");
    }
    let line = log.lines().find(|line| line.contains(r#""message":"operated""#)).unwrap();
    assert!(line.contains("the roll limit was raised"), "{line}");
    assert!(log.contains("a reader's token was shown for an action"), "{log}");
}

#[tokio::test]
async fn where_no_token_is_asked_for_the_audit_says_whence_it_came() {
    let mut bench = Bench::with_orders().await;
    bench.environment_with("AUDIT_KEY", AUDIT_KEY);
    let path = bench.path("audit.jsonl");
    let audit = format!("audit: {{ to: {}, key: {{ env: AUDIT_KEY }} }}\n", text(&path));
    let relay = bench.spawn_with(&format!("{}{audit}", bench.file(ORDERS_TARGET))).await;
    let done = act_at(&relay.admin, "", "orders-api", "sync", &json!({"reason": "a test"})).await;
    assert_eq!(done.status, 202);
    relay.signal("TERM").await;
    relay.ends_within(LIMIT).await;
    let [entry] = &entries(&std::fs::read_to_string(&path).unwrap())[..] else { panic!("one action") };
    assert_eq!((entry.get("key_id"), &entry["peer"]), (None, &json!("127.0.0.1")));
}
