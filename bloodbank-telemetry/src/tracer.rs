//! The tracer of the engine, by way of `tracing-opentelemetry`.

use bloodbank_core::telemetry::{SpanKind, SpanParent, SpanStart, SpanValue, TraceContext, Tracer};
use opentelemetry::{
    Context, Value,
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::{Status, TraceContextExt},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::named::{KIND, NAME};

/// Ties the spans of the engine to traces.
pub(crate) struct OtelTracer {
    w3c: TraceContextPropagator,
}

impl OtelTracer {
    pub(crate) fn new() -> Self {
        Self { w3c: TraceContextPropagator::new() }
    }

    fn read(&self, trace: &TraceContext) -> Context {
        self.w3c.extract_with_context(&Context::new(), &Headers(trace))
    }

    fn write(&self, context: &Context) -> Option<TraceContext> {
        if !context.span().span_context().is_valid() {
            return None;
        }
        let mut written = Written::default();
        self.w3c.inject_context(context, &mut written);
        Some(TraceContext { parent: written.parent?, state: written.state.filter(|state| !state.is_empty()) })
    }

    /// The parent that a span gets in place of the one it would have by itself.
    fn parent(&self, parent: &SpanParent) -> Option<Context> {
        match parent {
            SpanParent::Root => Some(Context::new()),
            SpanParent::Remote(given) => Some(self.read(given)),
            SpanParent::Current(given) => {
                let given = self.read(given.as_ref()?);
                let trace = |context: &Context| context.span().span_context().trace_id();
                let is_remote = given.span().span_context().is_valid() && trace(&given) != trace(&Context::current());
                is_remote.then_some(given)
            }
        }
    }
}

impl Tracer for OtelTracer {
    fn begin(&self, span: &Span, begun: &SpanStart<'_>) -> Option<TraceContext> {
        if let Some(parent) = self.parent(&begun.parent) {
            // Fails where nobody exports this span.
            let _ = span.set_parent(parent);
        }
        for link in &begun.links {
            span.add_link(self.read(link).span().span_context().clone());
        }
        span.set_attribute(NAME, begun.name.clone());
        span.set_attribute(KIND, kind_name(begun.kind));
        for (name, value) in &begun.attributes {
            span.set_attribute(*name, value_of(value));
        }
        self.write(&span.context())
    }

    fn fail(&self, span: &Span, kind: &str, error: &str) {
        span.set_attribute("error.type", kind.to_owned());
        span.set_status(Status::error(error.to_owned()));
    }

    fn current(&self) -> Option<TraceContext> {
        self.write(&Context::current())
    }
}

fn kind_name(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Server => "server",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
        SpanKind::Client => "client",
    }
}

fn value_of(value: &SpanValue<'_>) -> Value {
    match value {
        SpanValue::Text(text) => text.to_string().into(),
        SpanValue::Number(number) => (*number).into(),
    }
}

/// The headers of a message, to read a trace context from.
struct Headers<'a>(&'a TraceContext);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => Some(&self.0.parent),
            "tracestate" => self.0.state.as_deref(),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

/// The headers of a message, as a trace context is written into them.
#[derive(Default)]
struct Written {
    parent: Option<String>,
    state: Option<String>,
}

impl Injector for Written {
    fn set(&mut self, key: &str, value: String) {
        match key {
            "traceparent" => self.parent = Some(value),
            "tracestate" => self.state = Some(value),
            _ => {}
        }
    }
}
