//! The W3C trace context, by which the spans of several programs form one trace.

use crate::message::{Headers, names};

/// The W3C trace context, as headers carry it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// The `traceparent` header.
    pub parent: String,
    /// The `tracestate` header.
    pub state: Option<String>,
}

impl TraceContext {
    /// The id of the trace: 32 hexadecimal digits; nothing where `traceparent` is malformed.
    #[must_use]
    pub fn trace_id(&self) -> Option<&str> {
        self.parent.split('-').nth(1).filter(|id| id.len() == 32)
    }

    pub(crate) fn from_headers(headers: &Headers) -> Option<Self> {
        let parent = headers.text(names::TRACEPARENT)?.to_owned();
        Some(Self { parent, state: headers.text(names::TRACESTATE).map(str::to_owned) })
    }

    pub(crate) fn write(self, headers: &mut Headers) {
        headers.set(names::TRACEPARENT, self.parent);
        match self.state {
            Some(state) => headers.set(names::TRACESTATE, state),
            None => headers.remove_all(|name| name == names::TRACESTATE),
        }
    }
}
