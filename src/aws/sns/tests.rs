use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};

use super::*;
use crate::aws::testing::{credentials, settings};
use crate::config::SnsEmulator;
use crate::outbound::SystemLookup;
use crate::outbound::testing::{Authority, Server, nobody, reply};

const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:rotations";
const TOKEN: &str = "2336412f37fb687f5d51e6e241d09c805a5a57b30d712f794cc5f6a988666d92";
const CONFIRMED: &str = "<ConfirmSubscriptionResponse><ConfirmSubscriptionResult><SubscriptionArn>\
     arn:aws:sns:eu-west-1:123456789012:rotations:1</SubscriptionArn></ConfirmSubscriptionResult>\
     </ConfirmSubscriptionResponse>";

#[derive(Debug)]
struct NoCredentials;

impl ProvideCredentials for NoCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded_no_source()))
    }
}

fn topic() -> TopicArn {
    TopicArn::parse(TOPIC).unwrap()
}

/// An HTTPS server in the place of `sns.eu-west-1.amazonaws.com`, and the client that finds it.
async fn sns(status: u16) -> (Server, SnsHttp, tempfile::NamedTempFile) {
    let authority = Authority::new();
    let host = "sns.eu-west-1.amazonaws.com";
    let server = Server::https(&authority, host, move |_| async move { reply(status, CONFIRMED) }).await;
    let root = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(root.path(), authority.pem()).unwrap();
    let emulator = SnsEmulator {
        connect: Some(server.address),
        extra_root: Some(root.path().to_owned()),
        certificate_path: None,
    };
    (server, SnsHttp::new(&emulator, Arc::new(SystemLookup)).unwrap(), root)
}

fn by_api(mode: Confirm, endpoint: &str) -> SnsConfirmer {
    let access = Access::with_credentials(settings(endpoint), credentials());
    SnsConfirmer::new(
        mode,
        Arc::new(access),
        SnsHttp::new(&SnsEmulator::default(), Arc::new(SystemLookup)).unwrap(),
    )
}

fn by_url(mode: Confirm, http: SnsHttp) -> SnsConfirmer {
    let access = Access::with_credentials(settings("http://127.0.0.1:1"), NoCredentials);
    SnsConfirmer::new(mode, Arc::new(access), http)
}

#[tokio::test]
async fn by_the_api_unsubscribing_is_made_to_need_credentials() {
    let server = Server::http(|_| async { reply(200, CONFIRMED) }).await;
    for mode in [Confirm::Api, Confirm::Auto] {
        let route = by_api(mode, &server.url()).confirm(&topic(), TOKEN).await.unwrap();
        assert_eq!(route, Route::Api);
    }
    for asked in server.seen() {
        let body = String::from_utf8(asked.body.to_vec()).unwrap();
        for part in [
            "Action=ConfirmSubscription",
            "TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A123456789012%3Arotations",
            &format!("Token={TOKEN}"),
            "AuthenticateOnUnsubscribe=true",
        ] {
            assert!(body.contains(part), "{body}");
        }
    }
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn the_api_is_asked_in_the_region_of_the_topic() {
    let server = Server::http(|_| async { reply(200, CONFIRMED) }).await;
    let topic = TopicArn::parse("arn:aws:sns:ap-southeast-2:123456789012:rotations").unwrap();
    by_api(Confirm::Api, &server.url()).confirm(&topic, TOKEN).await.unwrap();
    assert!(server.seen()[0].header("authorization").contains("/ap-southeast-2/sns/"));
}

#[tokio::test]
async fn a_missing_permission_to_confirm_is_named() {
    let body = "<ErrorResponse><Error><Type>Sender</Type><Code>AuthorizationError</Code><Message>no</Message>\
                </Error></ErrorResponse>";
    let server = Server::http(move |_| async move { reply(403, body) }).await;
    let failure = by_api(Confirm::Api, &server.url()).confirm(&topic(), TOKEN).await.unwrap_err();
    assert_eq!((failure.code, failure.retry), (FailureCode::Denied, Retry::Slowly), "{failure:?}");
    assert!(failure.next_step.contains("sns:ConfirmSubscription"), "{failure:?}");
}

#[tokio::test]
async fn without_credentials_the_rebuilt_url_is_asked() {
    let (server, http, _root) = sns(200).await;
    let route = by_url(Confirm::Auto, http).confirm(&topic(), TOKEN).await.unwrap();
    assert_eq!(route, Route::Url);
    let asked = &server.seen()[0];
    assert_eq!(asked.header("host"), "sns.eu-west-1.amazonaws.com");
    assert_eq!(asked.uri.to_string(), format!("/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token={TOKEN}"));
}

#[tokio::test]
async fn a_refused_confirmation_is_final_and_a_failed_one_is_not() {
    for (status, code, retry) in [
        (400, FailureCode::Rejected, Retry::Never),
        (404, FailureCode::Rejected, Retry::Never),
        (302, FailureCode::Unavailable, Retry::Backoff),
        (429, FailureCode::Unavailable, Retry::Backoff),
        (503, FailureCode::Unavailable, Retry::Backoff),
    ] {
        let (_server, http, _root) = sns(status).await;
        let failure = by_url(Confirm::Url, http).confirm(&topic(), TOKEN).await.unwrap_err();
        assert_eq!((failure.code, failure.retry), (code, retry), "{status}: {failure:?}");
    }
}

#[tokio::test]
async fn a_failure_by_url_does_not_show_the_token() {
    let emulator = SnsEmulator { connect: Some(nobody().await), ..SnsEmulator::default() };
    let http = SnsHttp::new(&emulator, Arc::new(SystemLookup)).unwrap();
    let failure = by_url(Confirm::Url, http).confirm(&topic(), TOKEN).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Unavailable, "{failure:?}");
    assert!(!format!("{failure:?}").contains(TOKEN), "{failure:?}");
}

#[tokio::test]
async fn a_token_that_is_not_hexadecimal_goes_nowhere() {
    let server = Server::http(|_| async { reply(200, CONFIRMED) }).await;
    let confirmer = by_api(Confirm::Api, &server.url());
    for token in ["", "abc&Action=Unsubscribe", "ab cd", &"a".repeat(4097)] {
        let failure = confirmer.confirm(&topic(), token).await.unwrap_err();
        assert_eq!(failure.code, FailureCode::Rejected);
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn switched_off_nothing_is_asked() {
    let server = Server::http(|_| async { reply(200, CONFIRMED) }).await;
    let route = by_api(Confirm::Off, &server.url()).confirm(&topic(), TOKEN).await.unwrap();
    assert_eq!(route, Route::Off);
    assert!(server.seen().is_empty());
}
