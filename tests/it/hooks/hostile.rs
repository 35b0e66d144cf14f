//! What nobody sends who means well: over a real socket, each answered as documented.
//!
//! What `sns`, `eventbridge`, `trigger` and `limits` show already (replays, bodies over the limit, the
//! edges of the windows) is not repeated here.

use anypoint_relay::clock::{Clock, SystemClock};
use anypoint_relay::webhook_signature;
use anypoint_sandbox::aws::SnsMessage;
use jiff::SignedDuration;
use serde_json::json;

use crate::support::{Answer, Bench, EVENTBRIDGE_KEY, TRIGGER_KEY, answer, cell};

const SECRET: &str = r#"{"secret":"prod/orders/db"}"#;

/// The limit of a body, by default.
const MEBIBYTE: usize = 1024 * 1024;

/// Posts these bytes to a hook with a proof of their sender, where they can carry one.
async fn post(bench: &Bench, hook: &str, content_type: Option<&str>, body: &[u8]) -> Answer {
    let mut request = bench.client.post(format!("{}{hook}", bench.hooks())).body(body.to_vec());
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    let request = match hook {
        "/hooks/eventbridge" => request.header("x-api-key", EVENTBRIDGE_KEY),
        "/hooks/trigger" => {
            let id = format!("msg_{}", uuid::Uuid::new_v4().simple());
            let now = SystemClock.timestamp().as_second();
            request
                .header("webhook-signature", webhook_signature::sign(&id, now, body, TRIGGER_KEY.as_bytes()))
                .header("webhook-timestamp", now)
                .header("webhook-id", id)
        }
        _ => request,
    };
    answer("POST", hook, request).await
}

const HOOKS: [&str; 3] = ["/hooks/sns", "/hooks/eventbridge", "/hooks/trigger"];

#[tokio::test]
async fn a_clock_ten_minutes_off_either_way_is_answered_by_each_hooks_window() {
    let bench = Bench::orders().await;
    for (minutes, sns, trigger) in [
        (-10, (200, "accepted"), (401, "trigger_outside_window")),
        (10, (403, "message_outside_window"), (401, "trigger_outside_window")),
    ] {
        let at = SystemClock.timestamp() + SignedDuration::from_mins(minutes);
        let topic = bench.aws.topic("rotations");
        let message = SnsMessage::notification(topic.arn(), bench.event().to_string(), at);
        assert_eq!(cell(&bench.post_sns(message).await), sns, "{minutes} min");

        let answer = bench.trigger_signed("msg_1", -60 * minutes, TRIGGER_KEY, SECRET).await;
        assert_eq!(cell(&answer), trigger, "{minutes} min");

        // EventBridge signs no time: an event may be up to a day old, and says nothing but "look".
        let mut event = bench.event();
        event["time"] = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into();
        assert_eq!(cell(&bench.post_event(&event).await), (202, "accepted"), "{minutes} min");
    }
    bench.in_sync("orders-api").await;
}

#[tokio::test]
async fn the_content_type_is_not_looked_at() {
    let bench = Bench::orders().await;
    for kind in [None, Some("text/xml"), Some("application/x-www-form-urlencoded"), Some("not a type")] {
        let event = bench.event().to_string();
        let answer = post(&bench, "/hooks/eventbridge", kind, event.as_bytes()).await;
        assert_eq!(cell(&answer), (202, "accepted"), "{kind:?}");
        let answer = post(&bench, "/hooks/trigger", kind, SECRET.as_bytes()).await;
        assert_eq!(cell(&answer), (202, "accepted"), "{kind:?}");
    }
}

