//! `expect`: the answer that proves, and all the others, which do not.

use anypoint_sandbox::faults::Action;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

const READY: &str = r#"{"status":"ready","count":3,"deep":{"a/b":[true,null]}}"#;
const BUSY: &str = r#"{"status":"first-password"}"#;
const EXPECTS: &str = "    values: { password: { secret: prod/orders/db, field: password } }
    expect: { json: { /status: ready } }";

#[tokio::test]
async fn an_answer_that_was_expected_is_in_sync() {
    for (expect, status, body) in [
        ("2xx", 204, ""),
        ("200", 200, "anything"),
        ("[200, 404]", 404, ""),
        ("[5xx, 200]", 503, ""),
        ("{ status: 201 }", 201, "anything"),
        ("{ json: { /status: ready } }", 200, READY),
        ("{ json: { /count: 3, /deep/a~1b/0: true, /deep/a~1b/1: null } }", 202, READY),
        ("{ status: 500, json: { /status: ready } }", 500, READY),
    ] {
        let receiver = Receiver::start().await;
        receiver.answer(status, body);
        let bench = start_to(&receiver, &format!("{VALUES}\n    expect: {expect}")).await;
        bench.ended_as(TARGET, "in_sync").await;
        assert_eq!(receiver.received().len(), 1, "{expect}");
        // A look finds nothing due.
        let answer = bench.insist().await;
        assert_eq!((answer.status, &answer.body["targets"][0]["state"]), (200, &json!("in_sync")));
        assert_eq!(receiver.received().len(), 1, "{expect}");
    }
}

#[tokio::test]
async fn another_status_is_no_proof_and_passes() {
    const AGAIN: &str = "none: it is tried again";
    for (status, what, code, next_step) in [
        (
            202,
            "HTTP 202 Accepted",
            "bad_answer",
            "none: it is tried again; if it stays, look at the receiver, or correct `expect`",
        ),
        (302, "HTTP 302 Found", "rejected", "set `url` to the final address: redirects are not followed"),
        (400, "HTTP 400 Bad Request", "rejected", "look at the receiver's log: it refuses the request"),
        (
            403,
            "HTTP 403 Forbidden",
            "denied",
            "check that the receiver verifies with the same key and that the clocks agree",
        ),
        (404, "HTTP 404 Not Found", "not_found", "check `url`, and that the receiver runs"),
        (409, "HTTP 409 Conflict", "conflict", AGAIN),
        (429, "HTTP 429 Too Many Requests", "rate_limited", AGAIN),
        (500, "HTTP 500 Internal Server Error", "unavailable", AGAIN),
    ] {
        let receiver = Receiver::start().await;
        receiver.answer_next(status, BUSY);
        receiver.answer(200, "");
        let bench = start_to(&receiver, &format!("{VALUES}\n    expect: [200, 204]")).await;
        let failure = bench.meets(code).await;
        assert_eq!(
            failure.message,
            format!("calling 127.0.0.1 for target orders: {what}, expected 200 or 204")
        );
        assert_eq!(failure.next_step, next_step);
        bench.ended_as(TARGET, "in_sync").await;
        assert_eq!(receiver.received().len(), 2, "{status}");
    }
}

