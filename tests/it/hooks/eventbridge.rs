//! Events through an API destination: who is let in, what is taken, and what EventBridge repeats.

use std::time::Duration;

use anypoint_sandbox::aws::{ApiDestination, Auth, Order, Outcome, Sink, Source, events};
use anypoint_sandbox::wait_until;
use serde_json::json;

use crate::support::{Bench, EVENTBRIDGE_KEY, LIMIT, ORDERS_SECRET, ORDERS_TARGET, cell, name, pass};

const API_KEY: &str = "api_key: { header: x-api-key, value: { env: EVENTBRIDGE_KEY } }";
/// The shortest time between two reads of a credential.
const REREAD: Duration = Duration::from_secs(5);

fn key(value: &str) -> Auth {
    Auth::ApiKey { header: "x-api-key".to_owned(), value: value.to_owned() }
}

fn basic(user: &str, password: &str) -> Auth {
    Auth::Basic { user: user.to_owned(), password: password.to_owned() }
}

fn destination(bench: &Bench, auth: Auth) -> ApiDestination {
    bench.aws.api_destination(format!("{}/hooks/eventbridge", bench.hooks()), auth)
}

/// What came of the attempts, once there are this many.
async fn answered(destination: &ApiDestination, attempts: usize) -> Vec<Option<u16>> {
    wait_until("the attempts", LIMIT, || destination.attempts().len() >= attempts).await;
    destination.attempts().iter().map(|attempt| attempt.outcome.status()).collect()
}

#[tokio::test]
async fn an_api_key_lets_in_and_the_header_is_the_configured_one() {
    let bench = Bench::orders_with(API_KEY, &API_KEY.replace("x-api-key", "x-relay")).await;
    let event = bench.event();
    let fine =
        destination(&bench, Auth::ApiKey { header: "X-Relay".to_owned(), value: EVENTBRIDGE_KEY.to_owned() });
    fine.send(event.clone());
    assert_eq!(answered(&fine, 1).await, [Some(202)]);
    let other = destination(&bench, key(EVENTBRIDGE_KEY));
    other.send(event);
    assert_eq!(answered(&other, 1).await[0], Some(401));
}

#[tokio::test]
async fn basic_lets_in_with_user_and_password() {
    let auth = "basic: { username: bus, password: { env: EVENTBRIDGE_KEY } }";
    let bench = Bench::orders_with(API_KEY, auth).await;
    let fine = destination(&bench, basic("bus", EVENTBRIDGE_KEY));
    bench.aws.emit_on_rotation(&Sink::Destination(fine.clone()));
    bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    bench.arrives("orders-api", "db.password", "second-password").await;
    assert_eq!(answered(&fine, 1).await, [Some(202)]);
    for (user, password) in [("bus", "wrong"), ("other", EVENTBRIDGE_KEY), ("", "")] {
        let refused = destination(&bench, basic(user, password));
        refused.send(bench.event());
        assert_eq!(answered(&refused, 1).await[0], Some(401), "{user}");
    }
}

#[tokio::test]
async fn two_values_are_accepted_while_one_replaces_the_other() {
    let mut bench = Bench::orders_stopped().await;
    bench.set_credential("NEXT_KEY", "next-key-0123456789abcdefghijkl");
    let two = API_KEY
        .replace("value: { env: EVENTBRIDGE_KEY }", "values: [{ env: EVENTBRIDGE_KEY }, { env: NEXT_KEY }]");
    let text = bench.file(ORDERS_TARGET).replace(API_KEY, &two);
    bench.start_with(&text).await;
    for value in [EVENTBRIDGE_KEY, "next-key-0123456789abcdefghijkl"] {
        let destination = destination(&bench, key(value));
        destination.send(bench.event());
        assert_eq!(answered(&destination, 1).await, [Some(202)]);
    }
}

#[tokio::test]
async fn a_rotated_key_is_read_again_with_no_restart_and_the_old_one_ends() {
    let mut bench = Bench::orders().await;
    let destination = destination(&bench, key(EVENTBRIDGE_KEY));
    destination.send(bench.event());
    assert_eq!(answered(&destination, 1).await, [Some(202)]);

    bench.set_credential("EVENTBRIDGE_KEY", "rotated-key-0123456789abcdefghi");
    pass(REREAD).await;
    destination.set_auth(key("rotated-key-0123456789abcdefghi"));
    destination.send(bench.event());
    assert_eq!(answered(&destination, 2).await[1], Some(202));
    destination.set_auth(key(EVENTBRIDGE_KEY));
    destination.send(bench.event());
    assert_eq!(answered(&destination, 3).await[2], Some(401));
}

