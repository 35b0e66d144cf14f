//! Who is let in, and as what.

use super::*;

async fn ask_with(state: &AdminState, path: &str, token: Option<&str>) -> (u16, HeaderMap) {
    let request = request("GET", path);
    let request = match token {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    };
    let (status, headers, _) = send(state, request.body(Body::empty()).unwrap()).await;
    (status, headers)
}

/// An action whose request is a right one, but for what `change` makes of it.
async fn act_with(
    state: &AdminState,
    change: impl FnOnce(http::request::Builder) -> http::request::Builder,
) -> (u16, Value) {
    let request = request("POST", "/targets/orders-api/sync").header("content-type", "application/json");
    let body = Body::from(r#"{"reason":"a test"}"#);
    let (status, _, body) = send(state, change(request).body(body).unwrap()).await;
    (status, json_of(&body)["code"].clone())
}

async fn with_tokens(tokens: &[&'static str], operators: usize) -> AdminState {
    let tokens = Arc::new(Tokens(std::sync::Mutex::new(tokens.to_vec())));
    let door = door_for(&tokens, operators, &TestClock::at(Timestamp::UNIX_EPOCH)).await;
    behind(&state().await, door)
}

#[tokio::test]
async fn a_reader_may_look_and_an_operator_may_do_both() {
    let state = with_tokens(&["reader", "operator", "next-operator"], 2).await;
    for (token, status) in [("reader", 403), ("operator", 202), ("next-operator", 202), ("nobody", 401)] {
        assert_eq!(ask_with(&state, "/status", Some(token)).await.0, if status == 401 { 401 } else { 200 });
        let (answered, code) =
            act_with(&state, |request| request.header("authorization", format!("Bearer {token}"))).await;
        assert_eq!(answered, status, "{token}");
        assert_eq!(code == "forbidden", status == 403, "{token}");
    }
    assert_eq!(act_with(&state, |request| request).await.0, 401);
}

#[tokio::test]
async fn a_token_of_both_roles_is_an_operators() {
    let state = with_tokens(&["the-token", "the-token"], 1).await;
    let answered = act_with(&state, |request| request.header("authorization", "Bearer the-token")).await;
    assert_eq!(answered.0, 202);
}

#[tokio::test]
async fn without_an_operators_token_nobody_may_act_and_is_told_why() {
    let state = with_tokens(&["reader"], 0).await;
    let request = request("POST", "/targets/orders-api/retry")
        .header("content-type", "application/json")
        .header("authorization", "Bearer reader");
    let (status, _, body) = send(&state, request.body(Body::from("{}")).unwrap()).await;
    let detail = json_of(&body)["detail"].to_string();
    assert!(status == 403 && detail.contains("`admin.operator_token`"), "{status} {detail}");
}

#[tokio::test]
async fn without_tokens_only_who_names_this_machine_is_answered() {
    let state = state().await;
    let by = async |host: &str| {
        let request = Request::builder().uri("/status").header("host", host).body(Body::empty()).unwrap();
        send(&state, request).await
    };
    for host in
        ["localhost", "LOCALHOST:9090", "127.0.0.1:9090", "127.9.9.9", "[::1]:9090", "[::ffff:127.0.0.1]"]
    {
        assert_eq!(by(host).await.0, 200, "{host}");
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example:9090",
        "10.0.0.1",
        "[::2]",
        "",
        "@",
    ] {
        let (status, _, body) = by(host).await;
        assert_eq!((status, json_of(&body)["code"].clone()), (403, json!("foreign_host")), "{host:?}");
    }
    for path in ["/healthz", "/metrics", "/targets/orders-api"] {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        assert_eq!(send(&state, request).await.0, 403, "{path} without a host");
    }
    // HTTP/2 names it in the target.
    let request = Request::builder().uri("http://localhost:9090/status").body(Body::empty()).unwrap();
    assert_eq!(router(state.clone()).answer(request).await.status(), 200);
}

#[tokio::test]
async fn with_tokens_the_listener_may_have_any_name() {
    let state = with_tokens(&["reader"], 0).await;
    let request = Request::builder().uri("/status").header("host", "relay.internal:9090");
    let request = request.header("authorization", "Bearer reader").body(Body::empty()).unwrap();
    assert_eq!(send(&state, request).await.0, 200);
}

#[tokio::test]
async fn pages_of_other_sites_have_nothing_done() {
    let state = state().await;
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "http://localhost:8080"),
        ("origin", "http://localhost:9090.evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "anything"),
    ] {
        let answered = act_with(&state, |request| request.header(name, value)).await;
        assert_eq!(answered, (403, json!("cross_site")), "{name}: {value}");
        let request = request("GET", "/events").header(name, value).body(Body::empty()).unwrap();
        assert_eq!(send(&state, request).await.0, 403, "{name}: {value}");
    }
    for (name, value) in
        [("origin", "http://localhost:9090"), ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "none")]
    {
        assert_eq!(act_with(&state, |request| request.header(name, value)).await.0, 202, "{name}: {value}");
    }
    assert_eq!(state.queue.line(&name("orders-api")).unwrap().note.count, 3, "what was refused did nothing");
}

