//! The memory of the real process, read from outside a second after a value has gone through it.
//!
//! The relay is started so that this can be done; that it can't be done otherwise has a test of its own.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use anypoint_sandbox::anypoint::Endpoint;
use anypoint_sandbox::faults::{Action, Rule};
use serde_json::json;

use super::CANARY;
use super::scan::Scan;
use crate::support::{Bench, ORDERS_TARGET, Relay, TRIGGER_KEY, pass};

/// Blocks of this size are read; a form that lies over a border is found by the overlap.
const BLOCK: usize = 1 << 20;
const OVERLAP: usize = 512;

/// What of a process's memory is writable: its data, heap, stacks.
struct Memory {
    regions: Vec<(u64, u64, String)>,
    file: File,
}

impl Memory {
    fn of(process: u32) -> Self {
        let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
        let region = |line: &str| {
            let mut parts = line.split_ascii_whitespace();
            let (range, rights) = (parts.next()?, parts.next()?);
            let (from, to) = range.split_once('-')?;
            let address = |text| u64::from_str_radix(text, 16).ok();
            let name = parts.nth(3).unwrap_or("anonymous").to_owned();
            rights.starts_with("rw").then_some((address(from)?, address(to)?, name))
        };
        Self {
            regions: maps.lines().filter_map(region).collect(),
            file: File::open(format!("/proc/{process}/mem")).unwrap(),
        }
    }

    /// Where a form of what is looked for lies, and how many bytes were gone through.
    fn find(&self, scan: &Scan) -> (Vec<String>, usize) {
        let (mut found, mut read) = (Vec::new(), 0);
        let mut block = vec![0; BLOCK + OVERLAP];
        for (from, to, name) in &self.regions {
            let mut at = *from;
            while at < *to {
                let length = block.len().min(usize::try_from(to - at).unwrap());
                // A region may have gone since it was listed.
                let Ok(length) = self.file.read_at(&mut block[..length], at) else { break };
                if length == 0 {
                    break;
                }
                read += length;
                let forms = scan.find(&block[..length]);
                found.extend(forms.iter().map(|form| format!("{name} near {at:x}: {form}")));
                at += BLOCK as u64;
            }
        }
        (found, read)
    }
}

/// A relay whose memory can be read, and whose target is not in sync yet.
async fn debuggable() -> (Bench, Relay) {
    let bench = Bench::with_orders().await;
    let file = bench.write("relay.yaml", bench.file(ORDERS_TARGET));
    let relay = Relay::start(bench.binary().arg("serve").arg("--debuggable").arg(file)).await;
    relay.shows("orders-api", "in_sync").await;
    (bench, relay)
}

fn canary_secret() -> String {
    json!({ "host": "db.internal", "username": "orders_app", "password": CANARY }).to_string()
}

/// Nothing of the canary is there, a second from now.
async fn forgets(relay: &Relay) {
    let scan = Scan::of([("the value", CANARY)]);
    pass(Duration::from_secs(1)).await;
    let (found, read) = Memory::of(relay.process()).find(&scan);
    println!("{:.1} MiB of writable memory, {} places", read as f64 / f64::from(1 << 20), found.len());
    assert!(read > 4 << 20, "{read} bytes are not the memory of a process");
    assert!(found.is_empty(), "{found:#?}");
}

#[tokio::test]
async fn what_is_searched_is_the_memory_of_the_process() {
    let (_bench, relay) = debuggable().await;
    // The relay keeps the key that it signs with in memory.
    let (found, _) = Memory::of(relay.process()).find(&Scan::of([("the key", TRIGGER_KEY)]));
    assert!(!found.is_empty());
}

#[tokio::test]
async fn a_second_after_a_sync_no_value_is_in_memory() {
    let (bench, relay) = debuggable().await;
    bench.orders_db().rotate(canary_secret());
    relay.trigger(r#"{"target":"orders-api"}"#, "?wait=10s").await;
    relay.shows("orders-api", "in_sync").await;
    assert_eq!(bench.running("orders-api", "db.password"), [CANARY]);
    forgets(&relay).await;
}

#[tokio::test]
async fn a_second_after_a_refused_write_no_value_is_in_memory() {
    let (bench, relay) = debuggable().await;
    bench.anypoint.rules(|rules| rules.errors_echo_values = true);
    bench.anypoint.faults().add(Rule::status(500).tag(Endpoint::DeploymentPatch.tag()).times(1));
    bench.anypoint.faults().add(Rule::status(400).tag(Endpoint::DeploymentPatch.tag()));
    bench.orders_db().rotate(canary_secret());
    relay.trigger(r#"{"target":"orders-api"}"#, "?wait=10s").await;
    relay.shows("orders-api", "parked").await;
    forgets(&relay).await;
}

#[tokio::test]
async fn a_second_after_connections_that_broke_in_a_body_no_value_is_in_memory() {
    let (bench, relay) = debuggable().await;
    bench.aws.faults().add(Rule::new(Action::TruncateBody).tag("GetSecretValue").times(1));
    bench.anypoint.faults().add(Rule::new(Action::ResetAfter).tag(Endpoint::DeploymentPatch.tag()).times(1));
    bench.orders_db().rotate(canary_secret());
    relay.trigger(r#"{"target":"orders-api"}"#, "?wait=10s").await;
    relay.shows("orders-api", "in_sync").await;
    forgets(&relay).await;
}
