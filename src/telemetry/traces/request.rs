//! The span of a request to a hook.
//!
//! It begins when the sender is proved, with the time at which the request came. Before that nothing is made and
//! the `traceparent` is not read, so strangers can neither fill the collector, nor push others' spans out of the
//! queue before it, nor put themselves into anybody's trace. What is refused is counted and logged as ever.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use axum::http::{HeaderMap, HeaderValue};
use futures_util::future::Either;
use opentelemetry::trace::{FutureExt as _, SpanBuilder, SpanContext, SpanKind, TraceContextExt as _};
use opentelemetry::{Context, KeyValue};

use super::{Maker, origins};

/// A request that is being answered.
pub struct Arriving {
    maker: Maker,
    route: &'static str,
    request_id: String,
    at: SystemTime,
    traceparent: Option<HeaderValue>,
    span: OnceLock<Context>,
}

impl Arriving {
    pub(super) fn new(maker: Maker, route: &'static str, headers: &HeaderMap, request_id: String) -> Self {
        let mut given = headers.get_all("traceparent").iter();
        // Of two nobody knows which is meant.
        let traceparent = given.next().filter(|_| given.next().is_none()).cloned();
        Self { at: maker.now(), maker, route, request_id, traceparent, span: OnceLock::new() }
    }

    /// Answers it, so that [`proved`] and [`origin`] know which request they are asked about.
    ///
    /// No `async fn`, which would hold `work` twice, as its argument and as what it waits for.
    pub fn around<F: Future>(this: Option<&Arc<Self>>, work: F) -> impl Future<Output = F::Output> {
        match this {
            Some(this) => Either::Left(work.with_context(Context::new().with_value(Arc::clone(this)))),
            None => Either::Right(work),
        }
    }

    fn begin(&self) -> Context {
        let parent = self.traceparent.as_ref().and_then(|text| origins::parse(text.to_str().ok()?));
        let parent = parent.map(|parent| Context::new().with_remote_span_context(parent)).unwrap_or_default();
        let builder = SpanBuilder::from_name(format!("POST {}", self.route))
            .with_kind(SpanKind::Server)
            .with_start_time(self.at)
            .with_attributes([
                KeyValue::new("http.request.method", "POST"),
                KeyValue::new("http.route", self.route),
                KeyValue::new("relay.request_id", self.request_id.clone()),
            ]);
        self.maker.start(builder, &parent)
    }

    /// It was answered so. `verdict` is what became of the notification.
    pub fn answered(&self, status: u16, verdict: &'static str) {
        let Some(span) = self.span.get() else { return };
        let failed = (status >= 500).then_some(verdict);
        let attributes = [
            KeyValue::new("http.response.status_code", i64::from(status)),
            KeyValue::new("relay.verdict", verdict),
        ];
        super::end(span, attributes, failed);
    }
}

/// The sender of the request that is being answered is proved.
pub fn proved() {
    let Some(arriving) = current() else { return };
    let span = arriving.span.get_or_init(|| arriving.begin());
    if let Some(trace_id) = super::recorded(span) {
        tracing::Span::current().record("trace_id", trace_id);
    }
}

/// The span of the request that is being answered: what work that it asks for came from.
pub fn origin() -> Option<SpanContext> {
    Some(current()?.span.get()?.span().span_context().clone())
}

fn current() -> Option<Arc<Arriving>> {
    Context::map_current(|context| context.get::<Arc<Arriving>>().cloned())
}
