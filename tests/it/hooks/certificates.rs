//! The certificates that SNS signs with: where they may come from, what they must be, how often they
//! are fetched, and what happens to a message when there is none.
//!
//! The bench sends the SNS host names to the sandbox (connect override, extra root); that these tests
//! pass shows that the rules for addresses and names hold all the same.

use anypoint_sandbox::aws::{RetryPolicy, SnsMessage, Subscription};
use anypoint_sandbox::faults::{Action, Faults, Rule};
use anypoint_sandbox::pki::SigningCertificate;
use anypoint_sandbox::server::Server;
use anypoint_sandbox::wait_until;
use axum::Router;
use futures_util::future::join_all;

use crate::support::{Bench, LIMIT, cell, pass};

const HOST: &str = "https://sns.eu-west-1.amazonaws.com";
const FILE: &str = "SimpleNotificationService-0123456789abcdef0123456789abcdef.pem";

fn fetches(bench: &Bench) -> usize {
    bench.aws.sns_log().count_of(|request| request.tag == "certificate")
}

fn draft(bench: &Bench) -> SnsMessage {
    bench.draft(bench.event().to_string())
}

fn subscribe(bench: &Bench) -> Subscription {
    bench.aws.topic("rotations").subscribe_confirmed(format!("{}/hooks/sns", bench.hooks()))
}

/// What comes of a message that is signed with this certificate.
async fn signed_with(bench: &Bench, certificate: SigningCertificate) -> (u16, String) {
    bench.aws.set_signing_certificate(certificate);
    let answer = bench.post_sns(draft(bench)).await;
    (answer.status, cell(&answer).1.to_owned())
}

#[tokio::test]
async fn the_rules_for_the_certificates_address_hold_although_the_way_to_it_is_overridden() {
    let bench = Bench::orders().await;
    for url in [
        format!("https://{}/{FILE}", bench.aws.sns_tls_addr()),
        format!("https://sns.us-east-1.amazonaws.com/{FILE}"),
        format!("http://sns.eu-west-1.amazonaws.com/{FILE}"),
        format!("https://sns.eu-west-1.amazonaws.com.evil.example/{FILE}"),
        format!("https://sns.eu-west-1.amazonaws.com:8443/{FILE}"),
        format!("https://a@sns.eu-west-1.amazonaws.com/{FILE}"),
        format!("{HOST}/_aws/sns/{FILE}"),
        format!("{HOST}/SimpleNotificationService.pem"),
    ] {
        let message = SnsMessage { signing_cert_url: url.clone(), ..draft(&bench) };
        assert_eq!(cell(&bench.post_sns(message).await), (403, "signature_refused"), "{url}");
    }
    assert_eq!(bench.aws.sns_log().count(), 0);
}

#[tokio::test]
async fn flaw_06_a_name_in_query_or_fragment_is_no_address_of_a_certificate() {
    let bench = Bench::orders().await;
    for tail in
        ["/?x=.pem", "/#.pem", &format!("/?x=/{FILE}"), &format!("/{FILE}?x=/{FILE}"), &format!("/x#/{FILE}")]
    {
        let message = SnsMessage { signing_cert_url: format!("{HOST}{tail}"), ..draft(&bench) };
        assert_eq!(cell(&bench.post_sns(message).await), (403, "signature_refused"), "{tail}");
    }
    assert_eq!(bench.aws.sns_log().count(), 0);
}

#[tokio::test]
async fn flaw_04_no_redirect_of_the_certificates_host_is_followed() {
    let bench = Bench::orders().await;
    let config = bench.aws.authority().server_config(&["sns.eu-west-1.amazonaws.com", "127.0.0.1"]);
    let elsewhere = Server::start_tls(Router::new(), Faults::none(), config).await;
    let location = format!("{}/{FILE}", elsewhere.url());
    bench.aws.sns_faults().add(Rule::status(302).header("location", &location).tag("certificate"));
    assert_eq!(cell(&bench.post_sns(draft(&bench)).await), (503, "certificate_unavailable"));
    assert_eq!((elsewhere.log().count(), fetches(&bench)), (0, 1));
}

#[tokio::test]
async fn flaw_07_a_page_around_a_certificate_and_a_file_of_two_are_none() {
    let bench = Bench::orders().await;
    let fine = bench.aws.authority().signing_certificate().issue();
    let other = bench.aws.authority().signing_certificate().issue();
    for spoilt in [fine.within_xml(), fine.followed_by(&other)] {
        let answer = signed_with(&bench, spoilt).await;
        assert_eq!(
            answer,
            (503, "certificate_unavailable".to_owned()),
            "it may be a proxy's, so SNS is to try again"
        );
    }
    assert_eq!(signed_with(&bench, fine).await, (200, "accepted".to_owned()));
}

#[tokio::test]
async fn flaw_10_a_certificate_out_of_its_time_of_another_name_or_a_short_key_is_refused() {
    let bench = Bench::orders().await;
    let builder = || bench.aws.authority().signing_certificate();
    for spoilt in [
        builder().expired().issue(),
        builder().not_yet_valid().issue(),
        builder().name("sns.eu-west-1.amazonaws.com").issue(),
        builder().name("attacker.example").issue(),
        builder().without_alternative_name().issue(),
        builder().issue().with_other_key(),
        SigningCertificate::weak(),
    ] {
        assert_eq!(signed_with(&bench, spoilt).await, (403, "signature_refused".to_owned()));
    }
    assert_eq!(signed_with(&bench, builder().issue()).await, (200, "accepted".to_owned()));
}

