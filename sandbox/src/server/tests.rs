use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::routing::{get, post};
use http::Method;
use reqwest::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::faults::{Gate, Rule};
use crate::pki::Authority;
use crate::wait_until;

const LIMIT: Duration = Duration::from_secs(10);

struct Counting {
    server: Server,
    effects: Arc<AtomicU32>,
}

async fn counting() -> Counting {
    let effects = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&effects);
    let router = Router::new()
        .route("/", get(async || "a body of some length"))
        .route("/write", post(async move || counted.fetch_add(1, Ordering::SeqCst).to_string()));
    Counting { server: Server::start(router, Faults::none()).await, effects }
}

fn client() -> Client {
    Client::builder().timeout(LIMIT).no_proxy().build().unwrap()
}

#[tokio::test]
async fn requests_are_answered_counted_and_recorded() {
    let Counting { server, effects } = counting().await;
    let response = client().post(format!("{}/write?x=1", server.url())).body("abc").send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "0");
    assert_eq!(effects.load(Ordering::SeqCst), 1);
    let [request] = server.log().all().try_into().unwrap();
    assert_eq!(
        (request.method, request.path.as_str(), request.query.as_str()),
        (Method::POST, "/write", "x=1")
    );
    assert_eq!(request.body, "abc");
    assert_eq!(request.status, Some(StatusCode::OK));
}

#[tokio::test]
async fn a_connection_serves_several_requests() {
    let Counting { server, .. } = counting().await;
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    for _ in 0..2 {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"a body of some length") {
            let mut part = [0; 256];
            let read = stream.read(&mut part).await.unwrap();
            assert!(read > 0, "the connection ended early");
            seen.extend_from_slice(&part[..read]);
        }
    }
}

#[tokio::test]
async fn a_reset_before_has_no_effect_and_a_reset_after_has_it() {
    let Counting { server, effects } = counting().await;
    for (action, expected) in [(Action::ResetBefore, 0), (Action::ResetAfter, 1)] {
        server.faults().add(Rule::new(action).times(1));
        let mut stream = TcpStream::connect(server.addr()).await.unwrap();
        stream.write_all(b"POST /write HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        let ended = stream.read(&mut [0; 16]).await.unwrap_err();
        assert_eq!(ended.kind(), std::io::ErrorKind::ConnectionReset);
        assert_eq!(effects.load(Ordering::SeqCst), expected);
    }
    assert_eq!(server.log().count_of(|request| request.status.is_none()), 2);
}

#[tokio::test]
async fn a_truncated_body_announces_more_than_it_sends() {
    let Counting { server, .. } = counting().await;
    server.faults().add(Rule::new(Action::TruncateBody));
    let response = client().get(server.url()).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.content_length(), Some(64));
    assert!(response.bytes().await.is_err());
}

#[tokio::test]
async fn a_held_write_happens_when_it_is_let_go_though_its_client_has_gone() {
    let Counting { server, effects } = counting().await;
    let gate = Gate::new();
    server.faults().add(Rule::new(Action::Hang(gate.clone())).path("/write"));
    let request = client().post(format!("{}/write", server.url())).send();
    let sent = tokio::spawn(request);
    gate.arrived(1).await;
    sent.abort();
    assert_eq!(effects.load(Ordering::SeqCst), 0);
    gate.open();
    wait_until("the late write", LIMIT, || effects.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn a_slow_answer_follows_an_effect_that_happened_at_once() {
    let Counting { server, effects } = counting().await;
    server.faults().add(Rule::new(Action::SlowAnswer(LIMIT)).path("/write").times(1));
    let sent = tokio::spawn(client().post(format!("{}/write", server.url())).send());
    wait_until("the effect", LIMIT, || effects.load(Ordering::SeqCst) == 1).await;
    assert!(!sent.is_finished(), "the answer is still to come");
    sent.abort();
    server.faults().add(Rule::new(Action::SlowAnswer(Duration::from_millis(5))));
    let answer = client().post(format!("{}/write", server.url())).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "1");
}

#[tokio::test]
async fn a_status_comes_with_its_headers_and_body() {
    let Counting { server, effects } = counting().await;
    server.faults().add(Rule::status(503).header("retry-after", "7").body("busy").method(Method::POST));
    let response = client().post(format!("{}/write", server.url())).send().await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "7");
    assert_eq!(response.text().await.unwrap(), "busy");
    assert_eq!(effects.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn tls_is_spoken_under_the_names_of_the_certificate() {
    let authority = Authority::new();
    let router = Router::new().route("/", get(async || "hello"));
    let config = authority.server_config(&["names.example"]);
    let server = Server::start_tls(router, Faults::none(), config).await;
    let client = |host: &str| {
        Client::builder()
            .tls_certs_only([reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap()])
            .resolve(host, server.addr())
            .no_proxy()
            .build()
            .unwrap()
    };
    let port = server.addr().port();
    let hello = client("names.example").get(format!("https://names.example:{port}/")).send().await.unwrap();
    assert_eq!(hello.text().await.unwrap(), "hello");
    assert!(client("other.example").get(format!("https://other.example:{port}/")).send().await.is_err());
}

#[tokio::test]
async fn a_dropped_server_is_gone() {
    let Counting { server, .. } = counting().await;
    let addr = server.addr();
    drop(server);
    crate::time::wait_until("the port to close", LIMIT, || std::net::TcpStream::connect(addr).is_err()).await;
}
