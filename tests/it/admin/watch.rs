//! Changes as they happen, to those who watch.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use super::act_at;
use crate::openapi::Spec;
use crate::support::{Bench, LIMIT, ORDERS_TARGET, client};

/// A client of `/events`.
struct Watcher {
    response: reqwest::Response,
    text: String,
}

impl Watcher {
    async fn open(admin: &str) -> Self {
        let response = client().get(format!("{admin}/events")).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut watcher = Self { response, text: String::new() };
        assert_eq!(watcher.next().await.unwrap().0, "hello");
        watcher
    }

    /// The next event, held to the contract; none once the relay has ended the stream.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let event: String = self.text.drain(..end + 2).collect();
                let line =
                    |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let (name, data) = (line("event: "), line("data: "));
                if let (Some(name), Some(data)) = (name, data) {
                    let data: Value = serde_json::from_str(&data).unwrap();
                    fits(&name, &data);
                    return Some((name, data));
                }
                continue;
            }
            let chunk = timeout(LIMIT, self.response.chunk()).await.expect("news, or the end");
            self.text.push_str(std::str::from_utf8(&chunk.unwrap()?).unwrap());
        }
    }

    /// The next event for which `pick` holds.
    async fn sees(&mut self, what: &str, pick: impl Fn(&str, &Value) -> bool) -> Value {
        loop {
            let (name, data) = self.next().await.unwrap_or_else(|| panic!("the stream ended before {what}"));
            if pick(&name, &data) {
                return data;
            }
        }
    }
}

fn fits(name: &str, data: &Value) {
    let schema = match name {
        "target" => "TargetPage",
        "notification" => "Notice",
        _ => return,
    };
    let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
    assert_eq!(Spec::get().mismatch(&schema, data), None);
}

#[tokio::test]
async fn a_rotation_is_seen_as_it_happens() {
    let bench = Bench::orders().await;
    bench.tell_by_eventbridge();
    let mut watcher = Watcher::open(bench.admin()).await;
    bench.anypoint.app("orders-api").fail_next_rolls(1);
    bench.orders_db().rotate_password("second-password");
    let heard = watcher.sees("the notification", |name, _| name == "notification").await;
    assert_eq!((&heard["route"], &heard["verdict"]), (&json!("eventbridge"), &json!("accepted")));
    assert!(heard["secret"].as_str().unwrap().contains("prod/orders/db"), "{heard}");
    let parked = watcher.sees("the failed roll", |_, data| data["target"]["state"] == "parked").await;
    assert_eq!(parked["target"]["failure"]["code"], "roll_failed");
    let reason = json!({"reason": "the cause is gone"});
    act_at(bench.admin(), "", "orders-api", "retry", &reason).await;
    let healed = watcher.sees("the end", |_, data| data["target"]["state"] == "in_sync").await;
    assert!(healed["target"]["delivery"]["confirmed"].is_string(), "{healed}");
    act_at(bench.admin(), "", "orders-api", "pause", &reason).await;
    watcher.sees("the pause", |_, data| data["target"]["state"] == "paused").await;
    act_at(bench.admin(), "", "orders-api", "resume", &reason).await;
    watcher.sees("the resume", |_, data| data["target"]["state"] == "in_sync").await;
}

#[tokio::test]
async fn what_is_refused_at_the_hooks_is_seen_too_and_shows_on_the_status_page() {
    let bench = Bench::orders().await;
    let mut watcher = Watcher::open(bench.admin()).await;
    for _ in 0..3 {
        bench.post("/hooks/sns", &[], "{}").await;
    }
    let refused = watcher.sees("the refusal", |_, data| data["count"] == 3).await;
    assert_eq!((&refused["verdict"], &refused["code"]), (&json!("malformed"), &json!("malformed")));
    let page = bench.ask("/status").await.body;
    assert_eq!(page["refused"], json!([refused]));
    assert_eq!(page["notifications"], json!([]));
}

#[tokio::test]
async fn the_drain_ends_every_stream_and_is_not_held_by_them() {
    let bench = Bench::with_orders().await;
    let relay = bench.spawn(ORDERS_TARGET).await;
    relay.shows("orders-api", "in_sync").await;
    let mut watchers = Vec::new();
    for _ in 0..4 {
        watchers.push(Watcher::open(&relay.admin).await);
    }
    // One of them reads nothing from now on.
    let _silent = watchers.pop();
    relay.signal("TERM").await;
    let (status, log) = relay.ends_within(Duration::from_secs(5)).await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!log.contains("were cut off"), "{log}");
    for watcher in &mut watchers {
        while watcher.next().await.is_some() {}
    }
}

#[tokio::test]
async fn whoever_goes_leaves_its_place_to_others() {
    let bench = Bench::orders().await;
    let mut watchers = Vec::new();
    for _ in 0..16 {
        watchers.push(Watcher::open(bench.admin()).await);
    }
    assert_eq!(bench.ask("/events").await.status, 503);
    watchers.clear();
    let opened = async || {
        let response = client().get(format!("{}/events", bench.admin())).send().await.unwrap();
        (response.status() == 200).then_some(())
    };
    anypoint_sandbox::ask_for("a place", LIMIT, opened).await;
}
