//! `shared_secret`: its values, where it lies, when it is written, and how it comes to be.

mod create;
mod create_trouble;
mod place;
mod values;
mod writes;

use anypoint_sandbox::anypoint::{Anypoint, SecretGroup, SharedSecret};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::TARGET;
use crate::support::Bench;

const USER: &str = "    type: UsernamePassword
    username: { secret: prod/orders/db, field: username }
    password: { secret: prod/orders/db, field: password }";

fn target(lines: &str) -> String {
    named("orders", "orders-db", lines)
}

fn named(group: &str, name: &str, lines: &str) -> String {
    format!(
        "
  {TARGET}:
    kind: shared_secret
    connection: prod
    group: {group}
    name: {name}
    coalesce: 10ms
{lines}"
    )
}

/// A sandbox with one shared secret in the group `orders`.
async fn sandbox(stored: &Value) -> (Bench, SecretGroup, SharedSecret) {
    let bench = Bench::new().await;
    bench.aws.create_secret("prod/orders/db", json!({ "username": "app", "password": "first-password" }));
    let group = bench.anypoint.add_group("orders");
    let secret = group.add_shared_secret(stored);
    later(&bench.anypoint, 5);
    (bench, group, secret)
}

fn stored_user() -> Value {
    json!({
        "name": "orders-db", "type": "UsernamePassword", "username": "old", "password": "old",
        "expirationDate": "2031-02-03",
    })
}

/// `modifiedAt` has a resolution of one second: its clock is set to so many seconds ahead, so that a
/// write shows without a wait.
fn later(anypoint: &Anypoint, seconds: i64) {
    anypoint.shift_modified_at(SignedDuration::from_secs(seconds));
}

fn rotate(bench: &Bench, password: &str) {
    bench.aws.secret("prod/orders/db").unwrap().rotate_password(password);
}

fn passwords(secret: &SharedSecret) -> Vec<String> {
    secret.history().into_iter().map(|write| write.fields["password"].clone()).collect()
}
