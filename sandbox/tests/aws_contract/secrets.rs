use anypoint_sandbox::aws::{
    Aws, CURRENT, Denied, Failure, Operation, PENDING, PREVIOUS, Secret, StalePlan, secrets_error,
};
use anypoint_sandbox::faults::{Action, Rule};
use aws_config::retry::RetryConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::primitives::Blob;
use serde_json::json;

use crate::sdk;

async fn start() -> (Aws, Client, Secret) {
    let aws = Aws::start().await;
    let config = sdk(&aws).await;
    let secret = aws.create_secret("prod/db", json!({"username": "app", "password": "one", "port": 5432}));
    // The contract is about single answers; retries are the SDK's own affair.
    let client = Client::from_conf(
        aws_sdk_secretsmanager::config::Builder::from(&config).retry_config(RetryConfig::disabled()).build(),
    );
    (aws, client, secret)
}

async fn current(client: &Client, id: &str) -> String {
    let got = client.get_secret_value().secret_id(id).version_stage(CURRENT).send().await.unwrap();
    got.version_id.unwrap()
}

async fn described(client: &Client) -> String {
    let described = client.describe_secret().secret_id("prod/db").send().await.unwrap();
    let stages = described.version_ids_to_stages.unwrap();
    stages.into_iter().find(|(_, stages)| stages.iter().any(|stage| stage == CURRENT)).unwrap().0
}

async fn failure(client: &Client, id: &str) -> (String, String) {
    let error = client.get_secret_value().secret_id(id).send().await.unwrap_err().into_service_error();
    (error.code().unwrap().to_owned(), error.message().unwrap().to_owned())
}

#[tokio::test]
async fn a_value_is_found_by_name_by_arn_and_by_partial_arn() {
    let (_aws, client, secret) = start().await;
    let partial = &secret.arn()[..secret.arn().len() - 7];
    for id in ["prod/db", secret.arn(), partial] {
        let got = client.get_secret_value().secret_id(id).send().await.unwrap();
        assert_eq!(got.arn(), Some(secret.arn()));
        assert_eq!(got.name(), Some("prod/db"));
        assert_eq!(got.version_id(), Some(secret.current_version().as_str()));
        assert_eq!(got.version_stages(), [CURRENT]);
        assert_eq!(got.secret_string(), secret.current_value().text());
        assert!(got.created_date().unwrap().secs() > 1_700_000_000);
    }
    assert_eq!(secret.reads().get, 3);
}

#[tokio::test]
async fn a_binary_value_comes_as_it_is() {
    let (aws, client, _) = start().await;
    aws.create_secret("keystore", vec![0_u8, 255, 10]);
    let got = client.get_secret_value().secret_id("keystore").send().await.unwrap();
    assert_eq!(got.secret_binary().unwrap().as_ref(), [0, 255, 10]);
    assert_eq!(got.secret_string(), None);
}

#[tokio::test]
async fn labels_move_through_a_rotation_and_a_rollback() {
    let (_aws, client, secret) = start().await;
    let first = secret.current_version();
    let second = secret.start_pending("two");
    let stages = async || {
        let described = client.describe_secret().secret_id("prod/db").send().await.unwrap();
        let mut stages: Vec<(String, Vec<String>)> =
            described.version_ids_to_stages.unwrap().into_iter().collect();
        stages.sort_by_key(|(id, _)| *id != first);
        stages
    };
    let one = |id: &str, label: &str| (id.to_owned(), vec![label.to_owned()]);
    assert_eq!(stages().await, [one(&first, CURRENT), one(&second, PENDING)]);
    assert_eq!(secret.finish_rotation(), second);
    assert_eq!(stages().await, [one(&first, PREVIOUS), one(&second, CURRENT)]);
    assert_eq!(secret.rollback(), first);
    assert_eq!(stages().await, [one(&first, CURRENT), one(&second, PREVIOUS)]);

    let order: Vec<String> = secret.history().into_iter().map(|held| held.version_id).collect();
    assert_eq!(order, [first.clone(), second.clone(), first]);
    let [of_two] = secret.when_current(|value| value.text() == Some("two")).try_into().unwrap();
    assert_eq!(of_two.version_id, second);
    assert!(of_two.until.unwrap() >= of_two.since);
}

