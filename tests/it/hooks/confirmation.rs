//! How subscriptions are confirmed, what happens when that fails, and what an end of one does.

use std::time::Duration;

use anypoint_relay::config::{Log, LogFormat};
use anypoint_relay::telemetry::logging::{Capture, subscriber};
use anypoint_sandbox::Sandbox;
use anypoint_sandbox::aws::{Confirmed, Kind, RetryPolicy, SnsMessage, Status, Subscription};
use anypoint_sandbox::faults::{Faults, Rule};
use anypoint_sandbox::server::Server;
use anypoint_sandbox::wait_until;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use axum::Router;

use crate::support::{Bench, LIMIT, ORDERS_TARGET, cell, pass};

/// A machine on which the SDK finds no credentials.
#[derive(Debug)]
struct Nobody;

impl ProvideCredentials for Nobody {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err::<Credentials, _>(CredentialsError::not_loaded("none here")))
    }
}

async fn bench(confirm: &str) -> Bench {
    Bench::orders_with("  sns:\n", &format!("  sns:\n    confirm: {confirm}\n")).await
}

fn subscribe(bench: &Bench) -> Subscription {
    bench.aws.topic("rotations").subscribe(format!("{}/hooks/sns", bench.hooks()))
}

/// The confirmations that SNS was asked for under its own host, as they were asked for.
fn by_url(bench: &Bench) -> Vec<String> {
    let asked = bench.aws.sns_log().matching(|request| request.tag == "ConfirmSubscription");
    asked.into_iter().map(|request| format!("{}?{}", request.path, request.query)).collect()
}

/// Everything that is logged on this thread from now on.
fn listen() -> (Capture, tracing::subscriber::DefaultGuard) {
    let capture = Capture::default();
    let log = Log { format: LogFormat::Json, filter: "info".to_owned() };
    let guard = tracing::subscriber::set_default(subscriber(&log, capture.clone(), false).unwrap());
    (capture, guard)
}

