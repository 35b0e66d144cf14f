use std::time::Duration;

use anypoint_sandbox::aws::{
    ApiDestination, Auth, Aws, BusPolicy, CURRENT, Grant, Order, Outcome, Sink, Source, events,
};
use anypoint_sandbox::faults::{Action, Rule};
use anypoint_sandbox::issuer::Issuer;
use anypoint_sandbox::server::Server;
use anypoint_sandbox::wait_until;
use serde_json::{Value as Json, json};

use crate::{LIMIT, arrived, endpoint, header};

async fn start() -> (Aws, ApiDestination, Server) {
    let (aws, endpoint) = (Aws::start().await, endpoint().await);
    let auth = Auth::ApiKey { header: "x-api-key".to_owned(), value: "key".to_owned() };
    let destination = aws.api_destination(endpoint.url(), auth);
    (aws, destination, endpoint)
}

async fn statuses(destination: &ApiDestination, count: usize) -> Vec<Option<u16>> {
    wait_until("attempts", LIMIT, || destination.attempts().len() >= count).await;
    destination.attempts().iter().map(|attempt| attempt.outcome.status()).collect()
}

#[tokio::test]
async fn deliveries_that_were_taken_are_forgotten_and_later_ones_are_kept() {
    let (aws, destination, endpoint) = start().await;
    let topic = aws.topic("rotations");
    topic.subscribe_confirmed(endpoint.url());
    let sent = || {
        destination.send(json!({"id": "1"}));
        topic.publish("text");
    };
    for _ in 0..2 {
        sent();
        wait_until("both deliveries", LIMIT, || aws.deliveries().len() == 2).await;
        let taken = aws.take_deliveries();
        assert!(taken.len() == 2 && taken.iter().all(|attempt| attempt.outcome.is_success()));
        assert_eq!((aws.deliveries().len(), destination.attempts().len()), (0, 0));
    }
}

#[tokio::test]
async fn a_request_looks_like_one_of_eventbridge() {
    let (_aws, destination, endpoint) = start().await;
    destination.send(json!({"id": "1"}));
    let [request] = arrived(&endpoint, 1).await.try_into().unwrap();
    for (name, value) in [
        ("user-agent", "Amazon/EventBridge/ApiDestinations"),
        ("content-type", "application/json; charset=utf-8"),
        ("range", "bytes=0-1048575"),
        ("accept-encoding", "gzip,deflate"),
        ("connection", "close"),
        ("content-length", "10"),
        ("x-api-key", "key"),
    ] {
        assert_eq!(header(&request, name), value, "{name}");
    }
    destination.set_auth(Auth::Basic { user: "u".to_owned(), password: "p".to_owned() });
    destination.send(json!({"id": "2"}));
    assert_eq!(header(&arrived(&endpoint, 2).await[1], "authorization"), "Basic dTpw");
}

#[tokio::test]
async fn a_retry_carries_the_credentials_of_its_own_time() {
    let (_aws, destination, endpoint) = start().await;
    endpoint.faults().add(Rule::status(401).when(|seen| seen.headers["x-api-key"] == "key"));
    destination.send(json!({"id": "1"}));
    arrived(&endpoint, 1).await;
    destination.set_auth(Auth::ApiKey { header: "x-api-key".to_owned(), value: "new".to_owned() });
    wait_until("an accepted attempt", LIMIT, || {
        destination.attempts().iter().any(|attempt| attempt.outcome.is_success())
    })
    .await;
    assert_eq!(destination.attempts()[0].outcome.status(), Some(401));
}

