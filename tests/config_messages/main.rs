//! What a person reads when a configuration is wrong: the exact lines, place and next step included.
//!
//! Wherever a text here holds `hunter2`, it stands for a credential that must not be printed.

mod credentials;
mod document;
mod files;
mod http;
mod platforms;
mod settings;
mod stores;
mod targets;
mod traces;

use anypoint_relay::config::parse;

const CONNECTION: &str = "connections:
  prod:
    host: anypoint.mulesoft.com
    client_id: { env: ID }
    client_secret: { env: SECRET }
    organization: 3f8a6c2e-5b1d-4f70-9c3a-2d4e6f8a0b1c
    environment: 7c1e9d40-8a2b-4c6d-b5e3-1f2a3b4c5d6e
";

const APPLICATION: &str = "targets:
  orders:
    kind: application
    connection: prod
    platform: cloudhub2
    deployment: orders
    secure_properties:
      db.password: { secret: prod/db, field: password }
";

const SHARED: &str = "targets:
  shared:
    kind: shared_secret
    connection: prod
    group: orders
    name: orders-db
    type: UsernamePassword
    username: app
    password: { secret: prod/db, field: password }
";

/// What `check` says of [`APPLICATION`], whose secret may have a single user.
const SINGLE_USER: &str = "takes a password of \"prod/db\" and no user name; if its rotation keeps the user, what \
     still runs with the old password loses access until the restart has ended; let the rotation alternate two \
     users, and take the user name from the secret too";

/// Asserts that `text` is refused with exactly these lines, and that none shows a credential.
#[track_caller]
fn assert_printed(text: &str, lines: &str) {
    let environment = |name: &str| (name == "HIDDEN").then(|| "hunter2".to_owned());
    let printed = match parse(text, "relay.yaml", &environment) {
        Ok(_) => "no problem".to_owned(),
        Err(errors) => errors.to_string(),
    };
    assert!(!printed.contains("hunter2"), "{printed}");
    assert_eq!(printed, lines, "for:\n{text}");
}

/// `text` with its first `from` replaced.
#[track_caller]
fn changed(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from:?} is not in:\n{text}");
    text.replacen(from, to, 1)
}

#[track_caller]
fn connection_with(from: &str, to: &str) -> String {
    changed(CONNECTION, from, to)
}

#[track_caller]
fn application_with(from: &str, to: &str) -> String {
    changed(&application_and(""), from, to)
}

#[track_caller]
fn shared_with(from: &str, to: &str) -> String {
    changed(&shared_and(""), from, to)
}

fn connection_and(more: &str) -> String {
    [CONNECTION, more].concat()
}

fn application_and(more: &str) -> String {
    [CONNECTION, APPLICATION, more].concat()
}

fn shared_and(more: &str) -> String {
    [CONNECTION, SHARED, more].concat()
}

/// A second target, `again`, of the same kind and for the same thing.
#[expect(clippy::expect_used, reason = "a helper of tests")]
fn again(targets: &str) -> String {
    let (_, target) = targets.split_once(":\n    ").expect("a name, then the settings");
    ["  again:\n    ", target].concat()
}

#[test]
fn the_texts_that_the_tests_change_are_right() {
    for text in [CONNECTION.to_owned(), application_and(""), shared_and("")] {
        parse(&text, "relay.yaml", &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
    }
}
