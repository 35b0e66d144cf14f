//! What AWS's senders and plain sockets say to the hooks, message by message, and what is counted of it.

use std::time::Duration;

use anypoint_relay::clock::{Clock, SystemClock};
use anypoint_relay::webhook_signature;
use anypoint_sandbox::anypoint::NONE;
use anypoint_sandbox::ask_for;
use anypoint_sandbox::aws::{Sink, SnsMessage, events};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::bench::{EVENTBRIDGE_KEY, LIMIT, ORDERS_SECRET, ORDERS_TARGET};
use super::{Answer, Bench};
use crate::openapi::Spec;

/// Moves every timer of the process forward by this much: of the relay, of the sandbox, of the test.
pub(crate) async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

impl Bench {
    /// As [`Bench::orders`], with this in the configuration instead of that.
    pub(crate) async fn orders_with(that: &str, this: &str) -> Self {
        Self::orders_tuned(&[(that, this)]).await
    }

    /// A native event: the current version of the secret has become that.
    pub(crate) fn event(&self) -> Value {
        let secret = self.aws.secret("prod/orders/db").unwrap();
        events::label_updated(secret.arn(), "AWSCURRENT", &secret.current_version())
    }

    /// As [`Bench::tell_by_sns`], without the handshake.
    pub(crate) fn tell_by_sns_confirmed(&self) {
        let topic = self.aws.topic("rotations");
        topic.subscribe_confirmed(format!("{}/hooks/sns", self.hooks()));
        self.aws.emit_on_rotation(&Sink::Topic(topic));
    }

    /// A notification of the listed topic, not signed yet.
    pub(crate) fn draft(&self, text: impl Into<String>) -> SnsMessage {
        SnsMessage::notification(self.aws.topic("rotations").arn(), text, SystemClock.timestamp())
    }

    /// Signs a message with what SNS signs with at present, and posts it as SNS does.
    pub(crate) async fn post_sns(&self, mut message: SnsMessage) -> Answer {
        let body = self.aws.sign_notification(&mut message);
        self.post_sns_body(&message, &body).await
    }

    /// Posts this body with the headers of a message.
    pub(crate) async fn post_sns_body(&self, message: &SnsMessage, body: &str) -> Answer {
        let headers = [
            ("content-type", "text/plain; charset=UTF-8".to_owned()),
            ("x-amz-sns-message-type", message.kind.name().to_owned()),
        ];
        self.post("/hooks/sns", &headers, body).await
    }

    /// Posts a body with the API key, as EventBridge does.
    pub(crate) async fn post_event(&self, body: &Value) -> Answer {
        let headers = [("x-api-key", EVENTBRIDGE_KEY.to_owned()), ("range", "bytes=0-1048575".to_owned())];
        self.post("/hooks/eventbridge", &headers, &body.to_string()).await
    }

    /// Posts a trigger signed `late` seconds ago with this key.
    pub(crate) async fn trigger_signed(&self, id: &str, late: i64, key: &str, body: &str) -> Answer {
        let at = SystemClock.timestamp().as_second() - late;
        let headers = [
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", at.to_string()),
            ("webhook-signature", webhook_signature::sign(id, at, body.as_bytes(), key.as_bytes())),
        ];
        self.post("/hooks/trigger", &headers, body).await
    }

    /// A sample of `/metrics`, by its name and labels as they are written there.
    pub(crate) async fn metric(&self, sample: &str) -> Option<String> {
        let text = self.ask("/metrics").await.text;
        text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')).map(str::to_owned)
    }

    /// How many notifications of this route were answered so.
    pub(crate) async fn counted(&self, route: &str, verdict: &str) -> u64 {
        let sample = format!("relay_notifications_total{{route=\"{route}\",verdict=\"{verdict}\"}}");
        self.metric(&sample).await.map_or(0, |count| count.parse().unwrap())
    }

