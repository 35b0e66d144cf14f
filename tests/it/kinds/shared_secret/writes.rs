//! The date that a write sends, the time between two writes, and what shows that somebody else wrote.

use anypoint_relay::clock::{Clock, SystemClock};
use anypoint_sandbox::anypoint::{Anypoint, SecretGroup, SharedSecret};
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde_json::{Value, json};

use super::{TARGET, USER, later, named, passwords, rotate, sandbox, stored_user, target};
use crate::support::client;

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
