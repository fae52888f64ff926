//! A replay as data: the body of a request, and what is kept to go on after a kill.

use serde::{Deserialize, Serialize};

use super::{Replay, ReplayProgress};
use crate::{
    publish::Bus,
    store::{JournalQuery, Position},
};

/// A replay as data: what is asked of a gateway, and what a program keeps to go on with a replay after a kill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ReplayRequest {
    /// The queue of the subscriber.
    pub queue: String,
    /// Which events.
    #[serde(default)]
    pub query: JournalQuery,
    /// Where to begin.
    #[serde(default = "start")]
    pub from: Position,
    /// The most events per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// How far the replay had come when it was interrupted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<ReplayProgress>,
}

fn start() -> Position {
    Position::Start
}

impl ReplayRequest {
    /// A request for everything that the journal has.
    #[must_use]
    pub fn new(queue: impl Into<String>) -> Self {
        Self { queue: queue.into(), query: JournalQuery::all(), from: Position::Start, rate: None, progress: None }
    }

    /// Selects the events.
    #[must_use]
    pub fn query(mut self, query: JournalQuery) -> Self {
        self.query = query;
        self
    }

    /// Sets where to begin.
    #[must_use]
    pub fn from(mut self, from: Position) -> Self {
        self.from = from;
        self
    }

    /// Limits the events per second.
    #[must_use]
    pub fn rate(mut self, per_second: impl Into<Option<u32>>) -> Self {
        self.rate = per_second.into();
        self
    }

    /// Goes on with a replay that was interrupted.
    #[must_use]
    pub fn resume(mut self, progress: ReplayProgress) -> Self {
        self.progress = Some(progress);
        self
    }

    /// The replay on a bus.
    pub fn on(&self, bus: &Bus) -> Replay {
        let replay = Replay::of(bus, &*self.queue).query(self.query.clone()).from(self.from).rate(self.rate);
        match &self.progress {
            Some(progress) => replay.resume(progress),
            None => replay,
        }
    }
}
