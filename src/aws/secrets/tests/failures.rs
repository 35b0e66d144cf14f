//! Each way to fail has its class, its retry and its next step, and shows nothing of a value.

use super::*;

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

#[tokio::test]
async fn an_endpoint_that_is_no_url_is_pointed_at_without_showing_the_request() {
    let settings = config::Aws { timeout: Duration::from_secs(2), ..settings("not a url") };
    let manager = SecretsManager::new(Arc::new(Access::with_credentials(settings, credentials())));
    let failure = manager.current(&secret()).await.unwrap_err();
    assert!(failure.next_step.contains("aws.endpoint"), "{failure:?}");
    assert!(!failure.message.contains("SecretId"), "{failure:?}");
}
