//! Traces, as a collector gets them: from the sender's own trace to the call of an `http` target.

mod collector;
mod trouble;

use anypoint_sandbox::anypoint::Receiver;
use anypoint_sandbox::server::Recorded;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::json;

use crate::support::{Answer, Bench, LIMIT, ORDERS_TARGET, TRIGGER_KEY, signed_with};
use collector::{Collector, Seen};

const SENDERS_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const BODY: &str = r#"{"secret":"prod/orders/db"}"#;
const SENDERS_SPAN: &str = "b7ad6b7169203331";

/// A target that tells a receiver, and a relay that sends its spans to a collector.
struct Stage {
    bench: Bench,
    receiver: Receiver,
    collector: Collector,
}

impl Stage {
    async fn new() -> Self {
        let (receiver, collector) = (Receiver::start().await, Collector::start().await);
        let mut bench = with_secret().await;
        let file = bench.file(&target(&receiver));
        bench.start_with(&format!("{file}{}", collector.section(""))).await;
        bench.ended_as("orders", "accepted").await;
        Self { bench, receiver, collector }
    }

    fn rotate(&self) {
        self.bench.aws.secret("prod/orders/db").unwrap().rotate_password("second-password");
    }

    /// All that was sent once the relay has ended.
    async fn ends(&mut self) -> Vec<Seen> {
        self.bench.stop().await.unwrap();
        self.collector.spans()
    }
}

async fn with_secret() -> Bench {
    let bench = Bench::new().await;
    bench.aws.create_secret("prod/orders/db", json!({ "username": "app", "password": "first-password" }));
    bench
}

fn target(receiver: &Receiver) -> String {
    format!(
        "
  orders:
    kind: http
    url: {}/refresh
    allow: [127.0.0.1]
    key: {{ env: TRIGGER_KEY }}
    coalesce: 10ms
    values: {{ password: {{ secret: prod/orders/db, field: password }} }}",
        receiver.url()
    )
}

fn traceparent(trace: &str, flags: &str) -> String {
    format!("00-{trace}-{SENDERS_SPAN}-{flags}")
}

/// A trigger that belongs to the trace of whoever sends it.
async fn trigger_in(bench: &Bench, traceparent: &str, query: &str, key: &str) -> Answer {
    let (id, body) = (format!("msg_{}", uuid::Uuid::new_v4().simple()), BODY);
    let mut headers = signed_with(&id, body, key).to_vec();
    headers.push(("traceparent", traceparent.to_owned()));
    bench.post(&format!("/hooks/trigger{query}"), &headers, body).await
}

fn told(request: &Recorded) -> &str {
    request.headers["traceparent"].to_str().unwrap()
}

#[tokio::test]
async fn a_rotation_is_one_trace_from_the_sender_to_the_target() {
    let mut stage = Stage::new().await;
    stage.rotate();
    let answer = trigger_in(&stage.bench, &traceparent(SENDERS_TRACE, "01"), "?wait=20s", TRIGGER_KEY).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let requests = stage.receiver.wait_for(2, LIMIT).await;
    let spans = stage.ends().await;
    let ours: Vec<&Seen> = spans.iter().filter(|span| span.trace == SENDERS_TRACE).collect();
    let the = |name: &str| -> &Seen {
        let named: Vec<_> = ours.iter().filter(|span| span.name == name).collect();
        assert!(!named.is_empty(), "no {name} among {ours:#?}");
        named[0]
    };

    let request = the("POST /hooks/trigger");
    assert_eq!((request.parent.as_str(), request.kind), (SENDERS_SPAN, SpanKind::Server));
    assert_eq!(request.attribute("http.route"), "/hooks/trigger");
    assert_eq!(request.attribute("http.response.status_code"), "200");
    assert_eq!(request.attribute("relay.verdict"), "accepted");
    assert_eq!(request.attribute("relay.request_id"), answer.headers["x-request-id"].to_str().unwrap());

    let run = the("run");
    assert_eq!(run.parent, request.id);
    assert_eq!(run.links, [(SENDERS_TRACE.to_owned(), request.id.clone())]);
    assert_eq!(run.attribute("relay.target"), "orders");
    assert_eq!(run.attribute("relay.target.kind"), "http");
    assert_eq!(run.attribute("relay.run.reasons"), "manual");
    assert_eq!(run.attribute("relay.run.outcome"), "accepted");

    for name in
        ["SecretsManager/DescribeSecret", "lookup", "SecretsManager/GetSecretValue", "write", "confirm"]
    {
        assert_eq!(the(name).parent, run.id, "{name}");
    }
    assert_eq!(the("SecretsManager/GetSecretValue").attribute("relay.secret"), "prod/orders/db");
    assert_eq!(told(&requests[1]), format!("00-{SENDERS_TRACE}-{}-01", the("write").id));
    assert!(ours.iter().all(|span| span.starts <= span.ends && span.error.is_empty()), "{ours:#?}");

    // The run of the start was nobody's but the relay's own.
    let first = spans.iter().find(|span| span.name == "run" && span.trace != SENDERS_TRACE).unwrap();
    assert_eq!((first.parent.as_str(), first.links.len()), ("", 0));
    assert!(told(&requests[0]).contains(&first.trace));
    let requests = stage.collector.requests();
    println!("{} spans in {} requests", spans.len(), requests.len());
    let resource = &requests[0].1.resource_spans[0].resource.as_ref().unwrap().attributes;
    let service = resource.iter().find(|attribute| attribute.key == "service.name").unwrap();
    assert_eq!(collector::text(service.value.as_ref()), "orders-relay");
}

