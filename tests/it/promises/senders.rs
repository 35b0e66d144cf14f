//! Promises 7 and 8: memory follows the configuration, and senders are told the truth.

use anypoint_sandbox::aws::{Attempt, Outcome, events};
use anypoint_sandbox::faults::{Action, Gate, Rule};
use anypoint_sandbox::wait_until;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Bench, LIMIT, NEVER_POLLS};

#[tokio::test]
async fn promise_7_a_flood_of_notifications_costs_one_run_at_a_time_and_no_memory() {
    let mut bench = Bench::orders().await;
    bench.restart_with(&[NEVER_POLLS]).await;
    let secret = bench.orders_db();
    let series = |page: &str| page.lines().filter(|line| !line.starts_with('#')).count();
    let version = secret.rotate_password("second-password");
    let event = || {
        let mut event = events::label_updated(secret.arn(), "AWSCURRENT", &version);
        event["id"] = json!(uuid::Uuid::new_v4().to_string());
        event
    };
    // Every kind of series is there before the flood.
    bench.post_event(&event()).await;
    bench
        .post_event(&events::label_updated(
            &secret.arn().replace("orders", "unknown-0"),
            "AWSCURRENT",
            &version,
        ))
        .await;
    bench.runs_with("orders-api", "db.password", "second-password").await;
    bench.post_event(&event()).await;
    bench.in_sync("orders-api").await;
    bench.ask("/metrics").await;
    let before = series(&bench.ask("/metrics").await.text);

    let gate = Gate::new();
    bench.anypoint.faults().add(Rule::new(Action::Hang(gate.clone())).method(Method::GET).times(1));
    bench.post_event(&event()).await;
    gate.arrived(1).await;
    let asked = bench.asked("DescribeSecret");
    for round in 0..5 {
        let unknown = |number| {
            let arn = secret.arn().replace("orders", &format!("unknown-{round}-{number}"));
            events::label_updated(&arn, "AWSCURRENT", &version)
        };
        let unknown: Vec<Value> = (0..100).map(unknown).collect();
        assert_eq!(bench.post_event(&unknown.into()).await.status, 200, "nothing is configured for them");
        let known: Vec<Value> = (0..100).map(|_| event()).collect();
        assert_eq!(bench.post_event(&known.into()).await.status, 202);
    }
    assert_eq!(bench.asked("DescribeSecret"), asked, "one run at a time, and nothing for unknown secrets");
    assert_eq!(bench.keys(), 1);
    gate.open();
    bench.idle().await;
    assert_eq!(bench.asked("DescribeSecret") - asked, 1, "a thousand notifications, one further run");
    assert_eq!(series(&bench.ask("/metrics").await.text), before);
}

#[tokio::test]
async fn promise_8_each_sender_is_answered_as_it_understands() {
    let bench = Bench::orders().await;
    let secret = bench.orders_db();
    let event = |arn: &str| events::label_updated(arn, "AWSCURRENT", &secret.current_version());
    let known = event(secret.arn());
    assert_eq!(bench.post_event(&known).await.status, 202, "accepted");
    assert_eq!(bench.post_event(&known).await.status, 200, "a duplicate");
    let unknown = event(&secret.arn().replace("orders", "other"));
    assert_eq!(bench.post_event(&unknown).await.status, 200, "EventBridge would repeat it for a day");
    let headers = [("x-api-key", "wrong".to_owned())];
    let refused = bench.post("/hooks/eventbridge", &headers, &known.to_string()).await;
    assert_eq!(refused.status, 401);
    let answers = [
        (r#"{"secret":"prod/orders/db"}"#, "", 202),
        (r#"{"secret":"prod/orders/db"}"#, "?wait=3s", 200),
        (r#"{"secret":"prod/unknown"}"#, "", 404),
        (r#"{"target":"unknown"}"#, "", 404),
        (r#"{"target":7}"#, "", 400),
        ("{", "", 400),
    ];
    for (body, query, status) in answers {
        assert_eq!(bench.trigger(body, query).await.status, status, "{body} {query}");
    }
    assert_eq!(bench.trigger_as("msg_1", r#"{"all":true}"#, "").await.status, 202);
    assert_eq!(bench.trigger_as("msg_1", r#"{"all":true}"#, "").await.status, 409);
    bench.orders_db().rotate("not json");
    assert_eq!(bench.trigger(r#"{"all":true}"#, "?wait=3s").await.status, 502, "it is parked");
}

/// Nothing but the sender's own retry can bring the value: no timer runs, and nobody triggers.
#[tokio::test]
async fn promise_8_what_an_overloaded_relay_cannot_take_stays_with_its_sender() {
    for sender in [Sender::Sns, Sender::EventBridge] {
        let bench = Bench::with_one_place().await;
        bench
            .while_occupied(async {
                bench.told_by(sender);
                bench.orders_db().rotate_password("second-password");
                wait_until("an attempt", LIMIT, || !bench.aws.deliveries().is_empty()).await;
                assert_eq!(bench.running("orders-api", "db.password"), ["first-password"]);
            })
            .await;

        bench.arrives("orders-api", "db.password", "second-password").await;
        assert_eq!(bench.passwords(), ["first-password", "second-password"]);
        taken_at_last(&bench.aws.deliveries());
    }
}

#[derive(Clone, Copy)]
enum Sender {
    Sns,
    EventBridge,
}

impl Bench {
    fn told_by(&self, sender: Sender) {
        match sender {
            Sender::Sns => self.tell_by_sns_confirmed(),
            Sender::EventBridge => self.tell_by_eventbridge(),
        }
    }
}

/// All attempts but the last were 503 with `Retry-After`, and all are of one message.
fn taken_at_last(attempts: &[Attempt]) {
    let [refused @ .., taken] = attempts else { panic!("no attempt") };
    assert!(taken.outcome.is_success() && !refused.is_empty(), "{attempts:?}");
    for attempt in refused {
        assert_eq!(attempt.outcome, Outcome::Status(503));
        assert_eq!(attempt.headers["retry-after"], "1");
        assert_eq!(attempt.id, taken.id, "the sender's own retry");
    }
}
