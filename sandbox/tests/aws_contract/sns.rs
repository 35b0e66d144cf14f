use std::collections::HashSet;
use std::time::Duration;

use anypoint_sandbox::aws::{
    ACCESS_KEY, Aws, Confirmed, Kind, Order, Publication, REGION, RetryPolicy, Status, Subscription, Topic,
    sns_error,
};
use anypoint_sandbox::faults::{Action, Rule};
use anypoint_sandbox::pki::SigningCertificate;
use anypoint_sandbox::server::Server;
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
};
use aws_sdk_sns::error::ProvideErrorMetadata;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value as Json;
use x509_parser::pem::parse_x509_pem;

use crate::{LIMIT, arrived, endpoint, header, json, sdk};

async fn start() -> (Aws, Topic, Server) {
    let aws = Aws::start().await;
    let topic = aws.topic("rotations");
    (aws, topic, endpoint().await)
}

fn client(aws: &Aws) -> reqwest::Client {
    reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(aws.ca_pem().as_bytes()).unwrap()])
        .resolve(&format!("sns.{REGION}.amazonaws.com"), aws.sns_tls_addr())
        .no_proxy()
        .build()
        .unwrap()
}

/// A URL of SNS as it stands in a message, with the port where the sandbox has it.
async fn get(aws: &Aws, url: &str) -> reqwest::Response {
    let authority = format!("sns.{REGION}.amazonaws.com");
    assert!(url.starts_with(&format!("https://{authority}/")), "{url}");
    let url = url.replacen(&authority, &format!("{authority}:{}", aws.sns_tls_addr().port()), 1);
    client(aws).get(url).send().await.unwrap()
}

/// The check of contracts and AWS's guide, written anew: fields in byte order, key and value with LF.
async fn verify(aws: &Aws, message: &Json) -> bool {
    let fields: &[&str] = match message["Type"].as_str().unwrap() {
        "Notification" => &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"],
        _ => &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"],
    };
    let canonical: String = fields
        .iter()
        .filter_map(|field| Some(format!("{field}\n{}\n", message.get(*field)?.as_str().unwrap())))
        .collect();
    let pem = get(aws, message["SigningCertURL"].as_str().unwrap()).await.bytes().await.unwrap();
    let (rest, pem) = parse_x509_pem(&pem).unwrap();
    assert!(rest.is_empty(), "one block alone");
    let certificate = pem.parse_x509().unwrap();
    let names = certificate.subject_alternative_name().unwrap().unwrap();
    assert_eq!(names.value.general_names.len(), 1);
    assert!(format!("{:?}", names.value.general_names[0]).contains("sns.amazonaws.com"));
    let algorithm = match message["SignatureVersion"].as_str().unwrap() {
        "1" => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        "2" => &RSA_PKCS1_2048_8192_SHA256,
        other => panic!("signature version {other}"),
    };
    let signature = BASE64.decode(message["Signature"].as_str().unwrap()).unwrap();
    assert_eq!(signature.len(), 256);
    let key = certificate.public_key().subject_public_key.data.as_ref();
    UnparsedPublicKey::new(algorithm, key).verify(canonical.as_bytes(), &signature).is_ok()
}

#[tokio::test]
async fn a_subscription_is_confirmed_by_its_url() {
    let (aws, topic, endpoint) = start().await;
    let subscription = topic.subscribe(endpoint.url());
    let [request] = arrived(&endpoint, 1).await.try_into().unwrap();
    assert_eq!(header(&request, "x-amz-sns-message-type"), "SubscriptionConfirmation");
    assert_eq!(header(&request, "x-amz-sns-subscription-arn"), "");
    let message = json(&request);
    assert!(verify(&aws, &message).await);
    let token = message["Token"].as_str().unwrap();
    assert_eq!(
        message["SubscribeURL"],
        format!(
            "https://sns.{REGION}.amazonaws.com/?Action=ConfirmSubscription&TopicArn={}&Token={token}",
            topic.arn()
        )
    );
    topic.publish("too early");
    let answer = get(&aws, message["SubscribeURL"].as_str().unwrap()).await;
    assert_eq!(answer.status(), 200);
    let xml = answer.text().await.unwrap();
    assert!(xml.contains(&format!("<SubscriptionArn>{}</SubscriptionArn>", subscription.arn())), "{xml}");
    assert_eq!(subscription.status(), Status::Confirmed(Confirmed::ByUrl));
    let id = topic.publish("in time");
    subscription.delivered(&id, LIMIT).await;
    assert_eq!(endpoint.log().count(), 2);
}