#[tokio::test]
async fn a_run_that_answers_to_several_notifications_is_linked_to_each_of_them() {
    let mut stage = Stage::new().await;
    let act = async |action: &str| {
        let url = format!("{}/targets/orders/{action}", stage.bench.admin());
        let request = stage.bench.client.post(url).json(&json!({ "reason": "a test" }));
        assert!(request.send().await.unwrap().status().is_success(), "{action}");
    };
    act("pause").await;
    let traces = ["1", "2", "3"].map(|digit| digit.repeat(32));
    for trace in &traces {
        assert_eq!(trigger_in(&stage.bench, &traceparent(trace, "01"), "", TRIGGER_KEY).await.status, 202);
    }
    act("resume").await;
    stage.bench.ended_as("orders", "accepted").await;
    let spans = stage.ends().await;
    let runs: Vec<&Seen> = spans.iter().filter(|span| span.name == "run" && span.links.len() > 1).collect();
    let [run] = runs[..] else { panic!("{runs:#?}") };
    assert_eq!((run.parent.as_str(), run.attribute("relay.run.asked")), ("", "3".to_owned()));
    let requests = spans.iter().filter(|span| span.name.starts_with("POST"));
    let asked: Vec<_> = requests.map(|span| (span.trace.clone(), span.id.clone())).collect();
    assert_eq!(run.links, asked);
    assert_eq!(asked.iter().map(|(trace, _)| trace.as_str()).collect::<Vec<_>>(), traces);
    assert!(!traces.contains(&run.trace));
}

#[tokio::test]
async fn a_call_behind_an_application_is_in_the_trace_of_what_it_follows() {
    let (receiver, collector) = (Receiver::start().await, Collector::start().await);
    let mut bench = Bench::orders_stopped().await;
    let then = format!("{{ url: \"{}/\", allow: [127.0.0.1], key: {{ env: TRIGGER_KEY }} }}", receiver.url());
    let file = bench.file(&format!("{ORDERS_TARGET}    then: {then}\n"));
    bench.start_with(&format!("{file}{}", collector.section(""))).await;
    bench.ended_as("orders-api.then", "accepted").await;
    bench.idle().await;
    bench.orders_db().rotate_password("second-password");
    let answer = trigger_in(&bench, &traceparent(SENDERS_TRACE, "01"), "?wait=20s", TRIGGER_KEY).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let requests = receiver.wait_for(2, LIMIT).await;
    bench.stop().await.unwrap();
    let spans = collector.spans();
    let runs = spans.iter().filter(|span| span.name == "run" && span.trace == SENDERS_TRACE);
    let (calls, rolls): (Vec<&Seen>, Vec<&Seen>) =
        runs.partition(|run| run.attribute("relay.target") == "orders-api.then");
    println!("{} runs of the application, {} of the call", rolls.len(), calls.len());
    let inside = |runs: &[&Seen], name: &str| -> Vec<String> {
        let steps = spans.iter().filter(|span| span.name == name);
        steps
            .filter(|span| runs.iter().any(|run| run.id == span.parent))
            .map(|span| span.id.clone())
            .collect()
    };
    assert_eq!((inside(&rolls, "write").len(), inside(&calls, "write").len()), (1, 1));
    assert!(inside(&rolls, "confirm").len() > 1, "the roll is looked at");
    assert_eq!(told(&requests[1]), format!("00-{SENDERS_TRACE}-{}-01", inside(&calls, "write")[0]));
    let last = calls.last().unwrap();
    assert!(rolls.iter().any(|run| last.links.contains(&(run.trace.clone(), run.id.clone()))), "{last:#?}");
}

