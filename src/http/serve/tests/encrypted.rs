//! The same over TLS, with HTTP/1.1 and HTTP/2.

use std::io::Write;

use anypoint_sandbox::pki::{Authority, Identity};
use http::Version;
use tempfile::TempDir;

use super::*;
use crate::config;

const NAME: &str = "relay.example.com";

/// A server with a certificate, and a client that trusts it.
struct Encrypted {
    server: Fixture,
    authority: Authority,
    _files: TempDir,
}

impl Encrypted {
    async fn new(bounds: Bounds) -> Self {
        let (authority, files) = (Authority::new(), tempfile::tempdir().unwrap());
        let Identity { certificate, key } = authority.server_certificate(&[NAME]);
        let write = |name: &str, text: &str| {
            let path = files.path().join(name);
            std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
            path
        };
        let settings = config::Tls {
            certificate: write("cert.pem", &certificate),
            key: write("key.pem", &key),
            client_ca: None,
        };
        let tls = Arc::new(Tls::load(&settings).await.unwrap());
        Self { server: Fixture::serving(bounds, Some(tls)).await, authority, _files: files }
    }

    fn client(&self) -> reqwest::ClientBuilder {
        let root = reqwest::Certificate::from_pem(self.authority.pem().as_bytes()).unwrap();
        reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([root])
            .resolve(NAME, self.server.address)
            .timeout(LIMIT)
    }
}

fn url(path: &str) -> String {
    format!("https://{NAME}{path}")
}

#[tokio::test]
async fn both_versions_of_http_are_spoken() {
    let fixture = Encrypted::new(bounds()).await;
    let newer = fixture.client().build().unwrap().get(url("/")).send().await.unwrap();
    assert_eq!((newer.status().as_u16(), newer.version()), (200, Version::HTTP_2));
    let older = fixture.client().http1_only().build().unwrap().get(url("/")).send().await.unwrap();
    assert_eq!((older.status().as_u16(), older.version()), (200, Version::HTTP_11));
    for answer in [newer, older] {
        assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000");
        assert_eq!(answer.text().await.unwrap(), "fine");
    }
}

#[tokio::test]
async fn both_versions_of_tls_are_spoken() {
    let fixture = Encrypted::new(bounds()).await;
    for version in [reqwest::tls::Version::TLS_1_2, reqwest::tls::Version::TLS_1_3] {
        let client = fixture.client().tls_version_min(version).tls_version_max(version).build().unwrap();
        assert_eq!(client.get(url("/")).send().await.unwrap().status(), 200, "{version:?}");
    }
}

#[tokio::test]
async fn plain_http_gets_no_answer() {
    let fixture = Encrypted::new(bounds()).await;
    let mut stream = fixture.server.connect().await;
    let answer = ask(&mut stream).await;
    assert!(!answer.contains("HTTP"), "{answer}");
}

#[tokio::test]
async fn a_request_under_way_keeps_a_connection_while_others_on_it_are_answered() {
    let short = Duration::from_millis(50);
    let fixture = Encrypted::new(Bounds { idle: short, ..bounds() }).await;
    let client = fixture.client().build().unwrap();
    assert_eq!(client.get(url("/")).send().await.unwrap().status(), 200);
    let mut slow = tokio::spawn(client.get(url("/slow")).send());
    fixture.server.arrived.notified().await;
    for _ in 0..3 {
        assert_eq!(client.get(url("/")).send().await.unwrap().status(), 200);
    }
    assert!(timeout(short * 3, &mut slow).await.is_err(), "it is neither answered nor closed");
    fixture.server.let_go.notify_one();
    assert_eq!(slow.await.unwrap().unwrap().text().await.unwrap(), "slow");
}

#[tokio::test]
async fn a_handshake_that_never_comes_is_cut_off() {
    let fixture = Encrypted::new(Bounds { first_request: Duration::from_millis(100), ..bounds() }).await;
    let mut silent = fixture.server.connect().await;
    assert!(is_closed(&mut silent).await);
}

#[tokio::test]
async fn a_handshake_that_never_comes_makes_room_for_who_asks() {
    let fixture = Encrypted::new(Bounds { connections: 2, ..bounds() }).await;
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(fixture.server.connect().await);
    }
    let client = fixture.client().build().unwrap();
    assert_eq!(client.get(url("/")).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn an_answer_is_the_last_of_its_connection_while_all_places_are_taken() {
    for (connections, kept) in [(2, true), (1, false)] {
        let fixture = Encrypted::new(Bounds { connections, ..bounds() }).await;
        let client = fixture.client().build().unwrap();
        let ask = async || {
            let answer = client.get(url("/peer")).send().await.unwrap();
            assert_eq!(answer.version(), Version::HTTP_2);
            // Version 2 has no header for it.
            assert!(!answer.headers().contains_key("connection"));
            answer.text().await.unwrap()
        };
        assert_eq!(ask().await == ask().await, kept, "{connections}");
    }
}

#[tokio::test]
async fn a_header_without_measure_is_refused_in_either_version() {
    let fixture = Encrypted::new(bounds()).await;
    for builder in [fixture.client(), fixture.client().http1_only()] {
        let request = builder.build().unwrap().get(url("/")).header("x", "y".repeat(200_000));
        let refused = match request.send().await {
            Ok(answer) => answer.status() == 431,
            Err(error) => !error.is_timeout(),
        };
        assert!(refused);
    }
}

#[tokio::test]
async fn a_body_larger_than_the_window_is_read_to_its_end() {
    let fixture = Encrypted::new(bounds()).await;
    let body = "x".repeat(1_000_000);
    let answer =
        fixture.client().build().unwrap().post(url("/echo")).body(body.clone()).send().await.unwrap();
    assert_eq!(answer.version(), Version::HTTP_2);
    assert!(answer.text().await.unwrap() == body);
}

#[tokio::test]
async fn idle_silent_and_busy_connections_end_with_the_server() {
    let fixture = Encrypted::new(bounds()).await;
    let _silent = fixture.server.connect().await;
    let (idle, client) = (fixture.client().build().unwrap(), fixture.client().build().unwrap());
    assert_eq!(idle.get(url("/")).send().await.unwrap().status(), 200);
    let slow = tokio::spawn(client.get(url("/slow")).send());
    fixture.server.arrived.notified().await;
    fixture.server.closing.cancel();
    fixture.server.let_go.notify_one();
    assert_eq!(slow.await.unwrap().unwrap().text().await.unwrap(), "slow");
    fixture.server.ends().await;
}
