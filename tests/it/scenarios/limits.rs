//! Anypoint is down, limits us, or takes a token away.

use anypoint_sandbox::anypoint::{Endpoint, NONE};
use anypoint_sandbox::faults::Rule;

use crate::support::{Bench, ORDERS_SECRET, ORDERS_TARGET};

#[tokio::test]
async fn an_anypoint_that_fails_for_a_while_heals() {
    for status in [500, 502, 503] {
        let bench = Bench::orders().await;
        bench.tell_by_eventbridge();
        let rule = bench.anypoint.faults().add(Rule::status(status).path("/amc/").times(6));
        bench.orders_db().rotate_password("second-password");
        bench.arrives("orders-api", "db.password", "second-password").await;
        assert_eq!(bench.anypoint.faults().hits(rule), 6);
        assert_eq!(bench.passwords(), ["first-password", "second-password"]);
    }
}

#[tokio::test]
async fn a_pause_that_anypoint_asks_for_is_kept() {
    for (status, header) in
        [(503, Some(("retry-after", "1"))), (429, Some(("retry-after", "1"))), (429, None)]
    {
        let bench = Bench::orders().await;
        bench.tell_by_eventbridge();
        let rule = Rule::status(status).path("/amc/").times(1);
        bench.anypoint.faults().add(match header {
            Some((name, value)) => rule.header(name, value),
            None => rule,
        });
        bench.anypoint.log().clear();
        bench.orders_db().rotate_password("second-password");
        bench.arrives("orders-api", "db.password", "second-password").await;
        let times: Vec<jiff::Timestamp> =
            bench.anypoint.log().all().into_iter().map(|request| request.at).collect();
        let pause = times[1].duration_since(times[0]).as_millis();
        assert!(pause >= 950, "{status} {header:?}: asked again after {pause} ms");
    }
}

#[tokio::test]
async fn an_expired_token_costs_one_new_one_for_all() {
    const APPS: [&str; 5] = ["app-1", "app-2", "app-3", "app-4", "app-5"];
    let mut bench = Bench::new().await;
    bench.aws.create_secret("prod/orders/db", ORDERS_SECRET);
    let target = |app: &str| {
        bench.anypoint.deploy(app, NONE, [("db.user", "orders_app"), ("db.password", "old")]);
        ORDERS_TARGET.replace("orders-api", app)
    };
    let targets: String = APPS.map(target).concat();
    bench.start(&targets).await;
    for app in APPS {
        bench.in_sync(app).await;
    }
    bench.tell_by_eventbridge();
    let minted = bench.anypoint.tokens_minted();
    bench.anypoint.expire_tokens();
    bench.orders_db().rotate_password("second-password");
    for app in APPS {
        bench.arrives(app, "db.password", "second-password").await;
    }
    assert_eq!(bench.anypoint.tokens_minted() - minted, 1);
}

#[tokio::test]
async fn a_token_that_is_taken_away_between_look_and_write_is_renewed() {
    let bench = Bench::orders().await;
    bench.tell_by_eventbridge();
    let minted = bench.anypoint.tokens_minted();
    bench.anypoint.faults().add(Rule::status(401).tag(Endpoint::DeploymentPatch.tag()).times(1));
    let patches = bench.patches();
    bench.orders_db().rotate_password("second-password");
    bench.arrives("orders-api", "db.password", "second-password").await;
    assert_eq!(bench.anypoint.tokens_minted() - minted, 1);
    assert_eq!(bench.patches() - patches, 2);
}

#[tokio::test]
async fn a_token_endpoint_that_fails_for_a_while_heals() {
    let bench = Bench::orders().await;
    bench.tell_by_eventbridge();
    bench.anypoint.expire_tokens();
    let rule = bench.anypoint.faults().add(Rule::status(500).tag("token").times(3));
    bench.orders_db().rotate_password("second-password");
    bench.arrives("orders-api", "db.password", "second-password").await;
    assert_eq!(bench.anypoint.faults().hits(rule), 3);
}
