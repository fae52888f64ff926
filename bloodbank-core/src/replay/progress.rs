//! How far a replay has come.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How far a replay has come: what it takes to go on with it after an interruption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReplayProgress {
    /// The id of the replay.
    pub id: Uuid,
    /// The queue of the subscriber.
    pub queue: String,
    /// Whether it runs, and how it ended.
    pub state: ReplayState,
    /// The number of events that are confirmed.
    pub sent: u64,
    /// The offset of the first event, once it is known.
    pub first: Option<u64>,
    /// The offset behind the last confirmed event: where to go on. `None`: none is confirmed yet.
    pub next: Option<u64>,
    /// The last offset: that of the newest event when the replay began. `None`: it has not begun.
    pub end: Option<u64>,
    /// What holds the replay up at the moment, or ended it.
    pub trouble: Option<String>,
}

/// Whether a replay runs, and how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReplayState {
    /// It runs.
    Running,
    /// It has sent everything.
    Done,
    /// It was cancelled, and can be resumed.
    Cancelled,
    /// It cannot go on by itself, for the reason in `trouble`.
    Failed,
}

impl ReplayProgress {
    pub(super) fn new(id: Uuid, queue: &str) -> Self {
        let (first, next, end, trouble) = (None, None, None, None);
        Self { id, queue: queue.to_owned(), state: ReplayState::Running, sent: 0, first, next, end, trouble }
    }

    /// The part of the journal that is behind, from 0 to 1.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "it is shown as a bar")]
    pub fn fraction(&self) -> f64 {
        let (Some(first), Some(next), Some(end)) = (self.first, self.next, self.end) else {
            return if self.state == ReplayState::Done { 1.0 } else { 0.0 };
        };
        let whole = end.saturating_add(1).saturating_sub(first).max(1);
        (next.saturating_sub(first) as f64 / whole as f64).clamp(0.0, 1.0)
    }
}
