//! `init`: from options or answers to a relay that works.

mod anypoint;
mod aws;

use std::process::Stdio;

use anypoint_sandbox::anypoint::NONE;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::support::{Bench, ORDERS_SECRET, Relay, Run, binary, text};

fn options(bench: &Bench) -> Vec<String> {
    let anypoint = &bench.anypoint;
    let (url, organization, environment) =
        (anypoint.base_url(), anypoint.organization(), anypoint.environment());
    [
        "--base-url",
        &url,
        "--organization",
        &organization,
        "--environment",
        &environment,
        "--platform",
        "cloudhub2",
        "--application",
        "orders-api",
        "--secret",
        "prod/orders/db",
        "--property",
        "db.user=username",
        "--property",
        "db.password=password",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Runs the command with nothing in its environment and these lines on its standard input.
async fn answered(arguments: &[&str], lines: &str) -> Run {
    answered_in(binary(), arguments, lines).await
}

/// The same in an environment.
async fn answered_in(mut command: Command, arguments: &[&str], lines: &str) -> Run {
    command.arg("init").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    let utf_8 = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), out: utf_8(output.stdout), err: utf_8(output.stderr) }
}

#[tokio::test]
async fn what_is_written_from_options_brings_an_application_in_sync() {
    let bench = Bench::new().await;
    bench.aws.create_secret("prod/orders/db", ORDERS_SECRET);
    bench.anypoint.deploy("orders-api", NONE, [("db.user", "orders_app"), ("db.password", "none yet")]);
    let file = bench.path("first.yaml");
    let mut arguments = options(&bench);
    arguments.push(text(&file));
    let run = Run::of(bench.binary().arg("init").args(&arguments)).await.ended(0);
    assert_eq!(
        (bench.aws.log().count(), bench.anypoint.requests().total()),
        (0, 0),
        "nothing had to be looked up"
    );
    for part in ["is written", "export EVENTBRIDGE_KEY", "anypoint-relay serve"] {
        assert!(run.out.contains(part), "no {part:?} in {}", run.out);
    }
    assert_eq!(run.err, "", "nothing had to be asked");
    Run::of(binary().arg("check").arg(&file)).await.ended(0);
    // The system chooses the ports here; everything else is as it was written.
    let written = std::fs::read_to_string(&file).unwrap();
    let ports =
        written.replace("listen: 0.0.0.0:8080", "listen: 127.0.0.1:0\nadmin: { listen: 127.0.0.1:0 }");
    let relay = Relay::start(bench.binary().arg("serve").arg(bench.write("served.yaml", ports))).await;
    relay.shows("orders-api", "in_sync").await;
    assert!(!bench.running("orders-api", "db.password").contains(&"none yet".to_owned()));

    // It is not written over, unless that is said.
    let again = Run::of(binary().arg("init").args(&arguments)).await.ended(1);
    assert!(again.err.contains("is there already") && again.err.contains("--force"), "{again:?}");
    Run::of(binary().arg("init").arg("--force").args(&arguments)).await.ended(0);
}

#[tokio::test]
async fn what_no_option_gives_is_asked_for() {
    let answers = "\n3f8a6c2e-5b1d-4f70-9c3a-2d4e6f8a0b1c\n\n7c1e9d40-8a2b-4c6d-b5e3-1f2a3b4c5d6e\nrtf\nbilling\nprod/billing\n\
                   db.password=password\n";
    let run = answered(&["-"], answers).await.ended(0);
    for line in [
        "    host: anypoint.mulesoft.com",
        "    platform: rtf",
        "  billing:",
        "      db.password: { secret: prod/billing, field: password }",
    ] {
        assert!(run.out.lines().any(|written| written == line), "no {line:?} in {}", run.out);
    }
    assert!(run.err.contains("Anypoint's host [anypoint.mulesoft.com]: "), "{}", run.err);
    assert!(run.err.contains("an answer is needed here"), "{}", run.err);
}

#[tokio::test]
async fn where_no_answer_comes_the_option_is_named_and_a_wrong_one_says_what_would_be_right() {
    let run = Run::plain(["init", "-"]).await.ended(1);
    assert!(run.err.contains("no answer came; give --host"), "{run:?}");
    let bench = Bench::new().await;
    let file = text(&bench.path("wrong.yaml"));
    let mut arguments = options(&bench);
    arguments[3] = "acme".to_owned();
    arguments.push(file.clone());
    let run = Run::of(binary().arg("init").args(&arguments)).await.ended(1);
    assert!(run.err.contains("nothing was written") && run.err.contains("organization: expected"), "{run:?}");
    assert!(!std::path::Path::new(&file).exists());
    arguments[3] = bench.anypoint.organization();
    arguments[13] = "db.user".to_owned();
    let run = Run::of(binary().arg("init").args(&arguments)).await.ended(1);
    assert!(run.err.contains("\"db.user\" is no property and field such as db.password=password"), "{run:?}");
}
