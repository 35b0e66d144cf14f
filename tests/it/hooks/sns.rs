//! Messages of SNS: which are taken, which are refused, and what SNS does then.

use anypoint_relay::clock::{Clock, SystemClock};
use anypoint_sandbox::aws::{Order, Publication, Reads, RetryPolicy, timestamp};
use anypoint_sandbox::wait_until;
use jiff::SignedDuration;

use crate::support::{Bench, LIMIT, cell, name};

#[tokio::test]
async fn both_signature_versions_bring_a_rotation_to_the_replicas() {
    let bench = Bench::orders().await;
    bench.tell_by_sns().await;
    let secret = bench.aws.secret("prod/orders/db").unwrap();
    for (version, password) in [(1, "second-password"), (2, "third-password")] {
        bench.aws.topic("rotations").set_signature_version(version);
        secret.rotate_password(password);
        bench.arrives("orders-api", "db.password", password).await;
    }
    assert_eq!(bench.counted("sns", "accepted").await, 2);
}

#[tokio::test]
async fn sha_1_is_refused_where_the_configuration_asks_for_sha_256() {
    let bench = Bench::orders_with("  sns:\n", "  sns:\n    require_version_2: true\n").await;
    let old = bench.draft(bench.event().to_string());
    let mut new = bench.draft(bench.event().to_string());
    new.signature_version = "2".to_owned();
    assert_eq!(cell(&bench.post_sns(old).await), (403, "signature_refused"));
    assert_eq!(cell(&bench.post_sns(new).await), (200, "accepted"));
}

#[tokio::test]
async fn subject_attributes_and_any_unicode_verify_as_signed() {
    let bench = Bench::orders().await;
    let topic = bench.aws.topic("rotations");
    let subscription = topic.subscribe_confirmed(format!("{}/hooks/sns", bench.hooks()));
    let messages =
        ["\u{1f511} \u{10ffff} \u{e9} \u{2028}", "ends with a line\n", "two\n\nlines\n\n", "\u{7f}\t\\\" /"];
    for message in messages {
        let id = topic.publish_all(Publication {
            message: message.to_owned(),
            subject: Some("Rotation \u{2013} done \u{1f511}".to_owned()),
            attributes: vec![("Message".to_owned(), "not the message".to_owned())],
        });
        subscription.delivered(&id, LIMIT).await;
    }
    assert_eq!(bench.counted("sns", "ignored").await, 4, "verified, and no events");
}

#[tokio::test]
async fn a_message_in_plain_ascii_escapes_verifies_too() {
    let bench = Bench::orders().await;
    let mut message = bench.draft("{\"x\":\"\u{1f511}\u{e9}\"}");
    bench.aws.sign_notification(&mut message);
    let answer = bench.post_sns_body(&message, &message.body_in_ascii()).await;
    assert_eq!(cell(&answer), (200, "not_of_interest"));
}

#[tokio::test]
async fn any_content_type_that_a_delivery_policy_sets_is_taken() {
    let bench = Bench::orders().await;
    let topic = bench.aws.topic("rotations");
    let subscription = topic.subscribe_confirmed(format!("{}/hooks/sns", bench.hooks()));
    for content_type in
        ["text/plain; charset=UTF-8", "application/json", "application/x-www-form-urlencoded", "x/y"]
    {
        subscription.set_content_type(content_type);
        let id = topic.publish(bench.event().to_string());
        subscription.delivered(&id, LIMIT).await;
    }
    assert_eq!(bench.counted("sns", "accepted").await, 4);
}

#[tokio::test]
async fn raw_delivery_is_403_and_given_up() {
    let bench = Bench::orders().await;
    let topic = bench.aws.topic("rotations");
    let subscription = topic.subscribe_confirmed(format!("{}/hooks/sns", bench.hooks()));
    subscription.set_raw(true);
    topic.publish(bench.event().to_string());
    wait_until("the refusal", LIMIT, || subscription.dead_letters().len() == 1).await;
    assert_eq!(subscription.attempts()[0].outcome.status(), Some(403));
    assert_eq!(bench.aws.sns_log().count(), 0, "no certificate was fetched");
}

#[tokio::test]
async fn flaw_08_a_topic_that_is_not_listed_is_403_and_nothing_is_fetched() {
    let bench = Bench::orders().await;
    let stranger = bench.aws.topic("somebody-elses");
    let subscription = stranger.subscribe_confirmed(format!("{}/hooks/sns", bench.hooks()));
    stranger.publish(bench.event().to_string());
    wait_until("the refusal", LIMIT, || subscription.dead_letters().len() == 1).await;
    let pending = stranger.subscribe(format!("{}/hooks/sns", bench.hooks()));
    wait_until("the refusal", LIMIT, || pending.dead_letters().len() == 1).await;
    assert_eq!(subscription.attempts()[0].outcome.status(), Some(403));
    assert_eq!(pending.attempts()[0].outcome.status(), Some(403));
    assert_eq!(bench.aws.sns_log().count(), 0);
    assert_eq!(bench.counted("sns", "forbidden").await, 2);
}

