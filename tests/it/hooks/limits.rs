//! What one sender may take of the relay, and what it is told when that is too much.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{Bench, EVENTBRIDGE_KEY, LIMIT, cell, pass};

/// The head of a post with the API key.
fn head(length: usize) -> String {
    format!(
        "POST /hooks/eventbridge HTTP/1.1\r\nhost: relay\r\nx-api-key: {EVENTBRIDGE_KEY}\r\ncontent-length: {length}\r\n\r\n"
    )
}

const PATH: &str = "/hooks/eventbridge";

#[tokio::test]
async fn one_request_too_many_is_503_and_probes_are_answered_all_the_same() {
    let bench = Bench::with_one_place().await;
    let event = bench.event().to_string();
    bench
        .while_occupied(async {
            let mut late = bench.connect().await;
            late.send(&format!("{}{event}", head(event.len()))).await;
            let (headers, answer) = late.answer("POST", PATH).await.unwrap();
            assert_eq!(cell(&answer), (503, "overloaded"));
            assert_eq!(headers["retry-after"], "1");
            for hook in ["/hooks/sns", "/hooks/trigger"] {
                assert_eq!(cell(&bench.post(hook, &[], "{}").await), (503, "overloaded"), "{hook}");
            }
            let mut probe = bench.connect().await;
            probe.send("GET /readyz HTTP/1.1\r\nhost: relay\r\n\r\n").await;
            assert_eq!(probe.answer("GET", "/readyz").await.unwrap().1.status, 200);
        })
        .await;
    assert_eq!(cell(&bench.post_event(&bench.event()).await), (202, "accepted"));
}