#[tokio::test]
async fn what_a_wrong_key_kept_out_is_delivered_by_the_buss_retry_once_the_key_is_mended() {
    let bench = Bench::orders().await;
    let destination = destination(&bench, key("wrong"));
    bench.aws.emit_on_rotation(&Sink::Destination(destination.clone()));
    bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    assert_eq!(answered(&destination, 2).await[..2], [Some(401), Some(401)]);
    assert_eq!(bench.running("orders-api", "db.password"), ["first-password"]);
    destination.set_auth(key(EVENTBRIDGE_KEY));
    bench.arrives("orders-api", "db.password", "second-password").await;
    assert!(destination.dead_letters().is_empty());
}

#[tokio::test]
async fn an_array_of_events_is_taken_event_by_event() {
    let bench = Bench::orders().await;
    let destination = destination(&bench, key(EVENTBRIDGE_KEY));
    let stranger = events::label_updated(
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/other-AbCdEf",
        "AWSCURRENT",
        "7ac47c8c-f328-423b-9698-6926dd1f293e",
    );
    let event = bench.event();
    destination.send_together(vec![stranger.clone(), event.clone()]);
    assert_eq!(answered(&destination, 1).await, [Some(202)]);
    let answer = bench.post_event(&json!([event, stranger])).await;
    assert_eq!(cell(&answer), (200, "duplicate"), "the one of interest was taken before");

    // The newer buses send each event in an array of one.
    destination.set_array(true);
    bench.aws.emit_on_rotation(&Sink::Destination(destination));
    bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    bench.arrives("orders-api", "db.password", "second-password").await;
}

#[tokio::test]
async fn accounts_and_regions_that_are_not_listed_are_200_and_reach_nobody() {
    for (list, detail) in [
        ("accounts: [\"999999999999\"]", "account_not_allowed"),
        ("regions: [us-east-1]", "region_not_allowed"),
    ] {
        let bench = Bench::orders_with("  eventbridge: {", &format!("  eventbridge: {{ {list},")).await;
        let runs = bench.board().runs_started(&name("orders-api"));
        let answer = bench.post_event(&bench.event()).await;
        assert_eq!(cell(&answer), (200, "not_of_interest"));
        assert_eq!(answer.body["detail"], detail);
        bench.idle().await;
        assert_eq!(bench.board().runs_started(&name("orders-api")), runs);
    }
    let lists = "  eventbridge: { accounts: [\"123456789012\"], regions: [eu-west-1],";
    let bench = Bench::orders_with("  eventbridge: {", lists).await;
    assert_eq!(cell(&bench.post_event(&bench.event()).await), (202, "accepted"));
}

#[tokio::test]
async fn a_rotation_told_by_cloudtrail_alone_arrives() {
    let bench = Bench::orders().await;
    let destination = destination(&bench, key(EVENTBRIDGE_KEY));
    bench.aws.emit(Source::CloudTrail, &Sink::Destination(destination.clone()));
    let secret = bench.aws.secret("prod/orders/db").unwrap();
    secret.rotate_password("second-password");
    bench.arrives("orders-api", "db.password", "second-password").await;
    secret.start_pending(ORDERS_SECRET.replace("first", "third"));
    secret.finish_rotation();
    bench.arrives("orders-api", "db.password", "third-password").await;
    assert!(destination.dead_letters().is_empty());
}