#[tokio::test]
async fn flaw_11_a_flood_of_invented_addresses_causes_a_bounded_number_of_fetches() {
    let bench = Bench::orders().await;
    assert_eq!(cell(&bench.post_sns(draft(&bench)).await), (200, "accepted"));
    let mut message = draft(&bench);
    bench.aws.sign_notification(&mut message);
    let flood = (0..100).map(|number| {
        // The field is not signed: whoever holds a message can send this.
        let url = format!("{HOST}/SimpleNotificationService-{number:032x}.pem");
        let message = SnsMessage { signing_cert_url: url, ..message.clone() };
        let bench = &bench;
        async move { bench.post_sns_body(&message, &message.body()).await }
    });
    let answers = join_all(flood).await;
    let other = answers.iter().map(cell).find(|cell| *cell != (503, "certificate_unavailable"));
    assert_eq!(other, None);
    assert!(fetches(&bench) <= 20, "{} fetches", fetches(&bench));
    let before = fetches(&bench);
    assert_eq!(cell(&bench.post_sns(draft(&bench)).await), (200, "accepted"));
    assert_eq!(fetches(&bench), before, "the real one is still held");
}

#[tokio::test]
async fn flaw_12_a_hundred_messages_at_once_cause_one_fetch() {
    let bench = Bench::orders().await;
    let mut message = draft(&bench);
    let body = bench.aws.sign_notification(&mut message);
    let answers = join_all((0..100).map(|_| bench.post_sns_body(&message, &body))).await;
    let of = |result| answers.iter().filter(|answer| cell(answer) == (200, result)).count();
    assert_eq!((of("accepted"), of("duplicate")), (1, 99));
    assert_eq!(fetches(&bench), 1);
}

#[tokio::test]
async fn a_new_certificate_of_snss_is_used_from_its_first_message_on() {
    let bench = Bench::orders().await;
    let certificate = || bench.aws.authority().signing_certificate().issue();
    for expected in 1..=3 {
        assert_eq!(signed_with(&bench, certificate()).await, (200, "accepted".to_owned()));
        assert_eq!(fetches(&bench), expected);
    }
}

#[tokio::test]
async fn while_certificates_cannot_be_had_messages_are_503_and_snss_retry_loses_none() {
    let bench = Bench::orders().await;
    bench.aws.set_sns_policy(RetryPolicy::AWS);
    let fault = bench.aws.sns_faults().add(Rule::new(Action::ResetBefore).tag("certificate"));
    bench.tell_by_sns_confirmed();
    bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    bench.counts("sns", "unavailable", 1).await;
    bench.aws.sns_faults().remove(fault);
    pass(RetryPolicy::AWS.delay).await;
    bench.arrives("orders-api", "db.password", "second-password").await;
    assert_eq!(fetches(&bench), 2);
}

#[tokio::test]
async fn a_page_that_a_proxy_put_in_the_certificates_place_does_not_stick() {
    for page in ["<html>sign in to the network</html>", "-----BEGIN CERTIFICATE-----\nMIIB"] {
        let bench = Bench::orders().await;
        bench.aws.set_sns_policy(RetryPolicy::AWS);
        bench.aws.sns_faults().add(Rule::status(200).body(page).tag("certificate").times(1));
        let subscription = subscribe(&bench);
        let id = bench.aws.topic("rotations").publish(bench.event().to_string());
        wait_until("the first attempt", LIMIT, || subscription.attempts().len() == 1).await;
        assert_eq!(subscription.attempts()[0].outcome.status(), Some(503));
        // Messages that come before SNS's retry cause no further fetch.
        assert_eq!(cell(&bench.post_sns(draft(&bench)).await), (503, "certificate_unavailable"));
        assert_eq!(fetches(&bench), 1);
        pass(RetryPolicy::AWS.delay).await;
        subscription.delivered(&id, LIMIT).await;
        assert_eq!(fetches(&bench), 2);
    }
}

#[tokio::test]
async fn a_certificate_that_comes_late_is_there_for_snss_retry() {
    let bench = Bench::orders_with("request_timeout: 4s", "request_timeout: 300ms").await;
    bench.aws.set_sns_policy(RetryPolicy::AWS);
    let gate = anypoint_sandbox::faults::Gate::new();
    bench.aws.sns_faults().add(Rule::new(Action::Hang(gate.clone())).tag("certificate").times(1));
    let subscription = subscribe(&bench);
    let id = bench.aws.topic("rotations").publish(bench.event().to_string());
    // The hook gives up before the fetch does.
    wait_until("the first attempt", LIMIT, || subscription.attempts().len() == 1).await;
    assert_eq!(subscription.attempts()[0].outcome.status(), Some(503));
    gate.open();
    assert_eq!(cell(&bench.post_sns(draft(&bench)).await), (200, "accepted"));
    pass(RetryPolicy::AWS.delay).await;
    subscription.delivered(&id, LIMIT).await;
    assert_eq!(fetches(&bench), 1);
}