#[tokio::test]
async fn versions_are_put_and_labels_moved_through_the_api() {
    let (_aws, client, secret) = start().await;
    let first = secret.current_version();
    let put = client
        .put_secret_value()
        .secret_id("prod/db")
        .secret_binary(Blob::new([1, 2]))
        .version_stages(PENDING)
        .send()
        .await
        .unwrap();
    let second = put.version_id.unwrap();
    assert_eq!(current(&client, "prod/db").await, first);
    let moving = client
        .update_secret_version_stage()
        .secret_id("prod/db")
        .version_stage(CURRENT)
        .move_to_version_id(&second);
    let refused = moving.clone().send().await.unwrap_err().into_service_error();
    assert_eq!(refused.code(), Some("InvalidParameterException"));
    moving.remove_from_version_id(&first).send().await.unwrap();
    assert_eq!(current(&client, "prod/db").await, second);

    let listed = client.list_secret_version_ids().secret_id("prod/db").send().await.unwrap();
    assert_eq!(listed.versions().len(), 2);
    let by_id = client.get_secret_value().secret_id("prod/db").version_id(&first).send().await.unwrap();
    assert_eq!(by_id.version_stages(), [PREVIOUS]);
}

#[tokio::test]
async fn secrets_are_created_through_the_api_once() {
    let (aws, client, _) = start().await;
    let created = client.create_secret().name("new").secret_string("v").send().await.unwrap();
    assert_eq!(aws.secret("new").unwrap().arn(), created.arn().unwrap());
    let again = client.create_secret().name("new").secret_string("v").send().await.unwrap_err();
    assert!(again.into_service_error().is_resource_exists_exception());
}

#[tokio::test]
async fn several_values_come_in_one_call_with_the_failures_beside_them() {
    let (_aws, client, secret) = start().await;
    let ids = ["prod/db", "missing"].map(str::to_owned);
    let got = client.batch_get_secret_value().set_secret_id_list(Some(ids.into())).send().await.unwrap();
    assert_eq!(got.secret_values()[0].secret_string(), secret.current_value().text());
    assert_eq!(got.errors()[0].error_code(), Some("ResourceNotFoundException"));
}

#[tokio::test]
async fn refusals_are_what_the_sdk_knows_them_as() {
    let (aws, client, secret) = start().await;
    let get = async |id: &str| {
        client.get_secret_value().secret_id(id).send().await.unwrap_err().into_service_error()
    };
    assert!(get("missing").await.is_resource_not_found_exception());
    let lapsed = client.get_secret_value().secret_id("prod/db").version_stage("NONE").send().await;
    assert!(lapsed.unwrap_err().into_service_error().is_resource_not_found_exception());
    secret.deny(Some(Denied::Decryption));
    assert!(get("prod/db").await.is_decryption_failure());
    secret.deny(Some(Denied::Kms));
    let (code, message) = failure(&client, "prod/db").await;
    assert_eq!((code.as_str(), message.as_str()), ("AccessDeniedException", "Access to KMS is not allowed"));
    assert_eq!(described(&client).await, secret.current_version());
    secret.deny(Some(Denied::Access));
    let (code, message) = failure(&client, "prod/db").await;
    assert_eq!(code, "AccessDeniedException");
    assert!(message.contains("secretsmanager:GetSecretValue"), "{message}");
    secret.deny(None);
    secret.delete();
    assert!(get("prod/db").await.is_invalid_request_exception());
    let described = client.describe_secret().secret_id("prod/db").send().await.unwrap();
    assert!(described.deleted_date().is_some());
    secret.restore();
    aws.throttle(1);
    assert_eq!(failure(&client, "prod/db").await.0, "ThrottlingException");
    aws.refuse_key(
        anypoint_sandbox::aws::ACCESS_KEY,
        Some(Failure::sender("ExpiredTokenException", "expired")),
    );
    assert_eq!(failure(&client, "prod/db").await.0, "ExpiredTokenException");
    aws.refuse_key(anypoint_sandbox::aws::ACCESS_KEY, None);
    assert_eq!(current(&client, "prod/db").await, secret.current_version());
}

