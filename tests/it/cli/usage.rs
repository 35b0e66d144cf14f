//! Help, version, wrong usage, and a reader that goes away.

use std::process::Stdio;

use tokio::io::AsyncReadExt;

use crate::support::{Bench, LIMIT, ORDERS_TARGET, Run, binary, text};

const COMMANDS: [(&str, &[&str]); 12] = [
    ("init", &["init [OPTIONS] [FILE]", "--property <PROPERTY=FIELD>", "--offline", "Exit codes: 0 written"]),
    (
        "serve",
        &[
            "Usage: anypoint-relay serve [OPTIONS] <FILE>",
            "--debuggable",
            "The first SIGTERM or SIGINT drains",
        ],
    ),
    (
        "check",
        &[
            "Usage: anypoint-relay check [OPTIONS] <FILE>",
            "--json",
            "--online",
            "Exit codes: 0 usable, 1 not usable",
        ],
    ),
    ("trigger", &["--secret <NAME OR ARN>", "--wait <TIME>", "--key-env <NAME>", "Exit codes: 0 in sync"]),
    ("sync", &["[TARGETS]...", "--timeout <TIMEOUT>", "Exit codes: 0 all in sync or accepted"]),
    (
        "inspect",
        &["--certificate <FILE>", "--at <TIME>", "--config <FILE>", "Exit codes: 0 verified, 1 refused"],
    ),
    (
        "health",
        &[
            "health [OPTIONS] [FILE]",
            "--url <URL>",
            "[default: http://127.0.0.1:8080/healthz]",
            "Exit codes: 0",
        ],
    ),
    (
        "status",
        &["status [OPTIONS] [TARGET]", "--watch", "--config <FILE>", "--token-env <NAME>", "Exit codes: 0"],
    ),
    ("retry", &["retry [OPTIONS] --reason <TEXT> <TARGET>", "--url <URL>", "Exit codes: 0 it is due"]),
    ("sync-now", &["--reason <TEXT>", "Exit codes: 0 it is due"]),
    ("pause", &["--for <TIME>", "--reason <TEXT>", "Exit codes: 0 it is paused"]),
    ("resume", &["--reason <TEXT>", "Exit codes: 0 it is resumed"]),
];

#[tokio::test]
async fn every_command_explains_itself() {
    let all = Run::plain(["--help"]).await.ended(0);
    for (command, parts) in COMMANDS {
        assert!(all.out.contains(&format!("\n  {command} ")), "{all:?}");
        let run = Run::plain([command, "--help"]).await.ended(0);
        let unwrapped = run.out.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in parts {
            assert!(unwrapped.contains(part), "{part:?} is not in {}", run.out);
        }
        assert!(run.out.lines().all(|line| line.chars().count() <= 160), "{}", run.out);
        assert_eq!(run.err, "");
    }
}

#[tokio::test]
async fn the_version_is_that_of_the_package() {
    let run = Run::plain(["--version"]).await.ended(0);
    assert_eq!(run.out, format!("anypoint-relay {}\n", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn wrong_usage_has_an_exit_code_of_its_own_and_shows_the_right_one() {
    let wrong: [&[&str]; 14] = [
        &[],
        &["serv"],
        &["check"],
        &["check", "a.yaml", "--jsno"],
        &["inspect", "m.json"],
        &["inspect", "m.json", "--at", "yesterday"],
        &["trigger", "--url", "http://127.0.0.1:1", "--key-env", "KEY"],
        &["trigger", "--url", "http://127.0.0.1:1", "--key-env", "KEY", "--all", "--wait", "2m"],
        &["sync", "a.yaml", "--timeout", "soon"],
        &["status", "no/target"],
        &["retry", "orders-api"],
        &["pause", "orders-api", "--reason", "a freeze", "--for", "a while"],
        &["resume", "--reason", "it is over"],
        &["status", "--config", "a.yaml", "--url", "http://127.0.0.1:1"],
    ];
    for arguments in wrong {
        let run = Run::plain(arguments).await.ended(2);
        assert_eq!(run.out, "", "{arguments:?}");
        assert!(run.err.contains("Usage: ") || run.err.contains("--help"), "{run:?}");
    }
    // 2 tells a pipeline that there is work to do.
    Run::plain(["plan", "a.yaml", "--jsno"]).await.ended(1);
    let run = Run::plain(["serv"]).await;
    assert!(run.err.contains("'serve'"), "the likely word: {run:?}");
}

#[tokio::test]
async fn quiet_says_nothing_while_all_is_as_asked_and_the_reason_otherwise() {
    let bench = Bench::with_orders().await;
    let right = text(&bench.write("relay.yaml", bench.file(ORDERS_TARGET)));
    let wrong = text(&bench.write("wrong.yaml", "listen: 8080\n"));
    let quiet = async |arguments: &[&str]| Run::of(bench.binary().args(arguments)).await;

    // The first sync writes, and would log it; the second finds it in sync.
    for arguments in [
        &["check", "--quiet", &right][..],
        &["check", "-q", "--json", &right],
        &["--quiet", "sync", &right],
        &["sync", &right, "--json", "-q"],
        &["plan", "-q", &right],
    ] {
        let run = quiet(arguments).await.ended(0);
        assert_eq!((run.out.as_str(), run.err.as_str()), ("", ""), "{arguments:?}");
    }
    let run = quiet(&["check", "-q", &wrong]).await.ended(1);
    assert_eq!(run.out, "");
    assert!(run.err.contains("listen: ") && run.err.contains("not usable: "), "{run:?}");
    let run = quiet(&["-q", "health", "--url", "http://127.0.0.1:1/healthz"]).await.ended(1);
    assert_eq!(run.out, "");
    assert!(run.err.contains("http://127.0.0.1:1/healthz"), "{run:?}");
}

#[tokio::test]
async fn a_reader_that_goes_away_is_no_error_to_tell_about() {
    let bench = Bench::with_orders().await;
    let file = text(&bench.write("relay.yaml", bench.file(ORDERS_TARGET)));
    let event = text(&bench.write("event.json", "{}"));
    let at = "2026-03-06T20:00:30Z";
    let commands: [&[&str]; 7] = [
        &["check", &file],
        &["check", "--json", &file],
        &["inspect", &event, "--at", at],
        &["inspect", &event, "--at", at, "--json"],
        &["sync", &file],
        &["sync", &file, "--json"],
        &["--help"],
    ];
    for arguments in commands {
        let mut child = bench.binary();
        child.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        drop(child.stdout.take());
        let mut err = String::new();
        let mut stderr = child.stderr.take().unwrap();
        let ended = tokio::time::timeout(LIMIT, async {
            stderr.read_to_string(&mut err).await.unwrap();
            child.wait().await.unwrap()
        });
        let status = ended.await.unwrap();
        assert!(status.code().is_some_and(|code| code <= 1), "{arguments:?}: {status}: {err}");
        assert!(!err.contains("panicked") && !err.contains("Broken pipe"), "{arguments:?}: {err}");
    }
}

#[tokio::test]
async fn a_file_that_is_a_folder_or_not_text_is_an_error_and_no_panic() {
    let bench = Bench::new().await;
    let folder = text(&bench.path(""));
    let binary_file = text(&bench.write("binary.yaml", [0xff, 0x00, 0xfe]));
    for file in [&folder, &binary_file] {
        for command in ["check", "serve", "sync"] {
            let run = Run::of(binary().args([command, file])).await.ended(1);
            assert!(!run.err.contains("panicked"), "{run:?}");
            assert!(format!("{}{}", run.out, run.err).contains(file.trim_end_matches('/')), "{run:?}");
        }
    }
}
