//! The end of the process: drained by a signal, ended at once by the second one.

use std::time::{Duration, Instant};

use anypoint_sandbox::anypoint::Endpoint;
use anypoint_sandbox::ask_for;
use anypoint_sandbox::faults::{Action, Gate, Rule};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::support::{Answer, Bench, LIMIT, Line, ORDERS_TARGET, Relay, cell};

/// Far below the drain's own deadline (25 s): what ends within it was not held.
const PROMPTLY: Duration = Duration::from_secs(5);

/// Holds the answer of the next deployment write.
fn hold_write(bench: &Bench) -> Gate {
    let gate = Gate::new();
    let rule = Rule::new(Action::HangAfter(gate.clone())).tag(Endpoint::DeploymentPatch.tag()).times(1);
    bench.anypoint.faults().add(rule);
    gate
}

/// A relay whose write to Anypoint is under way and waits for the gate.
async fn writing() -> (Bench, Relay, Gate) {
    let bench = Bench::with_orders().await;
    let relay = bench.spawn(ORDERS_TARGET).await;
    relay.shows("orders-api", "in_sync").await;
    let gate = hold_write(&bench);
    bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    assert_eq!(relay.trigger(r#"{"all":true}"#, "").await.status, 202);
    gate.arrived(1).await;
    (bench, relay, gate)
}

/// Sends the signal, and waits until the relay says that it drains, or is gone.
async fn drains(relay: &Relay, signal: &str) {
    relay.signal(signal).await;
    let draining = |line: &serde_json::Value| line["signal"] == format!("SIG{signal}");
    relay.logs("the drain", draining).await;
    let told = async || (relay.probe("/readyz").await != Some(200)).then_some(());
    ask_for("a relay that drains", LIMIT, told).await;
}

#[tokio::test]
async fn a_signal_lets_the_running_sync_finish_and_takes_no_new_work() {
    for signal in ["TERM", "INT"] {
        let (bench, relay, gate) = writing().await;
        drains(&relay, signal).await;
        assert_eq!(cell(&relay.trigger(r#"{"all":true}"#, "").await), (503, "draining"));

        gate.open();
        let (status, log) = relay.ends_within(PROMPTLY).await;
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(log.contains(r#""outcome":"confirming","wrote":"wanted_changed""#), "{log}");
        assert_eq!(bench.anypoint.app("orders-api").desired_secure()["db.password"], "second-password");
    }
}

#[tokio::test]
async fn while_the_last_run_is_under_way_both_listeners_answer_and_every_answer_is_the_last() {
    let (_bench, relay, gate) = writing().await;
    let (mut kept, mut silent) = (Line::to(&relay.hooks).await, Line::to(&relay.admin).await);
    let get = |path| format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    kept.send(&get("/healthz")).await;
    assert!(!kept.answer("GET", "/healthz").await.unwrap().0.contains_key("connection"));
    drains(&relay, "TERM").await;

    let told = |(headers, answer): (http::HeaderMap, Answer)| {
        assert_eq!(headers["connection"], "close", "{}", answer.text);
        (headers, answer)
    };
    for hook in ["/hooks/sns", "/hooks/eventbridge", "/hooks/trigger"] {
        let mut sender = Line::to(&relay.hooks).await;
        let body = "x".repeat(1_000_000);
        let length = body.len();
        sender
            .send(&format!("POST {hook} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n"))
            .await;
        // The head was read by now, and most of the body is still to come.
        assert_eq!(relay.probe("/healthz").await, Some(200));
        assert!(sender.send(&body).await, "{hook}: a sender who cannot send may not read the answer");
        let (headers, answer) = told(sender.answer("POST", hook).await.expect("an answer"));
        assert_eq!(cell(&answer), (503, "draining"), "{hook}");
        assert_eq!(headers["retry-after"], "10", "{hook}");
        assert!(sender.answer("POST", hook).await.is_none(), "{hook}: closed");
    }
    for (url, path, status) in [
        (&relay.hooks, "/healthz", 200),
        (&relay.hooks, "/readyz", 503),
        (&relay.admin, "/healthz", 200),
        (&relay.admin, "/readyz", 503),
        (&relay.admin, "/metrics", 200),
        (&relay.admin, "/status", 200),
    ] {
        let mut probe = Line::to(url).await;
        probe.send(&get(path)).await;
        assert_eq!(told(probe.answer("GET", path).await.expect("an answer")).1.status, status, "{path}");
    }
    for (line, path) in [(&mut kept, "/healthz"), (&mut silent, "/metrics")] {
        line.send(&get(path)).await;
        assert_eq!(told(line.answer("GET", path).await.expect("it was open before")).1.status, 200);
    }

    gate.open();
    let over = Instant::now();
    let (status, log) = relay.ends_within(PROMPTLY).await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(over.elapsed() < Duration::from_secs(2), "{:?}", over.elapsed());
}

#[tokio::test]
async fn the_second_signal_ends_at_once_and_says_so_in_the_exit_code() {
    let (_bench, relay, _gate) = writing().await;
    drains(&relay, "TERM").await;
    relay.signal("TERM").await;
    let (status, log) = relay.ends_within(PROMPTLY).await;
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("ended by a second signal"), "{log}");
}

#[tokio::test]
async fn the_second_signal_does_not_wait_for_a_file_that_cannot_be_read() {
    let bench = Bench::with_orders().await;
    // Reading from a pipe that nobody writes to takes for ever, like a file on a network that is down.
    let pipe = bench.path("client-secret");
    assert!(Command::new("mkfifo").arg(&pipe).status().await.unwrap().success());
    let by_file = format!("{{ file: {} }}", pipe.display());
    let file = bench.file(ORDERS_TARGET).replace("{ env: ANYPOINT_CLIENT_SECRET }", &by_file);
    let file = bench.write("relay.yaml", file);
    let relay = Relay::start(bench.binary().arg("serve").arg(file)).await;
    // The first look at the target waits for the file now.
    let runs = async || relay.target("orders-api").await["running_since"].as_str().map(drop);
    ask_for("a run", LIMIT, runs).await;
    drains(&relay, "TERM").await;
    relay.signal("TERM").await;
    let (status, log) = relay.ends_within(PROMPTLY).await;
    assert_eq!(status.code(), Some(1), "{log}");
}

#[tokio::test]
async fn idle_connections_do_not_hold_the_end() {
    let bench = Bench::with_orders().await;
    let relay = bench.spawn(ORDERS_TARGET).await;
    relay.shows("orders-api", "in_sync").await;
    let mut connections = Vec::new();
    for address in [&relay.hooks, &relay.admin] {
        let address = address.trim_start_matches("http://");
        let mut used = TcpStream::connect(address).await.unwrap();
        used.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let mut answer = [0; 15];
        used.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        connections.extend([used, TcpStream::connect(address).await.unwrap()]);
    }
    let started = Instant::now();
    drains(&relay, "TERM").await;
    let (status, log) = relay.ends_within(PROMPTLY).await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    drop(connections);
}

#[tokio::test]
async fn a_request_that_never_ends_does_not_hold_the_end() {
    let bench = Bench::with_orders().await;
    let file = bench.file(ORDERS_TARGET).replace("request_timeout: 4s", "request_timeout: 200ms");
    let file = bench.write("relay.yaml", file);
    for half in
        ["POST /hooks/tri", "POST /hooks/trigger HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{"]
    {
        let relay = Relay::start(bench.binary().arg("serve").arg(&file)).await;
        relay.shows("orders-api", "in_sync").await;
        let address = relay.hooks.trim_start_matches("http://").to_owned();
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(half.as_bytes()).await.unwrap();
        // Another request on the same listener: the half one has been read by now.
        assert_eq!(relay.trigger(r#"{"all":true}"#, "?wait=10s").await.status, 200);
        drains(&relay, "TERM").await;
        let (status, log) = relay.ends_within(PROMPTLY).await;
        assert_eq!(status.code(), Some(0), "{half:?}: {log}");
    }
}

#[tokio::test]
async fn a_trigger_that_waits_for_its_outcome_is_answered_and_does_not_hold_the_end() {
    let bench = Bench::with_orders().await;
    let relay = bench.spawn(ORDERS_TARGET).await;
    relay.shows("orders-api", "in_sync").await;
    let app = bench.anypoint.app("orders-api");
    app.roll_by_hand();
    bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    let body = json!({"target": "orders-api"}).to_string();
    let (answer, ended) = tokio::join!(relay.trigger(&body, "?wait=60s"), async {
        anypoint_sandbox::wait_until("a roll", LIMIT, || app.is_rolling()).await;
        relay.shows("orders-api", "confirming").await;
        drains(&relay, "TERM").await;
        Instant::now()
    });
    assert_eq!(answer.status, 202, "not settled: {}", answer.text);
    assert_eq!(answer.body["result"], "confirming", "{}", answer.text);
    let (status, log) = relay.ends_within(PROMPTLY).await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(ended.elapsed() < PROMPTLY);
}

#[tokio::test]
async fn what_was_left_undone_by_a_drain_is_done_by_the_next_start() {
    let bench = Bench::with_orders().await;
    let relay = bench.spawn(ORDERS_TARGET).await;
    relay.shows("orders-api", "in_sync").await;
    let rule = Rule::status(503).tag(Endpoint::DeploymentGet.tag());
    let fault = bench.anypoint.faults().add(rule);
    bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    assert_eq!(relay.trigger(r#"{"all":true}"#, "").await.status, 202);
    relay.shows("orders-api", "retrying").await;
    drains(&relay, "TERM").await;
    let (status, log) = relay.ends_within(PROMPTLY).await;
    assert_eq!(status.code(), Some(0), "a target that is retrying does not hold the end: {log}");

    bench.anypoint.faults().remove(fault);
    let relay = bench.spawn(ORDERS_TARGET).await;
    relay.shows("orders-api", "in_sync").await;
    assert_eq!(bench.running("orders-api", "db.password"), ["second-password"]);
}
