//! The command against the real hooks over a socket.

use std::io::Write as _;

use clap::Parser;

use super::*;
use crate::ingress::testing::{App, SECRET, TARGET, TRIGGER_KEY, bare};
use crate::model::{Failure, FailureCode, Outcome, Retry};

#[derive(Debug, Parser)]
struct Command {
    #[command(flatten)]
    args: TriggerArgs,
}

fn parse(arguments: &[&str]) -> Result<TriggerArgs, clap::Error> {
    Command::try_parse_from(std::iter::once(&"trigger").chain(arguments)).map(|command| command.args)
}

/// Serves the app for one command with this key; gives the end and what was printed.
async fn run(app: &App, key: &str, arguments: &[&str]) -> (anyhow::Result<Ended>, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let router = app.router().await;
    let server = tokio::spawn(async move { axum::serve(listener, bare(router)).await });
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{key}").unwrap();
    let path = file.path().to_str().unwrap();
    let mut all = vec!["--url", &url, "--key-file", path];
    all.extend(arguments);
    let mut out = Vec::new();
    let ended = trigger(&parse(&all).unwrap(), &app.clock, &mut out).await;
    server.abort();
    (ended, String::from_utf8(out).unwrap())
}

#[tokio::test]
async fn an_accepted_trigger_names_its_targets_and_ends_with_0() {
    let app = App::new();
    let (ended, out) = run(&app, TRIGGER_KEY, &["--secret", SECRET, "--reason", "by hand"]).await;
    assert_eq!(ended.unwrap().code(), 0);
    assert!(out.starts_with("orders-api  due\naccepted (request "), "{out}");
    assert_eq!(app.hints()[0].reason.as_deref(), Some("by hand"));
}

#[tokio::test]
async fn a_wait_ends_with_0_when_all_is_settled() {
    let app = App::new();
    *app.intake.outcome.lock().unwrap() = Some(Outcome::InSync);
    let (ended, out) = run(&app, TRIGGER_KEY, &["--all", "--wait", "30s"]).await;
    assert_eq!(ended.unwrap().code(), 0);
    assert!(out.starts_with("orders-api  in sync\nsettled (request "), "{out}");
}

#[tokio::test]
async fn a_wait_ends_with_3_when_the_proof_is_still_awaited() {
    let app = App::new();
    *app.intake.outcome.lock().unwrap() = Some(Outcome::Confirming);
    let (ended, out) = run(&app, TRIGGER_KEY, &["--all", "--wait", "1s"]).await;
    assert_eq!(ended.unwrap().code(), 3);
    assert!(out.starts_with("orders-api  confirming\nnot settled yet; the relay goes on by itself"), "{out}");
}

#[tokio::test]
async fn a_failing_target_ends_with_1_and_says_what_to_do() {
    let app = App::new();
    let failure = Failure::new(FailureCode::Denied, Retry::Slowly, "no access", "grant it");
    *app.intake.outcome.lock().unwrap() = Some(Outcome::parked(failure));
    let (ended, out) = run(&app, TRIGGER_KEY, &["--target", TARGET, "--wait", "30s"]).await;
    assert_eq!(ended.unwrap().code(), 1);
    assert!(
        out.starts_with("orders-api  parked: no access (denied)\n            next: grant it\nfailed"),
        "{out}"
    );
}

#[tokio::test]
async fn a_wrong_key_ends_with_1_and_names_the_place_to_look() {
    let app = App::new();
    let (ended, out) = run(&app, "another key of 24 bytes and more", &["--all"]).await;
    assert_eq!(ended.unwrap().code(), 1);
    assert!(out.starts_with("refused: The request does not prove who sent it"), "{out}");
    assert!(out.contains("next: compare the key with those under ingress.trigger.keys"), "{out}");
    assert!(!out.contains("another key"), "{out}");
}

#[tokio::test]
async fn an_unknown_secret_ends_with_1() {
    let app = App::new();
    let (ended, out) = run(&app, TRIGGER_KEY, &["--secret", "prod/other"]).await;
    assert_eq!(ended.unwrap().code(), 1);
    assert!(out.contains("(HTTP 404, not_configured, request "), "{out}");
}

#[tokio::test]
async fn a_key_that_is_too_short_is_told_without_showing_it() {
    let (ended, _) = run(&App::new(), "short-canary", &["--all"]).await;
    let text = format!("{:#}", ended.unwrap_err());
    assert!(text.contains("holds no trigger key: a key has at least 24 bytes"), "{text}");
    assert!(!text.contains("canary"), "{text}");
}

#[tokio::test]
async fn a_server_that_is_no_relay_is_told_as_such() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let other = axum::Router::new().fallback(async || (axum::http::StatusCode::BAD_GATEWAY, "<html>"));
    let server = tokio::spawn(async move { axum::serve(listener, other).await });
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "{TRIGGER_KEY}").unwrap();
    let arguments = ["--url", &url, "--key-file", file.path().to_str().unwrap(), "--all"];
    let clock = crate::clock::SystemClock;
    let error = trigger(&parse(&arguments).unwrap(), &clock, &mut Vec::new()).await.unwrap_err();
    assert!(error.to_string().contains("answered HTTP 502, but not as the relay does"), "{error}");
    server.abort();
}

#[test]
fn exactly_one_key_and_one_subject_are_needed() {
    let with = |more: &[&str]| {
        let mut all = vec!["--url", "http://127.0.0.1:1"];
        all.extend(more);
        parse(&all).map(|_| ())
    };
    assert!(with(&["--key-env", "K", "--all"]).is_ok());
    for wrong in [
        &["--all"][..],
        &["--key-env", "K"],
        &["--key-env", "K", "--key-file", "f", "--all"],
        &["--key-env", "K", "--all", "--target", "t"],
        &["--key-env", "K", "--all", "--wait", "2m"],
    ] {
        assert!(with(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn the_path_of_the_hook_may_be_given_or_left_out() {
    let wait = Some(Duration::from_secs(30));
    for url in ["https://r.example", "https://r.example/", "https://r.example/hooks/trigger"] {
        assert_eq!(address(url, wait), "https://r.example/hooks/trigger?wait=30s");
    }
    assert_eq!(address("https://r.example/relay", None), "https://r.example/relay/hooks/trigger");
}

#[test]
fn text_from_the_other_side_cannot_steer_the_terminal() {
    assert_eq!(plain("a\u{1b}[31mb\n"), "a\u{fffd}[31mb\u{fffd}");
}
