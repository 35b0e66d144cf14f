//! What probes, metrics and status say about a relay at work.

use serde_json::json;

use crate::support::{Bench, LIMIT};

#[tokio::test]
async fn both_listeners_say_that_the_relay_lives_and_is_ready() {
    let bench = Bench::orders().await;
    assert_eq!(bench.ask("/healthz").await.body, json!({"status": "ok"}));
    assert_eq!(bench.ask("/readyz").await.body, json!({"status": "ready"}));
    for (path, status) in [("/healthz", "ok"), ("/readyz", "ready")] {
        let mut line = bench.connect().await;
        line.send(&format!("GET {path} HTTP/1.1\r\nhost: relay\r\n\r\n")).await;
        assert_eq!(line.answer("GET", path).await.unwrap().1.body, json!({"status": status}));
    }
}

#[tokio::test]
async fn every_answer_is_counted_under_its_route() {
    let bench = Bench::orders().await;
    let (mut line, post) = (bench.connect().await, "host: relay\r\ncontent-length: 0\r\n\r\n");
    for (request, path) in [
        (format!("POST /hooks/trigger HTTP/1.1\r\n{post}"), "/hooks/trigger"),
        (format!("POST /hooks/eventbridge?key=1 HTTP/1.1\r\n{post}"), "/hooks/eventbridge"),
        (format!("POST /hooks/eventbridge HTTP/1.1\r\n{post}"), "/hooks/eventbridge"),
    ] {
        line.send(&request).await;
        assert_eq!(line.answer("POST", path).await.unwrap().1.status, 401);
    }
    let unknown = bench.client.get(format!("{}/hooks/{}", bench.hooks(), "x".repeat(100))).send().await;
    assert_eq!(unknown.unwrap().status(), 404);
    bench.ask("/status").await;
    bench.ask("/metrics").await;
    for (route, class, count) in [
        ("/hooks/trigger", "4xx", "1"),
        ("/hooks/eventbridge", "4xx", "2"),
        ("none", "4xx", "1"),
        ("/status", "2xx", "1"),
        ("/metrics", "2xx", "5"),
    ] {
        let sample = format!("relay_requests_total{{route=\"{route}\",status_class=\"{class}\"}}");
        assert_eq!(bench.metric(&sample).await.as_deref(), Some(count), "{sample}");
    }
}

#[tokio::test]
async fn staleness_counts_while_aws_is_ahead_and_ends_with_the_proof() {
    let bench = Bench::orders().await;
    bench.tell_by_eventbridge();
    let stale = async || {
        let text = bench.metric("relay_target_stale_seconds{target=\"orders-api\"}").await;
        text.unwrap().parse::<f64>().unwrap()
    };
    assert!(stale().await <= 0.0);
    let app = bench.anypoint.app("orders-api");
    app.roll_by_hand();
    bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    anypoint_sandbox::wait_until("the roll", LIMIT, || app.is_rolling()).await;
    bench.outcome("orders-api", |outcome| (outcome.label() == "confirming").then_some(())).await;
    let first = stale().await;
    assert!(first > 0.0, "written is not proved");
    let status = bench.ask("/status").await.body;
    let target = &status["targets"][0];
    assert_eq!(target["outcome"], "confirming");
    assert!(target["stale_seconds"].as_f64().unwrap() >= first);
    assert_ne!(target["wanted"], target["delivered"]);

    app.finish_roll();
    bench.arrives("orders-api", "db.password", "second-password").await;
    assert!(stale().await <= 0.0);
    let sample = "relay_target_outcome{target=\"orders-api\",outcome=\"in_sync\"}";
    assert_eq!(bench.metric(sample).await.as_deref(), Some("1"));
    let propagated = "relay_rotation_to_confirmed_seconds_count";
    assert_eq!(bench.metric(propagated).await.as_deref(), Some("1"), "the first delivery is no change");
    let took = bench.metric("relay_rotation_to_confirmed_seconds_sum").await.unwrap().parse::<f64>().unwrap();
    assert!(took >= first, "from the change in AWS on: {took} s, {first} s of them before the roll was seen");
}

#[tokio::test]
async fn the_status_names_versions_events_and_requests() {
    let bench = Bench::orders().await;
    let secret = bench.aws.secret("prod/orders/db").unwrap();
    let version = secret.rotate_password("second-password");
    let event = bench.event();
    let answer = bench.post_event(&event).await;
    bench.arrives("orders-api", "db.password", "second-password").await;
    let status = bench.ask("/status").await.body;
    assert_eq!(status["not_ready"], json!([]));
    assert_eq!(status["queue"]["idle"], 1);
    let target = &status["targets"][0];
    assert_eq!((&target["target"], &target["outcome"]), (&json!("orders-api"), &json!("in_sync")));
    assert_eq!(target["wanted"], json!({"prod/orders/db": &version[..8]}));
    assert_eq!(target["delivered"], target["wanted"]);
    assert_eq!((&target["stale_since"], &target["failure"]), (&json!(null), &json!(null)));
    assert_eq!(target["event_id"], event["id"]);
    assert_eq!(target["request_id"], answer.body["request_id"]);
    let heard = &status["secrets"][0]["last_notification"];
    assert_eq!((&heard["change"], &heard["event_id"]), (&json!("value"), &event["id"]));
    assert!(!status.to_string().contains("second-password"));
}
