//! Files, `check`, and what is allowed but deserves a look.

use std::fs;
use std::path::Path;

use anypoint_relay::cli::check::check;
use anypoint_relay::config::{load, parse};

use crate::{
    APPLICATION, CONNECTION, SINGLE_USER, application_and, assert_printed, connection_with, shared_and,
    shared_with,
};

/// The lines that `check` prints for a file of this content in a fresh directory, with the directory
/// taken out, and its verdict.
#[expect(clippy::unwrap_used, reason = "a helper of tests")]
fn checked(content: &[u8], json: bool) -> (bool, String) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("relay.yaml");
    fs::write(&file, content).unwrap();
    let mut out = Vec::new();
    let right = check(&file, json, &mut out).unwrap();
    let printed = String::from_utf8(out).unwrap();
    (right, printed.replace(&format!("{}/", directory.path().display()), ""))
}

#[test]
fn an_unreadable_file_says_why_and_what_to_do() {
    let missing = load(Path::new("no/such/relay.yaml")).unwrap_err().to_string();
    assert_eq!(
        missing,
        "no/such/relay.yaml: cannot be read: No such file or directory (os error 2); check the path, or start \
         from config/relay.example.yaml"
    );
    let directory = tempfile::tempdir().unwrap();
    let name = directory.path().display().to_string();
    assert_eq!(
        load(directory.path()).unwrap_err().to_string(),
        format!("{name}: cannot be read: Is a directory (os error 21); name the file, not its directory")
    );
}

#[test]
fn a_file_that_is_no_text_or_too_large_is_refused_as_a_whole() {
    let (right, printed) = checked(b"listen: \xff", false);
    assert!(!right);
    assert_eq!(printed, "relay.yaml: is not UTF-8 text: byte 8; save it as UTF-8\nnot usable: 1 problem\n");
    let (_, printed) = checked(&vec![b'#'; 64 * 1024 * 1024 + 1], false);
    assert_eq!(
        printed,
        "relay.yaml: larger than 64MiB; a configuration this large is a mistake\nnot usable: 1 problem\n"
    );
}

#[test]
fn check_counts_what_is_right_and_shows_what_deserves_a_look() {
    let (right, printed) = checked(shared_and("").as_bytes(), false);
    assert!(right);
    assert_eq!(
        printed,
        "ok: 1 target, 1 connection, no ingress: works by reconcile alone\n\
         warning: relay.yaml:9:3: targets.shared: no Mule application reads shared secrets; to change what an \
         application runs with, use `kind: application`\n"
    );
    let (right, printed) = checked(include_bytes!("../../config/relay.example.yaml"), false);
    assert!(right, "{printed}");
    assert_eq!(
        printed.lines().next(),
        Some("ok: 17 targets, 1 connection, ingress: sns, eventbridge, trigger")
    );
}

#[test]
fn check_says_as_json_what_it_says_as_text() {
    let (right, printed) = checked(b"listn: 1\nqueue: { workers: x }\n", true);
    assert!(!right);
    let verdict: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(verdict["ok"], false);
    assert_eq!(verdict["problems"][0]["path"], "listn");
    assert_eq!(
        verdict["problems"][1],
        serde_json::json!({
            "line": 2,
            "column": 19,
            "path": "queue.workers",
            "message": "expected a whole number between 1 and 1024, found \"x\"",
        })
    );

    let (right, printed) = checked(application_and("").as_bytes(), true);
    assert!(right);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&printed).unwrap(),
        serde_json::json!({
            "file": "relay.yaml",
            "ok": true,
            "targets": 1,
            "connections": 1,
            "ingress": [],
            "warnings": [format!("relay.yaml:9:3: targets.orders: {SINGLE_USER}")],
            "problems": [],
        })
    );
}

#[test]
fn what_deserves_a_look_is_a_warning_and_no_error() {
    let text = [
        "admin: { listen: 0.0.0.0:9090, token: { env: ADMIN_TOKEN } }\n\
         aws: { endpoint: http://127.0.0.1:4566/ }\n\
         ingress:\n  sns:\n    topics: [arn:aws:sns:eu-west-1:123456789012:t]\n    emulator: { connect: 127.0.0.1:1 }\n",
        CONNECTION,
        APPLICATION,
        "      mode: fixed\n",
        "  value:\n    kind: secret_value\n    connection: prod\n    secret_id: ab\n    value: { secret: prod/db }\n",
    ]
    .concat();
    let config = parse(&text, "relay.yaml", &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.aws.endpoint.as_deref(), Some("http://127.0.0.1:4566"));
    let single_user = format!("relay.yaml:15:3: targets.orders: {SINGLE_USER}");
    assert_eq!(
        config.warnings,
        [
            "relay.yaml:1:18: admin.listen: its token goes over the network unencrypted; give `admin` its own `tls`, or \
             encrypt before it",
            "relay.yaml:2:18: aws.endpoint: AWS is asked at this endpoint instead of its own",
            "relay.yaml:6:5: ingress.sns.emulator: verification is relaxed for tests and emulators (connect \
             127.0.0.1:1); leave this out in production",
            &single_user,
            "relay.yaml:22:13: targets.orders.secure_properties.mode: a secure property whose value is in this \
             file; take it from AWS if it is a secret",
            "relay.yaml:23:3: targets.value: no MuleSoft source describes this call; for an application use `kind: \
             application`, for a shared secret `kind: shared_secret`",
        ]
    );
    let config = parse("listen: 127.0.0.1:0", "relay.yaml", &|_| None).unwrap();
    assert_eq!(config.warnings, ["relay.yaml:1:1: no targets: the relay has nothing to do"]);
}

