//! A collector: takes OTLP over HTTP and reads it as its protocol says.

use std::fmt::Write as _;

use anypoint_sandbox::anypoint::Receiver;
use anypoint_sandbox::server::Recorded;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;

pub(super) struct Collector(Receiver);

/// A span with its ids as text.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) trace: String,
    pub(super) id: String,
    /// Empty where it has none.
    pub(super) parent: String,
    pub(super) name: String,
    pub(super) kind: SpanKind,
    pub(super) starts: u64,
    pub(super) ends: u64,
    pub(super) error: String,
    /// Trace and span.
    pub(super) links: Vec<(String, String)>,
    attributes: Vec<(String, String)>,
}

impl Collector {
    pub(super) async fn start() -> Self {
        let receiver = Receiver::start().await;
        receiver.answer(200, "");
        Self(receiver)
    }

    pub(super) fn receiver(&self) -> &Receiver {
        &self.0
    }

    /// The part of a configuration that leads here; `more` are further settings.
    pub(super) fn section(&self, more: &str) -> String {
        format!("traces: {{ endpoint: \"{}\", service_name: orders-relay{more} }}\n", self.0.url())
    }

    pub(super) fn requests(&self) -> Vec<(Recorded, ExportTraceServiceRequest)> {
        let decoded = |request: Recorded| {
            let content = ExportTraceServiceRequest::decode(&request.body[..]).unwrap();
            (request, content)
        };
        self.0.received().into_iter().map(decoded).collect()
    }

    /// All spans, in the order of their beginnings.
    pub(super) fn spans(&self) -> Vec<Seen> {
        let all = self.requests().into_iter().flat_map(|(_, content)| content.resource_spans);
        let all = all.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans);
        let mut spans: Vec<Seen> = all.map(seen).collect();
        spans.sort_by_key(|span| span.starts);
        spans
    }
}

impl Seen {
    pub(super) fn attribute(&self, name: &str) -> String {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.unwrap_or_else(|| panic!("no {name} in {self:#?}")).1.clone()
    }
}

fn seen(span: Span) -> Seen {
    let attributes =
        span.attributes.iter().map(|pair| (pair.key.clone(), text(pair.value.as_ref()))).collect();
    Seen {
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        kind: span.kind(),
        starts: span.start_time_unix_nano,
        ends: span.end_time_unix_nano,
        error: span.status.map(|status| status.message).unwrap_or_default(),
        links: span.links.iter().map(|link| (hex(&link.trace_id), hex(&link.span_id))).collect(),
        name: span.name,
        attributes,
    }
}

/// A value as text.
pub(super) fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        other => panic!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
