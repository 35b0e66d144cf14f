//! Events through an API destination whose connection uses OAuth: tokens of a real issuer, which rotates,
//! fails and comes back.

use anypoint_sandbox::aws::{ApiDestination, Auth, Grant, Sink};
use anypoint_sandbox::faults::Rule;
use anypoint_sandbox::issuer::Issuer;
use anypoint_sandbox::wait_until;

use crate::support::{Bench, LIMIT, ORDERS_TARGET};

const API_KEY: &str = "api_key: { header: x-api-key, value: { env: EVENTBRIDGE_KEY } }";
const AUDIENCE: &str = "anypoint-relay";

/// A relay that takes the tokens of an issuer, and the destination of a connection that gets them there.
async fn scene(prepare: impl FnOnce(&Issuer)) -> (Bench, Issuer, ApiDestination) {
    let mut bench = Bench::orders_stopped().await;
    let issuer = Issuer::start(bench.aws.authority(), AUDIENCE).await;
    prepare(&issuer);
    let oauth = format!(
        "oauth: {{ issuer: \"{}\", audience: {AUDIENCE}, jwks_url: \"{}\", extra_root: \"{}\" }}",
        issuer.url(),
        issuer.jwks_url(),
        bench.ca_file().display()
    );
    let text = bench.file(ORDERS_TARGET).replace(API_KEY, &oauth);
    bench.start_with(&text).await;
    bench.in_sync("orders-api").await;
    let (client_id, client_secret) = issuer.client();
    let grant = Grant { endpoint: issuer.token_endpoint(), client_id, client_secret };
    let url = format!("{}/hooks/eventbridge", bench.hooks());
    let destination = bench.aws.api_destination(url, Auth::OAuth(grant));
    (bench, issuer, destination)
}

fn statuses(destination: &ApiDestination) -> Vec<Option<u16>> {
    destination.attempts().iter().map(|attempt| attempt.outcome.status()).collect()
}

/// How often the issuer's `token` or `keys` was asked for.
fn asked(issuer: &Issuer, tag: &str) -> usize {
    issuer.log().count_of(|request| request.tag == tag)
}

#[tokio::test]
async fn a_rotation_arrives_with_the_issuers_token_which_is_fetched_once() {
    let (bench, issuer, destination) = scene(|_| {}).await;
    bench.aws.emit_on_rotation(&Sink::Destination(destination.clone()));
    for password in ["second-password", "third-password"] {
        bench.aws.secret("prod/orders/db").unwrap().rotate_password(password);
        bench.arrives("orders-api", "db.password", password).await;
    }
    assert_eq!(statuses(&destination), [Some(202), Some(202)]);
    assert_eq!((asked(&issuer, "token"), asked(&issuer, "keys")), (1, 1));
}

#[tokio::test]
async fn the_issuer_rotates_its_key_and_nothing_is_lost() {
    let (bench, issuer, destination) = scene(|_| {}).await;
    bench.aws.emit_on_rotation(&Sink::Destination(destination.clone()));
    let secret = bench.aws.secret("prod/orders/db").unwrap();
    secret.rotate_password("second-password");
    bench.arrives("orders-api", "db.password", "second-password").await;

    // The connection gets a token of the new key; the relay has just fetched the keys, so it may take
    // a retry of the bus until it looks for this one.
    issuer.rotate();
    issuer.withdraw_former_keys();
    let (client_id, client_secret) = issuer.client();
    let grant = Grant { endpoint: issuer.token_endpoint(), client_id, client_secret };
    destination.set_auth(Auth::OAuth(grant));
    secret.rotate_password("third-password");
    bench.arrives("orders-api", "db.password", "third-password").await;
    let statuses = statuses(&destination);
    assert_eq!(statuses.last(), Some(&Some(202)));
    assert!(statuses[1..statuses.len() - 1].iter().all(|status| *status == Some(401)), "{statuses:?}");
    assert!(destination.dead_letters().is_empty());
    assert_eq!(asked(&issuer, "keys"), 2);
}

#[tokio::test]
async fn while_the_keys_cannot_be_had_the_bus_is_told_503_and_its_retry_delivers() {
    let (bench, issuer, destination) = scene(|issuer| {
        issuer.faults().add(Rule::status(500).tag("keys"));
    })
    .await;
    bench.aws.emit_on_rotation(&Sink::Destination(destination.clone()));
    bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    wait_until("an attempt in vain", LIMIT, || !destination.attempts().is_empty()).await;
    assert_eq!(statuses(&destination)[0], Some(503));
    issuer.faults().clear();
    bench.arrives("orders-api", "db.password", "second-password").await;
    assert!(statuses(&destination).iter().all(|status| matches!(status, Some(503 | 202))));
    assert!(destination.dead_letters().is_empty());
}

#[tokio::test]
async fn a_token_for_somebody_else_is_401_and_a_later_right_one_delivers() {
    let (bench, issuer, destination) = scene(|issuer| issuer.set_audience("somebody-else")).await;
    bench.aws.emit_on_rotation(&Sink::Destination(destination.clone()));
    bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    wait_until("two attempts", LIMIT, || destination.attempts().len() >= 2).await;
    assert_eq!(statuses(&destination)[..2], [Some(401), Some(401)]);
    assert_eq!(bench.running("orders-api", "db.password"), ["first-password"]);
    let sample = "relay_refused_total{route=\"eventbridge\",reason=\"token_audience\"}";
    let refused: u64 = bench.metric(sample).await.unwrap().parse().unwrap();
    assert!(refused >= 2, "{refused}");
    issuer.set_audience(AUDIENCE);
    bench.arrives("orders-api", "db.password", "second-password").await;
}
