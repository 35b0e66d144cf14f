//! `status`, `retry`, `sync-now`, `pause` and `resume`, against a relay that runs.

use std::process::Stdio;

use anypoint_sandbox::wait_until;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::support::{Bench, LIMIT, ORDERS_TARGET, Relay, Run, binary, text};

const OPERATOR: &str = "operator-token-0123456789abcdef";
const READER: &str = "reader-token-0123456789abcdef";

async fn running() -> (Bench, Relay) {
    let bench = Bench::with_orders().await;
    let relay = bench.spawn(ORDERS_TARGET).await;
    relay.shows("orders-api", "in_sync").await;
    (bench, relay)
}

/// A relay with tokens, and the configuration that it runs with, its port written out.
async fn guarded() -> (Bench, Relay, String) {
    let mut bench = Bench::with_orders().await;
    bench.environment_with("READER", READER);
    bench.environment_with("OPERATOR", OPERATOR);
    let with = "token: { env: READER }, operator_token: { env: OPERATOR } }";
    let file = bench
        .file(ORDERS_TARGET)
        .replace("admin: { listen: 127.0.0.1:0 }", &format!("admin: {{ listen: 127.0.0.1:0, {with}"));
    let config = bench.write("relay.yaml", &file);
    let relay = Relay::launch(bench.binary().arg("serve").arg(config)).await;
    relay.logs("the start", |line| line["message"] == "reconciled").await;
    let address = relay.admin.strip_prefix("http://").unwrap();
    let config = bench.write(
        "written.yaml",
        file.replace("admin: { listen: 127.0.0.1:0", &format!("admin: {{ listen: {address}")),
    );
    (bench, relay, text(&config))
}

async fn run(relay: &Relay, arguments: &[&str]) -> Run {
    Run::of(binary().env("ANYPOINT_RELAY_ADMIN_URL", &relay.admin).args(arguments)).await
}

#[tokio::test]
async fn the_status_is_a_line_for_each_target_and_one_of_them_at_length() {
    let (_bench, relay) = running().await;
    let run_ = run(&relay, &["status"]).await.ended(0);
    let lines: Vec<&str> = run_.out.lines().collect();
    assert_eq!(lines.len(), 2, "{run_:?}");
    assert!(lines[0].starts_with("TARGET      STATE    STALE  VERSION"), "{run_:?}");
    assert!(lines[1].starts_with("orders-api  in sync  -      "), "{run_:?}");
    assert!(!run_.out.contains('\u{1b}'), "no terminal, no colours");

    let run_ = run(&relay, &["status", "orders-api"]).await.ended(0);
    for part in ["orders-api  in sync", "\n  do         nothing\n", "\n  delivery   ", "\n  run        "] {
        assert!(run_.out.contains(part), "no {part:?} in {}", run_.out);
    }
    let page = run(&relay, &["status", "--json"]).await.ended(0).json();
    assert_eq!(page["targets"][0]["state"], "in_sync");
    let page = run(&relay, &["status", "orders-api", "--json"]).await.ended(0).json();
    assert_eq!(page["target"]["state"], "in_sync");
    assert_eq!(run(&relay, &["status", "--url", &relay.admin]).await.ended(0).err, "");
}