#[tokio::test]
async fn a_message_outside_the_window_is_403_and_one_that_was_retried_for_an_hour_is_taken() {
    let bench = Bench::orders().await;
    let sent = |minutes_ago: i64| {
        let mut message = bench.draft(bench.event().to_string());
        message.timestamp = timestamp(SystemClock.timestamp() - SignedDuration::from_mins(minutes_ago));
        message
    };
    for minutes_ago in [76, -6] {
        assert_eq!(cell(&bench.post_sns(sent(minutes_ago)).await), (403, "message_outside_window"));
    }
    assert_eq!(bench.aws.sns_log().count(), 0, "refused before any network use");
    for minutes_ago in [61, -4] {
        assert_eq!(cell(&bench.post_sns(sent(minutes_ago)).await), (200, "accepted"));
    }
}

#[tokio::test]
async fn flaw_09_a_replay_is_200_and_starts_nothing_and_is_harmless_after_a_restart() {
    let mut bench = Bench::orders().await;
    let mut message = bench.draft(bench.event().to_string());
    let body = bench.aws.sign_notification(&mut message);
    assert_eq!(cell(&bench.post_sns_body(&message, &body).await), (200, "accepted"));
    bench.in_sync("orders-api").await;
    let runs = bench.board().runs_started(&name("orders-api"));
    assert_eq!(cell(&bench.post_sns_body(&message, &body).await), (200, "duplicate"));
    bench.idle().await;
    assert_eq!(bench.board().runs_started(&name("orders-api")), runs);

    bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    bench.restart().await;
    bench.arrives("orders-api", "db.password", "second-password").await;
    let rolls = bench.anypoint.history("orders-api").rolls();
    assert_eq!(cell(&bench.post_sns_body(&message, &body).await), (200, "accepted"));
    bench.arrives("orders-api", "db.password", "second-password").await;
    assert_eq!(
        bench.anypoint.history("orders-api").rolls(),
        rolls,
        "an event of an old version rolls nothing"
    );
}

#[tokio::test]
async fn duplicates_and_reordered_deliveries_end_with_the_current_value_and_one_roll() {
    let bench = Bench::orders().await;
    bench.tell_by_sns().await;
    let topic = bench.aws.topic("rotations");
    topic.set_copies(4);
    topic.hold();
    let secret = bench.aws.secret("prod/orders/db").unwrap();
    secret.rotate_password("second-password");
    secret.rotate_password("third-password");
    topic.release(Order::Reversed);
    bench.arrives("orders-api", "db.password", "third-password").await;
    assert!(
        !bench
            .anypoint
            .history("orders-api")
            .secure_values("db.password")
            .contains(&"second-password".to_owned())
    );
    bench.counts("sns", "duplicate", 6).await;
    assert_eq!(bench.counted("sns", "accepted").await, 2);
    bench.in_sync("orders-api").await;
    assert_eq!(bench.running("orders-api", "db.password"), ["third-password"]);
}

#[tokio::test]
async fn a_tampered_message_is_403_and_malformed_ones_are_400() {
    let bench = Bench::orders().await;
    let mut message = bench.draft(bench.event().to_string());
    let body = bench.aws.sign_notification(&mut message);
    let answer = bench.post_sns_body(&message, &body.replace("AWSCURRENT", "AWSCURRENU")).await;
    assert_eq!(cell(&answer), (403, "signature_refused"));
    for body in ["", "{", "[]", "null", "{\"Type\":\"Notification\"}"] {
        assert_eq!(cell(&bench.post_sns_body(&message, body).await), (400, "malformed"), "{body}");
    }
}

#[tokio::test]
async fn a_secret_that_nobody_uses_is_200_and_never_asked_for() {
    let bench = Bench::orders().await;
    bench.tell_by_sns().await;
    let stranger = bench.aws.create_secret("prod/other", "value");
    stranger.rotate("another");
    bench.counts("sns", "not_configured", 1).await;
    assert_eq!(stranger.reads(), Reads::default());
}

#[tokio::test]
async fn one_event_through_both_routes_is_accepted_once() {
    let bench = Bench::orders().await;
    bench.tell_by_sns().await;
    bench.tell_by_eventbridge();
    bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    bench.arrives("orders-api", "db.password", "second-password").await;
    // Both have come; which of them was first is up to the network.
    let count =
        async |verdict| bench.counted("sns", verdict).await + bench.counted("eventbridge", verdict).await;
    while count("accepted").await + count("duplicate").await < 2 {}
    assert_eq!((count("accepted").await, count("duplicate").await), (1, 1));
    assert_eq!(bench.anypoint.history("orders-api").rolls(), 2);
}

#[tokio::test]
async fn what_a_busy_relay_answers_503_is_delivered_by_snss_retry() {
    let bench = Bench::with_one_place().await;
    bench.aws.set_sns_policy(RetryPolicy { retries: 100, ..RetryPolicy::default() });
    bench.tell_by_sns().await;
    bench
        .while_occupied(async {
            bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
            bench.counts("sns", "unavailable", 1).await;
        })
        .await;
    bench.arrives("orders-api", "db.password", "second-password").await;
}
