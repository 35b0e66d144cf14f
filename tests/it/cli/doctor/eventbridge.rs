//! EventBridge: the rule, what it takes, and its way to the hook.

use std::fmt::Write as _;

use anypoint_sandbox::aws::{Auth, Grant, secrets_error};
use serde_json::{Value, json};

use super::aws::{statement, user};
use super::{Patient, RULE, native_pattern, says};
use crate::support::ORDERS_TARGET;

fn subject() -> String {
    format!("rule {RULE}")
}

fn recorded_pattern(names: &[&str]) -> Value {
    json!({
        "source": ["aws.secretsmanager"],
        "detail-type": ["AWS API Call via CloudTrail", "AWS Service Event via CloudTrail"],
        "detail": {"eventName": names},
    })
}

/// The only thing that is not right is this.
async fn warns(patient: &Patient, parts: &[&str]) -> Value {
    let report = patient.examine(0).await;
    assert_eq!(report.not_ok(), [format!("warning {}", subject())], "{}", report.table);
    says(report.of(&subject()), "warning", parts);
    report.of(&subject()).clone()
}

#[tokio::test]
async fn a_rule_that_delivers_is_told_with_its_way_by_name_and_by_arn() {
    let patient = Patient::healthy().await;
    let arn = patient.rule.arn();
    let way = [
        "enabled, takes the changes of 1 secret; ",
        "with the relay's kind of credential and a dead-letter queue, at most",
        "leads to https://relay.example.com/hooks/eventbridge",
        "300/s",
    ];
    says(patient.examine(0).await.of(&subject()), "ok", &way);
    let patient = patient.with(&[(&format!("rule: {RULE}"), &format!("rule: \"{arn}\""))]);
    says(patient.examine(0).await.of(&format!("rule {arn}")), "ok", &way);
}

#[tokio::test]
async fn without_a_rule_it_is_told_which_key_lets_the_doctor_look() {
    let patient = Patient::healthy().await.with(&[(&format!("rule: {RULE}, "), "")]);
    let report = patient.examine(0).await;
    says(
        report.of("ingress.eventbridge"),
        "not_tried",
        &[
            "no rule is named, so whether EventBridge delivers is not looked at",
            "set `ingress.eventbridge.rule` to",
        ],
    );
}

#[tokio::test]
async fn a_rule_that_is_missing_is_a_failure_and_one_that_is_disabled_a_warning() {
    let patient = Patient::healthy().await;
    patient.rule.set("State", "DISABLED");
    let command = format!("aws events enable-rule --region eu-west-1 --name {RULE}");
    warns(&patient, &["it is DISABLED, so it sends nothing", &command]).await;

    patient.rule.set("EventBusName", "own");
    let arn = patient.rule.arn().replace("rule/", "rule/own/");
    let patient = patient.with(&[(&format!("rule: {RULE}"), &format!("rule: \"{arn}\""))]);
    let report = patient.examine(0).await;
    says(report.of(&format!("rule {arn}")), "warning", &[&format!("{command} --event-bus-name own")]);

    let patient = patient.with(&[(&format!("rule: \"{arn}\""), "rule: another")]);
    says(patient.examine(1).await.of("rule another"), "failed", &["it does not exist", "check the name"]);
}

#[tokio::test]
async fn what_a_pattern_does_not_take_is_named_with_the_command_that_sets_another() {
    let patient = Patient::healthy().await;
    let put = format!("aws events put-rule --region eu-west-1 --name {RULE} --event-pattern '{{\"source\"");
    for nothing in [
        json!({"source": ["aws.s3"]}),
        json!({"detail": {"name": [{"prefix": "test/"}], "eventName": ["GetSecretValue"]}}),
        json!({"detail-type": ["Secret Label Updated"], "detail": {"labelUpdated": ["AWSPREVIOUS"]}}),
    ] {
        patient.rule.set_pattern(&nothing);
        warns(&patient, &["its pattern takes no change of prod/orders/db: rotations are found", &put]).await;
    }
    patient.rule.set_pattern(&recorded_pattern(&["PutSecretValue", "UpdateSecret", "RotationSucceeded"]));
    warns(&patient, &["of prod/orders/db its pattern misses UpdateSecretVersionStage", &put]).await;

    let all = ["PutSecretValue", "UpdateSecret", "UpdateSecretVersionStage", "RotationSucceeded"];
    patient.rule.set_pattern(&recorded_pattern(&all));
    assert_eq!(patient.examine(0).await.not_ok(), Vec::<String>::new());
    // By the whole ARN, which the doctor has from the read.
    let arn = patient.bench.orders_db().arn().to_owned();
    patient.rule.set_pattern(&json!({"resources": [arn]}));
    assert_eq!(patient.examine(0).await.not_ok(), Vec::<String>::new());

    patient.rule.set("EventPattern", Value::Null);
    patient.rule.set("ScheduleExpression", "rate(1 day)");
    warns(&patient, &["it has no event pattern", &put]).await;
}

