use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future;
use axum::response::Response;
use serde_json::{Value, json};

use super::*;
use crate::aws::testing::{credentials, settings};
use crate::config;
use crate::model::Selector;
use crate::outbound::testing::{Seen, Server, nobody, reply};

const ID: &str = "prod/orders/db";
const VERSION: &str = "0f3a1b2c-4d5e-4f60-8a7b-9c0d1e2f3a4b";
const FORMER: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";

fn secret() -> SecretRef {
    SecretRef::new(ID, None, None).unwrap()
}

fn manager(endpoint: &str) -> SecretsManager {
    SecretsManager::new(Arc::new(Access::with_credentials(settings(endpoint), credentials())))
}

fn answer(body: &Value) -> Response {
    let mut response = reply(200, body.to_string());
    response.headers_mut().insert("content-type", "application/x-amz-json-1.1".parse().unwrap());
    response
}

fn value(seen: &Seen) -> Value {
    serde_json::from_slice(&seen.body).unwrap()
}

async fn serving(body: Value) -> (Server, SecretsManager) {
    let server = Server::http(move |_| {
        let response = answer(&body);
        async { response }
    })
    .await;
    let manager = manager(&server.url());
    (server, manager)
}

/// The failure that an error of AWS becomes, on reading the value.
async fn refusal(status: u16, code: &'static str, message: &'static str) -> (usize, Failure) {
    let server = Server::http(move |_| async move {
        let mut response = reply(status, json!({ "__type": code, "message": message }).to_string());
        response.headers_mut().insert("x-amzn-errortype", code.parse().unwrap());
        response
    })
    .await;
    let failure = manager(&server.url()).fetch(&secret()).await.err().unwrap();
    (server.seen().len(), failure)
}

#[tokio::test]
async fn the_current_version_is_described_without_its_value() {
    let stages = json!({ VERSION: ["AWSCURRENT"], FORMER: ["AWSPREVIOUS"] });
    let body = json!({ "Name": ID, "LastChangedDate": 1_790_000_000.25, "VersionIdsToStages": stages });
    let (server, manager) = serving(body).await;
    let state = manager.current(&secret()).await.unwrap();
    assert_eq!(state.current, VersionSeen { version: VersionId::parse(VERSION).unwrap(), created: None });
    assert_eq!(state.last_changed, Some(Timestamp::new(1_790_000_000, 250_000_000).unwrap()));
    let asked = &server.seen()[0];
    assert_eq!(asked.header("x-amz-target"), "secretsmanager.DescribeSecret");
    assert_eq!(value(asked), json!({ "SecretId": ID }));
    assert!(asked.header("authorization").contains("/eu-west-1/secretsmanager/"));
}

#[tokio::test]
async fn the_value_is_always_asked_for_by_the_stage_awscurrent() {
    let body = json!({
        "Name": ID, "VersionId": VERSION, "VersionStages": ["AWSCURRENT", "AWSPENDING"],
        "SecretString": "{\"password\":\"s3cret\"}", "CreatedDate": 1_790_000_000,
    });
    let (server, manager) = serving(body).await;
    let fetched = manager.fetch(&secret()).await.unwrap();
    assert_eq!(fetched.seen.version.as_str(), VERSION);
    assert_eq!(fetched.seen.created, Some(Timestamp::new(1_790_000_000, 0).unwrap()));
    let SecretContent::Text(text) = &fetched.content else { panic!("not text") };
    assert_eq!(text.expose_str(), Some("{\"password\":\"s3cret\"}"));
    let asked = &server.seen()[0];
    assert_eq!(asked.header("x-amz-target"), "secretsmanager.GetSecretValue");
    assert_eq!(value(asked), json!({ "SecretId": ID, "VersionStage": "AWSCURRENT" }));
}

#[tokio::test]
async fn a_binary_value_arrives_as_its_bytes() {
    let (_server, manager) = serving(json!({ "VersionId": VERSION, "SecretBinary": "AAEC/w==" })).await;
    let fetched = manager.fetch(&secret()).await.unwrap();
    let SecretContent::Binary(bytes) = &fetched.content else { panic!("not binary") };
    assert_eq!(bytes.expose_bytes(), [0, 1, 2, 255]);
}

#[tokio::test]
async fn a_region_beside_the_source_is_where_the_secret_is_asked_for() {
    let body = json!({ "VersionId": VERSION, "SecretString": "x" });
    let (server, manager) = serving(body).await;
    manager.fetch(&SecretRef::new(ID, Some("us-east-1"), None).unwrap()).await.unwrap();
    assert!(server.seen()[0].header("authorization").contains("/us-east-1/secretsmanager/"));
}

