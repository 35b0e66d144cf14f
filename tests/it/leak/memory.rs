//! The memory of the real process, read from outside a second after a value has gone through it.
//!
//! The relay is started so that this can be done; that it can't be done otherwise has a test of its own.

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::time::{Duration, Instant};

use anypoint_sandbox::anypoint::{Anypoint, Endpoint, NONE};
use anypoint_sandbox::faults::{Action, Rule};
use serde_json::json;
use tokio::process::Command;

use super::CANARY;
use super::scan::Scan;
use crate::support::{Bench, ORDERS_SECRET, ORDERS_TARGET, Proxy, Relay, TRIGGER_KEY, program};

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

const SECOND: Duration = Duration::from_secs(1);
const SECRETS: &str = "secretsmanager.eu-west-1.amazonaws.com:443";

/// A relay whose memory can be read, and whose target is in sync. AWS and Anypoint speak TLS, as the real ones do:
/// what is decrypted lies in buffers of the connection.
async fn debuggable() -> (Bench, Relay, Proxy) {
    let mut bench = Bench::new().await;
    bench.anypoint = Anypoint::start_tls(bench.aws.authority().server_config(&["127.0.0.1"])).await;
    bench.environment_with("ANYPOINT_CLIENT_ID", &bench.anypoint.client_id());
    bench.environment_with("ANYPOINT_CLIENT_SECRET", &bench.anypoint.client_secret());
    bench.aws.create_secret("prod/orders/db", ORDERS_SECRET);
    bench.anypoint.deploy("orders-api", NONE, [("db.user", "orders_app"), ("db.password", "none yet")]);
    let endpoint = format!("endpoint: \"{}\", ", bench.aws.endpoint_url());
    let file = bench.write("relay.yaml", bench.tuned(ORDERS_TARGET, &[(&endpoint, "")]));
    let proxy = Proxy::start([(SECRETS, bench.aws.sns_tls_addr())].into()).await;
    let mut command = bench.binary();
    command
        .env_remove("AWS_ENDPOINT_URL")
        .env("SSL_CERT_FILE", bench.path("ca.pem"))
        .env("HTTPS_PROXY", &proxy.url)
        .env("NO_PROXY", "127.0.0.1")
        .args(["serve", "--debuggable"])
        .arg(file);
    let relay = Relay::start(&mut command).await;
    relay.shows("orders-api", "in_sync").await;
    (bench, relay, proxy)
}

fn canary_secret() -> String {
    json!({ "host": "db.internal", "username": "orders_app", "password": CANARY }).to_string()
}

/// Nothing of the canary is there, at most a second from now.
async fn forgets(relay: &Relay) {
    let (scan, since) = (Scan::of([("the value", CANARY)]), Instant::now());
    loop {
        let (found, read) = Memory::of(relay.process()).find(&scan);
        assert!(read > 4 << 20, "{read} bytes are not the memory of a process");
        let late = since.elapsed();
        if found.is_empty() {
            let mut out = std::io::stdout();
            writeln!(out, "{read} bytes of writable memory, nothing of the value after {late:?}").unwrap();
            return;
        }
        assert!(late < SECOND, "{found:#?}");
        tokio::task::yield_now().await;
    }
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
async fn a_second_after_a_sync_no_value_is_in_memory() {
    let (bench, relay, _proxy) = debuggable().await;
    bench.orders_db().rotate(canary_secret());
    relay.trigger(r#"{"target":"orders-api"}"#, "?wait=10s").await;
    relay.shows("orders-api", "in_sync").await;
    assert_eq!(bench.running("orders-api", "db.password"), [CANARY]);
    forgets(&relay).await;
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
