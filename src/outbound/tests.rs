use std::convert::Infallible;

use axum::body::Body;
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::testing::{Authority, Server, nobody, reply};
use super::*;

fn options() -> Options {
    Options::within(Duration::from_secs(3), Duration::from_secs(5))
}

async fn get(options: &Options, url: &str) -> reqwest::Result<reqwest::Response> {
    client(options).unwrap().get(url).send().await
}

#[tokio::test]
async fn a_connect_override_takes_host_and_port_and_keeps_the_name() {
    let server = Server::http(|_| async { reply(200, "here") }).await;
    let connect = Some(("relay.invalid".to_owned(), server.address));
    let answer = get(&Options { connect, ..options() }, "http://relay.invalid/path").await.unwrap();
    assert_eq!(read_bounded(answer, 4).await.unwrap(), "here");
    assert_eq!(server.seen()[0].header("host"), "relay.invalid");
    assert_eq!(server.seen()[0].header("user-agent"), concat!("anypoint-relay/", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn a_port_in_the_url_wins_over_the_port_of_the_override() {
    let server = Server::http(|_| async { reply(200, "here") }).await;
    let connect = Some(("relay.invalid".to_owned(), nobody().await));
    let url = format!("http://relay.invalid:{}/", server.address.port());
    let answer = get(&Options { connect, ..options() }, &url).await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let server = Server::http(|_| async {
        let mut response = reply(302, "");
        response.headers_mut().insert("location", "/elsewhere".parse().unwrap());
        response
    })
    .await;
    let answer = get(&options(), &server.url()).await.unwrap();
    assert_eq!(answer.status(), 302);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn an_extra_root_is_trusted_for_the_name_it_signed_only() {
    let authority = Authority::new();
    let server = Server::https(&authority, "relay.invalid", |_| async { reply(200, "") }).await;
    let to = |host: &str, root: Option<String>| Options {
        connect: Some((host.to_owned(), server.address)),
        extra_root: root.map(String::into_bytes),
        https_only: true,
        ..options()
    };
    let trusted = to("relay.invalid", Some(authority.pem()));
    assert_eq!(get(&trusted, "https://relay.invalid/").await.unwrap().status(), 200);

    let other_name = to("other.invalid", Some(authority.pem()));
    let error = reason(get(&other_name, "https://other.invalid/").await.unwrap_err());
    assert!(error.contains("not valid for name"), "{error}");

    // Some other root, so that the test needs none of the platform's.
    let other_root = to("relay.invalid", Some(Authority::new().pem()));
    let error = reason(get(&other_root, "https://relay.invalid/").await.unwrap_err());
    assert!(error.contains("certificate"), "{error}");
}

/// Reads the environment at the start of a process, so the test runs itself again in a child.
#[tokio::test]
async fn roots_of_ssl_cert_file_count_beside_an_extra_root() {
    let (platform, extra) = (Authority::new(), Authority::new());
    let by_platform = Server::https(&platform, "platform.invalid", |_| async { reply(200, "") }).await;
    let by_extra = Server::https(&extra, "extra.invalid", |_| async { reply(200, "") }).await;
    let folder = tempfile::tempdir().unwrap();
    let (platform_file, extra_file) = (folder.path().join("platform.pem"), folder.path().join("extra.pem"));
    std::fs::write(&platform_file, platform.pem()).unwrap();
    std::fs::write(&extra_file, extra.pem()).unwrap();
    let child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "outbound::tests::child_trusts_both_roots"])
        .env_remove("SSL_CERT_DIR")
        .env("SSL_CERT_FILE", platform_file)
        .env("TEST_EXTRA_ROOT", extra_file)
        .env("TEST_PLATFORM", by_platform.address.to_string())
        .env("TEST_EXTRA", by_extra.address.to_string())
        .output()
        .await
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    assert_eq!((by_platform.seen().len(), by_extra.seen().len()), (1, 1));
}

#[tokio::test]
#[ignore = "the child of `roots_of_ssl_cert_file_count_beside_an_extra_root`"]
async fn child_trusts_both_roots() {
    #[expect(clippy::disallowed_methods, reason = "the parent test speaks through the environment")]
    let var = |name: &str| std::env::var(name).unwrap_or_default();
    if var("TEST_EXTRA_ROOT").is_empty() {
        return; // `--include-ignored` started it, not its parent
    }
    let extra_root = Some(std::fs::read(var("TEST_EXTRA_ROOT")).unwrap());
    for (host, place) in [("platform.invalid", "TEST_PLATFORM"), ("extra.invalid", "TEST_EXTRA")] {
        let connect = Some((host.to_owned(), var(place).parse().unwrap()));
        let options = Options { connect, extra_root: extra_root.clone(), ..options() };
        assert_eq!(get(&options, &format!("https://{host}/")).await.unwrap().status(), 200, "{host}");
    }
}

#[tokio::test]
async fn plain_http_is_refused_where_https_is_demanded() {
    let server = Server::http(|_| async { reply(200, "") }).await;
    let error = get(&Options { https_only: true, ..options() }, &server.url()).await.unwrap_err();
    assert!(error.is_builder(), "{error}");
    assert!(server.seen().is_empty());
}

#[test]
fn an_extra_root_that_is_no_certificate_is_an_error() {
    for pem in ["", "hello", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
        let result = client(&Options { extra_root: Some(pem.as_bytes().to_vec()), ..options() });
        assert!(matches!(result, Err(BuildError::ExtraRoot)), "{pem:?}: {result:?}");
    }
}

#[tokio::test]
async fn a_body_is_read_up_to_its_limit_and_not_beyond() {
    let server = Server::http(|seen| async move {
        if seen.uri.path() == "/announced" {
            return reply(200, "12345");
        }
        reply(200, Body::from_stream(stream::iter(["123", "45"].map(Ok::<_, Infallible>))))
    })
    .await;
    for path in ["/announced", "/chunked"] {
        let url = format!("{}{path}", server.url());
        assert_eq!(read_bounded(get(&options(), &url).await.unwrap(), 5).await.unwrap(), "12345");
        let too_large = read_bounded(get(&options(), &url).await.unwrap(), 4).await;
        assert_eq!(too_large, Err(ReadError::TooLarge { limit: 4 }), "{path}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error() {
    let server = Server::raw(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n123").await;
    let answer = get(&options(), &server.url()).await.unwrap();
    assert!(matches!(read_bounded(answer, 100).await, Err(ReadError::Broken(_))));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_end_is_a_timeout() {
    let server = Server::http(|_| async {
        reply(200, Body::from_stream(stream::pending::<Result<&'static str, Infallible>>()))
    })
    .await;
    let answer = get(&options(), &server.url()).await.unwrap();
    assert_eq!(read_bounded(answer, 100).await, Err(ReadError::Timeout));
}

#[tokio::test]
async fn an_error_tells_the_cause_and_not_the_url() {
    let url = format!("http://{}/?Token=abcdef", nobody().await);
    let error = reason(get(&options(), &url).await.unwrap_err());
    assert!(error.contains("refused"), "{error}");
    assert!(!error.contains("abcdef"), "{error}");
}

#[tokio::test]
async fn a_connection_that_may_not_idle_is_closed_after_its_request() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 1024];
        assert_ne!(stream.read(&mut buffer).await.unwrap(), 0);
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        stream.read(&mut buffer).await.unwrap()
    });
    let client = client(&options()).unwrap();
    assert_eq!(client.get(&url).send().await.unwrap().status(), 204);
    let closed = tokio::time::timeout(Duration::from_secs(5), server).await;
    assert_eq!(closed.expect("the connection stays open").unwrap(), 0);
    drop(client);
}
