//! Traces: what one rotation cost where, from the sender's own trace to the calls of `http` targets, as
//! OpenTelemetry spans that go to a collector (OTLP over HTTP).
//!
//! Guarantees: a span has names, ids, codes and times of the relay, never a value, a body or a header; who did
//! not prove himself has no span, and what he says of a trace is not read; what waits for the collector is
//! bounded, and nothing waits for it but, for a moment, the end of the relay. Without `traces` in the
//! configuration no span is made.
//!
//! A span is made known to what happens inside of it by OpenTelemetry's [`Context`], which goes along with the
//! future, not by an argument: so the path of a value knows only that something may be watching ([`step`]).
//!
//! Not guaranteed: that a span arrives. Decision 22 says why, and whose `traceparent` is believed.

mod export;
mod origins;
mod request;
mod step;

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, HeaderValue};
use opentelemetry::trace::{
    FutureExt as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt as _, Tracer as _,
    TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::config;
use crate::model::TargetName;
use crate::telemetry::metrics::{Kind, Metrics};

use export::Outbox;
pub use origins::Origins;
pub use request::{Arriving, origin, proved};
pub use step::{Ending, Step, step};

/// How long the end of the relay waits for the collector.
const END_WAIT: Duration = Duration::from_secs(3);

/// Makes the spans that no other span is around.
pub struct Traces(Option<On>);

struct On {
    maker: Maker,
    outbox: Arc<Outbox>,
    exporting: Mutex<Option<JoinHandle<()>>>,
}

/// What spans are made with. It goes along in the [`Context`] of a span, for those inside.
#[derive(Clone)]
struct Maker {
    tracer: SdkTracer,
    clock: Arc<dyn Clock>,
}

impl Traces {
    /// None are made.
    pub fn off() -> Self {
        Self(None)
    }

    /// Makes spans and sends them by `client`, with these headers, to the collector that `settings` name.
    /// Belongs into a Tokio runtime.
    pub fn open(
        settings: &config::Traces,
        headers: HeaderMap,
        client: reqwest::Client,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        // With what OTEL_RESOURCE_ATTRIBUTES says, which platforms set.
        let resource = Resource::builder()
            .with_service_name(settings.service_name.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let collector = export::Collector::new(client, settings.endpoint.clone(), headers, &resource);
        let (outbox, exporting) = export::start(collector, metrics);
        let outbox = Arc::new(outbox);
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(settings.sample_ratio))))
            .with_resource(resource)
            .with_span_processor(export::Processor(Arc::clone(&outbox)))
            .build();
        let maker = Maker { tracer: provider.tracer("anypoint-relay"), clock };
        Self(Some(On { maker, outbox, exporting: Mutex::new(Some(exporting)) }))
    }

    /// A request came. None where nobody listens: it is not looked at then.
    pub fn arrives(
        &self,
        route: &'static str,
        headers: &HeaderMap,
        request_id: impl FnOnce() -> String,
    ) -> Option<Arc<Arriving>> {
        let On { maker, .. } = self.0.as_ref()?;
        Some(Arc::new(Arriving::new(maker.clone(), route, headers, request_id())))
    }

    /// A run begins, for what came from these. It goes on with their trace if it is one; of several none is more
    /// its cause than the others, so it begins its own. All of them are linked.
    pub fn run(
        &self,
        target: &TargetName,
        kind: Kind,
        origins: &Origins,
        attributes: impl FnOnce() -> [KeyValue; 2],
    ) -> Span {
        let Some(On { maker, .. }) = &self.0 else { return Span(None) };
        let mut builder =
            SpanBuilder::from_name("run").with_kind(SpanKind::Consumer).with_links(origins.links());
        let named = [
            KeyValue::new("relay.target", target.as_str().to_owned()),
            KeyValue::new("relay.target.kind", kind.as_str()),
        ];
        builder.attributes = Some(named.into_iter().chain(attributes()).collect());
        let parent = origins.parent().map(|origin| Context::new().with_remote_span_context(origin.clone()));
        Span(Some(maker.start(builder, &parent.unwrap_or_default())))
    }

    /// Sends what waits, for a few seconds at most. Nothing is sent any more after it.
    pub async fn end(&self) {
        let Some(On { outbox, exporting, .. }) = &self.0 else { return };
        outbox.close();
        let exporting = exporting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut exporting) = exporting
            && tokio::time::timeout(END_WAIT, &mut exporting).await.is_err()
        {
            exporting.abort();
            tracing::warn!("the last traces could not be sent in time");
        }
    }
}