#[tokio::test]
async fn what_aws_sends_begins_a_trace_that_its_run_goes_on_with() {
    for hook in ["sns", "eventbridge"] {
        let mut stage = Stage::new().await;
        match hook {
            "sns" => stage.bench.tell_by_sns().await,
            _ => stage.bench.tell_by_eventbridge(),
        }
        stage.rotate();
        let requests = stage.receiver.wait_for(2, LIMIT).await;
        let spans = stage.ends().await;
        let name = format!("POST /hooks/{hook}");
        let mut accepted =
            spans.iter().filter(|span| span.name == name && span.attribute("relay.verdict") == "accepted");
        let request = accepted.next().unwrap_or_else(|| panic!("no {name} in {spans:#?}"));
        assert_eq!(request.parent, "");
        assert!(told(&requests[1]).contains(&request.trace), "{request:#?}");
    }
}

#[tokio::test]
async fn who_is_not_proved_is_in_no_trace() {
    let mut stage = Stage::new().await;
    for _ in 0..5 {
        let key = "another key of 24 bytes or more";
        let answer = trigger_in(&stage.bench, &traceparent(SENDERS_TRACE, "01"), "", key).await;
        assert_eq!(answer.status, 401);
    }
    let spans = stage.ends().await;
    assert!(!spans.is_empty());
    assert!(
        spans.iter().all(|span| span.trace != SENDERS_TRACE && !span.name.starts_with("POST")),
        "{spans:#?}"
    );
}

#[tokio::test]
async fn a_sender_whose_trace_is_not_recorded_is_not_recorded_here_either() {
    let mut stage = Stage::new().await;
    stage.rotate();
    let answer = trigger_in(&stage.bench, &traceparent(SENDERS_TRACE, "00"), "?wait=20s", TRIGGER_KEY).await;
    assert_eq!(answer.status, 200);
    let requests = stage.receiver.wait_for(2, LIMIT).await;
    let told = told(&requests[1]);
    assert!(told.starts_with(&format!("00-{SENDERS_TRACE}-")) && told.ends_with("-00"), "{told}");
    assert!(stage.ends().await.iter().all(|span| span.trace != SENDERS_TRACE));
}

#[tokio::test]
async fn without_traces_in_the_configuration_a_target_is_called_as_ever() {
    let receiver = Receiver::start().await;
    let mut bench = with_secret().await;
    bench.start(&target(&receiver)).await;
    bench.ended_as("orders", "accepted").await;
    let answer = trigger_in(&bench, &traceparent(SENDERS_TRACE, "01"), "?wait=20s", TRIGGER_KEY).await;
    assert_eq!(answer.status, 200);
    let requests = receiver.wait_for(1, LIMIT).await;
    assert!(requests.iter().all(|request| !request.headers.contains_key("traceparent")));
    assert_eq!(bench.metric("relay_trace_spans_total{result=\"sent\"}").await.unwrap(), "0");
}

#[tokio::test]
async fn the_collector_is_shown_what_it_asks_for() {
    let (receiver, collector) = (Receiver::start().await, Collector::start().await);
    let mut bench = with_secret().await;
    bench.set_credential("COLLECTOR_KEY", "Bearer collector-key");
    let section = collector.section(", headers: { authorization: { env: COLLECTOR_KEY } }");
    let text = format!("{}{section}", bench.file(&target(&receiver)));
    bench.start_with(&text).await;
    bench.ended_as("orders", "accepted").await;
    bench.stop().await.unwrap();
    let requests = collector.requests();
    assert!(!requests.is_empty());
    for (request, _) in requests {
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/traces"));
        assert_eq!(request.headers["authorization"], "Bearer collector-key");
        assert_eq!(request.headers["content-type"], "application/x-protobuf");
    }
}