#[tokio::test]
async fn unsigned_calls_are_refused() {
    let (aws, ..) = start().await;
    let answer = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .post(aws.endpoint_url())
        .header("x-amz-target", "secretsmanager.GetSecretValue")
        .body(r#"{"SecretId":"prod/db"}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 400);
    assert!(answer.text().await.unwrap().contains("MissingAuthenticationToken"));
}

#[tokio::test]
async fn a_secret_lives_in_its_region() {
    let (aws, client, _) = start().await;
    let away = aws.create_secret_in("us-east-1", "away", "v");
    assert_eq!(failure(&client, away.arn()).await.0, "ResourceNotFoundException");
    let config = aws_sdk_secretsmanager::config::Builder::from(&sdk(&aws).await)
        .region(aws_config::Region::new("us-east-1"))
        .build();
    assert_eq!(current(&Client::from_conf(config), "away").await, away.current_version());
}

#[tokio::test]
async fn a_secret_that_is_created_anew_has_another_arn() {
    let (aws, _, secret) = start().await;
    let former = secret.arn().to_owned();
    secret.purge();
    assert!(aws.secret("prod/db").is_none());
    assert_ne!(aws.create_secret("prod/db", "v").arn(), former);
}

#[tokio::test]
async fn each_kind_of_read_is_stale_for_as_long_as_was_asked_for() {
    let (_aws, client, secret) = start().await;
    let first = secret.current_version();
    secret.set_stale(Operation::Get, StalePlan::Reads(2));
    secret.set_stale(Operation::Describe, StalePlan::EveryOther(3));
    let second = secret.rotate("two");
    let mut got = Vec::new();
    for _ in 0..3 {
        got.push(current(&client, "prod/db").await);
    }
    assert_eq!(got, [first.clone(), first.clone(), second.clone()]);
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(described(&client).await);
    }
    assert_eq!(seen, [first.clone(), second.clone(), first.clone(), second.clone()]);

    secret.set_stale(Operation::Get, StalePlan::Behind(super::LIMIT));
    assert_eq!(secret.current_version(), second);
    assert!(
        client.get_secret_value().secret_id("prod/db").send().await.is_err(),
        "there was no version so long ago"
    );
}

#[tokio::test]
async fn alternating_users_flip_with_each_rotation() {
    let (_aws, _, secret) = start().await;
    secret.set_alternating(true);
    let users: Vec<String> = ["two", "three"]
        .into_iter()
        .map(|password| {
            secret.rotate_password(password);
            assert_eq!(secret.current_value().field("password").as_deref(), Some(password));
            secret.current_value().field("username").unwrap()
        })
        .collect();
    assert_eq!(users, ["app_clone", "app"]);
    assert_eq!(secret.current_value().field("port").as_deref(), Some("5432"));
}

#[tokio::test]
async fn faults_hit_the_operation_they_are_for() {
    let (aws, client, secret) = start().await;
    aws.faults().add(Rule::new(Action::ResetBefore).tag("GetSecretValue").times(1));
    let reset = client.get_secret_value().secret_id("prod/db").send().await.unwrap_err();
    assert!(matches!(reset, SdkError::DispatchFailure(_)), "{reset:?}");
    assert_eq!(described(&client).await, secret.current_version());
    aws.faults().add(secrets_error(500, "InternalServiceError", "later").tag("DescribeSecret").times(1));
    let error = client.describe_secret().secret_id("prod/db").send().await.unwrap_err();
    assert!(error.into_service_error().is_internal_service_error());
    aws.faults().add(Rule::new(Action::TruncateBody).tag("GetSecretValue").times(1));
    assert!(client.get_secret_value().secret_id("prod/db").send().await.is_err());
    assert_eq!(current(&client, "prod/db").await, secret.current_version());
}

#[tokio::test]
async fn secrets_are_listed_page_by_page_with_what_rotates_and_who_owns_them() {
    let (aws, client, secret) = start().await;
    secret.set_rotation(true);
    aws.create_secret("rds!db-1", "x").set_owning_service("rds");
    aws.create_secret("gone", "x").delete();
    aws.create_secret_in("us-east-1", "elsewhere", "x");
    let first = client.list_secrets().max_results(1).send().await.unwrap();
    let [one] = first.secret_list() else { panic!("{first:?}") };
    assert_eq!((one.name(), one.arn()), (Some("prod/db"), Some(secret.arn())));
    assert_eq!((one.rotation_enabled(), one.owning_service()), (Some(true), None));
    let rest = client.list_secrets().set_next_token(first.next_token).send().await.unwrap();
    let [other] = rest.secret_list() else { panic!("{rest:?}") };
    assert_eq!((other.name(), other.owning_service()), (Some("rds!db-1"), Some("rds")));
    assert_eq!((other.rotation_enabled(), rest.next_token()), (Some(false), None));
    assert_eq!((aws.lists(), secret.reads().get), (2, 0));

    let wrong = client.list_secrets().max_results(101).send().await.unwrap_err().into_service_error();
    assert_eq!(wrong.code(), Some("InvalidParameterException"));
    aws.deny_lists(true);
    let denied = client.list_secrets().send().await.unwrap_err().into_service_error();
    assert_eq!(denied.code(), Some("AccessDeniedException"));
    assert!(denied.message().unwrap().contains("secretsmanager:ListSecrets on resource: *"));
}
