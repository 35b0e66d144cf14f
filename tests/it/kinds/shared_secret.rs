//! `shared_secret`: types, lengths, expiry, names, and what shows that somebody else wrote.

use anypoint_relay::clock::{Clock, SystemClock};
use anypoint_sandbox::anypoint::{Anypoint, Endpoint, GroupState, SecretGroup, SharedSecret};
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde_json::{Value, json};

use super::TARGET;
use crate::support::{Bench, client};

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

/// Somebody else's PUT.
async fn foreign_put(anypoint: &Anypoint, group: &SecretGroup, secret: &SharedSecret, body: &Value) {
    let client = client();
    let base = anypoint.base_url();
    let login = json!({
        "client_id": anypoint.client_id(), "client_secret": anypoint.client_secret(),
        "grant_type": "client_credentials",
    });
    let token = client.post(format!("{base}/accounts/api/v2/oauth2/token")).body(login.to_string());
    let token = token.header("content-type", "application/json").send().await.unwrap();
    let token: Value = serde_json::from_str(&token.text().await.unwrap()).unwrap();
    let (organization, environment) = (anypoint.organization(), anypoint.environment());
    let put = client
        .put(format!(
            "{base}/secrets-manager/api/v1/organizations/{organization}/environments/{environment}/\
             secretGroups/{}/sharedSecrets/{}",
            group.id(),
            secret.id()
        ))
        .bearer_auth(token["access_token"].as_str().unwrap())
        .header("content-type", "application/json")
        .body(body.to_string());
    assert_eq!(put.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn each_type_gets_its_fields_and_keeps_its_name() {
    let key = "c2lnbmluZy1rZXk=";
    let table = [
        (stored_user(), USER.to_owned(), json!({ "username": "app", "password": "first-password" })),
        (
            json!({ "name": "orders-db", "type": "SymmetricKey", "key": "b2xk" }),
            "    type: SymmetricKey\n    key: { secret: key, binary: true }".to_owned(),
            json!({ "key": key }),
        ),
        (
            json!({ "name": "orders-db", "type": "S3Credential", "accessKeyId": "A", "secretAccessKey": "B" }),
            "    type: S3Credential\n    access_key_id: { secret: prod/orders/db, field: username }\n    \
             secret_access_key: { secret: prod/orders/db, field: password }"
                .to_owned(),
            json!({ "accessKeyId": "app", "secretAccessKey": "first-password" }),
        ),
        (
            json!({ "name": "orders-db", "type": "Blob", "content": "b2xk" }),
            "    type: Blob\n    content: { secret: whole }".to_owned(),
            json!({ "content": "two\nlines" }),
        ),
    ];
    for (stored, lines, fields) in table {
        let (mut bench, _, secret) = sandbox(&stored).await;
        bench.aws.create_secret("key", b"signing-key".to_vec());
        bench.aws.create_secret("whole", "two\nlines");
        bench.start(&target(&lines)).await;
        bench.in_sync(TARGET).await;
        let [_, written] = &secret.history()[..] else { panic!("one write") };
        assert_eq!((&written.name[..], json!(written.fields)), ("orders-db", fields));
        assert_eq!(written.kind, stored["type"].as_str().unwrap());
    }
}

#[tokio::test]
async fn user_names_and_passwords_have_64_characters_and_one_more_is_refused_with_the_way_out() {
    longest("UsernamePassword", &["username", "password"], 64).await;
}

#[tokio::test]
async fn keys_of_s3_have_136_characters_and_one_more_is_refused_with_the_way_out() {
    longest("S3Credential", &["access_key_id", "secret_access_key"], 136).await;
}

#[tokio::test]
async fn symmetric_keys_have_2048_characters_and_one_more_is_refused_with_the_way_out() {
    longest("SymmetricKey", &["key"], 2_048).await;
}

async fn longest(kind: &str, keys: &[&str], limit: usize) {
    for (length, fits) in [(limit, true), (limit + 1, false)] {
        let stored = json!({
            "name": "orders-db", "type": kind, "username": "o", "password": "o", "accessKeyId": "o",
            "secretAccessKey": "o", "key": "b2xk",
        });
        let source = |key: &&str| format!("    {key}: {{ secret: prod/orders/db, field: {key} }}\n");
        let lines = format!("    type: {kind}\n{}", keys.iter().map(source).collect::<String>());
        let (mut bench, _, secret) = sandbox(&only(&stored, kind)).await;
        // Characters are counted, not bytes; a key is base64.
        let long = if kind == "SymmetricKey" { "A" } else { "é" }.repeat(length);
        let values: serde_json::Map<_, _> = keys.iter().map(|key| ((*key).to_owned(), json!(long))).collect();
        bench.aws.secret("prod/orders/db").unwrap().rotate(Value::from(values));
        bench.start(&target(&lines)).await;
        if fits {
            bench.in_sync(TARGET).await;
            assert!(secret.current().unwrap().values().all(|value| *value == long));
            continue;
        }
        let failure = bench.parks("too_long").await;
        let what = format!(" of a {kind} may have {limit} characters, and the value has more");
        assert!(failure.message.ends_with(&what), "{failure:?}");
        assert_eq!(
            failure.next_step,
            "make rotation create a shorter value, or use a shared secret of type Blob (1,024,000 characters)"
        );
        assert_eq!(secret.history().len(), 1);
    }
}

/// A body with the fields of its type alone.
fn only(stored: &Value, kind: &str) -> Value {
    let fields: &[&str] = match kind {
        "UsernamePassword" => &["username", "password"],
        "S3Credential" => &["accessKeyId", "secretAccessKey"],
        _ => &["key"],
    };
    let names = ["name", "type"].iter().chain(fields);
    Value::from(
        names.map(|name| ((*name).to_owned(), stored[*name].clone())).collect::<serde_json::Map<_, _>>(),
    )
}

#[tokio::test]
async fn the_largest_type_has_its_limit_too() {
    // AWS holds 64 KiB at most, so it takes a template to come near a million characters.
    for (last, fits) in [(24_000, true), (24_001, false)] {
        let stored = json!({ "name": "orders-db", "type": "Blob", "content": "b2xk" });
        let (mut bench, _, secret) = sandbox(&stored).await;
        bench.aws.create_secret("parts", json!({ "a": "x".repeat(40_000), "b": "y".repeat(last) }));
        let template = format!("{}{{b}}", "{a}".repeat(25));
        let lines = format!("    type: Blob\n    content: {{ secret: parts, template: \"{template}\" }}");
        bench.start(&target(&lines)).await;
        if fits {
            bench.in_sync(TARGET).await;
            assert_eq!(secret.current().unwrap()["content"].len(), 1_024_000);
        } else {
            let failure = bench.parks("too_long").await;
            assert_eq!(
                failure.message,
                "content of a Blob may have 1024000 characters, and the value has more"
            );
            assert_eq!(failure.next_step, "store less: this is the largest type that Anypoint has");
        }
    }
}

#[tokio::test]
async fn the_expiry_is_kept_set_or_left_to_anypoint() {
    let today = || SystemClock.timestamp().to_zoned(jiff::tz::TimeZone::UTC).date();
    let before = today();
    for (policy, days) in [("keep", None), ("default", Some(365)), ("{ days: 90 }", Some(90))] {
        let (mut bench, _, secret) = sandbox(&stored_user()).await;
        bench.start(&target(&format!("{USER}\n    expiry: {policy}"))).await;
        bench.in_sync(TARGET).await;
        let [_, written] = &secret.history()[..] else { panic!("one write") };
        let possible: Vec<String> = match days {
            None => vec!["2031-02-03".to_owned()],
            // The day may change between the two.
            Some(365) => [before, today()].map(|day| (day + 1.year()).to_string()).into(),
            Some(days) => [before, today()].map(|day| (day + i64::from(days).days()).to_string()).into(),
        };
        assert!(possible.contains(&written.expiration_date), "{policy}: {}", written.expiration_date);
    }
}

#[tokio::test]
async fn group_and_secret_are_found_by_name_and_by_id() {
    for by_id in [(true, true), (true, false), (false, true)] {
        let (mut bench, group, secret) = sandbox(&stored_user()).await;
        let group_named = if by_id.0 { group.id() } else { "orders" };
        let secret_named = if by_id.1 { secret.id() } else { "orders-db" };
        bench.start(&named(group_named, secret_named, USER)).await;
        bench.in_sync(TARGET).await;
        assert_eq!(passwords(&secret), ["old", "first-password"]);
        let requests = bench.anypoint.requests();
        let lists = [Endpoint::GroupList, Endpoint::SecretList].map(|list| requests.of(list));
        assert_eq!(lists, [usize::from(!by_id.0), usize::from(!by_id.1)], "an id needs no list");
    }
}

#[tokio::test]
async fn names_that_do_not_exist_are_told_with_those_that_do() {
    let (mut bench, ..) = sandbox(&stored_user()).await;
    bench.start(&named("billing", "orders-db", USER)).await;
    let failure = bench.parks("not_found").await;
    assert_eq!(failure.message, "no secret group is named \"billing\"; there are \"orders\"");
    assert_eq!(
        failure.next_step,
        "correct `group` of target orders, or `organization` and `environment` of the connection"
    );
    bench.stop().await.unwrap();
    bench.start(&named("orders", "billing", USER)).await;
    let failure = bench.parks("not_found").await;
    assert_eq!(failure.message, "no shared secret is named \"billing\"; there are \"orders-db\"");
}

#[tokio::test]
async fn a_secret_of_another_type_is_not_touched() {
    let (mut bench, _, secret) = sandbox(&stored_user()).await;
    bench.start(&target("    type: Blob\n    content: { secret: prod/orders/db }")).await;
    let failure = bench.parks("rejected").await;
    assert_eq!(failure.message, "shared secret \"orders-db\" is of another type than Blob");
    assert_eq!(secret.history().len(), 1);
}

#[tokio::test]
async fn a_group_that_is_being_changed_is_waited_for() {
    for state in [GroupState::Finishing, GroupState::Deleting, GroupState::Cancelling] {
        let (mut bench, group, secret) = sandbox(&stored_user()).await;
        group.set_state(state);
        bench.start(&target(USER)).await;
        let failure = bench.meets("conflict").await;
        assert_eq!(failure.message, "secret group \"orders\" is being changed (its state is not `Clear`)");
        assert_eq!(bench.anypoint.requests().of(Endpoint::SecretPut), 0);
        group.set_state(GroupState::Clear);
        bench.in_sync(TARGET).await;
        assert_eq!(passwords(&secret), ["old", "first-password"]);
    }
}

#[tokio::test]
async fn a_write_of_somebody_else_is_found_by_reconcile_and_written_over() {
    let (mut bench, group, secret) = sandbox(&stored_user()).await;
    let file = bench.file(&target(USER)).replace("targets_interval: 1h", "targets_interval: 50ms");
    bench.start_with(&file).await;
    bench.in_sync(TARGET).await;
    later(&bench.anypoint, 10);
    foreign_put(&bench.anypoint, &group, &secret, &stored_user()).await;
    later(&bench.anypoint, 15);
    let healed = || passwords(&secret) == ["old", "first-password", "old", "first-password"];
    anypoint_sandbox::wait_until("the second write", crate::support::LIMIT, healed).await;
    bench.in_sync(TARGET).await;
    assert!(healed(), "and no write more");
}

#[tokio::test]
async fn two_writes_to_one_secret_are_further_apart_than_its_date_resolves() {
    let (mut bench, _, secret) = sandbox(&stored_user()).await;
    // A neighbour on the same host is not held back by the wait.
    let group = bench.anypoint.add_group("billing");
    let neighbour = group.add_shared_secret(&stored_user());
    bench.aws.create_secret("prod/billing/db", json!({ "username": "app", "password": "first-billing" }));
    later(&bench.anypoint, 10);
    let other = named("billing", "orders-db", USER).replace("prod/orders", "prod/billing");
    bench.start(&(target(USER) + "\n" + &other.replace("  orders:", "  billing:"))).await;
    bench.in_sync(TARGET).await;
    bench.in_sync("billing").await;

    rotate(&bench, "second-password");
    bench.trigger(r#"{"secret":"prod/orders/db"}"#, "").await;
    let failure = bench.meets("conflict").await;
    assert_eq!(
        failure.message,
        "shared secret \"orders-db\" was written less than 2s ago, and its `modifiedAt` shows seconds"
    );
    assert_eq!(failure.next_step, "none: it is written in a moment");
    let looked = bench.trigger(r#"{"target":"billing"}"#, "?wait=20s").await;
    assert_eq!(looked.body["targets"][0]["state"], "in_sync");
    assert_eq!(passwords(&secret), ["old", "first-password"], "the neighbour was looked at meanwhile");

    bench.in_sync(TARGET).await;
    assert_eq!(passwords(&secret), ["old", "first-password", "second-password"]);
    let at: Vec<Timestamp> = secret.history().iter().map(|write| write.at).collect();
    assert!(at[2].duration_since(at[1]) >= SignedDuration::from_secs(2), "{at:?}");
    assert_eq!(passwords(&neighbour), ["old", "first-billing"]);
}

#[tokio::test]
async fn after_a_restart_it_is_delivered_once_more_unless_receipts_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let receipts = format!("receipts: {}/receipts.json\n", folder.path().display());
    for (kept, writes) in [("", 2), (&receipts[..], 1)] {
        let (mut bench, _, secret) = sandbox(&stored_user()).await;
        let file = kept.to_owned() + &bench.file(&target(USER));
        bench.start_with(&file).await;
        bench.in_sync(TARGET).await;
        later(&bench.anypoint, 10);
        bench.restart().await;
        bench.in_sync(TARGET).await;
        assert_eq!(passwords(&secret).len(), 1 + writes, "receipts: {kept:?}");

        later(&bench.anypoint, 15);
        rotate(&bench, "second-password");
        bench.restart().await;
        bench.in_sync(TARGET).await;
        assert_eq!(passwords(&secret).last().unwrap(), "second-password");
    }
}