#[tokio::test]
async fn a_key_that_is_there_twice_is_400_where_two_readers_might_see_two_things() {
    let bench = Bench::orders().await;
    let mut message = bench.draft(bench.event().to_string());
    let body = bench.aws.sign_notification(&mut message);
    let twice = body.replacen('{', r#"{"Message":"another","#, 1);
    assert_eq!(cell(&bench.post_sns_body(&message, &twice).await), (400, "malformed"));
    let twice = body.replacen('{', r#"{"Other":1,"\u004fther":2,"#, 1);
    assert_eq!(cell(&bench.post_sns_body(&message, &twice).await), (400, "malformed"));
    assert_eq!(cell(&bench.post_sns_body(&message, &body).await), (200, "accepted"));

    let twice = br#"{"secret":"prod/orders/db","secret":"prod/orders/db"}"#;
    assert_eq!(cell(&post(&bench, "/hooks/trigger", None, twice).await), (400, "malformed"));

    // The key of EventBridge vouches for the body as a whole: the last one counts.
    let event = bench.event().to_string().replacen('{', r#"{"source":"another","#, 1);
    assert_eq!(cell(&post(&bench, "/hooks/eventbridge", None, event.as_bytes()).await), (202, "accepted"));
}

#[tokio::test]
async fn nesting_without_end_is_400() {
    let bench = Bench::orders().await;
    for open in ["[", "{\"a\":"] {
        let body = open.repeat(MEBIBYTE / open.len());
        for hook in HOOKS {
            let answer = post(&bench, hook, None, body.as_bytes()).await;
            assert_eq!(cell(&answer), (400, "malformed"), "{hook} {open}");
        }
    }
    // In what a topic was told: SNS is not to send it again.
    let nested = bench.draft("[".repeat(100_000));
    assert_eq!(cell(&bench.post_sns(nested).await), (200, "not_of_interest"));
    assert_eq!(cell(&bench.post_event(&bench.event()).await), (202, "accepted"));
}

#[tokio::test]
async fn bytes_that_are_no_text_are_400() {
    let bench = Bench::orders().await;
    let mut message = bench.draft(bench.event().to_string());
    let signed = bench.aws.sign_notification(&mut message);
    let with_another = signed.replacen('{', "{ \"Another\" : \"\",", 1);
    assert_eq!(cell(&bench.post_sns_body(&message, &with_another).await), (200, "accepted"));
    let event = bench.event().to_string();
    let bodies = [
        ("/hooks/sns", signed.as_str(), "\"Message\" : \""),
        // In a field that the check does not use.
        ("/hooks/sns", with_another.as_str(), "\"Another\" : \""),
        ("/hooks/eventbridge", event.as_str(), "\"source\":\""),
        ("/hooks/trigger", SECRET, "\"secret\":\""),
    ];
    for (hook, text, before) in bodies {
        let place = text.find(before).expect("the field is there") + before.len();
        for odd in [b"\xff".as_slice(), b"\xc0\x80", b"\xed\xa0\x80", b"\xf0\x9f\x94"] {
            let body = [&text.as_bytes()[..place], odd, &text.as_bytes()[place..]].concat();
            let answer = post(&bench, hook, None, &body).await;
            assert_eq!(cell(&answer), (400, "malformed"), "{hook} {before} {odd:?}");
        }
    }
}

#[tokio::test]
async fn a_message_of_one_mebibyte_is_taken_and_one_byte_more_is_413() {
    let bench = Bench::orders().await;
    let of_length = |length: usize| {
        let event = bench.event().to_string();
        let empty = bench.aws.sign_notification(&mut bench.draft(event.clone())).len();
        // Spaces after the event: the same event, in a longer message.
        let mut message = bench.draft(event + &" ".repeat(length - empty));
        let body = bench.aws.sign_notification(&mut message);
        assert_eq!(body.len(), length);
        (message, body)
    };
    let (message, body) = of_length(MEBIBYTE + 1);
    assert_eq!(cell(&bench.post_sns_body(&message, &body).await), (413, "too_large"));
    let (message, body) = of_length(MEBIBYTE);
    assert_eq!(cell(&bench.post_sns_body(&message, &body).await), (200, "accepted"));
}

/// A target that takes a whole secret as it is.
async fn whole(value: impl Into<anypoint_sandbox::aws::Value>, lines: &str) -> Bench {
    let mut bench = Bench::new().await;
    bench.anypoint.rules(|rules| rules.secret_value_endpoint = true);
    bench.anypoint.add_secret_value("orders-db");
    bench.aws.create_secret("prod/orders/db", value);
    bench
        .start(&format!(
            "
  orders-api:
    kind: secret_value
    connection: prod
    secret_id: orders-db
    coalesce: 10ms
    value: {{ secret: prod/orders/db{lines} }}"
        ))
        .await;
    bench
}

fn written(bench: &Bench) -> Vec<String> {
    bench.anypoint.secret_values("orders-db").into_iter().map(|write| write.value).collect()
}

#[tokio::test]
async fn a_secret_of_64_kib_arrives_whole() {
    // What JSON has to escape, and characters of four bytes.
    let value = "\u{1f511}\"\\\u{1}".repeat(9362) + "\r\n";
    assert_eq!(value.len(), 65_536);
    let bench = whole(value.as_str(), "").await;
    bench.ended_as("orders-api", "accepted").await;
    assert!(written(&bench) == [value], "another value arrived");

    let value = json!({ "password": "p", "padding": "x".repeat(65_536 - 29) }).to_string();
    assert_eq!(value.len(), 65_536);
    let bench = whole(value.as_str(), ", field: password").await;
    bench.ended_as("orders-api", "accepted").await;
    assert_eq!(written(&bench), ["p"]);
}

#[tokio::test]
async fn a_secret_above_what_aws_holds_is_not_written() {
    let bench = whole("x".repeat(65_537).as_str(), "").await;
    let failure = bench.fails_with("orders-api", "bad_answer").await;
    assert_eq!(failure.message, "secret prod/orders/db: AWS answered with a value above 65,536 bytes");
    assert!(written(&bench).is_empty());
}

#[tokio::test]
async fn a_secret_that_has_become_binary_is_not_written_as_text_and_the_way_out_is_named() {
    let bytes = anypoint_sandbox::aws::Value::Binary(vec![0, 0xff, 0xfe, b'\n']);
    let bench = whole(bytes.clone(), "").await;
    let failure = bench.fails_with("orders-api", "bad_value").await;
    assert_eq!(failure.next_step, "set `binary: true` on the source");
    assert!(written(&bench).is_empty());
    let bench = whole(bytes, ", binary: true").await;
    bench.ended_as("orders-api", "accepted").await;
    assert_eq!(written(&bench), ["AP/+Cg=="]);
}

/// AWS holds none, so the answer is not AWS's. A field may be empty: that is its value.
#[tokio::test]
async fn an_empty_secret_is_not_written_and_an_empty_field_is() {
    let empty = anypoint_sandbox::aws::Value::Binary(Vec::new());
    for (value, lines) in [(anypoint_sandbox::aws::Value::from(""), ""), (empty, ", binary: true")] {
        let bench = whole(value, lines).await;
        let failure = bench.fails_with("orders-api", "bad_answer").await;
        assert_eq!(failure.message, "secret prod/orders/db: AWS answered with an empty value");
        assert!(written(&bench).is_empty());
    }
    let bench = whole(r#"{"password":""}"#, ", field: password").await;
    bench.ended_as("orders-api", "accepted").await;
    assert_eq!(written(&bench), [""]);
}
