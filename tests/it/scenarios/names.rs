//! Names that lead nowhere for a while.

use std::sync::Arc;

use anypoint_relay::config::{Config, TargetKind};
use anypoint_sandbox::anypoint::Receiver;
use anypoint_sandbox::wait_until;

use crate::support::{Bench, LIMIT, Names, ORDERS_TARGET};

const AWS: &str = "secretsmanager.sandbox.test";
const ANYPOINT: &str = "anypoint.sandbox.test";
const ENDPOINT: &str = "refresh.sandbox.test";

/// Names in place of the addresses.
fn by_name(config: &mut Config) {
    let name = |url: &mut String, name: &str| *url = url.replace("127.0.0.1", name);
    name(config.aws.endpoint.as_mut().unwrap(), AWS);
    for connection in config.connections.values_mut() {
        name(&mut connection.base_url, ANYPOINT);
    }
    for target in config.targets.values_mut() {
        if let TargetKind::Http(http) = &mut target.kind {
            name(&mut Arc::make_mut(http).url, ENDPOINT);
        }
    }
}

/// The usual file with an endpoint beside the application.
fn file(bench: &Bench, receiver: &Receiver) -> String {
    let endpoint = format!(
        "
  refresh:
    kind: http
    url: \"{}\"
    allow: [127.0.0.1]
    key: {{ env: TRIGGER_KEY }}
    watch: [prod/orders/db]
    coalesce: 10ms
",
        receiver.url()
    );
    bench.file(&format!("{ORDERS_TARGET}{endpoint}"))
}

#[tokio::test]
async fn what_waits_for_a_name_says_whose_it_is_and_goes_on_when_the_name_is_known() {
    let mut bench = Bench::orders_stopped().await;
    let receiver = Receiver::start().await;
    let names = Names::default();
    bench.start_among(&file(&bench, &receiver), &names, by_name).await;

    let failure = bench.fails_with("orders-api", "unavailable").await;
    assert!(failure.message.contains("AWS") && failure.message.contains("lookup"), "{failure:?}");
    names.know(AWS);
    let failure = bench
        .outcome("orders-api", |outcome| {
            outcome.failure().filter(|f| f.message.contains("connection")).cloned()
        })
        .await;
    assert_eq!(failure.code.as_str(), "unavailable");
    assert!(failure.message.contains("failed to lookup address information"), "{failure:?}");
    let failure = bench.fails_with("refresh", "unavailable").await;
    assert!(failure.message.contains("failed to lookup address information"), "{failure:?}");
    let asked = (names.asked(ANYPOINT), names.asked(ENDPOINT));
    wait_until("further tries", LIMIT, || names.asked(ANYPOINT) > asked.0 && names.asked(ENDPOINT) > asked.1)
        .await;

    names.know(ANYPOINT);
    names.know(ENDPOINT);
    bench.in_sync("orders-api").await;
    bench.ended_as("refresh", "accepted").await;

    // An endpoint is connected to anew for each call; what it was told before does not count.
    bench.tell_by_eventbridge();
    names.forget(ENDPOINT);
    let told = receiver.received().len();
    bench.orders_db().rotate_password("second-password");
    bench.fails_with("refresh", "unavailable").await;
    names.know(ENDPOINT);
    bench.ended_as("refresh", "accepted").await;
    bench.arrives("orders-api", "db.password", "second-password").await;
    assert_eq!(receiver.received().len(), told + 1, "the call that found its name");
}
