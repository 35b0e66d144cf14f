//! What is sent: the method, the headers, a body of the configuration's making.

use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn a_body_has_its_literals_its_values_and_the_facts_of_the_write() {
    let lines = r#"
    method: PUT
    watch: [prod/orders/signing]
    body:
      kind: rotation
      text: ["10", 0x10, 007, yes, "true", ~x, '', '$${a}']
      typed: [10, -1.50, 1e3, true, false, null, ~]
      database:
        login: { secret: prod/orders/shop, template: "{username}/{password}" }
        port: { secret: prod/orders/shop, field: port, as: number }
        tls: { secret: prod/orders/shop, field: tls, as: boolean }
        hosts: { secret: prod/orders/shop, field: hosts, as: json }
        whole: { secret: prod/orders/shop }
      \secret: prod/orders/shop
      nested: { \fact: [], \\x: {} }
      about: [{ fact: target }, { fact: message_id }, { fact: time }]
      secrets: { fact: secrets }"#;
    let receiver = Receiver::start().await;
    let mut bench = with_secrets().await;
    let held =
        r#"{"username":"a\"b","password":"p\\\u0001é","port":"5432","tls":true,"hosts":["h1",{"n":1.0}]}"#;
    let shop = bench.aws.create_secret("prod/orders/shop", held);
    bench.start(&target(&receiver, lines)).await;
    bench.ended_as(TARGET, "accepted").await;
    let request = &receiver.received()[0];
    assert_signed(request);
    assert_eq!((request.method.as_str(), header(request, "content-type")), ("PUT", "application/json"));
    let text = std::str::from_utf8(&request.body).unwrap();
    assert!(text.contains(r#""typed":[10,-1.50,1e3,true,false,null,null]"#), "{text}");
    assert!(text.contains(r#""hosts":["h1",{"n":1.0}]"#), "{text}");
    let mut body: Value = serde_json::from_str(text).unwrap();
    let seconds: jiff::Timestamp = body["about"][2].take().as_str().unwrap().parse().unwrap();
    assert_eq!(seconds.as_second().to_string(), header(request, "webhook-timestamp"));
    let signing = bench.aws.secret("prod/orders/signing").unwrap();
    assert_eq!(
        body,
        json!({
            "kind": "rotation",
            "text": ["10", "0x10", "007", "yes", "true", "~x", "", "${a}"],
            "typed": [10, -1.50, 1e3, true, false, null, null],
            "database": {
                "login": "a\"b/p\\\u{1}é", "port": 5432, "tls": true, "hosts": ["h1", { "n": 1.0 }],
                "whole": held,
            },
            "secret": "prod/orders/shop",
            "nested": { "fact": [], "\\x": {} },
            "about": ["orders", header(request, "webhook-id"), null],
            "secrets": [
                { "id": "prod/orders/shop", "version": shop.current_version() },
                { "id": "prod/orders/signing", "version": signing.current_version() },
            ],
        })
    );
    assert_eq!(signing.reads().get, 0, "what is only watched is not read");
}

#[tokio::test]
async fn a_get_is_signed_and_has_no_body() {
    let (bench, receiver) = start("    method: GET\n    watch: [prod/orders/db]").await;
    bench.ended_as(TARGET, "accepted").await;
    let request = &receiver.received()[0];
    assert_signed(request);
    assert_eq!((request.method.as_str(), request.body.len()), ("GET", 0));
    assert!(!request.headers.contains_key("content-type"));
}

#[tokio::test]
async fn headers_come_from_texts_secrets_and_credentials() {
    let lines = r#"
    method: PATCH
    headers:
      X-Plain: a text
      authorization: { secret: prod/orders/db, template: "Bearer {password}" }
      x-api-key: { env: TRIGGER_KEY }"#;
    let (bench, receiver) = start(lines).await;
    bench.ended_as(TARGET, "accepted").await;
    let secret = bench.aws.secret("prod/orders/db").unwrap();
    let second = secret.rotate_password("second-password");
    bench.insist().await;
    let requests = receiver.received();
    assert_eq!(requests.len(), 2, "a secret in a header is one that the target depends on");
    let request = &requests[1];
    assert_signed(request);
    assert_eq!(header(request, "x-plain"), "a text");
    assert_eq!(header(request, "authorization"), "Bearer second-password");
    assert_eq!(header(request, "x-api-key"), TRIGGER_KEY);
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(
        body,
        json!({ "target": "orders", "secrets": [{ "id": "prod/orders/db", "version": second }] })
    );
}

#[tokio::test]
async fn a_credential_in_a_header_may_rotate() {
    let mut bench = with_secrets().await;
    bench.environment_with("FACADE_TOKEN", "first\ntoken");
    let receiver = Receiver::start().await;
    let lines = "    watch: [prod/orders/db]\n    headers: { x-token: { env: FACADE_TOKEN } }";
    let file = bench.tuned(&target(&receiver, lines), &[crate::support::RETRIES_SLOWLY]);
    bench.start_with(&file).await;
    let failure = bench.meets("bad_value").await;
    assert_eq!(
        failure.message,
        "calling 127.0.0.1 for target orders: the credential for header x-token has characters other than \
         those of ASCII on one line"
    );
    let place = bench.path("FACADE_TOKEN");
    assert_eq!(failure.next_step, format!("correct what stands at its place, file {}", place.display()));
    assert_eq!(receiver.received().len(), 0);
    receiver.answer_next(401, "");
    bench.set_credential("FACADE_TOKEN", "second-token");
    bench.meets("denied").await;
    bench.set_credential("FACADE_TOKEN", "third-token");
    bench.ended_as(TARGET, "accepted").await;
    let requests = receiver.received();
    let tokens: Vec<&str> = requests.iter().map(|request| header(request, "x-token")).collect();
    assert_eq!((tokens.first(), tokens.last()), (Some(&"second-token"), Some(&"third-token")));
}

#[tokio::test]
async fn a_value_that_does_not_fit_its_place_is_not_sent_and_the_next_one_is() {
    for (lines, message, next_step) in [
        (
            "    headers: { x-pass: { secret: prod/orders/db, field: password } }",
            "the value for header x-pass has characters other than those of ASCII on one line",
            "correct the secret, or send it in the body",
        ),
        (
            "    body: { db: [{ secret: prod/orders/db, field: password, as: number }] }",
            "the value for /db/0 is not JSON of the type number",
            "correct the secret, or `as: number` of this value",
        ),
        (
            "    body: { secret: prod/orders/db, field: password, as: json }",
            "the value for the body is not JSON of the type json",
            "correct the secret, or `as: json` of this value",
        ),
    ] {
        let receiver = Receiver::start().await;
        let mut bench = with_secrets().await;
        bench.aws.secret("prod/orders/db").unwrap().rotate_password("5\u{e9}2");
        bench.start(&target(&receiver, lines)).await;
        let failure = bench.parks("bad_value").await;
        assert_eq!((failure.message.as_str(), failure.next_step.as_str()), (message, next_step));
        assert_eq!(receiver.received().len(), 0);
        bench.aws.secret("prod/orders/db").unwrap().rotate_password("52");
        bench.insist().await;
        bench.ended_as(TARGET, "accepted").await;
        assert_eq!(receiver.received().len(), 1);
    }
}