/// Without those that the target brings with it.
fn of_connections(mut warnings: Vec<String>) -> Vec<String> {
    warnings.retain(|warning| warning.contains(": connections."));
    warnings
}

#[test]
fn a_host_that_is_no_known_control_plane_is_warned_about_and_used() {
    let warnings = |setting: &str| {
        let text = [&connection_with("host: anypoint.mulesoft.com", setting), APPLICATION].concat();
        let config = parse(&text, "relay.yaml", &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
        let connection = config.connections.values().next().unwrap();
        (connection.base_url.clone(), of_connections(config.warnings))
    };
    for host in [
        "anypoint.mulesoft.com",
        "eu1.anypoint.mulesoft.com",
        "gov.anypoint.mulesoft.com",
        "ca1.platform.mulesoft.com",
        "JP1.platform.mulesoft.com",
        "au2.platform.mulesoft.com",
    ] {
        assert_eq!(warnings(&format!("host: {host}")), (format!("https://{}", host.to_lowercase()), vec![]));
    }
    let (url, found) = warnings("host: eu1.anypiont.mulesoft.com");
    assert_eq!(url, "https://eu1.anypiont.mulesoft.com");
    assert_eq!(
        found,
        ["relay.yaml:3:11: connections.prod.host: no known control plane of Anypoint \
         (anypoint.mulesoft.com, eu1.anypoint.mulesoft.com, gov.anypoint.mulesoft.com, ca1.platform.mulesoft.com, \
         jp1.platform.mulesoft.com, <region>.platform.mulesoft.com; a gateway of your own is a `base_url`), and the \
         connected app's secret goes there; did you mean \"eu1.anypoint.mulesoft.com\"?"]
    );
    for host in ["anypoint.example.com", "x.y.platform.mulesoft.com", "mulesoft.com"] {
        assert_eq!(warnings(&format!("host: {host}")).1.len(), 1, "{host}");
    }
    assert_eq!(warnings("base_url: https://gateway.example.com/anypoint").1, Vec::<String>::new());
}

#[test]
fn an_emulator_on_this_machine_may_be_asked_more_often_than_anypoint() {
    let read = |url: &str, rate: &str| {
        let rates = format!("    rates: {{ application_manager: {rate} }}\n");
        let connection = connection_with("host: anypoint.mulesoft.com", &format!("base_url: {url}"));
        parse(&[&connection, &rates, APPLICATION].concat(), "relay.yaml", &|_| None)
    };
    let usual = read("http://127.0.0.1:8081", "15").unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(of_connections(usual.warnings), Vec::<String>::new());
    let config = read("http://127.0.0.1:8081", "1000").unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.connections.values().next().map(|found| found.rates.application_manager), Some(1000.0));
    assert_eq!(
        of_connections(config.warnings),
        [
            "relay.yaml:8:35: connections.prod.rates.application_manager: more than the 15 per second that Anypoint \
             takes from one address: right for an emulator on this machine, not for a proxy to Anypoint"
        ]
    );
    for (url, rate) in [("http://127.0.0.1:8081", "1001"), ("https://gateway.example.com", "16")] {
        assert!(read(url, rate).is_err(), "{rate} at {url}");
    }
}

#[test]
fn a_password_that_goes_to_a_proxy_unencrypted_is_warned_about() {
    let warnings = |url: &str| {
        let proxy = format!(
            "    proxy: {{ url: \"{url}\", username: relay, password: {{ env: PROXY_PASSWORD }} }}\n"
        );
        let text = [CONNECTION, &proxy, APPLICATION].concat();
        let config = parse(&text, "relay.yaml", &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
        of_connections(config.warnings)
    };
    assert_eq!(
        warnings("http://proxy.example.com:3128"),
        [
            "relay.yaml:8:5: connections.prod.proxy: its password goes to this proxy unencrypted; use https:// if the \
         proxy speaks it"
        ]
    );
    assert_eq!(warnings("https://proxy.example.com:3129"), Vec::<String>::new());
}

#[test]
fn literals_that_are_too_long_say_by_how_much_and_not_what() {
    let banner = format!("    properties:\n      banner: {}\n", "x".repeat(1025));
    assert_printed(
        &application_and(&banner),
        "relay.yaml:17:15: targets.orders.properties.banner: 1025 characters; Anypoint takes at most 1024 here",
    );
    let username = format!("username: {}", "u".repeat(65));
    assert_printed(
        &shared_with("username: app", &username),
        "relay.yaml:15:15: targets.shared.username: 65 characters; Anypoint takes at most 64 here",
    );
    let many: Vec<String> = (0..299).map(|n| format!("      p{n}: x\n")).collect();
    assert_printed(
        &application_and(&format!("    properties:\n{}", many.concat())),
        "relay.yaml:9:3: targets.orders: 300 properties; CloudHub 2.0 takes 300, and one of them is the relay's \
         receipt",
    );
}