impl Maker {
    fn now(&self) -> SystemTime {
        self.clock.timestamp().into()
    }

    /// A context with a span that begins now unless it says otherwise, inside of what `parent` holds.
    fn start(&self, mut builder: SpanBuilder, parent: &Context) -> Context {
        builder.start_time.get_or_insert_with(|| self.now());
        parent.with_value(self.clone()).with_span(self.tracer.build_with_context(builder, parent))
    }

    /// The one of the span that is around the caller, if there is one.
    fn current() -> Option<(Self, Context)> {
        Context::map_current(|context| Some((context.get::<Self>()?.clone(), context.clone())))
    }
}

/// A span around something of the relay, or nothing.
pub struct Span(Option<Context>);

impl Span {
    /// Does `work` inside of it.
    pub async fn around<F: Future>(&self, work: F) -> F::Output {
        match &self.0 {
            Some(context) => work.with_context(context.clone()).await,
            None => work.await,
        }
    }

    /// The trace that it can be found in.
    pub fn trace_id(&self) -> Option<String> {
        recorded(self.0.as_ref()?)
    }

    /// What came of it, for the work that it asks for.
    pub fn origin(&self) -> Option<SpanContext> {
        Some(self.0.as_ref()?.span().span_context().clone())
    }

    /// It is over. `code` is why, where it failed.
    pub fn end(&self, attributes: impl IntoIterator<Item = KeyValue>, code: Option<&'static str>) {
        if let Some(context) = &self.0 {
            end(context, attributes, code);
        }
    }
}

fn recorded(context: &Context) -> Option<String> {
    let span = context.span();
    span.span_context().is_sampled().then(|| span.span_context().trace_id().to_string())
}

fn end(context: &Context, attributes: impl IntoIterator<Item = KeyValue>, code: Option<&'static str>) {
    let span = context.span();
    span.set_attributes(attributes);
    if let Some(code) = code {
        span.set_attribute(KeyValue::new("error.type", code));
        span.set_status(Status::error(code));
    }
    match context.get::<Maker>() {
        Some(maker) => span.end_with_timestamp(maker.now()),
        None => span.end(),
    }
}

/// The `traceparent` of a request that goes out inside of the span that is around the caller (W3C Trace
/// Context); none where there is none.
pub fn traceparent() -> Option<HeaderValue> {
    let context = Context::map_current(|context| {
        context.get::<Maker>()?;
        Some(context.span().span_context().clone())
    })?;
    HeaderValue::try_from(origins::traceparent(&context)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Failure;

    #[tokio::test]
    async fn where_nobody_listens_nothing_is_made_or_asked_for() {
        let traces = Traces::off();
        let no_id = || -> String { panic!("the request is looked at") };
        assert!(traces.arrives("/hooks/trigger", &HeaderMap::new(), no_id).is_none());
        let target = TargetName::parse("orders").unwrap();
        let span = traces.run(&target, Kind::Http, &Origins::default(), || panic!("the run is looked at"));
        let work = async {
            proved();
            step(Step::Write, async { Ok::<_, Failure>((traceparent(), origin())) }).await
        };
        assert!(matches!(span.around(work).await, Ok((None, None))));
        assert!(span.origin().is_none() && span.trace_id().is_none());
        traces.end().await;
    }
}
