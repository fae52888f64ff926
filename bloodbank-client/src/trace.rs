//! Traces as a gateway sends them, the same from a bus.

use bloodbank_core::correlation::{Trace, TraceEvent};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Everything around an event: what led to it, and what it led to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CausationTrace {
    /// The event that the trace was loaded around.
    pub around: Uuid,
    /// Every event once, causes before effects.
    pub events: Vec<CausationEvent>,
    /// Whether there is more than was loaded.
    pub truncated: bool,
    /// Whether links of these events were not recorded, because the store was away.
    pub may_be_incomplete: bool,
}

/// An event in a [`CausationTrace`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CausationEvent {
    /// The id of the event.
    pub event_id: Uuid,
    /// The routing key of the event; `None` when there are only links to it.
    pub event_type: Option<String>,
    /// The program that published the event.
    pub app: Option<String>,
    /// The time in the envelope.
    pub time: Option<DateTime<Utc>>,
    /// The direct causes of the event.
    pub parents: Vec<Uuid>,
    /// The direct effects of the event.
    pub children: Vec<Uuid>,
}

impl CausationTrace {
    /// Whether more is known than the id that was asked for.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.events.len() > 1 || self.events.iter().any(|event| event.event_type.is_some())
    }
}

impl From<Trace> for CausationTrace {
    fn from(trace: Trace) -> Self {
        let Trace { around, events, truncated, may_be_incomplete, malformed: _ } = trace;
        Self { around, events: events.into_iter().map(CausationEvent::from).collect(), truncated, may_be_incomplete }
    }
}

impl From<TraceEvent> for CausationEvent {
    fn from(event: TraceEvent) -> Self {
        let TraceEvent { event_id, event_type, app, time, parents, children, metadata: _ } = event;
        Self { event_id, event_type, app, time, parents, children }
    }
}