#[tokio::test]
async fn a_subscription_is_confirmed_through_the_sdk() {
    let (aws, topic, endpoint) = start().await;
    let subscription = topic.subscribe(endpoint.url());
    let sns = aws_sdk_sns::Client::new(&sdk(&aws).await);
    let confirm = |token: String| {
        sns.confirm_subscription().topic_arn(topic.arn()).token(token).authenticate_on_unsubscribe("true")
    };
    let refused = confirm("00".to_owned()).send().await.unwrap_err().into_service_error();
    assert!(refused.is_invalid_parameter_exception(), "{refused:?}");
    let unknown = confirm(subscription.token()).topic_arn(format!("{}-other", topic.arn())).send().await;
    assert!(unknown.unwrap_err().into_service_error().is_not_found_exception());
    let confirmed = confirm(subscription.token()).send().await.unwrap();
    assert_eq!(confirmed.subscription_arn(), Some(subscription.arn()));
    assert_eq!(subscription.confirmed(LIMIT).await, Confirmed::ByApi { access_key: ACCESS_KEY.to_owned() });
    assert!(subscription.authenticate_on_unsubscribe());
    assert!(!subscription.unsubscribe_by_url());
    assert!(matches!(subscription.status(), Status::Confirmed(_)));
}

#[tokio::test]
async fn a_lapsed_token_confirms_nothing() {
    let (aws, topic, endpoint) = start().await;
    let subscription = topic.subscribe(endpoint.url());
    subscription.expire_token();
    let sns = aws_sdk_sns::Client::new(&sdk(&aws).await);
    let refused = sns
        .confirm_subscription()
        .topic_arn(topic.arn())
        .token(subscription.token())
        .send()
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Some("InvalidParameter"));
    assert_eq!(subscription.status(), Status::Pending);
}

#[tokio::test]
async fn notifications_of_both_versions_verify_and_changed_ones_do_not() {
    let (aws, topic, endpoint) = start().await;
    let subscription = topic.subscribe_confirmed(endpoint.url());
    for version in [1, 2] {
        endpoint.log().clear();
        topic.set_signature_version(version);
        topic.publish_all(Publication {
            message: "line\nzwei \u{1F600} \"quoted\"\n".to_owned(),
            subject: Some("a subject".to_owned()),
            attributes: vec![("name".to_owned(), "value".to_owned())],
        });
        let [request] = arrived(&endpoint, 1).await.try_into().unwrap();
        let message = json(&request);
        assert_eq!(message["SignatureVersion"], version.to_string());
        assert!(verify(&aws, &message).await);
        for field in ["Message", "MessageId", "Subject", "Timestamp", "TopicArn"] {
            let mut changed = message.clone();
            changed[field] = format!("{} ", message[field].as_str().unwrap()).into();
            assert!(!verify(&aws, &changed).await, "{field}");
        }
        assert_eq!(message["MessageAttributes"]["name"]["Value"], "value");
        let unsubscribe = message["UnsubscribeURL"].as_str().unwrap();
        assert!(
            unsubscribe.ends_with(&format!("?Action=Unsubscribe&SubscriptionArn={}", subscription.arn()))
        );
        let time = message["Timestamp"].as_str().unwrap();
        assert!(time.len() == 24 && time.as_bytes()[19] == b'.' && time.ends_with('Z'), "{time}");
        assert!(request.body.starts_with(b"{\n  \"Type\" : \"Notification\",\n  \"MessageId\" : \""));
    }
}

#[tokio::test]
async fn the_headers_are_those_of_sns() {
    let (_aws, topic, endpoint) = start().await;
    let subscription = topic.subscribe_confirmed(endpoint.url());
    let id = topic.publish("m");
    let [request] = arrived(&endpoint, 1).await.try_into().unwrap();
    for (name, value) in [
        ("user-agent", "Amazon Simple Notification Service Agent"),
        ("content-type", "text/plain; charset=UTF-8"),
        ("x-amz-sns-message-type", "Notification"),
        ("x-amz-sns-message-id", id.as_str()),
        ("x-amz-sns-topic-arn", topic.arn()),
        ("x-amz-sns-subscription-arn", subscription.arn()),
        ("x-amz-sns-rawdelivery", ""),
    ] {
        assert_eq!(header(&request, name), value, "{name}");
    }
}