#[tokio::test]
async fn a_connection_with_oauth_keeps_its_token_and_renews_it_after_401() {
    let (aws, destination, endpoint) = start().await;
    let issuer = Issuer::start(aws.authority(), "relay").await;
    let (client_id, client_secret) = issuer.client();
    let grant = Grant { endpoint: issuer.token_endpoint(), client_id, client_secret };
    destination.set_auth(Auth::OAuth(grant.clone()));
    for id in ["1", "2"] {
        destination.send(json!({"id": id}));
        arrived(&endpoint, id.parse().unwrap()).await;
    }
    endpoint.faults().add(Rule::status(401).times(1));
    destination.send(json!({"id": "3"}));
    let requests = arrived(&endpoint, 4).await;
    let tokens: Vec<&str> = requests.iter().map(|request| header(request, "authorization")).collect();
    assert!(tokens[0].starts_with("Bearer ") && tokens[0].split('.').count() == 3, "{tokens:?}");
    assert!(tokens[0] == tokens[1] && tokens[1] == tokens[2] && tokens[2] != tokens[3], "{tokens:?}");

    let wrong = Grant { client_secret: "wrong".to_owned(), ..grant };
    destination.set_auth(Auth::OAuth(wrong));
    destination.send(json!({"id": "4"}));
    let refused = Outcome::NoAnswer("no token: HTTP 401".to_owned());
    wait_until("an attempt without a token", LIMIT, || {
        destination.attempts().last().is_some_and(|attempt| attempt.outcome == refused)
    })
    .await;
    assert_eq!(endpoint.log().count(), 4, "nothing was sent");
}

#[tokio::test]
async fn the_statuses_that_eventbridge_retries_are_retried() {
    let (_aws, destination, endpoint) = start().await;
    for status in [401, 407, 409, 429, 500, 503] {
        endpoint.faults().add(Rule::status(status).times(1));
    }
    endpoint.faults().add(Rule::new(Action::ResetBefore).times(1));
    destination.send(json!({"id": "1"}));
    let expected = [401, 407, 409, 429, 500, 503].map(Some);
    assert_eq!(statuses(&destination, 8).await, [&expected[..], &[None, Some(200)]].concat());
    assert!(destination.attempts().iter().all(|attempt| attempt.id == "1"));
}

#[tokio::test]
async fn other_refusals_are_final() {
    let (_aws, destination, endpoint) = start().await;
    for status in [302, 400, 403, 404, 413] {
        endpoint.faults().add(Rule::status(status).times(1));
        destination.send(json!({"status": status}));
    }
    wait_until("the dead letters", LIMIT, || destination.dead_letters().len() == 5).await;
    assert_eq!(endpoint.log().count(), 5);
}

