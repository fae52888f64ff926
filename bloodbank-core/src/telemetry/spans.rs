//! Spans: what the log lines within them are about.
//!
//! Where nobody listens, a span costs one comparison; what it would say is not looked up.

use tracing::{Level, Span, debug_span, error_span, field::Empty, span_enabled};
use uuid::Uuid;

/// The event that is handled, as spans and log lines name it.
pub(crate) struct Handled<'a> {
    pub(crate) queue: &'a str,
    pub(crate) event_id: Uuid,
    pub(crate) key: &'a str,
    pub(crate) attempt: u32,
}

/// The span of a publish, from the hand-over to the confirm; `None` where nobody listens.
pub(crate) fn publish(exchange: &str, key: &str, event_id: Uuid) -> Option<Span> {
    span_enabled!(Level::DEBUG).then(|| debug_span!("publish", exchange, key, %event_id))
}

/// The span of an attempt, with all that the handler does; `None` where nobody listens.
///
/// It has the level of errors: a line of a handler says which event it is about, whatever level is logged.
pub(crate) fn process<'a>(handled: impl FnOnce() -> Handled<'a>) -> Option<Span> {
    span_enabled!(Level::ERROR).then(|| {
        let Handled { queue, event_id, key, attempt } = handled();
        error_span!("process", queue, %event_id, key, attempt)
    })
}

/// The span of the settlement of a delivery: its follow-ups, the copy for another attempt or for the dead-letter queue, the
/// acknowledgement. `outcome` is recorded at its end. `None` where nobody listens.
pub(crate) fn settle<'a>(handled: impl FnOnce() -> Handled<'a>) -> Option<Span> {
    span_enabled!(Level::DEBUG).then(|| {
        let Handled { queue, event_id, key, attempt } = handled();
        debug_span!("settle", queue, %event_id, key, attempt, outcome = Empty)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_listens_to_is_not_looked_up() {
        assert!(process(|| unreachable!("nobody listens")).is_none());
        assert!(settle(|| unreachable!("nobody listens")).is_none());
        assert!(publish("events", "a.b", Uuid::nil()).is_none());
    }
}
