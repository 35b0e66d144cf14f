use std::net::SocketAddr;

use axum::routing::{get, post};
use axum::{Extension, Router};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::*;
use crate::http::envelope::Sealed;

mod encrypted;

const LIMIT: Duration = Duration::from_secs(10);
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: relay\r\n\r\n";

/// Tells when it goes.
struct Told(Arc<Notify>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// A server whose `/` answers, and whose `/slow` answers when it is let.
struct Fixture {
    address: SocketAddr,
    closing: CancellationToken,
    let_go: Arc<Notify>,
    arrived: Arc<Notify>,
    /// An answer without end is not sent any more.
    given_up: Arc<Notify>,
    ended: JoinHandle<()>,
}

impl Fixture {
    async fn new(bounds: Bounds) -> Self {
        Self::serving(bounds, None).await
    }

    async fn serving(bounds: Bounds, tls: Option<Arc<Tls>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (closing, let_go) = (CancellationToken::new(), Arc::new(Notify::new()));
        let arrived = Arc::new(Notify::new());
        let slow = {
            let (let_go, arrived) = (Arc::clone(&let_go), Arc::clone(&arrived));
            async move || {
                arrived.notify_one();
                let_go.notified().await;
                "slow"
            }
        };
        let echo = async |body: String| body;
        let (endless, given_up) = {
            let given_up = Arc::new(Notify::new());
            let told = Arc::clone(&given_up);
            let endless = async move || {
                let told = Told(Arc::clone(&told));
                let piece = move || {
                    let _kept = &told;
                    Ok::<_, Infallible>("x".repeat(10_000))
                };
                Body::from_stream(futures_util::stream::repeat_with(piece))
            };
            (endless, given_up)
        };
        let router = Router::new()
            .route("/", get(async || "fine"))
            .route("/slow", get(slow))
            .route("/echo", post(echo))
            .route("/endless", get(endless))
            .route("/peer", get(async |Extension(Peer(address)): Extension<Peer>| address.to_string()));
        let shutdown = closing.clone().cancelled_owned();
        let ended = tokio::spawn(serve(
            Listening { listener, tls },
            Switch::new(Sealed::new(router, |_, _| {})),
            bounds,
            shutdown,
        ));
        Self { address, closing, let_go, arrived, given_up, ended }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn ends(self) {
        timeout(LIMIT, self.ended).await.expect("the server ends").unwrap();
    }
}

/// Generous times: only what a test is about is short.
fn bounds() -> Bounds {
    Bounds {
        connections: 8,
        first_request: LIMIT * 10,
        idle: LIMIT * 10,
        stalled: LIMIT * 10,
        grace: LIMIT * 10,
    }
}

/// What comes until there is an answer as long as `fine`'s, or the end.
async fn read(stream: &mut TcpStream, until: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(until.as_bytes()) {
        match timeout(LIMIT, stream.read_buf(&mut text)).await.expect("an answer or the end") {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    String::from_utf8(text).unwrap()
}

async fn ask(stream: &mut TcpStream) -> String {
    stream.write_all(GET).await.ok();
    read(stream, "fine").await
}

/// Whether the other side closes it within the limit of the tests.
async fn is_closed(stream: &mut TcpStream) -> bool {
    read(stream, "never").await.is_empty()
}

#[tokio::test]
async fn a_connection_is_kept_from_request_to_request() {
    let fixture = Fixture::new(bounds()).await;
    let mut stream = fixture.connect().await;
    for _ in 0..3 {
        assert!(ask(&mut stream).await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn a_header_that_never_ends_is_cut_off() {
    let fixture = Fixture::new(Bounds { first_request: Duration::from_millis(100), ..bounds() }).await;
    let mut stream = fixture.connect().await;
    let (mut receive, mut send) = stream.split();
    let drip = async {
        send.write_all(b"GET / HTTP/1.1\r\n").await.ok();
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        while send.write_all(b"x: y\r\n").await.is_ok() {
            pace.tick().await;
        }
    };
    let mut text = Vec::new();
    let cut = async { timeout(LIMIT, receive.read_to_end(&mut text)).await.expect("it is cut off").ok() };
    tokio::select! {
        () = drip => {}
        _ = cut => {}
    }
    assert!(text.is_empty(), "{text:?}");
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_time() {
    let fixture = Fixture::new(Bounds { idle: Duration::from_millis(100), ..bounds() }).await;
    let mut stream = fixture.connect().await;
    assert!(ask(&mut stream).await.ends_with("fine"));
    assert!(is_closed(&mut stream).await);
}

#[tokio::test]
async fn a_request_may_take_longer_than_a_header() {
    let short = Duration::from_millis(50);
    let fixture = Fixture::new(Bounds { first_request: short, idle: short, ..bounds() }).await;
    let mut stream = fixture.connect().await;
    stream.write_all(b"GET /slow HTTP/1.1\r\nhost: relay\r\n\r\n").await.unwrap();
    fixture.arrived.notified().await;
    assert!(timeout(short * 3, stream.readable()).await.is_err(), "it is neither answered nor closed");
    fixture.let_go.notify_one();
    assert!(read(&mut stream, "slow").await.ends_with("slow"));
}

#[tokio::test]
async fn connections_that_do_nothing_make_room_for_one_that_asks() {
    let fixture = Fixture::new(bounds()).await;
    let mut silent = Vec::new();
    for _ in 0..12 {
        silent.push(fixture.connect().await);
    }
    let mut kept = fixture.connect().await;
    assert!(ask(&mut kept).await.ends_with("fine"));
}

#[tokio::test]
async fn the_one_that_has_done_nothing_for_the_longest_makes_room() {
    let fixture = Fixture::new(Bounds { connections: 3, ..bounds() }).await;
    let (mut first, mut second) = (fixture.connect().await, fixture.connect().await);
    assert!(ask(&mut first).await.ends_with("fine"));
    assert!(ask(&mut second).await.ends_with("fine"));
    assert!(ask(&mut first).await.ends_with("fine"));
    let mut third = fixture.connect().await;
    let mut newcomer = fixture.connect().await;
    assert!(ask(&mut newcomer).await.ends_with("fine"));
    assert!(is_closed(&mut second).await);
    assert!(ask(&mut first).await.ends_with("fine"));
    assert!(ask(&mut third).await.ends_with("fine"));
}

#[tokio::test]
async fn who_has_just_asked_is_answered_although_a_newcomer_needs_its_place() {
    for _ in 0..20 {
        let fixture = Fixture::new(Bounds { connections: 2, ..bounds() }).await;
        let mut early = fixture.connect().await;
        assert!(ask(&mut early).await.ends_with("fine"));
        let mut slow = fixture.connect().await;
        slow.write_all(b"GET /slow HTTP/1.1\r\nhost: relay\r\n\r\n").await.unwrap();
        fixture.arrived.notified().await;
        // The server learns of both at once, of the newcomer first.
        let late = std::net::TcpStream::connect(fixture.address).unwrap();
        assert_eq!(early.try_write(GET).unwrap(), GET.len());
        late.set_nonblocking(true).unwrap();
        let mut late = TcpStream::from_std(late).unwrap();
        assert!(ask(&mut late).await.ends_with("fine"));
        assert!(read(&mut early, "fine").await.ends_with("fine"));
    }
}

#[tokio::test]
async fn an_answer_is_the_last_of_its_connection_while_all_places_are_taken() {
    let fixture = Fixture::new(Bounds { connections: 2, ..bounds() }).await;
    let mut stream = fixture.connect().await;
    assert!(!ask(&mut stream).await.contains("connection: close"));
    let mut other = fixture.connect().await;
    assert!(ask(&mut other).await.contains("connection: close"));
    assert!(is_closed(&mut other).await);
    assert!(!ask(&mut stream).await.contains("connection: close"));
}

#[tokio::test]
async fn a_request_under_way_keeps_its_place_when_others_wait_for_one() {
    let fixture = Fixture::new(Bounds { connections: 2, ..bounds() }).await;
    let mut slow = fixture.connect().await;
    slow.write_all(b"GET /slow HTTP/1.1\r\nhost: relay\r\n\r\n").await.unwrap();
    fixture.arrived.notified().await;
    let _silent = fixture.connect().await;
    let mut late = fixture.connect().await;
    assert!(ask(&mut late).await.ends_with("fine"));
    fixture.let_go.notify_one();
    assert!(read(&mut slow, "slow").await.ends_with("slow"));
}

#[tokio::test]
async fn the_number_of_connections_is_bounded() {
    let fixture = Fixture::new(Bounds { connections: 1, ..bounds() }).await;
    let mut slow = fixture.connect().await;
    slow.write_all(b"GET /slow HTTP/1.1\r\nhost: relay\r\n\r\n").await.unwrap();
    fixture.arrived.notified().await;
    let mut late = fixture.connect().await;
    late.write_all(GET).await.unwrap();
    assert!(timeout(ROUND * 3, late.readable()).await.is_err(), "it is not answered while there is no place");
    fixture.let_go.notify_one();
    assert!(read(&mut slow, "slow").await.ends_with("slow"));
    assert!(read(&mut late, "fine").await.ends_with("fine"));
}

#[tokio::test]
async fn neither_idle_nor_silent_connections_hold_the_end() {
    let fixture = Fixture::new(bounds()).await;
    let mut idle = fixture.connect().await;
    assert!(ask(&mut idle).await.ends_with("fine"));
    let _silent = fixture.connect().await;
    let mut half = fixture.connect().await;
    half.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    fixture.closing.cancel();
    assert!(is_closed(&mut idle).await);
    fixture.ends().await;
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_end() {
    let fixture = Fixture::new(bounds()).await;
    let mut stream = fixture.connect().await;
    stream.write_all(b"GET /slow HTTP/1.1\r\nhost: relay\r\n\r\n").await.unwrap();
    fixture.arrived.notified().await;
    fixture.closing.cancel();
    fixture.let_go.notify_one();
    assert!(read(&mut stream, "slow").await.ends_with("slow"));
    assert!(is_closed(&mut stream).await);
    fixture.ends().await;
}

#[tokio::test]
async fn a_request_that_is_never_answered_is_cut_off_after_the_grace() {
    let fixture = Fixture::new(Bounds { grace: Duration::from_millis(50), ..bounds() }).await;
    let mut stream = fixture.connect().await;
    stream.write_all(b"GET /slow HTTP/1.1\r\nhost: relay\r\n\r\n").await.unwrap();
    fixture.arrived.notified().await;
    fixture.closing.cancel();
    fixture.ends().await;
    assert!(is_closed(&mut stream).await);
}

#[tokio::test]
async fn connections_end_with_the_server_when_it_is_dropped() {
    let fixture = Fixture::new(bounds()).await;
    let mut stream = fixture.connect().await;
    assert!(ask(&mut stream).await.ends_with("fine"));
    fixture.ended.abort();
    assert!(is_closed(&mut stream).await);
}

#[tokio::test]
async fn a_header_without_measure_is_refused() {
    let fixture = Fixture::new(bounds()).await;
    let mut stream = fixture.connect().await;
    let header = format!("GET / HTTP/1.1\r\nhost: relay\r\nx: {}\r\n\r\n", "y".repeat(1_000_000));
    stream.write_all(header.as_bytes()).await.ok();
    let answer = read(&mut stream, "\r\n\r\n").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn a_body_larger_than_the_buffer_is_read_to_its_end() {
    let fixture = Fixture::new(bounds()).await;
    let mut stream = fixture.connect().await;
    let body = format!("{}end", "x".repeat(300_000));
    let head = format!("POST /echo HTTP/1.1\r\nhost: relay\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut receive, mut send) = stream.split();
    let mut text = Vec::new();
    let receiving =
        async { while !text.ends_with(b"end") && receive.read_buf(&mut text).await.unwrap() > 0 {} };
    let both = async { tokio::join!(send.write_all(body.as_bytes()), receiving).0.unwrap() };
    timeout(LIMIT, both).await.unwrap();
    assert!(text.len() > body.len());
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_given_up() {
    let fixture = Fixture::new(Bounds { stalled: Duration::from_millis(100), ..bounds() }).await;
    let mut stream = fixture.connect().await;
    stream.write_all(b"GET /endless HTTP/1.1\r\nhost: relay\r\n\r\n").await.unwrap();
    timeout(LIMIT, fixture.given_up.notified()).await.unwrap();
}

#[tokio::test]
async fn a_connection_is_busy_until_its_answer_is_taken() {
    let fixture = Fixture::new(Bounds { connections: 2, idle: Duration::from_millis(50), ..bounds() }).await;
    let mut stream = fixture.connect().await;
    stream.write_all(b"GET /endless HTTP/1.1\r\nhost: relay\r\n\r\n").await.unwrap();
    let mut taken = vec![0; 100_000];
    let started = Instant::now();
    // Longer than an idle one lives, and although others need its place.
    while started.elapsed() < Duration::from_millis(200) {
        timeout(LIMIT, stream.read_exact(&mut taken)).await.unwrap().unwrap();
        let mut other = fixture.connect().await;
        assert!(ask(&mut other).await.ends_with("fine"));
    }
}

#[tokio::test]
async fn a_header_of_too_many_fields_is_refused() {
    let fixture = Fixture::new(bounds()).await;
    let mut stream = fixture.connect().await;
    let header = format!("GET / HTTP/1.1\r\nhost: relay\r\n{}\r\n", "x: y\r\n".repeat(100));
    stream.write_all(header.as_bytes()).await.ok();
    assert!(read(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 431"));
}