#[tokio::test]
async fn an_action_is_declared_to_be_json_and_no_get_acts() {
    let state = state().await;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
        let request = request("POST", "/targets/orders-api/sync").header("content-type", kind);
        let (status, _, body) = send(&state, request.body(Body::from(r#"{"reason":"x"}"#)).unwrap()).await;
        assert_eq!((status, json_of(&body)["code"].clone()), (415, json!("not_json")), "{kind}");
    }
    for action in ["retry", "sync", "pause", "resume"] {
        assert_eq!(ask(&state, "GET", &format!("/targets/orders-api/{action}")).await.0, 405);
    }
    assert_eq!(state.queue.line(&name("orders-api")).unwrap().note.count, 0);
}

#[tokio::test]
async fn with_tokens_only_probes_are_for_everybody_and_two_tokens_are_good_at_once() {
    let state = with_tokens(&["old-token", "new-token"], 0).await;
    for path in ["/status", "/metrics"] {
        for token in ["old-token", "new-token"] {
            assert_eq!(ask_with(&state, path, Some(token)).await.0, 200);
        }
        let (status, headers) = ask_with(&state, path, None).await;
        assert_eq!(
            (status, &headers["www-authenticate"]),
            (401, &"Bearer realm=\"anypoint-relay\"".parse().unwrap())
        );
    }
    for path in ["/healthz", "/readyz"] {
        assert_ne!(ask_with(&state, path, None).await.0, 401);
    }
}

#[tokio::test]
async fn a_token_that_was_replaced_is_read_again_and_the_old_one_is_refused() {
    let clock = TestClock::at(Timestamp::UNIX_EPOCH);
    let tokens = Arc::new(Tokens(std::sync::Mutex::new(vec!["old-token"])));
    let state = behind(&state().await, door_for(&tokens, 0, &clock).await);
    *tokens.0.lock().unwrap() = vec!["new-token"];
    clock.advance(Duration::from_secs(5));
    assert_eq!(ask_with(&state, "/status", Some("new-token")).await.0, 200);
    assert_eq!(ask_with(&state, "/status", Some("old-token")).await.0, 401);
}

#[tokio::test]
async fn who_guesses_tokens_has_to_wait_even_with_the_right_one() {
    let clock = TestClock::at(Timestamp::UNIX_EPOCH);
    let tokens = Arc::new(Tokens(std::sync::Mutex::new(vec!["the-token"])));
    let state = behind(&state().await, door_for(&tokens, 0, &clock).await);
    for _ in 0..3 {
        assert_eq!(ask_with(&state, "/status", Some("a-guess")).await.0, 401);
    }
    let (status, headers) = ask_with(&state, "/status", Some("the-token")).await;
    assert_eq!((status, &headers["retry-after"]), (429, &"20".parse().unwrap()));
    clock.advance(Duration::from_secs(20));
    assert_eq!(ask_with(&state, "/status", Some("the-token")).await.0, 200);
}
