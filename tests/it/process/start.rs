//! The start of the process: how soon it is ready, what it says, and what keeps it from starting.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use anypoint_sandbox::anypoint::Endpoint;

use crate::support::{Bench, ORDERS_TARGET, Relay, Run, without};

#[tokio::test]
async fn it_is_ready_soon_after_its_start() {
    let bench = Bench::with_orders().await;
    let file = bench.write("relay.yaml", bench.file(ORDERS_TARGET));
    let started = Instant::now();
    let _relay = Relay::start(bench.binary().arg("serve").arg(file)).await;
    let took = started.elapsed();
    println!("ready {} ms after its start (this build, this machine)", took.as_millis());
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn the_settings_for_emulators_are_shown_at_every_start() {
    let bench = Bench::with_orders().await;
    let relay = bench.spawn(ORDERS_TARGET).await;
    let warnings: Vec<String> = relay
        .lines()
        .iter()
        .filter(|line| line["level"] == "WARN")
        .map(|line| line["message"].as_str().unwrap_or_default().to_owned())
        .collect();
    let connect = format!("connect {}", bench.aws.sns_tls_addr());
    for setting in ["ingress.sns.emulator", &connect, "extra_root", "aws.endpoint"] {
        assert!(warnings.iter().any(|warning| warning.contains(setting)), "{setting}: {warnings:#?}");
    }
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let bench = Bench::with_orders().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let hooks = bench.file(ORDERS_TARGET).replacen("listen: 127.0.0.1:0", &format!("listen: {address}"), 1);
    let admin = bench
        .file(ORDERS_TARGET)
        .replace("admin: { listen: 127.0.0.1:0 }", &format!("admin: {{ listen: {address} }}"));
    for file in [hooks, admin] {
        let file = bench.write("relay.yaml", file);
        let run = Run::of(bench.binary().arg("serve").arg(file)).await.ended(1);
        let last = run.err.lines().last().unwrap();
        assert!(last.starts_with(&format!("error: cannot listen on {address}: ")), "{run:?}");
        assert!(last.contains("in use"), "{run:?}");
    }
}

#[tokio::test]
async fn a_bad_configuration_is_refused_with_every_problem_and_its_line() {
    let bench = Bench::with_orders().await;
    let text = bench
        .file(ORDERS_TARGET)
        .replace("coalesce: 10ms", "coalesce: soon")
        .replace("deployment: orders-api", "deployement: orders-api");
    let line = |part: &str| 1 + text.lines().position(|line| line.contains(part)).unwrap();
    let file = bench.write("relay.yaml", &text);
    for command in ["serve", "sync"] {
        let run = Run::of(bench.binary().arg(command).arg(&file)).await.ended(1);
        assert_eq!(run.out, "");
        for part in ["coalesce: soon", "deployement: orders-api"] {
            let place = format!("relay.yaml:{}:", line(part));
            assert!(run.err.contains(&place), "{place} {run:?}");
        }
        assert!(run.err.contains("deployment"), "the right word: {run:?}");
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_and_a_credential_that_is_not_set_are_named() {
    let bench = Bench::with_orders().await;
    let missing = bench.path("nothing.yaml");
    let run = Run::of(bench.binary().arg("serve").arg(&missing)).await.ended(1);
    assert!(run.err.contains("nothing.yaml") && run.err.contains("No such file"), "{run:?}");

    let file = bench.write("relay.yaml", bench.file(ORDERS_TARGET));
    let run = Run::of(bench.binary().env_remove("TRIGGER_KEY").arg("serve").arg(file)).await.ended(1);
    let last = run.err.lines().last().unwrap();
    assert!(last.ends_with("cannot be read: environment variable TRIGGER_KEY: it is not set"), "{run:?}");
}

#[tokio::test]
async fn without_aws_credentials_it_starts_and_says_of_each_target_what_is_missing() {
    let bench = Bench::with_orders().await;
    let file = bench.write("relay.yaml", bench.file(ORDERS_TARGET));
    let mut command = bench.binary();
    command
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env("HOME", bench.path("home"));
    let relay = Relay::start(command.arg("serve").arg(file)).await;
    let target = relay.shows_failure("orders-api").await;
    assert_eq!(target["failure"]["code"], "unauthenticated", "{target}");
    assert!(target["failure"]["next_step"].as_str().unwrap().contains("credentials"), "{target}");
    assert_eq!(relay.probe("/healthz").await, Some(200));
    assert_eq!(relay.probe("/readyz").await, Some(200));
    assert_eq!(bench.anypoint.requests().of(Endpoint::DeploymentPatch), 0);
}

#[tokio::test]
async fn without_ingress_it_works_by_reconcile_alone() {
    let bench = Bench::with_orders().await;
    let mut text = bench.file(ORDERS_TARGET).replace("interval: 1h", "interval: 50ms");
    for part in ["ingress:", "  sns:", "topics:", "emulator:", "eventbridge:", "trigger:"] {
        text = without(&text, part);
    }
    let file = bench.write("relay.yaml", text);
    let relay = Relay::start(bench.binary().arg("serve").arg(file)).await;
    relay.shows("orders-api", "in_sync").await;
    bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    bench.runs_with("orders-api", "db.password", "second-password").await;
    relay.shows("orders-api", "in_sync").await;
    let answer = relay.post("/hooks/trigger", &[], r#"{"all":true}"#).await;
    assert_eq!((answer.status, &answer.body["code"]), (404, &"hook_disabled".into()), "{}", answer.text);
}
