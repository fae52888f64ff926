//! Everything around an event, and how it is drawn.

mod diagram;
mod label;
mod load;
mod text;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::store::MalformedEntry;

/// Everything around an event: what led to it, what it led to, and what else came of the same causes.
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
    /// The event it was loaded around.
    pub around: Uuid,
    /// Every event once, causes before effects, otherwise by time.
    pub events: Vec<TraceEvent>,
    /// There is more than was loaded.
    pub truncated: bool,
    /// Links of these events were not recorded, because the store was away.
    pub may_be_incomplete: bool,
    /// Values that another program broke.
    pub malformed: Vec<MalformedEntry>,
}

/// An event in a [`Trace`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TraceEvent {
    /// The event.
    pub event_id: Uuid,
    /// Its routing key; `None` when the store has only links to it: it was published without tracking, by the Python
    /// side, or has expired.
    pub event_type: Option<String>,
    /// The program that published it.
    pub app: Option<String>,
    /// The time in its envelope.
    pub time: Option<DateTime<Utc>>,
    /// Its direct parents.
    pub parents: Vec<Uuid>,
    /// Its direct children, by time.
    pub children: Vec<Uuid>,
    /// What its publisher said.
    pub metadata: Map<String, Value>,
}
