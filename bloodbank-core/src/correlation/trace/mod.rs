//! Traces: everything around an event, loaded and drawn.

mod diagram;
mod label;
mod load;
mod text;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::store::MalformedEntry;

/// A trace of everything around an event: its causes, its effects, and the other effects of the same causes.
///
/// ```
/// # use bloodbank_core::{Settings, correlation::{CorrelationTracker, Trace}};
/// # use uuid::Uuid;
/// # futures_util::FutureExt::now_or_never(async {
/// # let tracker = CorrelationTracker::in_memory(&Settings::default());
/// # let (upload, ready) = (Uuid::new_v4(), Uuid::new_v4());
/// # tracker.link(upload, ready, "").await?;
/// let trace = Trace::load(&tracker, ready).await?;
/// println!("{}", trace.to_text());
/// # assert_eq!(trace.events.len(), 2);
/// # Ok::<(), bloodbank_core::Error>(()) }).unwrap().unwrap();
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trace {
    /// The event that the trace was loaded around.
    pub around: Uuid,
    /// Every event once, causes before effects, otherwise by time.
    pub events: Vec<TraceEvent>,
    /// Whether there is more than was loaded.
    pub truncated: bool,
    /// Whether links of these events were not recorded, because the store was away.
    pub may_be_incomplete: bool,
    /// Malformed values, which another program wrote.
    pub malformed: Vec<MalformedEntry>,
}

/// An event in a [`Trace`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TraceEvent {
    /// The id of the event.
    pub event_id: Uuid,
    /// The routing key of the event; `None` when the store has only links to it: it was published without tracking, by
    /// the Python side, or has expired.
    pub event_type: Option<String>,
    /// The program that published the event.
    pub app: Option<String>,
    /// The time in the envelope.
    pub time: Option<DateTime<Utc>>,
    /// The direct parents of the event.
    pub parents: Vec<Uuid>,
    /// The direct children of the event, by time.
    pub children: Vec<Uuid>,
    /// The metadata from the publisher.
    pub metadata: Map<String, Value>,
}