#[tokio::test]
async fn raw_delivery_has_no_envelope() {
    let (_aws, topic, endpoint) = start().await;
    topic.subscribe_confirmed(endpoint.url()).set_raw(true);
    topic.publish("bare");
    let [request] = arrived(&endpoint, 1).await.try_into().unwrap();
    assert_eq!(request.body, "bare");
    assert_eq!(header(&request, "x-amz-sns-rawdelivery"), "true");
}

#[tokio::test]
async fn an_end_without_credentials_is_told_with_a_way_back() {
    let (aws, topic, endpoint) = start().await;
    let subscription = topic.subscribe_confirmed(endpoint.url());
    topic.publish("m");
    let notification = json(&arrived(&endpoint, 1).await[0]);
    assert_eq!(get(&aws, notification["UnsubscribeURL"].as_str().unwrap()).await.status(), 200);
    assert_eq!(subscription.status(), Status::Deleted);
    let message = json(&arrived(&endpoint, 2).await[1]);
    assert_eq!(message["Type"], Kind::UnsubscribeConfirmation.name());
    assert!(verify(&aws, &message).await);
    get(&aws, message["SubscribeURL"].as_str().unwrap()).await;
    assert_eq!(subscription.status(), Status::Confirmed(Confirmed::ByUrl));
}

async fn statuses(subscription: &Subscription, id: &str, count: usize) -> Vec<Option<u16>> {
    anypoint_sandbox::wait_until("attempts", LIMIT, || subscription.attempts_of(id).len() >= count).await;
    subscription.attempts_of(id).iter().map(|attempt| attempt.outcome.status()).collect()
}

#[tokio::test]
async fn own_faults_are_tried_again_and_refusals_are_not() {
    let (_aws, topic, endpoint) = start().await;
    let subscription = topic.subscribe_confirmed(endpoint.url());
    endpoint.faults().add(Rule::status(503).times(1));
    endpoint.faults().add(Rule::status(429).times(1));
    endpoint.faults().add(Rule::new(Action::ResetBefore).times(1));
    let id = topic.publish("m");
    assert_eq!(statuses(&subscription, &id, 4).await, [Some(503), Some(429), None, Some(200)]);
    let bodies: HashSet<_> = endpoint.log().all().into_iter().map(|request| request.body).collect();
    assert_eq!(bodies.len(), 1, "each attempt carries the same message");
    assert!(subscription.dead_letters().is_empty());

    for status in [302, 400, 403, 404] {
        endpoint.faults().add(Rule::status(status).times(1));
        let id = topic.publish("refused");
        assert_eq!(statuses(&subscription, &id, 1).await, [Some(status)]);
        anypoint_sandbox::wait_until("a dead letter", LIMIT, || {
            subscription.dead_letters().iter().any(|letter| letter.message_id == id)
        })
        .await;
        assert_eq!(subscription.attempts_of(&id).len(), 1);
    }
}

#[tokio::test]
async fn after_three_retries_a_message_is_given_up() {
    let (_aws, topic, endpoint) = start().await;
    let subscription = topic.subscribe_confirmed(endpoint.url());
    endpoint.faults().add(Rule::status(500));
    let id = topic.publish("m");
    anypoint_sandbox::wait_until("the end", LIMIT, || !subscription.dead_letters().is_empty()).await;
    assert_eq!(statuses(&subscription, &id, 4).await, [Some(500); 4]);
}

#[tokio::test]
async fn a_retry_after_is_waited_for_if_that_is_switched_on() {
    let (aws, topic, endpoint) = start().await;
    let subscription = topic.subscribe_confirmed(endpoint.url());
    let second = Duration::from_millis(60);
    aws.set_sns_policy(RetryPolicy {
        delay: Duration::from_millis(1),
        retry_after_second: Some(second),
        ..RetryPolicy::AWS
    });
    endpoint.faults().add(Rule::status(503).header("retry-after", "5").times(1));
    let id = topic.publish("m");
    subscription.delivered(&id, LIMIT).await;
    let [first, then] = subscription.attempts_of(&id).try_into().unwrap();
    assert!(then.at.duration_since(first.at).unsigned_abs() >= second * 5);
}

