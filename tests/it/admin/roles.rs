//! Who may look and who may act; what a browser may be made to ask for.

use serde_json::json;

use super::{OPERATOR, READER, act_at, guarded};
use crate::support::{Answer, Bench, ORDERS_TARGET, answer, cell, client};

async fn guarded_bench() -> Bench {
    let mut bench = Bench::orders_stopped().await.with_tokens();
    let file = guarded(&bench.file(ORDERS_TARGET));
    bench.start_with(&file).await;
    bench.in_sync("orders-api").await;
    bench
}

/// An action, with headers that a browser adds.
async fn from_a_page(bench: &Bench, headers: &[(&str, &str)]) -> Answer {
    let path = "/targets/orders-api/pause";
    let mut request = client().post(format!("{}{path}", bench.admin())).json(&json!({"reason": "a page"}));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer("POST", path, request).await
}

#[tokio::test]
async fn a_reader_looks_an_operator_acts_and_a_stranger_does_neither() {
    let bench = guarded_bench().await;
    for (token, look, act) in
        [(READER, 200, 403), (OPERATOR, 200, 202), ("", 401, 401), ("a-guess", 401, 401)]
    {
        for path in ["/status", "/metrics", "/targets/orders-api"] {
            let mut request = client().get(format!("{}{path}", bench.admin()));
            if !token.is_empty() {
                request = request.bearer_auth(token);
            }
            assert_eq!(answer("GET", path, request).await.status, look, "{token} {path}");
        }
        for action in ["retry", "sync"] {
            let done = act_at(bench.admin(), token, "orders-api", action, &json!({"reason": "a test"})).await;
            assert_eq!(done.status, act, "{token} {action}");
        }
    }
    assert_eq!(bench.ask("/healthz").await.status, 200, "probes are for everybody");
}

#[tokio::test]
async fn an_operators_token_that_was_replaced_is_read_again() {
    let mut bench = guarded_bench().await;
    bench.set_credential("OPERATOR", "another-token-0123456789abcdef");
    let reason = json!({"reason": "a test"});
    let acts = async || {
        let done =
            act_at(bench.admin(), "another-token-0123456789abcdef", "orders-api", "sync", &reason).await;
        (done.status == 202).then_some(())
    };
    anypoint_sandbox::ask_for("the new token", crate::support::LIMIT, acts).await;
    assert_eq!(act_at(bench.admin(), OPERATOR, "orders-api", "sync", &reason).await.status, 401);
}

#[tokio::test]
async fn a_page_of_another_site_has_nothing_done_with_or_without_tokens() {
    let (open, guarded) = (Bench::orders().await, guarded_bench().await);
    let authorization = format!("Bearer {OPERATOR}");
    for bench in [&open, &guarded] {
        for header in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            let refused = from_a_page(bench, &[header, ("authorization", &authorization)]).await;
            assert_eq!(cell(&refused), (403, "cross_site"), "{header:?}");
        }
        let own = bench.admin().to_owned();
        let headers =
            [("origin", own.as_str()), ("sec-fetch-site", "same-origin"), ("authorization", &authorization)];
        assert_eq!(from_a_page(bench, &headers).await.status, 200);
    }
}

#[tokio::test]
async fn a_form_cannot_send_an_action() {
    let bench = Bench::orders().await;
    let path = "/targets/orders-api/pause";
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let request = client().post(format!("{}{path}", bench.admin())).header("content-type", kind);
        let refused = answer("POST", path, request.body(r#"{"reason":"a form"}"#)).await;
        assert_eq!(cell(&refused), (415, "not_json"), "{kind}");
    }
    assert_eq!(bench.ask(path).await.status, 405, "a GET acts");
    assert_eq!(bench.ask("/targets/orders-api").await.body["target"]["state"], "in_sync");
}

#[tokio::test]
async fn a_name_that_was_rebound_to_this_machine_is_not_answered_where_there_is_no_token() {
    let (open, guarded) = (Bench::orders().await, guarded_bench().await);
    for (path, host) in [
        ("/status", "evil.example"),
        ("/metrics", "evil.example:9090"),
        ("/events", "localhost.evil.example"),
    ] {
        let request = |bench: &Bench| client().get(format!("{}{path}", bench.admin())).header("host", host);
        let refused = answer("GET", path, request(&open)).await;
        assert_eq!(cell(&refused), (403, "foreign_host"), "{path}");
        assert!(refused.body["detail"].as_str().unwrap().contains("`admin.token`"), "{}", refused.text);
        assert_eq!(answer("GET", path, request(&guarded)).await.status, 401, "a token is asked for");
    }
    let refused = from_a_page(&open, &[("host", "evil.example"), ("origin", "http://evil.example")]).await;
    assert_eq!(refused.status, 403, "its own page, by its own name");
}
