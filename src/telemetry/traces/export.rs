//! From ended spans to the collector: a bounded queue, batches, one request at a time.
//!
//! Guarantees: ending a span never waits; what finds the queue full is left out and counted; a collector that
//! does not answer costs one line in the log until it answers again; a batch that it did not take is not sent
//! again, because a second try would be for diagnosis what it is not worth in memory.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use opentelemetry::Context;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use prost::Message;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::telemetry::metrics::{Metrics, SpanResult};

/// Spans that wait at most, as the SDK's own processor has it: a run is fewer than ten.
const WAITING: usize = 2048;
/// Spans in one request.
const BATCH: usize = 512;
/// How long a span waits for others.
const GATHER: Duration = Duration::from_secs(1);
/// Longest answer of a collector that is read.
const ANSWER: usize = 64 * 1024;

/// The way to the collector.
pub(super) struct Collector {
    client: reqwest::Client,
    url: Url,
    headers: HeaderMap,
    resource: ResourceAttributesWithSchema,
}

impl Collector {
    pub(super) fn new(
        client: reqwest::Client,
        url: Url,
        mut headers: HeaderMap,
        resource: &Resource,
    ) -> Self {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        Self { client, url, headers, resource: resource.into() }
    }

    /// How many of the spans it did not take; the error is why it took none.
    async fn send(&self, batch: Vec<SpanData>) -> Result<u64, String> {
        let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
        let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        let request = self.client.post(self.url.clone()).headers(self.headers.clone()).body(body);
        let mut answer = request.send().await.map_err(|error| reason(&error))?;
        if !answer.status().is_success() {
            return Err(format!("it answered {}", answer.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(|error| reason(&error))? {
            body.extend_from_slice(&part);
            if body.len() > ANSWER {
                return Ok(0);
            }
        }
        // An answer that is none says nothing about spans; the status said that they were taken.
        let rejected =
            ExportTraceServiceResponse::decode(&body[..]).ok().and_then(|answer| answer.partial_success);
        Ok(rejected.map_or(0, |rejected| u64::try_from(rejected.rejected_spans).unwrap_or(0)))
    }
}

/// Without the URL, and without the texts of layers below.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        "it did not answer in time"
    } else if error.is_connect() {
        "it cannot be connected to"
    } else {
        "the connection broke"
    }
    .to_owned()
}

/// Takes the spans that have ended.
#[derive(Debug)]
pub(super) struct Outbox {
    waiting: Mutex<Option<mpsc::Sender<SpanData>>>,
    metrics: Counted,
}

/// Metrics, which have no `Debug`.
struct Counted(Arc<Metrics>);

impl std::fmt::Debug for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Outbox {
    fn put(&self, span: SpanData) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let full = waiting.as_ref().is_none_or(|waiting| waiting.try_send(span).is_err());
        if full {
            self.metrics.0.trace_spans(SpanResult::LeftOut, 1);
        }
    }

    /// Takes no more.
    pub(super) fn close(&self) {
        drop(self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// Starts what sends the spans that are put into the outbox.
pub(super) fn start(collector: Collector, metrics: Arc<Metrics>) -> (Outbox, JoinHandle<()>) {
    let (sender, spans) = mpsc::channel(WAITING);
    let outbox = Outbox { waiting: Mutex::new(Some(sender)), metrics: Counted(Arc::clone(&metrics)) };
    (outbox, tokio::spawn(Exporter { collector, metrics, spans, failing: false }.work()))
}

struct Exporter {
    collector: Collector,
    metrics: Arc<Metrics>,
    spans: mpsc::Receiver<SpanData>,
    failing: bool,
}

impl Exporter {
    /// Until the outbox is closed and empty.
    async fn work(mut self) {
        while let Some(first) = self.spans.recv().await {
            let batch = self.gather(first).await;
            self.export(batch).await;
        }
    }

    async fn gather(&mut self, first: SpanData) -> Vec<SpanData> {
        let (mut batch, until) = (vec![first], Instant::now() + GATHER);
        while batch.len() < BATCH
            && let Ok(Some(span)) = timeout_at(until, self.spans.recv()).await
        {
            batch.push(span);
        }
        batch
    }

    async fn export(&mut self, batch: Vec<SpanData>) {
        let count = batch.len() as u64;
        match self.collector.send(batch).await {
            Ok(rejected) => {
                let rejected = rejected.min(count);
                self.metrics.trace_spans(SpanResult::Sent, count - rejected);
                self.metrics.trace_spans(SpanResult::NotTaken, rejected);
                if std::mem::take(&mut self.failing) {
                    tracing::info!("the collector takes traces again");
                }
            }
            Err(error) => {
                self.metrics.trace_spans(SpanResult::NotTaken, count);
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(error, "the collector takes no traces; they are lost until it does");
                }
            }
        }
    }
}

/// The outbox as the SDK sees it.
#[derive(Debug)]
pub(super) struct Processor(pub(super) Arc<Outbox>);

impl SpanProcessor for Processor {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            self.0.put(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        self.0.close();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::trace::SdkTracerProvider;

    use super::*;

    #[test]
    fn what_finds_the_queue_full_is_left_out_and_counted_and_nobody_waits() {
        let metrics = Arc::new(Metrics::new([]));
        let (sender, mut spans) = mpsc::channel(3);
        let outbox = Outbox { waiting: Mutex::new(Some(sender)), metrics: Counted(Arc::clone(&metrics)) };
        let outbox = Arc::new(outbox);
        let provider =
            SdkTracerProvider::builder().with_span_processor(Processor(Arc::clone(&outbox))).build();
        let tracer = provider.tracer("test");
        for _ in 0..1000 {
            drop(tracer.start("span"));
        }
        outbox.close();
        drop(tracer.start("after the end"));
        let text = metrics.encode();
        assert!(text.contains("relay_trace_spans_total{result=\"left_out\"} 998\n"), "{text}");
        let taken = std::iter::from_fn(|| spans.try_recv().ok()).count();
        assert_eq!(taken, 3);
    }
}
