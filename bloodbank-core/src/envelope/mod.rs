//! The envelope that every event travels in; wire-compatible with the Python side (frozen).

mod agent;
mod decode;
mod encode;
mod flat;
mod source;
mod time;

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use agent::{AgentContext, AgentType, CodeState};
pub use decode::{RawEnvelope, check_version};
pub(crate) use encode::{Head, encode};
pub use source::{Source, TriggerType, WrittenSource};
pub(crate) use time::now;
#[cfg(feature = "redis")]
pub(crate) use time::{parse as parse_time, text as time_text};

/// The version of the envelope that this crate writes.
pub const ENVELOPE_VERSION: &str = "1.0.0";

/// An event with everything that is known about it: who, when, why.
///
/// As JSON, optional fields are written as `null`; unknown fields are ignored when reading and unknown words of
/// enumerations are kept (`Other`), so that both sides can grow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "decode::Wire<T>", bound(deserialize = "T: Deserialize<'de>"))]
pub struct EventEnvelope<T> {
    /// Names this event everywhere; the same for every redelivery.
    pub event_id: Uuid,
    /// The routing key.
    pub event_type: String,
    /// When it was published, in UTC.
    #[serde(serialize_with = "time::serialize")]
    pub timestamp: DateTime<Utc>,
    /// The version of the envelope.
    pub version: Cow<'static, str>,
    /// Who published it.
    pub source: Source,
    /// The direct parents: the events that caused this one.
    pub correlation_ids: Vec<Uuid>,
    /// The agent on whose behalf it was published.
    pub agent_context: Option<Box<AgentContext>>,
    /// The event itself.
    pub payload: T,
}

/// An envelope without its payload.
pub type EnvelopeHead = EventEnvelope<()>;

impl<T> EventEnvelope<T> {
    /// The first parent, as the envelope had it before there could be several.
    #[must_use]
    pub fn correlation_id(&self) -> Option<Uuid> {
        self.correlation_ids.first().copied()
    }

    /// Takes the payload out.
    #[must_use]
    pub fn split(self) -> (EnvelopeHead, T) {
        let Self { event_id, event_type, timestamp, version, source, correlation_ids, agent_context, payload } = self;
        let head = EventEnvelope {
            event_id,
            event_type,
            timestamp,
            version,
            source,
            correlation_ids,
            agent_context,
            payload: (),
        };
        (head, payload)
    }

    /// The same envelope around another payload.
    #[must_use]
    pub fn map<U>(self, map: impl FnOnce(T) -> U) -> EventEnvelope<U> {
        let (head, payload) = self.split();
        let EventEnvelope { event_id, event_type, timestamp, version, source, correlation_ids, agent_context, .. } =
            head;
        let payload = map(payload);
        EventEnvelope { event_id, event_type, timestamp, version, source, correlation_ids, agent_context, payload }
    }

    /// A copy of everything but the payload.
    #[must_use]
    pub fn head(&self) -> EnvelopeHead {
        EventEnvelope {
            event_id: self.event_id,
            event_type: self.event_type.clone(),
            timestamp: self.timestamp,
            version: self.version.clone(),
            source: self.source.clone(),
            correlation_ids: self.correlation_ids.clone(),
            agent_context: self.agent_context.clone(),
            payload: (),
        }
    }
}