    /// Waits until `count` notifications of this route were answered so.
    pub(crate) async fn counts(&self, route: &str, verdict: &str, count: u64) {
        let what = format_args!("{count} notifications by {route} that are {verdict}");
        let counted = async || (self.counted(route, verdict).await >= count).then_some(());
        ask_for(what, LIMIT, counted).await;
    }

    /// As [`Bench::orders`], with one place for requests and a second application, whose roll does not
    /// end by itself.
    pub(crate) async fn with_one_place() -> Self {
        let mut bench = Self::orders_stopped().await;
        bench.aws.create_secret("prod/other/db", ORDERS_SECRET);
        bench.anypoint.deploy("other-api", NONE, [("db.user", "none"), ("db.password", "none")]);
        bench.anypoint.app("other-api").roll_by_hand();
        let other = ORDERS_TARGET.replace("orders-api", "other-api").replace("prod/orders", "prod/other");
        let text =
            bench.tuned(&format!("{ORDERS_TARGET}{other}"), &[("limits: {", "limits: { concurrency: 1,")]);
        bench.start_with(&text).await;
        bench.in_sync("orders-api").await;
        bench
    }

    /// Does something while a trigger that waits for the second application has the only place.
    pub(crate) async fn while_occupied<T>(&self, act: impl Future<Output = T>) -> T {
        let waits = self.trigger(r#"{"target":"other-api"}"#, "?wait=60s");
        let acts = async {
            while self.post_event(&Value::Null).await.status != 503 {}
            let done = act.await;
            self.anypoint.app("other-api").finish_roll();
            done
        };
        let (waited, done) = tokio::join!(waits, acts);
        assert_eq!(cell(&waited), (200, "settled"));
        done
    }

    /// A connection to the hooks.
    pub(crate) async fn connect(&self) -> Line {
        Line::to(self.hooks()).await
    }
}

/// Status, and code or result: what an answer says.
pub(crate) fn cell(answer: &Answer) -> (u16, &str) {
    let said = answer.body["code"].as_str().or(answer.body["result"].as_str());
    (answer.status, said.unwrap_or_default())
}

/// A plain connection, for requests that no HTTP client sends.
pub(crate) struct Line(TcpStream);

impl Line {
    /// A connection to a listener.
    pub(crate) async fn to(url: &str) -> Self {
        Self(TcpStream::connect(url.trim_start_matches("http://")).await.unwrap())
    }

    /// Sends this, and says whether the other side took it: it may have hung up.
    pub(crate) async fn send(&mut self, text: &str) -> bool {
        self.0.write_all(text.as_bytes()).await.is_ok()
    }

    /// The answer to a request to this path, held to `openapi.yaml`, with its headers; none if the
    /// connection ends without one.
    pub(crate) async fn answer(&mut self, method: &str, path: &str) -> Option<(http::HeaderMap, Answer)> {
        let mut text = String::new();
        loop {
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let (status, headers) = parsed(head);
                let length: usize = headers["content-length"].to_str().unwrap().parse().unwrap();
                if body.len() >= length {
                    Spec::get().check(method, path, status, &headers, body.as_bytes());
                    let answer = Answer {
                        status,
                        headers: headers.clone(),
                        body: serde_json::from_str(body).unwrap_or(Value::Null),
                        text: body.to_owned(),
                    };
                    return Some((headers, answer));
                }
            }
            let mut bytes = [0; 4096];
            let read = tokio::time::timeout(LIMIT, self.0.read(&mut bytes)).await;
            match read.expect("an answer or the end") {
                Ok(0) | Err(_) => {
                    assert!(text.is_empty(), "half an answer: {text}");
                    return None;
                }
                Ok(count) => text.push_str(std::str::from_utf8(&bytes[..count]).unwrap()),
            }
        }
    }
}

fn parsed(head: &str) -> (u16, http::HeaderMap) {
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.parse::<http::HeaderName>().unwrap(), value.parse::<http::HeaderValue>().unwrap())
    });
    (status, headers.collect())
}
