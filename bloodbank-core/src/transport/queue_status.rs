//! The state of a queue, for operators.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The state of a queue at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QueueStatus {
    /// The name of the queue.
    pub name: String,
    /// The number of messages that wait.
    pub waiting: u64,
    /// The number of messages that are delivered and not settled; `None`: it cannot be seen this way.
    pub unsettled: Option<u64>,
    /// The number of consumers.
    pub consumers: u64,
    /// The time of publishing of the message that waits longest; `None`: none waits, or it cannot be seen this way.
    pub oldest: Option<DateTime<Utc>>,
    /// The number of messages a second that come in; `None`: it is not measured.
    pub arrivals: Option<f64>,
    /// The number of messages a second that are acknowledged; `None`: it is not measured.
    pub acknowledgements: Option<f64>,
}

impl QueueStatus {
    /// The state of a queue of which only the messages that wait and the consumers are known.
    #[must_use]
    pub fn new(name: impl Into<String>, waiting: u64, consumers: u64) -> Self {
        Self {
            name: name.into(),
            waiting,
            unsettled: None,
            consumers,
            oldest: None,
            arrivals: None,
            acknowledgements: None,
        }
    }

    /// Sets the number of messages that are delivered and not settled.
    #[must_use]
    pub fn unsettled(mut self, messages: impl Into<Option<u64>>) -> Self {
        self.unsettled = messages.into();
        self
    }

    /// Sets the time of publishing of the message that waits longest.
    #[must_use]
    pub fn oldest(mut self, time: impl Into<Option<DateTime<Utc>>>) -> Self {
        self.oldest = time.into();
        self
    }

    /// Sets the numbers of messages a second that come in and are acknowledged.
    #[must_use]
    pub fn rates(mut self, arrivals: Option<f64>, acknowledgements: Option<f64>) -> Self {
        self.arrivals = arrivals;
        self.acknowledgements = acknowledgements;
        self
    }
}
