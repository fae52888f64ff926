//! An event to be published, and its receipt, whichever way it takes.

use bloodbank_core::envelope::{AgentContext, Source};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// An event to be published.
#[derive(Debug, Clone)]
#[must_use = "nothing is published until the request is given to a connection"]
pub struct PublishRequest<'a> {
    pub(crate) routing_key: &'a str,
    pub(crate) payload: &'a Value,
    pub(crate) source: Source,
    pub(crate) causes: &'a [Uuid],
    pub(crate) event_id: Option<Uuid>,
    pub(crate) timestamp: Option<DateTime<Utc>>,
    pub(crate) agent_context: Option<&'a AgentContext>,
}

impl<'a> PublishRequest<'a> {
    /// An event without a cause, with the id that its declaration gives it, and the time of its publishing.
    pub fn new(routing_key: &'a str, payload: &'a Value, source: Source) -> Self {
        Self { routing_key, payload, source, causes: &[], event_id: None, timestamp: None, agent_context: None }
    }

    /// Sets the ids of the events that caused this one.
    pub fn causes(mut self, causes: &'a [Uuid]) -> Self {
        self.causes = causes;
        self
    }

    /// Sets the id of the event.
    pub fn event_id(mut self, event_id: Uuid) -> Self {
        self.event_id = Some(event_id);
        self
    }

    /// Sets the time at which the event happened.
    pub fn timestamp(mut self, timestamp: DateTime<Utc>) -> Self {
        self.timestamp = Some(timestamp);
        self
    }

    /// Sets the agent on whose behalf the event is published.
    pub fn agent_context(mut self, agent: &'a AgentContext) -> Self {
        self.agent_context = Some(agent);
        self
    }
}

/// What was confirmed about an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PublishReceipt {
    /// The id of the event.
    pub event_id: Uuid,
    /// The key it was published under.
    pub event_type: String,
    /// Whether no queue received it: nobody subscribes to its key yet.
    pub unrouted: Option<bool>,
}
