//! A tracer that names spans.
//!
//! `tracing` wants the name of a span when the program is compiled, and its kind as a field, which would stand in every log line.
//! The engine gives both as attributes, and they are taken out here, before the span begins.

use opentelemetry::{
    Context, KeyValue, Value,
    trace::{SpanBuilder, SpanKind, Tracer},
};
use opentelemetry_sdk::trace::{SdkTracer, Span};

/// The attribute with the name of a span.
pub(crate) const NAME: &str = "bloodbank.span.name";
/// The attribute with the kind of a span.
pub(crate) const KIND: &str = "bloodbank.span.kind";
/// The fields of our spans that have an attribute with the name of OpenTelemetry's conventions too.
const SAID_TWICE: [&str; 6] = ["attempt", "batch", "event_id", "exchange", "key", "queue"];

/// A tracer that gives spans the name and the kind that their attributes say.
#[derive(Debug, Clone)]
pub(crate) struct NamedTracer(pub(crate) SdkTracer);

impl Tracer for NamedTracer {
    type Span = Span;

    fn build_with_context(&self, mut builder: SpanBuilder, parent: &Context) -> Span {
        if let Some(attributes) = &mut builder.attributes
            && let Some(name) = take(attributes, NAME)
        {
            builder.name = name.as_str().into_owned().into();
            builder.span_kind = take(attributes, KIND).map(|kind| kind_of(&kind.as_str()));
            attributes.retain(|attribute| !SAID_TWICE.contains(&attribute.key.as_str()));
        }
        self.0.build_with_context(builder, parent)
    }
}

fn take(attributes: &mut Vec<KeyValue>, name: &str) -> Option<Value> {
    let place = attributes.iter().position(|attribute| attribute.key.as_str() == name)?;
    Some(attributes.swap_remove(place).value)
}

fn kind_of(name: &str) -> SpanKind {
    match name {
        "server" => SpanKind::Server,
        "producer" => SpanKind::Producer,
        "consumer" => SpanKind::Consumer,
        "client" => SpanKind::Client,
        _ => SpanKind::Internal,
    }
}