#[tokio::test]
async fn copies_and_order_are_as_asked_for() {
    let (_aws, topic, endpoint) = start().await;
    topic.subscribe_confirmed(endpoint.url());
    topic.set_copies(2);
    topic.hold();
    let sent: Vec<String> = ["a", "b", "c"].into_iter().map(|text| topic.publish(text)).collect();
    assert_eq!(endpoint.log().count(), 0);
    topic.release(Order::Reversed);
    let got: Vec<String> = arrived(&endpoint, 6)
        .await
        .iter()
        .map(|request| json(request)["MessageId"].as_str().unwrap().to_owned())
        .collect();
    let expected: Vec<String> = sent.iter().rev().flat_map(|id| [id.clone(), id.clone()]).collect();
    assert_eq!(got, expected);
}

#[tokio::test]
async fn a_new_signing_certificate_has_a_new_url_and_the_old_one_stays() {
    let (aws, topic, endpoint) = start().await;
    topic.subscribe_confirmed(endpoint.url());
    topic.publish("old");
    let old = json(&arrived(&endpoint, 1).await[0]);
    let path = aws.set_signing_certificate(aws.authority().signing_certificate().issue());
    topic.publish("new");
    let new = json(&arrived(&endpoint, 2).await[1]);
    assert!(new["SigningCertURL"].as_str().unwrap().ends_with(&path));
    assert_ne!(old["SigningCertURL"], new["SigningCertURL"]);
    assert!(verify(&aws, &old).await && verify(&aws, &new).await);
    aws.set_signing_certificate(aws.authority().signing_certificate().issue().with_other_key());
    topic.publish("forged");
    assert!(!verify(&aws, &json(&arrived(&endpoint, 3).await[2])).await);
}

#[tokio::test]
async fn spoilt_certificates_are_served_as_they_are() {
    let aws = Aws::start().await;
    let good = aws.authority().signing_certificate().issue();
    for pem in [good.within_xml().pem, good.followed_by(&good).pem, SigningCertificate::weak().pem] {
        let path = aws.serve_certificate(&pem);
        let url = format!("https://sns.{REGION}.amazonaws.com{path}");
        assert_eq!(get(&aws, &url).await.text().await.unwrap(), pem);
    }
}

#[tokio::test]
async fn the_sdk_publishes() {
    let (aws, topic, endpoint) = start().await;
    topic.subscribe_confirmed(endpoint.url());
    let sns = aws_sdk_sns::Client::new(&sdk(&aws).await);
    let sent = sns.publish().topic_arn(topic.arn()).subject("s").message("a & b <c>").send().await.unwrap();
    let message = json(&arrived(&endpoint, 1).await[0]);
    assert_eq!(message["MessageId"], sent.message_id().unwrap());
    assert_eq!((&message["Subject"], &message["Message"]), (&"s".into(), &"a & b <c>".into()));
}

#[tokio::test]
async fn what_a_client_publishes_is_kept_for_the_test() {
    let aws = Aws::start().await;
    let (topic, other) = (aws.topic("relay-alerts"), aws.topic("rotations"));
    let sns = aws_sdk_sns::Client::new(&sdk(&aws).await);
    other.publish("by the test itself");
    for subject in ["one", "two"] {
        sns.publish()
            .topic_arn(topic.arn())
            .subject(subject)
            .message("{\"a\": \"\u{e9} & +\"}")
            .send()
            .await
            .unwrap();
    }
    let kept = topic.published();
    assert_eq!(kept.iter().map(|one| one.subject.as_deref().unwrap()).collect::<Vec<_>>(), ["one", "two"]);
    assert!(kept.iter().all(|one| one.message == "{\"a\": \"\u{e9} & +\"}"));
    assert_eq!(other.published(), []);
}