#[tokio::test]
async fn retry_after_is_waited_for_and_a_negative_one_means_stop() {
    let (_aws, destination, endpoint) = start().await;
    endpoint.faults().add(Rule::status(503).header("retry-after", "6").times(1));
    endpoint.faults().add(Rule::status(503).header("retry-after", "-1").times(1));
    destination.send(json!({"id": "1"}));
    wait_until("the dead letter", LIMIT, || destination.dead_letters().len() == 1).await;
    let [first, second] = destination.attempts().try_into().unwrap();
    assert!(second.at.duration_since(first.at).unsigned_abs() >= BusPolicy::default().retry_after_second * 6);
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_none() {
    let (_aws, destination, endpoint) = start().await;
    assert_eq!(BusPolicy::default().timeout, Duration::from_secs(5));
    destination.set_policy(BusPolicy { timeout: Duration::from_millis(200), ..BusPolicy::default() });
    endpoint.faults().add(Rule::new(Action::Latency(LIMIT)).times(1));
    destination.send(json!({"id": "1"}));
    assert_eq!(statuses(&destination, 2).await, [None, Some(200)]);
}

#[tokio::test]
async fn retries_end() {
    let (_aws, destination, endpoint) = start().await;
    let delay = Duration::from_millis(1);
    destination.set_policy(BusPolicy { retries: 2, delay, max_delay: delay, ..BusPolicy::default() });
    endpoint.faults().add(Rule::status(503));
    destination.send(json!({"id": "1"}));
    wait_until("the dead letter", LIMIT, || destination.dead_letters() == [json!({"id": "1"})]).await;
    assert_eq!(destination.attempts().len(), 3);
}

#[tokio::test]
async fn events_come_alone_in_an_array_copied_or_in_another_order() {
    let (_aws, destination, endpoint) = start().await;
    destination.set_array(true);
    destination.send(json!({"id": "1"}));
    assert_eq!(crate::json(&arrived(&endpoint, 1).await[0]), json!([{"id": "1"}]));
    destination.set_array(false);
    destination.send_together(vec![json!({"id": "2"}), json!({"id": "3"})]);
    assert_eq!(crate::json(&arrived(&endpoint, 2).await[1]), json!([{"id": "2"}, {"id": "3"}]));
    destination.set_copies(2);
    destination.hold();
    destination.send(json!({"id": "4"}));
    destination.send(json!({"id": "5"}));
    destination.release(Order::Reversed);
    let got: Vec<Json> = arrived(&endpoint, 6).await[2..].iter().map(crate::json).collect();
    assert_eq!(got, ["5", "5", "4", "4"].map(|id| json!({"id": id})));
}

#[tokio::test]
async fn a_rotation_tells_of_itself_once_natively_and_in_steps_through_cloudtrail() {
    let (aws, destination, endpoint) = start().await;
    let secret = aws.create_secret("prod/db", "one");
    aws.emit_on_rotation(&Sink::Destination(destination.clone()));
    secret.start_pending("two");
    let version = secret.finish_rotation();
    let [native] = arrived(&endpoint, 1).await.try_into().unwrap();
    let native = crate::json(&native);
    assert_eq!(native["detail-type"], "Secret Label Updated");
    assert_eq!(native["source"], "aws.secretsmanager");
    assert_eq!(native["resources"], json!([secret.arn()]));
    assert_eq!(native["detail"], json!({"name": "prod/db", "labelUpdated": CURRENT, "versionId": version}));
    secret.label_current("BLUE");
    let labelled = crate::json(&arrived(&endpoint, 2).await[1]);
    assert_eq!(labelled["detail"]["labelUpdated"], "BLUE");

    aws.stop_emitting();
    endpoint.log().clear();
    destination.hold();
    aws.emit(Source::CloudTrail, &Sink::Destination(destination.clone()));
    secret.start_pending("three");
    secret.fail_rotation();
    secret.abandon_rotation();
    let version = secret.rotate("four");
    destination.release(Order::AsSent);
    let told: Vec<Json> = arrived(&endpoint, 6).await.iter().map(crate::json).collect();
    let names: Vec<&str> = told.iter().map(|event| event["detail"]["eventName"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "RotationStarted",
            "PutSecretValue",
            "RotationFailed",
            "UpdateSecretVersionStage",
            "RotationAbandoned",
            "PutSecretValue"
        ]
    );
    assert_eq!(told[0]["detail"]["additionalEventData"]["SecretId"], secret.arn());
    assert_eq!(told[1]["detail"]["requestParameters"]["versionStages"], json!(["AWSPENDING"]));
    assert!(told[2]["detail"]["errorMessage"].is_string());
    assert_eq!(
        told[5]["detail"]["requestParameters"],
        json!({"secretId": secret.arn(), "clientRequestToken": version})
    );
    assert!(!told.iter().any(|event| event.to_string().contains("four")), "values are not told");
}

#[tokio::test]
async fn a_topic_carries_the_event_as_text() {
    let (aws, _, endpoint) = start().await;
    let secret = aws.create_secret("prod/db", "one");
    let topic = aws.topic("rotations");
    topic.subscribe_confirmed(endpoint.url());
    aws.emit_on_rotation(&Sink::Topic(topic));
    let version = secret.rotate("two");
    let message = crate::json(&arrived(&endpoint, 1).await[0]);
    let event: Json = serde_json::from_str(message["Message"].as_str().unwrap()).unwrap();
    assert_eq!(event["detail"]["versionId"], version);
}

#[test]
fn a_refused_call_has_an_error_code_and_no_response() {
    let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a-b1c2d3";
    let event = events::refused_api_call(arn, "PutSecretValue", &json!({"secretId": "a"}));
    assert_eq!(event["detail"]["errorCode"], "AccessDenied");
    assert_eq!(event["detail"]["responseElements"], Json::Null);
    assert_eq!((&event["account"], &event["region"]), (&"123456789012".into(), &"eu-west-1".into()));
}

#[tokio::test]
async fn a_new_secret_is_told_of_natively_unless_that_is_switched_off() {
    let (aws, destination, endpoint) = start().await;
    aws.emit_on_rotation(&Sink::Destination(destination.clone()));
    aws.create_secret("loud", "v");
    assert_eq!(crate::json(&arrived(&endpoint, 1).await[0])["detail"]["name"], "loud");
    aws.set_creation_events(false);
    let secret = aws.create_secret("silent", "v");
    let version = secret.rotate("w");
    assert_eq!(crate::json(&arrived(&endpoint, 2).await[1])["detail"]["versionId"], version);
}