#[tokio::test]
async fn an_operator_pauses_and_resumes_a_target_and_the_rotation_arrives() {
    let (bench, relay) = running().await;
    let paused = run(&relay, &["pause", "orders-api", "--reason", "a freeze", "--for", "2h"]).await.ended(0);
    assert!(paused.out.starts_with("orders-api is paused: no run starts (request "), "{paused:?}");
    assert!(paused.out.contains("a restart of the relay ends the pause"), "{paused:?}");
    assert!(paused.out.contains("\n  paused     for 0s, for another 2h00m: a freeze\n"), "{paused:?}");
    bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    assert_eq!(relay.trigger(r#"{"all":true}"#, "").await.status, 202);
    let line = run(&relay, &["status"]).await.ended(0).out;
    assert!(
        line.contains("orders-api  paused ")
            && line.trim_end().ends_with(|c: char| c.is_ascii_alphanumeric()),
        "{line}"
    );

    let refused = run(&relay, &["retry", "orders-api", "--reason", "now"]).await.ended(1);
    assert!(refused.err.contains("the target is paused: resume it first (HTTP 409, conflict"), "{refused:?}");
    let resumed = run(&relay, &["resume", "orders-api", "--reason", "it is over"]).await.ended(0);
    assert!(resumed.out.starts_with("orders-api is resumed: what is due runs"), "{resumed:?}");
    let holds = || bench.running("orders-api", "db.password") == ["second-password"];
    wait_until("the new value", LIMIT, holds).await;
    let line = relay.logs("the reason", |line| line["reason"] == "it is over").await;
    assert_eq!((&line["action"], &line["target"]), (&"resume".into(), &"orders-api".into()));
    assert_eq!(run(&relay, &["resume", "orders-api", "--reason", "again"]).await.code, Some(1));
}

#[tokio::test]
async fn a_retry_and_a_look_are_asked_for() {
    let (_bench, relay) = running().await;
    let retried = run(&relay, &["retry", "orders-api", "--reason", "try it"]).await.ended(0);
    assert!(
        retried.out.starts_with("orders-api: a run that may repeat what was given up (request "),
        "{retried:?}"
    );
    let looked = run(&relay, &["sync-now", "orders-api", "--reason", "look", "--json"]).await.ended(0).json();
    assert_eq!(looked["action"], "sync");
}

#[tokio::test]
async fn the_token_is_read_where_an_option_the_configuration_or_the_usual_variable_says() {
    let (bench, relay, config) = guarded().await;
    let act = ["sync-now", "orders-api", "--reason", "a test"];
    // The configuration names both: for an action an operator's is taken.
    for command in [&["status"][..], &act] {
        let mut with_config = bench.binary();
        Run::of(with_config.args(command).args(["--config", &config])).await.ended(0);
        let mut usual = binary();
        usual.env("ANYPOINT_RELAY_TOKEN", OPERATOR).env("ANYPOINT_RELAY_ADMIN_URL", &relay.admin);
        Run::of(usual.args(command)).await.ended(0);
    }
    let token = text(&bench.write("token", format!("{OPERATOR}\n")));
    Run::of(binary().args(act).args(["--url", &relay.admin, "--token-file", &token])).await.ended(0);
    let log = relay.log();
    assert!(!log.contains(OPERATOR) && !log.contains(READER), "{log}");
}

#[tokio::test]
async fn what_goes_wrong_is_said_with_the_next_step() {
    let (bench, relay, config) = guarded().await;
    let with = async |arguments: &[&str], token: &str| {
        let mut command = binary();
        command.env("ANYPOINT_RELAY_ADMIN_URL", &relay.admin).env("T", token).args(arguments);
        if !token.is_empty() {
            command.args(["--token-env", "T"]);
        }
        Run::of(&mut command).await.ended(1)
    };
    let act = ["pause", "orders-api", "--reason", "a test"];
    for (run_, parts) in [
        (with(&["status"], "").await, ["HTTP 401, unauthorized", "next: give a token: --token-env NAME"]),
        (
            with(&["status"], "a-guess").await,
            ["HTTP 401", "next: compare what stands in environment variable T"],
        ),
        (with(&act, READER).await, ["HTTP 403, forbidden", "next: give an operator's token"]),
        (with(&["status", "nobody"], READER).await, ["no such target", "next: anypoint-relay status lists"]),
        (
            Run::plain(["status", "--url", "http://127.0.0.1:1"]).await.ended(1),
            ["no relay answers at http://127.0.0.1:1", "next: see whether it runs"],
        ),
        (
            Run::plain(["status", "--url", &relay.hooks]).await.ended(1),
            ["HTTP 404, not_found", "next: check that the address leads to the admin listener"],
        ),
        (
            Run::plain(["status", "--config", &config]).await.ended(1),
            ["cannot read a token where the configuration says", "environment variable READER"],
        ),
        (
            Run::plain(["status", "--token-env", "NOT_SET"]).await.ended(1),
            ["cannot read the token", "environment variable NOT_SET"],
        ),
    ] {
        assert_eq!(run_.out, "");
        assert!(parts.iter().all(|part| run_.err.contains(part)), "{parts:?}: {run_:?}");
    }
    let off = text(&bench.write("off.yaml", "admin: off\n"));
    let run_ = Run::plain(["status", "--config", &off]).await.ended(1);
    assert!(run_.err.contains("`admin: off`, so this relay cannot be asked"), "{run_:?}");
}

#[tokio::test]
async fn who_watches_without_a_terminal_sees_each_change_as_a_line() {
    let (bench, relay) = running().await;
    for json in [false, true] {
        let mut command = binary();
        command.args(["status", "--watch", "--url", &relay.admin]).stdout(Stdio::piped());
        if json {
            command.arg("--json");
        }
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut sees = async |part: &str| {
            let seen = async {
                while let Some(line) = lines.next_line().await.unwrap() {
                    if line.contains(part) {
                        assert!(!line.contains('\u{1b}'), "no terminal: {line:?}");
                        return line;
                    }
                }
                panic!("it ended before {part}")
            };
            tokio::time::timeout(LIMIT, seen).await.unwrap_or_else(|_| panic!("no {part}"))
        };
        sees(if json { r#"{"event":"hello""# } else { "orders-api  in sync" }).await;
        bench.aws.secret("prod/orders/db").unwrap().rotate_password("a-newer-password");
        assert_eq!(relay.trigger(r#"{"all":true}"#, "").await.status, 202);
        sees(if json { r#"{"event":"notification""# } else { "notification by trigger: accepted" }).await;
        // What lasts for less than a tenth of a second is not told, so a state that stays is waited for.
        run(&relay, &["pause", "orders-api", "--reason", "a freeze"]).await.ended(0);
        sees(if json { r#""state":"paused""# } else { "orders-api  paused" }).await;
        run(&relay, &["resume", "orders-api", "--reason", "it is over"]).await.ended(0);
        let line = sees(if json { r#""state":"in_sync""# } else { "orders-api  in sync" }).await;
        if json {
            let event: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(event["event"], "target");
        }
        child.kill().await.unwrap();
    }
}
