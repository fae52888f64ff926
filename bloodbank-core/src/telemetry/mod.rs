//! Telemetry: log lines, and the spans that say which event they are about.

#[cfg(feature = "logging")]
mod logging;
mod spans;
mod trace_context;
mod tracer;

#[cfg(feature = "logging")]
pub use logging::{init_logging, init_logging_with, init_logging_with_layer};
pub(crate) use spans::{Handled, process, process_batch, publish, settle, settles_are_seen};
pub use trace_context::TraceContext;
pub(crate) use tracer::current_trace;
pub use tracer::{SpanKind, SpanParent, SpanStart, SpanValue, Tracer, begin_span, fail_span, set_tracer};
