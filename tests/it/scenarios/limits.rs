//! Anypoint is down, limits us, or takes a token away; and how fast many applications go.

use std::time::{Duration, Instant};

use anypoint_sandbox::anypoint::{Endpoint, NONE};
use anypoint_sandbox::faults::Rule;

use crate::support::{Bench, ORDERS_TARGET};

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
    let mut bench = Bench::new().await;
    let targets = fleet(&bench, 5);
    bench.start(&targets).await;
    for app in apps(5) {
        bench.in_sync(&app).await;
    }
    bench.tell_by_eventbridge();
    let minted = bench.anypoint.tokens_minted();
    bench.anypoint.expire_tokens();
    bench.aws.secret("prod/shared").unwrap().rotate("second-token");
    for app in apps(5) {
        bench.arrives(&app, "token", "second-token").await;
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

/// One secret, and so many applications that use it.
fn fleet(bench: &Bench, count: usize) -> String {
    bench.aws.create_secret("prod/shared", "first-token");
    apps(count)
        .map(|app| {
            bench.anypoint.deploy(&app, NONE, [("token", "first-token")]);
            ORDERS_TARGET
                .replace("orders-api", &app)
                .replace("db.user: { secret: prod/orders/db, field: username }", "")
                .replace(
                    "db.password: { secret: prod/orders/db, field: password }",
                    "token: { secret: prod/shared }",
                )
        })
        .collect()
}

fn apps(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("app-{number:03}"))
}

/// Starts the relay with so many applications that nothing was delivered to yet, at this rate, and gives
/// how long it took until all were in sync, and how many requests.
async fn drained(bench: &mut Bench, count: usize, rate: u32) -> (Duration, usize) {
    let targets = fleet(bench, count);
    let settings = [
        ("    base_url", "    max_rolling: 1000\n    base_url"),
        ("confirm_poll: 20ms", "confirm_poll: 300ms"),
    ];
    let text = bench.tuned(&targets, &settings);
    let started = Instant::now();
    bench
        .start_beyond(&text, |config| {
            for connection in config.connections.values_mut() {
                connection.rates.application_manager = f64::from(rate);
            }
        })
        .await;
    for app in apps(count) {
        bench.in_sync(&app).await;
    }
    let took = started.elapsed();
    let requests = bench.anypoint.requests();
    let kinds = [Endpoint::DeploymentList, Endpoint::DeploymentGet, Endpoint::DeploymentPatch];
    (took, kinds.into_iter().map(|kind| requests.of(kind)).sum())
}

#[tokio::test]
async fn forty_applications_stay_below_the_limit_of_the_application_manager() {
    // The proportion of the defaults: 12 a second where 15 are allowed.
    let mut bench = Bench::new().await;
    bench.anypoint.set_application_manager_limit(Some(125));
    let (took, requests) = drained(&mut bench, 40, 100).await;
    println!("40 applications, {requests} requests at 100/s: {took:?}");
    assert_eq!(bench.anypoint.over_application_manager_limit(), 0);
    for app in apps(40) {
        assert_eq!(bench.anypoint.history(&app).rolls(), 1, "{app}");
    }
}

#[tokio::test]
async fn a_drain_of_many_applications_costs_a_look_a_write_and_a_proof_for_each() {
    let (_, told) = drains(50, 200).await;
    println!("{told}");
}

#[tokio::test]
#[ignore = "a measurement: run it alone, on a quiet machine"]
async fn two_hundred_applications_drain_as_fast_as_the_rate_allows() {
    let (ratio, told) = drains(200, 200).await;
    println!("{told}");
    assert!(ratio < 1.1, "{told}");
}

/// Brings so many applications in sync at this rate; gives how much longer it took than the rate dictates, and that in words.
async fn drains(count: usize, rate: u32) -> (f64, String) {
    let mut bench = Bench::new().await;
    bench.anypoint.set_application_manager_limit(None);
    let (took, requests) = drained(&mut bench, count, rate).await;
    let bound = Duration::from_secs(1) * u32::try_from(requests).unwrap() / rate;
    let ratio = took.as_secs_f64() / bound.as_secs_f64();
    let told = format!(
        "{count} applications, {requests} requests at {rate}/s: {took:?}, bound {bound:?}, ratio {ratio:.2}"
    );
    assert!(requests <= count * 4 + 10, "{requests} requests: a look, a write, and a proof for each");
    let describes = bench.asked("DescribeSecret");
    assert!(
        describes <= count * 5,
        "{describes} reads of AWS: targets that wait for their turn read nothing"
    );
    for app in apps(count) {
        assert_eq!(bench.anypoint.history(&app).rolls(), 1, "{app}");
    }
    (ratio, told)
}