#[tokio::test]
async fn many_secrets_are_counted_once_each_and_named_a_few() {
    let mut patient = Patient::healthy().await;
    let mut targets = ORDERS_TARGET.to_owned();
    for name in ["a", "b", "c", "d"] {
        patient.bench.aws.create_secret(name, r#"{"password":"p"}"#);
        writeln!(targets, "      p.{name}: {{ secret: {name}, field: password }}").unwrap();
    }
    let arn = patient.bench.orders_db().arn().to_owned();
    writeln!(targets, "      p.again: {{ secret: \"{arn}\", field: password }}").unwrap();
    patient.text = super::file(&patient.bench, &targets);
    let patient = patient.write();
    patient.rule.set_pattern(&json!({"source": ["aws.s3"]}));
    warns(&patient, &["its pattern takes no change of a, b, c and 2 more: rotations"]).await;
    patient.rule.set_pattern(&json!({"source": ["aws.secretsmanager"]}));
    says(patient.examine(0).await.of(&subject()), "ok", &["takes the changes of 5 secrets"]);
}

#[tokio::test]
async fn a_rule_of_a_region_without_secrets_is_told_so() {
    let elsewhere = ("secret: prod/orders/db", "region: us-east-1, secret: prod/orders/db");
    let patient = Patient::healthy().await.with(&[elsewhere]);
    patient.bench.aws.create_secret_in("us-east-1", "prod/orders/db", r#"{"username":"a","password":"b"}"#);
    warns(&patient, &["no configured secret is in eu-west-1", "name the rule of the secrets' region"]).await;
}

#[tokio::test]
async fn a_target_that_loses_or_breaks_events_is_told_with_its_command() {
    let patient = Patient::healthy().await;
    let put = format!("aws events put-targets --region eu-west-1 --rule {RULE} --targets 'Id=relay,Arn=");
    let usual = [
        ("DeadLetterConfig", json!({"Arn": "arn:aws:sqs:eu-west-1:123456789012:given-up"})),
        ("RoleArn", json!("arn:aws:iam::123456789012:role/invoke")),
        ("RetryPolicy", Value::Null),
        ("Input", Value::Null),
        ("InputPath", Value::Null),
        ("InputTransformer", Value::Null),
    ];
    let transformer = |template: &str| json!({"InputPathsMap": {"arn": "$.resources[0]", "id": "$.id"}, "InputTemplate": template});
    let broken = "sends what the relay does not understand: its input is not the whole event";
    for (field, value, parts) in [
        (
            "DeadLetterConfig",
            Value::Null,
            [
                "has no dead-letter queue: what EventBridge gives up",
                "DeadLetterConfig={Arn=ARN_OF_AN_SQS_QUEUE}",
            ],
        ),
        (
            "RetryPolicy",
            json!({"MaximumRetryAttempts": 0}),
            ["target relay is given up after 0 retries or 86400 s", "MaximumRetryAttempts=185"],
        ),
        (
            "RetryPolicy",
            json!({"MaximumEventAgeInSeconds": 60}),
            ["given up after 185 retries or 60 s", "MaximumEventAgeInSeconds=86400"],
        ),
        ("Input", json!("{\"rotated\":true}"), [broken, "input transformer"]),
        ("InputPath", json!("$.detail"), [broken, "small event form"]),
        ("InputTransformer", transformer("\"<arn> has changed\""), [broken, "remove its input"]),
        (
            "RoleArn",
            Value::Null,
            [
                "target relay has no role, so EventBridge may not call the destination",
                "RoleArn=INVOKE-ROLE-ARN",
            ],
        ),
    ] {
        patient.rule.set_target(field, &value);
        let finding = warns(&patient, &[parts[0], parts[1], &put]).await;
        if field == "RoleArn" {
            let missing = &finding["statements"][0];
            assert_eq!(missing["policy_of"], "the role INVOKE-ROLE-ARN");
            assert_eq!(
                missing["statement"],
                statement("events:InvokeApiDestination", &patient.destination.arn())
            );
        }
        for (field, value) in &usual {
            patient.rule.set_target(field, value);
        }
    }
    patient.rule.set_target("InputTransformer", &transformer("{\"secretArn\": <arn>, \"eventId\": <id>}"));
    assert_eq!(patient.examine(0).await.not_ok(), Vec::<String>::new());
}

#[tokio::test]
async fn targets_that_lead_elsewhere_are_told_with_where() {
    let patient = Patient::healthy().await;
    let put = format!("put-targets --region eu-west-1 --rule {RULE} --targets Id=relay,Arn=DESTINATION-ARN");
    patient.destination.set("InvocationEndpoint", "https://relay.example.com/hooks/sns");
    let no_target = "no target of it leads to /hooks/eventbridge";
    warns(&patient, &[no_target, "they lead to https://relay.example.com/hooks/sns", &put]).await;
    patient.rule.set_target("Arn", &json!("arn:aws:lambda:eu-west-1:123456789012:function:x"));
    warns(&patient, &[no_target, "none is an API destination", &put]).await;
}

#[tokio::test]
async fn a_destination_that_does_not_post_is_told_with_its_command() {
    let patient = Patient::healthy().await;
    patient.destination.set("HttpMethod", "PUT");
    let update =
        "aws events update-api-destination --region eu-west-1 --name api-destination-0 --http-method POST";
    warns(&patient, &["uses PUT, and the hook takes POST alone", update]).await;
    patient.destination.set("HttpMethod", "POST");
    patient.destination.set("ApiDestinationState", "INACTIVE");
    warns(
        &patient,
        &["is INACTIVE, so no event leaves", "authorize its connection (below, if it is not), then:", update],
    )
    .await;
}

#[tokio::test]
async fn a_connection_that_is_not_as_the_relay_wants_it_is_told_with_its_command() {
    let patient = Patient::healthy().await;
    let update =
        "aws events update-connection --region eu-west-1 --name connection-0 --authorization-type API_KEY";
    patient.destination.set_connection("ConnectionState", "DEAUTHORIZED");
    patient.destination.set_connection("StateReason", "the secret is gone");
    warns(
        &patient,
        &[
            "connection connection-0 is DEAUTHORIZED (the secret is gone): nothing is sent",
            "give it its credential",
            update,
        ],
    )
    .await;
    patient.destination.set_connection("ConnectionState", "AUTHORIZED");

    let basic = || Auth::Basic { user: "relay".to_owned(), password: "p".to_owned() };
    let grant = Grant {
        endpoint: "https://login.example.com/token".to_owned(),
        client_id: "a".to_owned(),
        client_secret: "b".to_owned(),
    };
    for (auth, theirs) in [
        (
            Auth::ApiKey { header: "authorization".to_owned(), value: "k".to_owned() },
            "API_KEY in the header authorization",
        ),
        (basic(), "BASIC as user relay"),
        (Auth::OAuth(grant), "OAUTH_CLIENT_CREDENTIALS"),
    ] {
        patient.destination.set_auth(auth);
        let found = format!(
            "connection connection-0 uses {theirs}, and the relay takes API_KEY in the header x-api-key alone"
        );
        warns(&patient, &[&found, update, "or set `ingress.eventbridge.auth` to what it uses"]).await;
    }
    patient.destination.set_connection("AuthorizationType", "SIGV4");
    warns(
        &patient,
        &[
            "uses SIGV4, and the relay takes API_KEY",
            "--auth-parameters 'ApiKeyAuthParameters={ApiKeyName=x-api-key,",
        ],
    )
    .await;
    patient.destination.set_connection("AuthorizationType", "BASIC");
    patient.destination.set_auth(basic());
    let key = "api_key: { header: x-api-key, value: { env: EVENTBRIDGE_KEY } }";
    let patient = patient.with(&[(key, "basic: { username: relay, password: { env: EVENTBRIDGE_KEY } }")]);
    assert_eq!(patient.examine(0).await.not_ok(), Vec::<String>::new());
    patient.destination.set_connection("AuthorizationType", "SIGV4");
    warns(&patient, &["--authorization-type BASIC --auth-parameters 'BasicAuthParameters={Username=relay,"])
        .await;
}

#[tokio::test]
async fn a_call_that_is_denied_is_a_warning_with_the_statement_that_allows_it() {
    let patient = Patient::healthy().await;
    let (rule, destination) = (patient.rule.arn(), patient.destination.arn());
    for (call, resource) in [
        ("DescribeRule", rule.as_str()),
        ("TestEventPattern", "*"),
        ("ListTargetsByRule", &rule),
        ("DescribeApiDestination", &destination),
        ("DescribeConnection", &patient.destination.connection_arn()),
    ] {
        let denied = secrets_error(400, "AccessDeniedException", "User: x is not authorized");
        patient.bench.aws.faults().add(denied.tag(call));
        let action = format!("events:{call}");
        let finding = warns(&patient, &["access denied", &format!("needs {action} on")]).await;
        assert_eq!(finding["statements"][0]["policy_of"], user());
        assert_eq!(finding["statements"][0]["statement"], statement(&action, resource));
        patient.bench.aws.faults().clear();
    }
    patient.rule.set_pattern(&native_pattern());
    assert_eq!(patient.examine(0).await.not_ok(), Vec::<String>::new());
}