#[tokio::test]
async fn the_api_confirms_so_that_only_the_owner_can_end_the_subscription() {
    for confirm in ["api", "auto"] {
        let bench = bench(confirm).await;
        let subscription = subscribe(&bench);
        let how = subscription.confirmed(LIMIT).await;
        assert_eq!(how, Confirmed::ByApi { access_key: "AKIASANDBOX".to_owned() }, "{confirm}");
        assert!(subscription.authenticate_on_unsubscribe());
        assert!(!subscription.unsubscribe_by_url(), "the UnsubscribeURL alone ends nothing");
        assert_eq!(by_url(&bench), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_url_rebuilt_from_what_is_signed_confirms_where_the_configuration_says_so() {
    let bench = bench("url").await;
    let subscription = subscribe(&bench);
    assert_eq!(subscription.confirmed(LIMIT).await, Confirmed::ByUrl);
    let topic = bench.aws.topic("rotations").arn().to_owned();
    let expected = format!("/?Action=ConfirmSubscription&TopicArn={topic}&Token={}", subscription.token());
    assert_eq!(by_url(&bench), [expected]);
    assert_eq!(bench.aws.log().count_of(|request| request.tag == "ConfirmSubscription"), 0);
}

#[tokio::test]
async fn auto_confirms_by_url_where_no_credentials_are_found() {
    let mut bench = Bench::orders_stopped().await;
    let text = bench.file(ORDERS_TARGET);
    bench.start_as(&text, Nobody).await;
    let subscription = subscribe(&bench);
    assert_eq!(subscription.confirmed(LIMIT).await, Confirmed::ByUrl);
}

#[tokio::test]
async fn off_confirms_nothing_and_tells_a_person_how() {
    let (log, _listening) = listen();
    let bench = bench("off").await;
    let subscription = subscribe(&bench);
    bench.counts("sns", "not_confirmed", 1).await;
    assert_eq!(subscription.status(), Status::Pending);
    assert_eq!(subscription.attempts()[0].outcome.status(), Some(200));
    assert_eq!(by_url(&bench), Vec::<String>::new());
    let text = log.text();
    assert!(text.contains("aws sns confirm-subscription") && text.contains(&subscription.token()), "{text}");
}

#[tokio::test]
async fn a_confirmation_that_aws_fails_is_503_and_snss_retry_confirms() {
    let (log, _listening) = listen();
    let bench = bench("api").await;
    bench.aws.set_sns_policy(RetryPolicy::AWS);
    bench.aws.faults().add(Rule::status(503).tag("ConfirmSubscription").times(3));
    let subscription = subscribe(&bench);
    bench.counts("sns", "not_confirmed", 1).await;
    wait_until("the answer", LIMIT, || subscription.attempts().len() == 1).await;
    assert_eq!(subscription.attempts()[0].outcome.status(), Some(503));
    assert_eq!(subscription.status(), Status::Pending);
    let text = log.text();
    assert!(text.contains("the subscription could not be confirmed"), "{text}");
    pass(RetryPolicy::AWS.delay).await;
    subscription.confirmed(LIMIT).await;
    assert!(subscription.authenticate_on_unsubscribe());
}

#[tokio::test]
async fn a_confirmation_by_url_that_fails_is_503_and_snss_retry_confirms() {
    let bench = bench("url").await;
    bench.aws.sns_faults().add(Rule::status(500).tag("ConfirmSubscription").times(1));
    let subscription = subscribe(&bench);
    assert_eq!(subscription.confirmed(LIMIT).await, Confirmed::ByUrl);
    let statuses: Vec<_> = subscription.attempts().iter().map(|attempt| attempt.outcome.status()).collect();
    assert_eq!(statuses[0], Some(503));
    assert_eq!(by_url(&bench).len(), 2);
}

#[tokio::test]
async fn a_lapsed_token_confirms_nothing_and_is_told_to_a_person() {
    let (log, _listening) = listen();
    let bench = bench("url").await;
    let subscription = subscribe(&bench);
    subscription.expire_token();
    wait_until("all attempts", LIMIT, || !subscription.dead_letters().is_empty()).await;
    assert_eq!(subscription.status(), Status::Pending);
    assert!(log.text().contains("subscribe again"), "{}", log.text());
}

#[tokio::test]
async fn the_end_of_a_subscription_alerts_and_is_not_undone() {
    let (log, _listening) = listen();
    let bench = bench("url").await;
    let subscription = subscribe(&bench);
    subscription.confirmed(LIMIT).await;
    let asked = (bench.aws.log().count(), by_url(&bench).len());
    assert!(subscription.unsubscribe_by_url());
    bench.counts("sns", "unsubscribed", 1).await;
    bench.idle().await;
    assert_eq!(subscription.status(), Status::Deleted);
    assert_eq!((bench.aws.log().count(), by_url(&bench).len()), asked, "its SubscribeURL was not followed");
    assert!(log.text().contains("the relay was unsubscribed from the topic"), "{}", log.text());
}

/// A server that must not be asked, and where it is.
async fn elsewhere() -> Server {
    let Sandbox { aws, .. } = Sandbox::start().await;
    let config = aws.authority().server_config(&["127.0.0.1", "sns.eu-west-1.amazonaws.com"]);
    Server::start_tls(Router::new(), Faults::none(), config).await
}

/// As long as those of SNS; of no subscription.
fn token() -> String {
    "0123456789abcdef".repeat(16)
}

fn confirmation(bench: &Bench, subscribe_url: &str) -> SnsMessage {
    let mut message = bench.draft("");
    let host = "sns.eu-west-1.amazonaws.com";
    message = SnsMessage {
        timestamp: message.timestamp,
        ..SnsMessage::confirmation(
            Kind::SubscriptionConfirmation,
            &message.topic_arn,
            &token(),
            host,
            jiff::Timestamp::UNIX_EPOCH,
        )
    };
    message.subscribe_url = Some(subscribe_url.to_owned());
    message
}

#[tokio::test]
async fn flaw_04_an_address_out_of_a_message_is_never_fetched() {
    let (bench, server) = (bench("url").await, elsewhere().await);
    for url in [
        format!("{}/?Action=ConfirmSubscription", server.url()),
        format!("https://sns.eu-west-1.amazonaws.com@{}/", server.addr()),
        format!("https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={}", "x"),
        "file:///etc/passwd".to_owned(),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
    ] {
        let answer = bench.post_sns(confirmation(&bench, &url)).await;
        assert_eq!(cell(&answer), (403, "signature_refused"), "{url}");
    }
    assert_eq!(server.log().count(), 0);
    assert_eq!(bench.aws.sns_log().count(), 0, "refused before any network use");

    // The same message with the address that SNS would write passes: it was the address that was refused.
    let topic = bench.aws.topic("rotations").arn().to_owned();
    let query = format!("Action=ConfirmSubscription&TopicArn={topic}&Token={}", token());
    let fine = confirmation(&bench, &format!("https://sns.eu-west-1.amazonaws.com/?{query}"));
    assert_ne!(cell(&bench.post_sns(fine).await), (403, "signature_refused"));
    assert_eq!(by_url(&bench), [format!("/?{query}")]);
}

#[tokio::test]
async fn flaw_04_no_redirect_of_a_confirmation_is_followed() {
    let (bench, server) = (bench("url").await, elsewhere().await);
    let location = format!("{}/?Action=ConfirmSubscription", server.url());
    let redirect = Rule::status(302).header("location", &location).tag("ConfirmSubscription").times(1);
    bench.aws.sns_faults().add(redirect);
    let subscription = subscribe(&bench);
    assert_eq!(subscription.confirmed(LIMIT).await, Confirmed::ByUrl);
    assert_eq!(server.log().count(), 0);
    assert_eq!(by_url(&bench).len(), 2, "the redirect was a failure, and SNS's retry confirmed");
    assert!(subscription.attempts()[0].took < Duration::from_secs(4));
}