#[tokio::test]
async fn a_publication_keeps_to_the_limits_of_sns() {
    let aws = Aws::start().await;
    let topic = aws.topic("relay-alerts");
    let sns = aws_sdk_sns::Client::new(&sdk(&aws).await);
    let publish = |subject: &str, message: String| {
        sns.publish().topic_arn(topic.arn()).subject(subject).message(message).send()
    };
    let (long, most) = ("x".repeat(100), "x".repeat(256 * 1024));
    for (subject, message) in [
        ("", "m".to_owned()),
        (&long, "m".to_owned()),
        ("two\nlines", "m".to_owned()),
        ("bell\u{7}", "m".to_owned()),
        (" space first", "m".to_owned()),
        ("s", String::new()),
        ("s", format!("{most}x")),
    ] {
        let refused = publish(subject, message).await.unwrap_err().into_service_error();
        assert!(refused.is_invalid_parameter_exception(), "{subject:?}: {refused:?}");
    }
    assert_eq!(topic.published(), []);
    publish(&long[1..], most).await.unwrap();
    let unknown = sns.publish().topic_arn(format!("{}-other", topic.arn())).message("m").send().await;
    assert!(unknown.unwrap_err().into_service_error().is_not_found_exception());
    assert_eq!(topic.published().len(), 1);
}

#[tokio::test]
async fn a_publication_fails_as_the_test_wants_it() {
    let aws = Aws::start().await;
    let topic = aws.topic("relay-alerts");
    let config =
        sdk(&aws).await.into_builder().retry_config(aws_config::retry::RetryConfig::disabled()).build();
    let sns = aws_sdk_sns::Client::new(&config);
    let publish = || sns.publish().topic_arn(topic.arn()).message("m").send();
    aws.faults().add(sns_error(403, "AuthorizationError", "not you").tag("Publish").times(1));
    let refused = publish().await.unwrap_err().into_service_error();
    assert!(refused.is_authorization_error_exception(), "{refused:?}");
    assert_eq!(refused.message(), Some("not you"));
    aws.faults().add(sns_error(500, "InternalError", "down").tag("Publish").times(1));
    assert!(publish().await.unwrap_err().into_service_error().is_internal_error_exception());
    aws.faults().add(Rule::new(Action::ResetAfter).tag("Publish").times(1));
    publish().await.unwrap_err();
    assert_eq!(topic.published().len(), 1, "its answer alone was lost");
    publish().await.unwrap();
    assert_eq!(topic.published().len(), 2);
}

#[tokio::test]
async fn subscriptions_are_listed_in_pages_and_show_how_they_deliver() {
    let (aws, topic, _) = start().await;
    let sns = aws_sdk_sns::Client::new(&sdk(&aws).await);
    let subscription = topic.subscribe_confirmed("https://relay.example.com/hooks/sns");
    // Nobody listens there, so it stays unconfirmed.
    topic.subscribe("https://127.0.0.1:1/hooks/sns");
    let listed = sns.list_subscriptions_by_topic().topic_arn(topic.arn()).send().await.unwrap();
    let mut arns: Vec<_> =
        listed.subscriptions().iter().map(|listed| listed.subscription_arn().unwrap()).collect();
    arns.sort_unstable();
    assert_eq!(arns, ["PendingConfirmation", subscription.arn()]);
    assert!(listed.subscriptions().iter().all(|listed| listed.protocol() == Some("https")));
    assert_eq!(listed.next_token(), None);

    let attributes = async || {
        let asked = sns.get_subscription_attributes().subscription_arn(subscription.arn());
        asked.send().await.unwrap().attributes.unwrap()
    };
    let before = attributes().await;
    assert_eq!((&*before["RawMessageDelivery"], &*before["PendingConfirmation"]), ("false", "false"));
    assert!(!before.contains_key("RedrivePolicy"));
    subscription.set_raw(true);
    subscription.set_dead_letter_queue("arn:aws:sqs:eu-west-1:123456789012:q");
    let after = attributes().await;
    assert_eq!(after["RawMessageDelivery"], "true");
    assert_eq!(after["RedrivePolicy"], "{\"deadLetterTargetArn\":\"arn:aws:sqs:eu-west-1:123456789012:q\"}");

    for number in 0..100 {
        topic.subscribe_confirmed(format!("https://{number}.example.com/"));
    }
    let first = sns.list_subscriptions_by_topic().topic_arn(topic.arn()).send().await.unwrap();
    let next = sns.list_subscriptions_by_topic().topic_arn(topic.arn());
    let second = next.set_next_token(first.next_token().map(str::to_owned)).send().await.unwrap();
    assert_eq!((first.subscriptions().len(), second.subscriptions().len()), (100, 2));
    let unknown = sns.list_subscriptions_by_topic().topic_arn(format!("{}x", topic.arn())).send().await;
    assert_eq!(unknown.unwrap_err().code(), Some("NotFound"));
}
