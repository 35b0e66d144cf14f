//! Whose credentials a call is made with: found, refused, or of an assumed role.

use super::*;

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
