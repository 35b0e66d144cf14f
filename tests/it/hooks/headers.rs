//! Headers that are written otherwise, are there twice, or contradict each other, and a body in other bytes.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Answer, Bench, EVENTBRIDGE_KEY, TRIGGER_KEY, cell, signed_with};

const SECRET: &str = r#"{"secret":"prod/orders/db"}"#;
const WRONG: &str = "another-key-0123456789abcdefghijklm";

/// Posts these headers as they are written, and the body with its length.
async fn post(bench: &Bench, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let lines: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let lines = lines.concat();
    let mut line = bench.connect().await;
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: relay\r\n{lines}content-length: {}\r\n\r\n", body.len());
    line.send(&format!("{head}{body}")).await;
    line.answer("POST", path).await.expect("an answer").1
}

async fn trigger(bench: &Bench, headers: &[(&str, String)], body: &str) -> Answer {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    post(bench, "/hooks/trigger", &headers, body).await
}

#[tokio::test]
async fn the_case_of_a_headers_name_does_not_matter() {
    let bench = Bench::orders().await;
    for name in ["x-api-key", "X-API-Key", "X-API-KEY"] {
        let event = bench.event().to_string();
        let answer = post(&bench, "/hooks/eventbridge", &[(name, EVENTBRIDGE_KEY)], &event).await;
        assert_eq!(cell(&answer), (202, "accepted"), "{name}");
    }
    let names = ["WEBHOOK-ID", "Webhook-Timestamp", "webHook-Signature"];
    let signed = signed_with("msg_1", SECRET, TRIGGER_KEY).map(|(_, value)| value);
    let headers: Vec<_> = names.into_iter().zip(signed).collect();
    assert_eq!(cell(&trigger(&bench, &headers, SECRET).await), (202, "accepted"));
}

/// So there is one that is checked, and it is the one that counts.
#[tokio::test]
async fn of_a_header_that_is_there_twice_the_first_one_counts() {
    let bench = Bench::orders().await;
    let event = bench.event().to_string();
    let right = ("x-api-key", EVENTBRIDGE_KEY);
    for (headers, told) in [
        ([("x-api-key", WRONG), right], (401, "unauthorized")),
        ([right, ("x-api-key", WRONG)], (202, "accepted")),
    ] {
        assert_eq!(cell(&post(&bench, "/hooks/eventbridge", &headers, &event).await), told);
    }
    let genuine = signed_with("msg_1", SECRET, TRIGGER_KEY).to_vec();
    let forged = signed_with("msg_2", SECRET, WRONG).to_vec();
    let both = |first: &[(&'static str, String)], second: &[(&'static str, String)]| [first, second].concat();
    let answer = trigger(&bench, &both(&forged, &genuine), SECRET).await;
    assert_eq!(cell(&answer), (401, "unauthorized"));
    assert_eq!(cell(&trigger(&bench, &both(&genuine, &forged), SECRET).await), (202, "accepted"));
    let again = trigger(&bench, &both(&genuine, &forged), SECRET).await;
    assert_eq!(cell(&again), (409, "duplicate"), "its id is that of the signature");
}

#[tokio::test]
async fn what_is_signed_are_bytes_and_not_what_they_say() {
    let bench = Bench::orders().await;
    let signed = signed_with("msg_1", SECRET, TRIGGER_KEY);
    for respelled in [r#"{ "secret": "prod/orders/db" }"#, r#"{"secret":"prod\/orders\/db"}"#] {
        let answer = trigger(&bench, &signed, respelled).await;
        assert_eq!(cell(&answer), (401, "unauthorized"), "{respelled}");
    }
    assert_eq!(cell(&trigger(&bench, &signed, SECRET).await), (202, "accepted"));
}

/// Sends this, and gives the status of each answer until the end of the connection.
async fn statuses(bench: &Bench, text: &str) -> Vec<String> {
    let mut stream = TcpStream::connect(bench.hooks().trim_start_matches("http://")).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut read = String::new();
    stream.read_to_string(&mut read).await.unwrap();
    read.split("HTTP/1.1 ").skip(1).map(|answer| answer[..3].to_owned()).collect()
}

/// RFC 9112, 6.3: chunks count more than a length, and the connection ends behind them; all else is refused. Else
/// a proxy that goes by the other length lets the relay answer what it took for a part of a body.
#[tokio::test]
async fn nothing_behind_a_body_of_two_lengths_is_taken_for_a_request() {
    let bench = Bench::orders().await;
    let key = format!("x-api-key: {EVENTBRIDGE_KEY}");
    let head = |lengths: &str| {
        format!("POST /hooks/eventbridge HTTP/1.1\r\nhost: relay\r\n{key}\r\n{lengths}\r\n\r\n")
    };
    let (event, other) = (bench.event().to_string(), bench.event().to_string());
    let length = event.len();
    let chunked = format!("{length:x}\r\n{event}\r\n0\r\n\r\n");
    let hidden = format!("{}{other}", head(&format!("content-length: {length}")));
    for (lengths, body, told) in [
        (format!("content-length: {length}\r\ncontent-length: 5"), &event, "400"),
        (format!("content-length: 5\r\ncontent-length: {length}"), &event, "400"),
        (format!("content-length: {length}, 5"), &event, "400"),
        (format!("content-length: +{length}"), &event, "400"),
        (format!("content-length: {length}\r\ntransfer-encoding: chunked"), &chunked, "202"),
        (format!("transfer-encoding: chunked\r\ncontent-length: {length}"), &chunked, "200"),
        ("transfer-encoding: chunked, identity".to_owned(), &chunked, "400"),
        ("transfer-encoding: xchunked".to_owned(), &chunked, "400"),
    ] {
        let answered = statuses(&bench, &format!("{}{body}{hidden}", head(&lengths))).await;
        assert_eq!(answered, [told], "{lengths}");
    }
    assert_eq!(statuses(&bench, &hidden).await, ["202"], "it is new: it never arrived before");
}
