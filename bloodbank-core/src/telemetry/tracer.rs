//! The tracer of this program, which makes traces of its spans.
//!
//! The engine knows spans of `tracing` and headers; what lies between them is the tracer's. There is none unless one is set, and
//! then a span costs what it costs without.

use std::sync::OnceLock;

use tracing::Span;

use super::TraceContext;

static TRACER: OnceLock<Box<dyn Tracer>> = OnceLock::new();

/// A tracer: makes traces of the spans of this program, together with those of others.
pub trait Tracer: Send + Sync + 'static {
    /// Begins a span: gives it its parent, its links and its attributes. Returns its context, which travels in the headers of
    /// what is sent within it; `None`: it belongs to no trace.
    fn begin(&self, span: &Span, begun: &SpanStart<'_>) -> Option<TraceContext>;

    /// Says that what a span is about has failed, by a name of the kind of the error and its text.
    fn fail(&self, span: &Span, kind: &str, error: &str);

    /// The context of the span that this task is in.
    fn current(&self) -> Option<TraceContext>;
}

/// A span as it begins.
#[derive(Debug)]
#[non_exhaustive]
pub struct SpanStart<'a> {
    /// The kind of the span.
    pub kind: SpanKind,
    /// The name, which has few different values.
    pub name: String,
    /// The parent.
    pub parent: SpanParent,
    /// The spans that led to this one without being its parent.
    pub links: Vec<TraceContext>,
    /// The attributes, by the names of OpenTelemetry's semantic conventions.
    pub attributes: Vec<(&'static str, SpanValue<'a>)>,
}

impl<'a> SpanStart<'a> {
    /// A span without links and attributes.
    #[must_use]
    pub fn new(kind: SpanKind, name: impl Into<String>, parent: SpanParent) -> Self {
        Self { kind, name: name.into(), parent, links: Vec::new(), attributes: Vec::new() }
    }

    /// Adds an attribute.
    #[must_use]
    pub fn attribute(mut self, name: &'static str, value: impl Into<SpanValue<'a>>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }
}

/// The kind of a span, as OpenTelemetry has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// Answers a request.
    Server,
    /// Sends a message.
    Producer,
    /// Works on a message.
    Consumer,
    /// Asks another program.
    Client,
}

/// The parent of a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpanParent {
    /// The span that this task is in; the given one, where this task is in none, or in one of another trace.
    Current(Option<TraceContext>),
    /// A span of another program.
    Remote(TraceContext),
    /// None: the span begins a trace.
    Root,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpanValue<'a> {
    /// Text.
    Text(std::borrow::Cow<'a, str>),
    /// A number.
    Number(i64),
}

impl<'a> From<&'a str> for SpanValue<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for SpanValue<'_> {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<i64> for SpanValue<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<usize> for SpanValue<'_> {
    fn from(number: usize) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// Sets the tracer of this program, for as long as it runs; `false`: there is one already, and it stays.
pub fn set_tracer(tracer: impl Tracer) -> bool {
    TRACER.set(Box::new(tracer)).is_ok()
}

/// Begins a span with the tracer of this program; `None`: there is none, or the span belongs to no trace. The field `trace_id` of the
/// span, where it has one, is set, so that log lines within it name the trace.
pub fn begin_span<'a>(span: &Span, start: impl FnOnce() -> SpanStart<'a>) -> Option<TraceContext> {
    let context = TRACER.get()?.begin(span, &start())?;
    if let Some(id) = context.trace_id() {
        span.record("trace_id", id);
    }
    Some(context)
}

/// Says that what a span is about has failed.
pub fn fail_span(span: &Span, kind: &str, error: &dyn std::fmt::Display) {
    if let Some(tracer) = TRACER.get() {
        tracer.fail(span, kind, &error.to_string());
    }
}

/// The context of the span that this task is in.
pub(crate) fn current_trace() -> Option<TraceContext> {
    TRACER.get()?.current()
}
