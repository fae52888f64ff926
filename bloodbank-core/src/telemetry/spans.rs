//! Spans: what the log lines within them are about, and what traces are made of.
//!
//! Where nobody listens, a span costs one comparison; what it would say is not looked up. Attributes have the names of
//! OpenTelemetry's conventions for messaging; where no tracer is set, nobody builds them.

use std::cell::LazyCell;

use tracing::{Level, Span, debug_span, error_span, field::Empty, level_filters::LevelFilter};
use uuid::Uuid;

use super::{SpanKind, SpanParent, SpanStart, TraceContext, begin_span};
use crate::message::{Incoming, Outgoing, names};

/// The event that is handled, as spans and log lines name it.
pub(crate) struct Handled<'a> {
    pub(crate) system: &'static str,
    pub(crate) queue: &'a str,
    pub(crate) event_id: Uuid,
    pub(crate) key: &'a str,
    pub(crate) attempt: u32,
    pub(crate) message: &'a Incoming,
    pub(crate) redelivered: bool,
}

impl Handled<'_> {
    /// Whether the event comes straight from its publisher for the first time: not delayed, not tried before, not redriven.
    fn is_fresh(&self) -> bool {
        const TRAVELLED: [&str; 4] = [names::EXCHANGE, names::REDRIVEN, names::RETURNED, names::REPLAYED];
        let headers = &self.message.properties.headers;
        self.attempt == 1 && !self.redelivered && TRAVELLED.iter().all(|name| headers.get(name).is_none())
    }

    fn start(&self, kind: SpanKind, operation: &'static str, parent: SpanParent) -> SpanStart<'static> {
        let Incoming { exchange, routing_key, properties, body } = self.message;
        let start = SpanStart::new(kind, format!("{operation} {}", self.queue), parent)
            .attribute("messaging.system", self.system)
            .attribute("messaging.operation.name", operation)
            .attribute("messaging.operation.type", operation)
            .attribute("messaging.destination.name", format!("{exchange}:{routing_key}:{}", self.queue))
            .attribute("messaging.destination.subscription.name", self.queue.to_owned())
            .attribute("messaging.rabbitmq.destination.routing_key", routing_key.to_string())
            .attribute("messaging.message.id", self.event_id.to_string())
            .attribute("messaging.message.body.size", body.len())
            .attribute("bloodbank.event_type", self.key.to_owned())
            .attribute("bloodbank.attempt", i64::from(self.attempt));
        match properties.correlation_id {
            Some(id) => start.attribute("messaging.message.conversation_id", id.to_string()),
            None => start,
        }
    }
}

/// The span of a publish, from the hand-over to the confirm; `None` where nobody listens. Its trace context travels with the message.
pub(crate) fn publish(
    system: &'static str,
    message: &mut Outgoing,
    event_type: &str,
    label: &str,
    event_id: Uuid,
) -> Option<Span> {
    if !may_be_seen(Level::DEBUG) {
        return None;
    }
    let span = debug_span!("publish", exchange = &*message.exchange, key = event_type, %event_id, trace_id = Empty);
    if span.is_disabled() {
        return None;
    }
    let context = begin_span(&span, || {
        let Outgoing { exchange, routing_key, properties, body, .. } = &*message;
        let parent = SpanParent::Current(TraceContext::from_headers(&properties.headers));
        let start = SpanStart::new(SpanKind::Producer, format!("publish {label}"), parent)
            .attribute("messaging.system", system)
            .attribute("messaging.operation.name", "publish")
            .attribute("messaging.operation.type", "send")
            .attribute("messaging.destination.name", format!("{exchange}:{routing_key}"))
            .attribute("messaging.rabbitmq.destination.routing_key", routing_key.to_string())
            .attribute("messaging.message.id", event_id.to_string())
            .attribute("messaging.message.body.size", body.len())
            .attribute("bloodbank.event_type", event_type.to_owned());
        match properties.correlation_id {
            Some(id) => start.attribute("messaging.message.conversation_id", id.to_string()),
            None => start,
        }
    });
    if let Some(context) = context {
        context.write(&mut message.properties.headers);
    }
    Some(span)
}