#[tokio::test]
async fn a_credential_of_the_relay_is_read_through_its_selector() {
    let body = json!({ "VersionId": VERSION, "SecretString": "{\"id\":\"a\",\"secret\":\"b\"}" });
    let (_server, manager) = serving(body).await;
    let place = CredentialRef::AwsSecret(secret(), Selector::Field("secret".to_owned()));
    assert_eq!(manager.read(&place).await.ok().unwrap().expose_str(), Some("b"));
    let place = CredentialRef::AwsSecret(secret(), Selector::Field("token".to_owned()));
    let error = manager.read(&place).await.err().unwrap().to_string();
    assert!(error.starts_with("AWS secret prod/orders/db: ") && error.contains("\"token\""), "{error}");
    assert!(manager.read(&CredentialRef::Env("HOME".to_owned())).await.is_err());
}

#[tokio::test]
async fn answers_that_cannot_be_right_are_failures() {
    let describe = |stages: Value| json!({ "VersionIdsToStages": stages });
    for (body, code, part) in [
        (describe(json!({ VERSION: ["AWSPENDING"] })), FailureCode::NotFound, "AWSCURRENT"),
        (json!({}), FailureCode::NotFound, "AWSCURRENT"),
        (
            describe(json!({ VERSION: ["AWSCURRENT"], FORMER: ["AWSCURRENT"] })),
            FailureCode::BadAnswer,
            "two versions",
        ),
        (describe(json!({ "short": ["AWSCURRENT"] })), FailureCode::BadAnswer, "version id"),
        (
            json!({ "DeletedDate": 1.0, "VersionIdsToStages": { VERSION: ["AWSCURRENT"] } }),
            FailureCode::NotFound,
            "scheduled for deletion",
        ),
    ] {
        let (_server, manager) = serving(body).await;
        let failure = manager.current(&secret()).await.unwrap_err();
        assert_eq!(failure.code, code, "{failure:?}");
        assert!(failure.message.contains(part), "{failure:?}");
    }
    let large = "x".repeat(65_537);
    for (body, part) in [
        (json!({ "SecretString": "x" }), "version id"),
        (json!({ "VersionId": VERSION }), "no value"),
        (json!({ "VersionId": VERSION, "SecretString": "x", "SecretBinary": "eA==" }), "both"),
        (json!({ "VersionId": VERSION, "SecretString": large }), "65,536"),
        (
            json!({ "VersionId": VERSION, "SecretString": "x", "VersionStages": ["AWSPREVIOUS"] }),
            "not labelled AWSCURRENT",
        ),
    ] {
        let (_server, manager) = serving(body).await;
        let failure = manager.fetch(&secret()).await.err().unwrap();
        assert_eq!((failure.code, failure.retry), (FailureCode::BadAnswer, Retry::Backoff), "{failure:?}");
        assert!(failure.message.contains(part), "{failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_error_of_aws_has_its_class_and_its_next_step() {
    use FailureCode::{Denied, NotFound, RateLimited, Rejected, Unauthenticated, Unavailable};
    for (status, code, message, tries, class, retry, next) in [
        (
            400,
            "AccessDeniedException",
            "User: arn:aws:iam::1:user/relay is not authorized to perform: secretsmanager:GetSecretValue",
            1,
            Denied,
            Retry::Slowly,
            "the relay's identity needs secretsmanager:GetSecretValue on prod/orders/db",
        ),
        (
            400,
            "AccessDeniedException",
            "Access to KMS is not allowed",
            1,
            Denied,
            Retry::Slowly,
            "needs kms:Decrypt on the key of secret prod/orders/db",
        ),
        (400, "DecryptionFailure", "", 1, Denied, Retry::Slowly, "kms:Decrypt"),
        (
            400,
            "ResourceNotFoundException",
            "Secrets Manager can't find the specified secret.",
            1,
            NotFound,
            Retry::Slowly,
            "region",
        ),
        (
            400,
            "ResourceNotFoundException",
            "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT",
            1,
            NotFound,
            Retry::Slowly,
            "move the label",
        ),
        (
            400,
            "InvalidRequestException",
            "You can't perform this operation on the secret because it was marked for deletion.",
            1,
            NotFound,
            Retry::Slowly,
            "restore-secret",
        ),
        (400, "InvalidParameterException", "no", 1, Rejected, Retry::Never, "correct"),
        (500, "InternalServiceError", "", 3, Unavailable, Retry::Backoff, "Health"),
        (503, "ServiceUnavailable", "", 3, Unavailable, Retry::Backoff, "Health"),
        (400, "ThrottlingException", "Rate exceeded", 3, RateLimited, Retry::Backoff, "passes"),
        (400, "ExpiredTokenException", "", 1, Unauthenticated, Retry::Backoff, "clock"),
        (400, "UnrecognizedClientException", "", 1, Unauthenticated, Retry::Backoff, "access key"),
    ] {
        let (asked, failure) = refusal(status, code, message).await;
        assert_eq!((failure.code, failure.retry), (class, retry), "{code}: {failure:?}");
        assert!(failure.next_step.contains(next), "{code}: {failure:?}");
        assert!(failure.message.contains(ID), "{code}: {failure:?}");
        assert_eq!(asked, tries, "{code}");
    }
}

#[tokio::test]
async fn a_denied_call_names_the_action_the_region_and_the_role_or_identity() {
    let (_, failure) = refusal(400, "AccessDeniedException", "User: x is not authorized.").await;
    assert_eq!(
        failure.message,
        "secret prod/orders/db in eu-west-1: access denied (AccessDeniedException: User: x is not authorized)"
    );
}

#[tokio::test]
async fn a_message_is_kept_to_one_short_line() {
    let long = "line\none ".repeat(1000).leak();
    let (_, failure) = refusal(400, "InvalidParameterException", long).await;
    assert!(!failure.message.contains('\n') && failure.message.len() < 700, "{}", failure.message.len());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_of_aws_is_not_shown() {
    let page = "<html>canary</html>";
    for (status, code) in [(403, FailureCode::BadAnswer), (502, FailureCode::Unavailable)] {
        let server = Server::http(move |_| async move { reply(status, page) }).await;
        let failure = manager(&server.url()).fetch(&secret()).await.err().unwrap();
        assert_eq!((failure.code, failure.retry), (code, Retry::Backoff), "{failure:?}");
        assert!(!format!("{failure:?}").contains("canary"), "{failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_breaks_off_shows_nothing_of_the_value() {
    for raw in [
        &b"HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: 90\r\n\r\n{\"SecretString\":\"canary"[..],
        &b"HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: 23\r\n\r\n{\"SecretString\":\"canary"[..],
    ] {
        let server = Server::raw(raw).await;
        let failure = manager(&server.url()).fetch(&secret()).await.err().unwrap();
        assert_eq!(failure.retry, Retry::Backoff, "{failure:?}");
        assert!(
            matches!(failure.code, FailureCode::BadAnswer | FailureCode::Unavailable),
            "{failure:?}"
        );
        assert!(!format!("{failure:?}").contains("canary"), "{failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_not_there_is_unavailable() {
    let manager = manager(&format!("http://{}", nobody().await));
    let failure = manager.current(&secret()).await.unwrap_err();
    assert_eq!((failure.code, failure.retry), (FailureCode::Unavailable, Retry::Backoff));
    assert!(failure.message.contains("refused"), "{failure:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_a_timeout() {
    let server = Server::http(|_| std::future::pending()).await;
    let failure = manager(&server.url()).current(&secret()).await.unwrap_err();
    assert_eq!((failure.code, failure.retry), (FailureCode::Timeout, Retry::Backoff), "{failure:?}");
}

#[tokio::test(start_paused = true)]
async fn a_failed_tls_handshake_says_so() {
    let authority = crate::outbound::testing::Authority::new();
    let server = Server::https(&authority, "127.0.0.1", |_| async { reply(200, "") }).await;
    let manager = manager(&format!("https://{}", server.address));
    let failure = manager.current(&secret()).await.unwrap_err();
    assert_eq!((failure.code, failure.retry), (FailureCode::Unavailable, Retry::Backoff), "{failure:?}");
    assert!(failure.next_step.contains("SSL_CERT_FILE"), "{failure:?}");
}

#[derive(Debug)]
struct NoCredentials;

impl aws_credential_types::provider::ProvideCredentials for NoCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded_no_source()))
    }
}

#[tokio::test(start_paused = true)]
async fn without_credentials_the_next_step_lists_where_they_may_lie() {
    let access = Access::with_credentials(settings("http://127.0.0.1:1"), NoCredentials);
    let failure = SecretsManager::new(Arc::new(access)).current(&secret()).await.unwrap_err();
    assert_eq!((failure.code, failure.retry), (FailureCode::Unauthenticated, Retry::Backoff), "{failure:?}");
    assert!(failure.message.contains("no AWS credentials"), "{failure:?}");
    assert!(failure.next_step.contains("AWS_WEB_IDENTITY_TOKEN_FILE"), "{failure:?}");
}

#[tokio::test(start_paused = true)]
async fn credentials_that_do_not_come_are_named_as_the_reason() {
    #[derive(Debug)]
    struct Hanging;
    impl aws_credential_types::provider::ProvideCredentials for Hanging {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::new(std::future::pending())
        }
    }
    let access = Arc::new(Access::with_credentials(settings("http://127.0.0.1:1"), Hanging));
    assert!(!access.has_credentials().await);
    let failure = SecretsManager::new(access).current(&secret()).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Unauthenticated, "{failure:?}");
    assert!(failure.message.contains("in time"), "{failure:?}");
}

const ROLE: &str = "arn:aws:iam::210987654321:role/secrets-reader";
const ASSUMED: &str = r#"<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<AssumedRoleUser><Arn>arn:aws:sts::210987654321:assumed-role/secrets-reader/anypoint-relay</Arn><AssumedRoleId>A:r</AssumedRoleId></AssumedRoleUser>
<Credentials><AccessKeyId>ASIAASSUMED</AccessKeyId><SecretAccessKey>k</SecretAccessKey><SessionToken>the-session</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration></Credentials>
</AssumeRoleResult></AssumeRoleResponse>"#;

fn is_sts(seen: &Seen) -> bool {
    seen.body.starts_with(b"Action=AssumeRole")
}

#[tokio::test]
async fn a_role_is_assumed_once_for_all_reads_with_it() {
    let server = Server::http(|seen| async move {
        if is_sts(&seen) {
            return reply(200, ASSUMED);
        }
        answer(&json!({ "VersionId": VERSION, "SecretString": "x" }))
    })
    .await;
    let manager = manager(&server.url());
    let secret = SecretRef::new(ID, Some("eu-central-1"), Some(ROLE)).unwrap();
    manager.fetch(&secret).await.ok().unwrap();
    manager.fetch(&secret).await.ok().unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    assert!(is_sts(&seen[0]));
    assert!(seen[0].header("authorization").contains("AKIDEXAMPLE"));
    for read in &seen[1..] {
        assert!(read.header("authorization").contains("ASIAASSUMED"));
        assert_eq!(read.header("x-amz-security-token"), "the-session");
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_that_may_not_be_assumed_is_named_with_what_it_needs() {
    let server = Server::http(|_| async {
        reply(
            403,
            "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User: me is not \
             authorized to perform: sts:AssumeRole</Message></Error><RequestId>1</RequestId></ErrorResponse>",
        )
    })
    .await;
    let secret = SecretRef::new(ID, None, Some(ROLE)).unwrap();
    let failure = manager(&server.url()).current(&secret).await.unwrap_err();
    assert_eq!((failure.code, failure.retry), (FailureCode::Denied, Retry::Slowly), "{failure:?}");
    assert!(failure.next_step.contains("sts:AssumeRole") && failure.next_step.contains(ROLE), "{failure:?}");
}

#[tokio::test]
async fn refused_credentials_are_asked_for_again_at_the_next_call() {
    #[derive(Clone, Debug, Default)]
    struct Counting(Arc<std::sync::atomic::AtomicUsize>);
    impl aws_credential_types::provider::ProvideCredentials for Counting {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            future::ProvideCredentials::ready(Ok(credentials()))
        }
    }
    let server =
        Server::http(|_| async { reply(400, json!({ "__type": "ExpiredTokenException" }).to_string()) })
            .await;
    let counting = Counting::default();
    let access = Access::with_credentials(settings(&server.url()), counting.clone());
    let manager = SecretsManager::new(Arc::new(access));
    for asked in 1..=2 {
        manager.current(&secret()).await.unwrap_err();
        assert_eq!(counting.0.load(std::sync::atomic::Ordering::Relaxed), asked);
    }
}

#[tokio::test]
async fn an_endpoint_that_is_no_url_is_pointed_at_without_showing_the_request() {
    let settings = config::Aws { timeout: Duration::from_secs(2), ..settings("not a url") };
    let manager = SecretsManager::new(Arc::new(Access::with_credentials(settings, credentials())));
    let failure = manager.current(&secret()).await.unwrap_err();
    assert!(failure.next_step.contains("aws.endpoint"), "{failure:?}");
    assert!(!failure.message.contains("SecretId"), "{failure:?}");
}