#[tokio::test]
async fn a_body_that_does_not_come_makes_room_for_the_next_request() {
    let bench = Bench::orders_with("limits: {", "limits: { concurrency: 1,").await;
    for hook in ["/hooks/eventbridge", "/hooks/sns"] {
        let mut slow = bench.connect().await;
        slow.send(&head(100).replace(PATH, hook)).await;
        // One of them comes when the slow one's head has been read.
        let others = async {
            loop {
                assert_eq!(cell(&bench.post_event(&bench.event()).await), (202, "accepted"));
            }
        };
        let answer = tokio::select! {
            answer = slow.answer("POST", hook) => answer.unwrap().1,
            () = others => unreachable!("they go on for ever"),
        };
        assert_eq!(cell(&answer), (503, "overloaded"), "{hook}");
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_503_after_the_time_limit_and_frees_its_place() {
    let bench = Bench::orders_with("request_timeout: 4s", "concurrency: 1, request_timeout: 200ms").await;
    for hook in ["/hooks/eventbridge", "/hooks/sns"] {
        let mut slow = bench.connect().await;
        slow.send(&head(100).replace(PATH, hook)).await;
        slow.send("{").await;
        let (headers, answer) = slow.answer("POST", hook).await.unwrap();
        assert_eq!(cell(&answer), (503, "timeout"), "{hook}");
        assert!(headers.contains_key("retry-after"));
    }
    assert_eq!(cell(&bench.post_event(&bench.event()).await), (202, "accepted"));
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_announced_or_not() {
    let bench = Bench::orders_with("limits: {", "limits: { body: 16KiB,").await;
    for hook in ["/hooks/eventbridge", "/hooks/sns", "/hooks/trigger"] {
        let signed = "webhook-id: a\r\nwebhook-timestamp: 1\r\nwebhook-signature: v1,x\r\n";
        let head = |length: &str| {
            format!(
                "POST {hook} HTTP/1.1\r\nhost: relay\r\nx-api-key: {EVENTBRIDGE_KEY}\r\n{signed}{length}\r\n\r\n"
            )
        };
        let mut announced = bench.connect().await;
        announced.send(&head("content-length: 16385")).await;
        assert_eq!(cell(&announced.answer("POST", hook).await.unwrap().1), (413, "too_large"), "{hook}");

        let mut chunked = bench.connect().await;
        chunked.send(&head("transfer-encoding: chunked")).await;
        chunked.send(&format!("4001\r\n{}\r\n", "x".repeat(0x4001))).await;
        assert_eq!(cell(&chunked.answer("POST", hook).await.unwrap().1), (413, "too_large"), "{hook}");
    }
}

#[tokio::test]
async fn malformed_bodies_unknown_paths_and_wrong_methods_are_problems() {
    let bench = Bench::orders().await;
    assert_eq!(
        cell(
            &bench
                .post_event(&json!({"source": "aws.secretsmanager", "detail-type": "Secret Label Updated"}))
                .await
        ),
        (400, "malformed")
    );
    assert_eq!(cell(&bench.post("/hooks/other", &[], "{}").await), (404, "not_found"));
    assert_eq!(cell(&bench.post("/healthz", &[], "").await), (405, "method_not_allowed"));
}

#[tokio::test]
async fn a_range_header_never_makes_a_part_of_an_answer() {
    let bench = Bench::orders().await;
    let event = bench.event().to_string();
    let mut line = bench.connect().await;
    line.send(&head(event.len()).replace("host:", "range: bytes=0-1\r\nhost:")).await;
    line.send(&event).await;
    let (headers, answer) = line.answer("POST", PATH).await.unwrap();
    assert_eq!(cell(&answer), (202, "accepted"));
    assert!(!headers.contains_key("content-range"));
}

#[tokio::test]
async fn what_arrives_while_the_relay_drains_is_503_and_new_when_it_comes_again() {
    let mut bench = Bench::orders().await;
    let event = bench.event();
    let text = event.to_string();
    let (mut body_missing, mut header_missing) = (bench.connect().await, bench.connect().await);
    let head = head(text.len());
    body_missing.send(&head).await;
    let (first, rest) = head.split_at(20);
    header_missing.send(first).await;
    let mut idle = bench.connect().await;
    idle.send("GET /healthz HTTP/1.1\r\nhost: relay\r\n\r\n").await;
    assert_eq!(idle.answer("GET", "/healthz").await.unwrap().1.status, 200);

    let finish = async |bench: &mut Bench| bench.stop().await.unwrap();
    let senders = async {
        // The idle connection ends with the drain: from here on the relay drains.
        assert!(idle.answer("GET", "/healthz").await.is_none());
        body_missing.send(&text).await;
        header_missing.send(rest).await;
        header_missing.send(&text).await;
        [body_missing.answer("POST", PATH).await, header_missing.answer("POST", PATH).await]
    };
    let (answers, ()) = tokio::join!(senders, finish(&mut bench));
    for answer in answers {
        let (headers, answer) = answer.expect("an answer");
        assert_eq!(cell(&answer), (503, "draining"));
        assert_eq!(
            (&headers["retry-after"], &headers["connection"]),
            (&"10".parse().unwrap(), &"close".parse().unwrap())
        );
    }
    let text = bench.file(crate::support::ORDERS_TARGET);
    bench.start_with(&text).await;
    assert_eq!(cell(&bench.post_event(&event).await), (202, "accepted"));
}

#[tokio::test]
async fn a_client_that_never_ends_its_header_is_cut_off() {
    let bench = Bench::orders().await;
    let mut drip = bench.connect().await;
    drip.send("POST /hooks/sns HTTP/1.1\r\nhost: relay\r\n").await;
    bench.ask("/healthz").await;
    pass(Duration::from_secs(10)).await;
    assert!(drip.answer("POST", "/hooks/sns").await.is_none());
}

#[tokio::test]
async fn a_thousand_connections_that_say_nothing_keep_nobody_out() {
    let bench = Bench::orders().await;
    bench.tell_by_eventbridge();
    let mut silent = join_all((0..1000).map(|_| bench.connect())).await;
    for line in silent.iter_mut().step_by(2) {
        line.send("POST /hooks/sns HTTP/1.1\r\nx: ").await;
    }
    bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    bench.arrives("orders-api", "db.password", "second-password").await;
}

#[tokio::test]
async fn clients_that_keep_their_connections_open_do_not_hold_the_end() {
    let mut bench = Bench::orders().await;
    let mut kept = bench.connect().await;
    kept.send("GET /healthz HTTP/1.1\r\nhost: relay\r\n\r\n").await;
    assert_eq!(kept.answer("GET", "/healthz").await.unwrap().1.status, 200);
    let _silent = bench.connect().await;
    let ended = tokio::time::timeout(LIMIT / 4, bench.stop()).await;
    assert_eq!(ended.expect("it ends"), Ok(()));
}