/// The span of an attempt, with all that the handler does, and its trace context; `None` where nobody listens.
///
/// It has the level of errors: a line of a handler says which event it is about, whatever level is logged. An event that comes
/// straight from its publisher continues the trace; one that was delayed, retried, redriven or replayed begins a trace that is
/// linked with it, because a span that ends hours after its parent cannot be read as its part.
pub(crate) fn process<'a>(handled: impl FnOnce() -> Handled<'a>) -> Option<(Span, Option<TraceContext>)> {
    if !may_be_seen(Level::ERROR) {
        return None;
    }
    let handled = LazyCell::new(handled);
    let span = error_span!(
        "process",
        queue = handled.queue,
        event_id = %handled.event_id,
        key = handled.key,
        attempt = handled.attempt,
        trace_id = Empty
    );
    if span.is_disabled() {
        return None;
    }
    let trace = begin_span(&span, || {
        let published = TraceContext::from_headers(&handled.message.properties.headers);
        let parent = match &published {
            Some(published) if handled.is_fresh() => SpanParent::Remote(published.clone()),
            _ => SpanParent::Root,
        };
        SpanStart { links: published.into_iter().collect(), ..handled.start(SpanKind::Consumer, "process", parent) }
    });
    Some((span, trace))
}

/// The span of an attempt at several events together, which names the first. It begins a trace that is linked with those of all.
pub(crate) fn process_batch(events: &[Handled<'_>]) -> Option<(Span, Option<TraceContext>)> {
    let handled = events.first()?;
    let span = error_span!(
        "process",
        queue = handled.queue,
        event_id = %handled.event_id,
        key = handled.key,
        attempt = handled.attempt,
        batch = events.len(),
        trace_id = Empty
    );
    if span.is_disabled() {
        return None;
    }
    let trace = begin_span(&span, || {
        let contexts = events.iter().map(|event| TraceContext::from_headers(&event.message.properties.headers));
        let start = SpanStart {
            links: contexts.flatten().collect(),
            ..handled.start(SpanKind::Consumer, "process", SpanParent::Root)
        };
        start.attribute("messaging.batch.message_count", events.len())
    });
    Some((span, trace))
}

/// Whether somebody may listen to the spans of settlements.
pub(crate) fn settles_are_seen() -> bool {
    may_be_seen(Level::DEBUG)
}

/// Whether somebody may listen to spans of a level. Where nobody does, and another crate has switched on the feature `log` of
/// `tracing`, the macros would look up what a span says.
///
/// Not `span_enabled!`: a subscriber whose layers have filters of their own, as with exported traces, would take its answer for the
/// next span of this thread, and lines of the log would not say which event they are about.
fn may_be_seen(level: Level) -> bool {
    LevelFilter::current() >= level
}

/// The span of the settlement of a delivery: its follow-ups, the copy for another attempt or for the dead-letter queue, the
/// acknowledgement. `outcome` is recorded at its end. `None` where nobody listens.
pub(crate) fn settle<'a>(handled: impl FnOnce() -> Handled<'a>) -> Option<Span> {
    if !may_be_seen(Level::DEBUG) {
        return None;
    }
    let handled = LazyCell::new(handled);
    let span = debug_span!(
        "settle",
        queue = handled.queue,
        event_id = %handled.event_id,
        key = handled.key,
        attempt = handled.attempt,
        outcome = Empty
    );
    if span.is_disabled() {
        return None;
    }
    begin_span(&span, || handled.start(SpanKind::Client, "settle", SpanParent::Current(None)));
    Some(span)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Outgoing;

    #[test]
    fn what_nobody_listens_to_is_not_looked_up() {
        assert!(process(|| unreachable!("nobody listens")).is_none());
        assert!(settle(|| unreachable!("nobody listens")).is_none());
        assert!(publish("test", &mut Outgoing::new("events", "a.b", ""), "a.b", "a.b", Uuid::nil()).is_none());
    }
}
