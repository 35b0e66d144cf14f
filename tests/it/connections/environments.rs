//! Several connections to one control plane: each signs in for itself and reaches its own environment;
//! what Anypoint counts per client address they share.

use std::collections::BTreeSet;
use std::time::Duration;

use anypoint_sandbox::anypoint::NONE;
use anypoint_sandbox::faults::{Action, Rule};
use jiff::SignedDuration;

use crate::support::{Bench, ORDERS_SECRET, ORDERS_TARGET};

const SECURE: [(&str, &str); 2] = [("db.user", "orders_app"), ("db.password", "none yet")];

/// [`ORDERS_TARGET`] under another name, through another connection, with another secret.
fn target(name: &str, connection: &str, secret: &str) -> String {
    ORDERS_TARGET
        .replace("  orders-api:", &format!("  {name}:"))
        .replace("connection: prod", &format!("connection: {connection}"))
        .replace("prod/orders/db", secret)
}

#[tokio::test]
async fn one_name_in_three_environments_of_two_organizations_is_three_applications() {
    let mut bench = Bench::with_orders().await;
    let (test, partner) = (bench.anypoint.add_environment(false), bench.anypoint.add_environment(true));
    assert_eq!(test.organization(), bench.anypoint.organization());
    assert_ne!(partner.organization(), bench.anypoint.organization());
    let apps = [&test, &partner].map(|environment| environment.deploy("orders-api", NONE, SECURE));
    for secret in ["test/orders/db", "partner/orders/db"] {
        bench.aws.create_secret(secret, ORDERS_SECRET.replace("first-password", secret));
    }
    let targets = [
        ORDERS_TARGET,
        &target("in-test", "test", "test/orders/db"),
        &target("at-partner", "partner", "partner/orders/db"),
    ];
    let configuration = bench.file_with(&targets.concat(), &[("test", &test), ("partner", &partner)]);
    bench.start_with(&configuration).await;
    for name in ["orders-api", "in-test", "at-partner"] {
        bench.in_sync(name).await;
    }

    let [in_test, at_partner] = apps.map(|app| app.running()[0].secure["db.password"].clone());
    assert_eq!(bench.running("orders-api", "db.password"), ["first-password"]);
    assert_eq!((in_test.as_str(), at_partner.as_str()), ("test/orders/db", "partner/orders/db"));

    let mut tokens = BTreeSet::new();
    for environment in [&bench.anypoint.environment(), test.id(), partner.id()] {
        let requests = bench.anypoint.log().matching(|request| request.path.contains(environment));
        let used: BTreeSet<_> =
            requests.iter().map(|request| request.headers["authorization"].clone()).collect();
        assert_eq!(used.len(), 1, "one token for each connection");
        assert!(requests.iter().all(|request| request.headers["x-anypnt-env-id"] == *environment));
        tokens.extend(used.into_iter().map(|token| token.to_str().unwrap().to_owned()));
    }
    assert_eq!((tokens.len(), bench.anypoint.tokens_minted()), (3, 3));
}

/// Starts the relay with ten applications in each of two environments, and waits until all are in sync.
async fn twenty_over_two_connections(bench: &mut Bench, rate: f64) {
    let test = bench.anypoint.add_environment(false);
    bench.aws.create_secret("prod/orders/db", ORDERS_SECRET);
    let mut targets = String::new();
    for number in 0..10 {
        let app = format!("app-{number}");
        bench.anypoint.deploy(&app, NONE, SECURE);
        test.deploy(&app, NONE, SECURE);
        for connection in ["prod", "test"] {
            let name = format!("{connection}-{number}");
            targets += &target(&name, connection, "prod/orders/db")
                .replace("deployment: orders-api", &format!("deployment: {app}"));
        }
    }
    let configuration = bench
        .file_with(&targets, &[("test", &test)])
        .replace("    base_url", "    max_rolling: 100\n    max_requests: 2\n    base_url");
    bench
        .start_beyond(&configuration, |config| {
            for connection in config.connections.values_mut() {
                connection.rates.application_manager = rate;
            }
        })
        .await;
    for number in 0..10 {
        for connection in ["prod", "test"] {
            bench.in_sync(&format!("{connection}-{number}")).await;
        }
    }
}

#[tokio::test]
async fn connections_to_one_host_share_its_rate() {
    let mut bench = Bench::new().await;
    // Each connection by itself would stay below; both together, each at this rate, would not.
    bench.anypoint.set_application_manager_limit(Some(60));
    twenty_over_two_connections(&mut bench, 48.0).await;
    assert_eq!(bench.anypoint.over_application_manager_limit(), 0);
}

#[tokio::test]
async fn a_connection_has_no_more_requests_under_way_than_it_may() {
    const ANSWERS_AFTER: Duration = Duration::from_millis(20);
    let mut bench = Bench::new().await;
    bench.anypoint.faults().add(Rule::new(Action::Latency(ANSWERS_AFTER)));
    twenty_over_two_connections(&mut bench, 1200.0).await;
    let environment = bench.anypoint.environment();
    let requests = bench.anypoint.log().matching(|request| request.path.contains(&environment));
    // The third of any three can only have come after the answer to one of the others.
    let gap = SignedDuration::try_from(ANSWERS_AFTER).unwrap();
    assert!(requests.len() >= 20, "{}", requests.len());
    for three in requests.windows(3) {
        assert!(three[2].at.duration_since(three[0].at) >= gap, "three at once: {three:#?}");
    }
}
