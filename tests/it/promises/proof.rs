//! Promises 4 to 6: done means proved, neighbours survive, no value leaves the path.

use anypoint_sandbox::wait_until;

use crate::support::{Bench, LIMIT, ORDERS_SECRET, ORDERS_TARGET, now};

const STALE: &str = r#"relay_target_stale_seconds{target="orders-api"}"#;

#[tokio::test]
async fn promise_4_a_target_is_in_sync_only_when_anypoint_shows_it() {
    let bench = Bench::orders().await;
    let app = bench.anypoint.app("orders-api");
    app.scale(2).roll_by_hand();
    bench.tell_by_eventbridge();
    bench.orders_db().rotate_password("second-password");
    wait_until("the roll", LIMIT, || app.is_rolling()).await;
    for _ in 0..2 {
        bench.outcome("orders-api", |outcome| (outcome.label() == "confirming").then_some(())).await;
        let runs = bench.runs("orders-api")[0].run;
        wait_until("a further look", LIMIT, || bench.runs("orders-api")[0].run > runs).await;
        assert_eq!(bench.runs("orders-api")[0].outcome, "confirming");
        assert!(bench.number(STALE).await > 0.0, "staleness counts until the proof");
        app.step_roll();
    }
    bench.arrives("orders-api", "db.password", "second-password").await;
    assert!(bench.number(STALE).await <= 0.0);
}

#[tokio::test]
async fn promise_4_where_nothing_is_proved_the_word_is_accepted() {
    let mut bench = Bench::new().await;
    bench.anypoint.rules(|rules| rules.secret_value_endpoint = true);
    bench.anypoint.add_secret_value("orders-db");
    bench.aws.create_secret("prod/orders/db", ORDERS_SECRET);
    let target = "
  orders-value:
    kind: secret_value
    connection: prod
    secret_id: orders-db
    coalesce: 10ms
    value: { secret: prod/orders/db, field: password }
";
    bench.start(target).await;
    bench.ended_as("orders-value", "accepted").await;
    bench.tell_by_eventbridge();
    bench.orders_db().rotate_password("second-password");
    let values = || -> Vec<String> {
        bench.anypoint.secret_values("orders-db").into_iter().map(|write| write.value).collect()
    };
    wait_until("the value", LIMIT, || values() == ["first-password", "second-password"]).await;
    bench.ended_as("orders-value", "accepted").await;
    assert!(bench.runs("orders-value").iter().all(|run| run.outcome != "in_sync"));
}

#[tokio::test]
async fn promise_5_properties_of_others_survive_every_write() {
    let mut bench = Bench::new().await;
    let secret = bench.aws.create_secret("prod/orders/db", ORDERS_SECRET);
    let app = bench.anypoint.deploy(
        "orders-api",
        [("http.port", "8081"), ("feature.new", "on"), ("db.url", "jdbc:$${host}")],
        [("db.password", "first-password")],
    );
    bench.start(ORDERS_TARGET).await;
    bench.in_sync("orders-api").await;
    bench.tell_by_eventbridge();
    secret.rotate_password("second-password");
    bench.arrives("orders-api", "db.password", "second-password").await;
    for replica in app.running() {
        for (name, value) in [("http.port", "8081"), ("feature.new", "on"), ("db.url", "jdbc:$${host}")] {
            assert_eq!(replica.properties[name], value);
        }
    }
    assert_eq!(app.desired_secure().len(), 2);
}

#[tokio::test]
async fn promise_5_a_write_that_would_lose_a_neighbour_is_refused() {
    let mut bench = Bench::new().await;
    bench.aws.create_secret("prod/orders/db", ORDERS_SECRET);
    let secure = [("db.password", "first-password"), ("partner.key", "not-ours")];
    let app = bench.anypoint.deploy("orders-api", anypoint_sandbox::anypoint::NONE, secure);
    bench.start(ORDERS_TARGET).await;
    bench.ended_as("orders-api", "parked").await;
    let failure = bench.fails_with("orders-api", "would_lose").await;
    assert!(failure.message.contains("partner.key"), "{}", failure.message);
    assert_eq!((bench.patches(), app.history().writes.len()), (0, 0));
    assert_eq!(app.desired_secure()["partner.key"], "not-ours");
}

#[tokio::test]
async fn promise_6_no_value_is_shown_by_status_metrics_answers_or_the_receipt() {
    const CANARY: &str = "cAnArY-5f1d9c";
    let bench = Bench::orders().await;
    let secret = bench.orders_db();
    bench.tell_by_eventbridge();
    secret.rotate_password(CANARY);
    bench.arrives("orders-api", "db.password", CANARY).await;
    let mut shown = vec![
        bench.ask("/metrics").await.text,
        bench.ask("/status").await.text,
        bench.trigger(r#"{"all":true}"#, "?wait=3s").await.text,
    ];
    // A value that does not fit the mapping is an error that names the place, not the value.
    secret.rotate(format!(r#"{{"username":"orders_app","password":["{CANARY}"]}}"#));
    bench.ended_as("orders-api", "parked").await;
    shown.push(bench.ask("/status").await.text);
    shown.push(bench.trigger(r#"{"all":true}"#, "?wait=3s").await.text);
    shown.push(format!("{:?}", bench.board().snapshot(now())));
    let properties = bench.anypoint.app("orders-api").desired_properties();
    assert!(properties.contains_key("anypoint-relay.receipt"));
    shown.extend(properties.into_values());

    assert_eq!(bench.running("orders-api", "db.password"), [CANARY], "the scan looks for the right text");
    for text in shown {
        assert!(!text.contains(CANARY), "{text}");
    }
}