#[tokio::test]
async fn events_of_no_interest_are_200_and_start_no_run() {
    let bench = Bench::orders().await;
    let arn = bench.aws.secret("prod/orders/db").unwrap().arn().to_owned();
    let put = json!({"secretId": arn, "versionStages": ["AWSPENDING"]});
    let reads = events::api_call(&arn, "GetSecretValue", &json!({"secretId": arn}));
    let own = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:events!connection/relay/0f-AbCdEf";
    let version = "7ac47c8c-f328-423b-9698-6926dd1f293e";
    let runs = bench.board().runs_started(&name("orders-api"));
    for event in [
        events::label_updated(&arn, "custom", version),
        events::api_call(&arn, "PutSecretValue", &put),
        events::refused_api_call(&arn, "PutSecretValue", &json!({"secretId": arn})),
        reads,
        events::service_event(&arn, "TestRotationSucceeded", version, None),
        events::label_updated(own, "AWSCURRENT", version),
        json!({"source": "aws.s3", "detail-type": "Object Created", "detail": {}}),
    ] {
        let answer = bench.post_event(&event).await;
        assert!(
            matches!(cell(&answer), (200, "not_of_interest" | "not_configured")),
            "{event}\n{}",
            answer.text
        );
    }
    bench.idle().await;
    assert_eq!(bench.board().runs_started(&name("orders-api")), runs);
}

#[tokio::test]
async fn a_failed_rotation_alerts_and_forwards_nothing() {
    let bench = Bench::orders().await;
    let destination = destination(&bench, key(EVENTBRIDGE_KEY));
    bench.aws.emit(Source::CloudTrail, &Sink::Destination(destination));
    let secret = bench.aws.secret("prod/orders/db").unwrap();
    let writes = bench.anypoint.history("orders-api").writes.len();
    let reads = secret.reads();
    secret.start_pending("never to be seen");
    secret.fail_rotation();
    bench.counts("eventbridge", "alert", 1).await;
    secret.abandon_rotation();
    bench.counts("eventbridge", "alert", 2).await;
    bench.idle().await;
    for alert in ["rotation_failed", "rotation_abandoned"] {
        let sample = format!("relay_rotation_alerts_total{{alert=\"{alert}\"}}");
        assert_eq!(bench.metric(&sample).await.as_deref(), Some("1"), "{alert}");
    }
    let status = bench.ask("/status").await.body;
    assert_eq!(status["secrets"][0]["rotation_failed"]["change"], "rotation_failed");
    assert_eq!(bench.anypoint.history("orders-api").writes.len(), writes);
    assert_eq!(secret.reads(), reads, "AWS was not even asked");
}

#[tokio::test]
async fn duplicates_are_200_and_one_run() {
    let bench = Bench::orders().await;
    let destination = destination(&bench, key(EVENTBRIDGE_KEY));
    destination.set_copies(5);
    destination.hold();
    bench.aws.emit_on_rotation(&Sink::Destination(destination.clone()));
    let secret = bench.aws.secret("prod/orders/db").unwrap();
    secret.rotate_password("second-password");
    secret.rotate_password("third-password");
    destination.release(Order::Shuffled(7));
    bench.arrives("orders-api", "db.password", "third-password").await;
    let statuses = answered(&destination, 10).await;
    assert_eq!(statuses.iter().filter(|status| **status == Some(202)).count(), 2);
    assert_eq!(statuses.iter().filter(|status| **status == Some(200)).count(), 8);
    bench.in_sync("orders-api").await;
    assert_eq!(bench.anypoint.history("orders-api").rolls(), 2, "one to take over, one for both rotations");
}

#[tokio::test]
async fn what_is_no_event_is_400_and_not_repeated() {
    let bench = Bench::orders().await;
    let destination = destination(&bench, key(EVENTBRIDGE_KEY));
    destination.send(json!("text of an input transformer"));
    wait_until("the end of it", LIMIT, || destination.dead_letters().len() == 1).await;
    assert_eq!(destination.attempts()[0].outcome, Outcome::Status(400));
}

#[tokio::test]
async fn a_stopped_relay_gets_its_events_when_it_is_back() {
    let mut bench = Bench::orders().await;
    let destination = destination(&bench, key(EVENTBRIDGE_KEY));
    let address = bench.hooks().trim_start_matches("http://").to_owned();
    bench.aws.emit_on_rotation(&Sink::Destination(destination.clone()));
    bench.stop().await.unwrap();
    bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    wait_until("an attempt in vain", LIMIT, || !destination.attempts().is_empty()).await;
    assert_eq!(destination.attempts()[0].outcome.status(), None);
    let text = bench.file(ORDERS_TARGET).replacen("127.0.0.1:0", &address, 1);
    bench.start_with(&text).await;
    bench.arrives("orders-api", "db.password", "second-password").await;
    wait_until("the delivery", LIMIT, || destination.attempts().iter().any(|it| it.outcome.is_success()))
        .await;
}
