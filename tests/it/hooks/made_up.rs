//! Requests that schemathesis makes up from `openapi.yaml`, against the binary.
//!
//! Python is not needed for `cargo test`: `tests/schemathesis/run.sh` installs what this needs and runs it.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::{Bench, EVENTBRIDGE_KEY, ORDERS_TARGET, Relay, TRIGGER_KEY, cell, client};

/// What an answer is held to. 5xx are answers like others here: those that are not documented are found.
const CHECKS: &str = "status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance";

/// No run takes this long.
const LONGEST: Duration = Duration::from_mins(10);

/// Signs what is posted to it as the message of a topic: the way for Python to the sandbox's key.
async fn signer(bench: &Arc<Bench>) -> String {
    async fn sign(State(bench): State<Arc<Bench>>, text: String) -> String {
        let mut message = bench.draft(text);
        bench.aws.sign_notification(&mut message)
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/", post(sign)).with_state(Arc::clone(bench));
    tokio::spawn(async { axum::serve(listener, router).await });
    url
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs schemathesis: bash tests/schemathesis/run.sh"]
async fn openapi_yaml_has_every_answer() {
    let setting = |name: &str| std::env::var_os(name).unwrap_or_else(|| panic!("{name} is set by run.sh"));
    let bench = Arc::new(Bench::with_orders().await);
    // Those that are not signed would slow down those that are.
    let file = bench.file(ORDERS_TARGET).replace("limits: {", "limits: { failed_attempts: 10000,");
    let file = bench.write("relay.yaml", file);
    let relay = Relay::start(bench.binary().arg("serve").arg(file)).await;
    relay.shows("orders-api", "in_sync").await;
    let signer = signer(&bench).await;
    for (url, tags) in [(&relay.hooks, ["hooks", "probes"].as_slice()), (&relay.admin, &["admin"])] {
        let summary = bench.path("summary.json");
        let mut command = Command::new(setting("SCHEMATHESIS"));
        command
            .args(["run", concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.yaml"), "--url", url])
            .args(["--mode", "all", "--continue-on-failure"])
            .args(["--checks", CHECKS])
            .args(["--phases", "examples,coverage,fuzzing", "--generation-database", "none", "--no-color"])
            .args([
                "--max-response-time",
                "10",
                "--request-timeout",
                "30",
                "--warnings",
                "off",
                "--seed",
                "1",
            ])
            .arg("--max-examples")
            .arg(setting("SCHEMATHESIS_CASES"))
            .args(tags.iter().flat_map(|tag| ["--include-tag", tag]))
            // An answer without an end.
            .args(["--exclude-path", "/events"])
            // It keeps notes in the folder that it runs in.
            .current_dir(bench.path(""))
            .env("SCHEMATHESIS_HOOKS", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemathesis/hooks.py"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("EVENTBRIDGE_KEY", EVENTBRIDGE_KEY)
            .env("TRIGGER_KEY", TRIGGER_KEY)
            .env("SIGNER", &signer)
            .env("SUMMARY", &summary)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let status = timeout(LONGEST, command.status()).await.expect("schemathesis ends").unwrap();
        assert!(status.success(), "schemathesis found something in the answers of {url}: {status}");
        let summary: Value = serde_json::from_slice(&std::fs::read(&summary).unwrap()).unwrap();
        assert!(summary["calls"].as_u64().unwrap() >= 20, "{summary}");
        assert!(summary["share"].as_f64().is_none_or(|share| share >= 0.5), "{summary}");
    }
    // What was made up may have left it paused.
    let resume = client().post(format!("{}/targets/orders-api/resume", relay.admin));
    let resumed = resume.json(&serde_json::json!({"reason": "the end"})).send().await.unwrap().status();
    assert!(matches!(resumed.as_u16(), 200 | 409), "{resumed}");
    let answer = relay.trigger(r#"{"all":true}"#, "?wait=20s").await;
    assert_eq!(cell(&answer), (200, "settled"), "{}", answer.text);
    let panics: Vec<Value> =
        relay.lines().into_iter().filter(|line| line.to_string().contains("panicked")).collect();
    assert_eq!(panics, [Value::Null; 0]);
}