#[tokio::test]
async fn a_receiver_that_is_gone_for_good_is_asked_no_more_whatever_is_expected() {
    let receiver = Receiver::start().await;
    receiver.answer(410, "");
    let bench = start_to(&receiver, EXPECTS).await;
    let failure = bench.parks("rejected").await;
    assert_eq!(failure.message, "calling 127.0.0.1 for target orders: HTTP 410 Gone, expected 2xx");
    bench.idle().await;
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn a_body_that_says_something_else_is_no_proof_and_is_not_shown() {
    let long = format!(r#"{{"status":"ready","pad":"{}"}}"#, "x".repeat(64 * 1024));
    for (body, what) in [
        (BUSY, "/status of the answer is not what `expect` says"),
        (r#"{"status":["ready"]}"#, "/status of the answer is not what `expect` says"),
        (r#"{"state":"first-password"}"#, "the answer has no /status"),
        ("first-password", "the answer is not JSON, as `expect` asks"),
        ("", "the answer is not JSON, as `expect` asks"),
        (&long, "the answer is longer than 65536 bytes"),
    ] {
        let receiver = Receiver::start().await;
        receiver.answer_next(200, body);
        receiver.answer(200, READY);
        let bench = start_to(&receiver, EXPECTS).await;
        let failure = bench.meets("bad_answer").await;
        assert_eq!(failure.message, format!("calling 127.0.0.1 for target orders: {what}"));
        assert_eq!(
            failure.next_step,
            "none: it is tried again; if it stays, look at the receiver, or correct `expect`"
        );
        bench.ended_as(TARGET, "in_sync").await;
        let ids: Vec<String> =
            receiver.received().iter().map(|request| header(request, "webhook-id").to_owned()).collect();
        assert_eq!((ids.len(), &ids[0]), (2, &ids[1]), "one write, one message");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_proof() {
    let receiver = Receiver::start().await;
    receiver.faults().add(Rule::new(Action::TruncateBody).times(1));
    receiver.answer(200, READY);
    let bench = start_to(&receiver, EXPECTS).await;
    let failure = bench.meets("unavailable").await;
    let said = "calling 127.0.0.1 for target orders: the answer broke off: ";
    assert!(failure.message.starts_with(said), "{failure:?}");
    bench.ended_as(TARGET, "in_sync").await;
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn a_body_that_does_not_end_in_time_is_no_proof() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut bench = with_secrets().await;
    let file = target(&Receiver::start().await, &format!("{EXPECTS}\n    timeout: 200ms"));
    let (before, after) = file.split_once("url: ").unwrap();
    let (_, after) = after.split_once("/refresh").unwrap();
    bench.start(&format!("{before}url: {url}/refresh{after}")).await;
    let (mut first, _) = listener.accept().await.unwrap();
    let mut head = [0; 4096];
    assert_ne!(first.read(&mut head).await.unwrap(), 0);
    first.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 18\r\n\r\n{\"status\"").await.unwrap();
    let failure = bench.meets("timeout").await;
    assert_eq!(failure.message, "calling 127.0.0.1 for target orders: the answer did not end in time");
    assert_eq!(failure.next_step, "none: it is tried again");
}

#[tokio::test]
async fn what_was_taken_without_proof_is_written_over_by_a_rollback() {
    let receiver = Receiver::start().await;
    receiver.answer(200, READY);
    let bench = start_to(&receiver, EXPECTS).await;
    bench.ended_as(TARGET, "in_sync").await;
    receiver.answer(200, BUSY);
    let secret = bench.aws.secret("prod/orders/db").unwrap();
    let versions = [secret.current_version(), secret.rotate_password("second-password")];
    let answer = bench.trigger(r#"{"target":"orders"}"#, "").await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    bench.meets("bad_answer").await;
    assert_eq!(bench.status().outcome, Some("retrying"), "never in sync, and never given up");
    receiver.answer(200, READY);
    secret.make_current(&versions[0]);
    bench.insist().await;
    bench.ended_as(TARGET, "in_sync").await;
    let last = verified(receiver.received().last().unwrap());
    assert_eq!(last["values"]["password"], "first-password", "the second may have been taken");
}

#[tokio::test]
async fn a_delivery_from_before_there_was_an_expectation_proves_nothing() {
    let receiver = Receiver::start().await;
    receiver.answer(200, READY);
    let mut bench = with_secrets().await;
    let receipts = format!("receipts: {}\n", bench.path("receipts.json").display());
    for (lines, outcome, writes) in [
        (VALUES.to_owned(), "accepted", 1),
        (VALUES.to_owned(), "accepted", 1),
        (EXPECTS.to_owned(), "in_sync", 2),
        (EXPECTS.to_owned(), "in_sync", 2),
        (EXPECTS.replace("ready }", "ready, /count: 3 }"), "in_sync", 3),
    ] {
        let file = bench.file(&target(&receiver, &lines));
        bench.start_with(&format!("{file}{receipts}")).await;
        bench.ended_as(TARGET, outcome).await;
        assert_eq!(receiver.received().len(), writes, "{lines}");
        bench.stop().await.unwrap();
    }
}
