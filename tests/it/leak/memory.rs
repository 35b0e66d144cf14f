//! The memory of the real process, read from outside a second after a value has gone through it.
//!
//! The relay is started so that this can be done; that it can't be done otherwise has a test of its own.

mod kinds;
mod open;
mod process;

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use anypoint_sandbox::anypoint::{Endpoint, NONE};
use anypoint_sandbox::faults::{Action, Rule};
use serde_json::json;
use tokio::process::Command;

use super::CANARY;
use super::scan::Scan;
use crate::support::{Bench, ORDERS_SECRET, ORDERS_TARGET, Proxy, Relay, TRIGGER_KEY, program};
use process::Memory;

/// A relay whose memory can be read, and whose target is in sync.
async fn debuggable() -> (Bench, Relay, Proxy) {
    let bench = open::sandbox().await;
    bench.aws.create_secret("prod/orders/db", ORDERS_SECRET);
    bench.anypoint.deploy("orders-api", NONE, [("db.user", "orders_app"), ("db.password", "none yet")]);
    let (relay, proxy) = open::start(&bench, ORDERS_TARGET).await;
    relay.shows("orders-api", "in_sync").await;
    (bench, relay, proxy)
}

fn canary_secret() -> String {
    json!({ "host": "db.internal", "username": "orders_app", "password": CANARY }).to_string()
}

async fn forgets(relay: &Relay) {
    open::forgets(relay, "application on cloudhub2", &Scan::of([("the value", CANARY)])).await;
}

#[tokio::test]
async fn what_is_searched_is_the_memory_of_the_process() {
    let (_bench, relay, _proxy) = debuggable().await;
    // The relay keeps the key that it signs with in memory.
    let (found, _) = Memory::of(relay.process()).find(&Scan::of([("the key", TRIGGER_KEY)]));
    assert!(!found.is_empty());
}

#[tokio::test]
#[ignore = "times a second: run it alone, best with the release binary (RELAY_BINARY)"]
async fn a_second_after_a_refused_write_no_value_is_in_memory() {
    let (bench, relay, _proxy) = debuggable().await;
    bench.anypoint.rules(|rules| rules.errors_echo_values = true);
    bench.anypoint.faults().add(Rule::status(500).tag(Endpoint::DeploymentPatch.tag()).times(1));
    bench.anypoint.faults().add(Rule::status(400).tag(Endpoint::DeploymentPatch.tag()));
    bench.orders_db().rotate(canary_secret());
    relay.trigger(r#"{"target":"orders-api"}"#, "?wait=10s").await;
    relay.shows("orders-api", "parked").await;
    forgets(&relay).await;
}

#[tokio::test]
#[ignore = "times a second: run it alone, best with the release binary (RELAY_BINARY)"]
async fn a_second_after_connections_that_broke_in_a_body_no_value_is_in_memory() {
    let (bench, relay, _proxy) = debuggable().await;
    bench.aws.sns_faults().add(Rule::new(Action::TruncateBody).tag("GetSecretValue").times(1));
    bench.anypoint.faults().add(Rule::new(Action::ResetAfter).tag(Endpoint::DeploymentPatch.tag()).times(1));
    bench.orders_db().rotate(canary_secret());
    relay.trigger(r#"{"target":"orders-api"}"#, "?wait=10s").await;
    relay.shows("orders-api", "in_sync").await;
    forgets(&relay).await;
}

/// The user that the relay and the one who looks run as: not root, which may read everything.
const NOBODY: u32 = 65534;

/// What another process of the same user reads of the relay's environment: it needs the right to read its memory.
async fn read_by_the_same_user(flags: &[&str]) -> Option<Vec<u8>> {
    let bench = Bench::with_orders().await;
    let folder = bench.path("");
    let copy = bench.path("relay");
    std::fs::copy(program(), &copy).unwrap();
    let file = bench.write("relay.yaml", bench.file(ORDERS_TARGET));
    for path in [&folder, &copy, &file, &bench.path("ca.pem")] {
        std::fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
    let as_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let as_user = |mut command: Command| {
        if as_root {
            command.uid(NOBODY);
        }
        command
    };
    let mut relay = Command::new(copy);
    relay.kill_on_drop(true).envs(bench.aws.environment()).envs(&bench.environment);
    relay.arg("serve").args(flags).arg(file);
    let relay = Relay::start(&mut as_user(relay)).await;
    let mut cat = Command::new("cat");
    cat.arg(format!("/proc/{}/environ", relay.process())).kill_on_drop(true);
    let read = as_user(cat).output().await.unwrap();
    read.status.success().then_some(read.stdout)
}

#[tokio::test]
async fn another_process_of_the_same_user_reads_nothing_unless_that_is_asked_for() {
    assert_eq!(read_by_the_same_user(&[]).await, None);
    let read = read_by_the_same_user(&["--debuggable"]).await.unwrap();
    assert!(!Scan::of([("the key", TRIGGER_KEY)]).find(&read).is_empty());
}
