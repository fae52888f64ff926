//! The envelope that every event travels in; wire-compatible with the Python side (frozen).

mod agent;
mod decode;
mod draft;
mod encode;
mod flat;
mod plain;
mod source;
mod time;

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use agent::{AgentContext, AgentType, CodeState};
pub use decode::{RawEnvelope, check_version};
pub use draft::EnvelopeDraft;
pub(crate) use encode::{Head, encode, encode_plain};
pub use flat::is_flat;
pub use plain::wrap_plain;
pub(crate) use plain::{plain_id, plain_identity};
pub use source::{Source, TriggerType, WrittenSource};
#[cfg(feature = "redis")]
pub(crate) use time::text as time_text;
pub(crate) use time::{now, parse as parse_time};
pub use time::{read_optional_time, read_time};

/// The version of the envelope that this crate writes.
pub const ENVELOPE_VERSION: &str = "1.0.0";

/// An event with everything that is known about it: its id, its time, its source, its causes.
///
/// In JSON, optional fields are written as `null`; unknown fields are ignored when reading, and unknown words of enums
/// are kept (`Other`), so that both sides can grow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "decode::Wire<T>", bound(deserialize = "T: Deserialize<'de>"))]
pub struct EventEnvelope<T> {
    /// The id of the event; the same for every redelivery.
    pub event_id: Uuid,
    /// The routing key.
    pub event_type: String,
    /// The time of publishing, in UTC.
    #[serde(serialize_with = "time::serialize")]
    pub timestamp: DateTime<Utc>,
    /// The version of the envelope.
    pub version: Cow<'static, str>,
    /// The source: who published the event.
    pub source: Source,
    /// The direct parents: the events that caused this one.
    pub correlation_ids: Vec<Uuid>,
    /// The agent on whose behalf the event was published.
    pub agent_context: Option<Box<AgentContext>>,
    /// The payload: the event itself.
    pub payload: T,
}

/// An envelope without its payload.
pub type EnvelopeHead = EventEnvelope<()>;

impl<T> EventEnvelope<T> {
    /// The first parent, the only one that early envelopes had.
    #[must_use]
    pub fn correlation_id(&self) -> Option<Uuid> {
        self.correlation_ids.first().copied()
    }

    /// Splits the envelope into its head and its payload.
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

    /// Replaces the payload by the result of `map`.
    #[must_use]
    pub fn map<U>(self, map: impl FnOnce(T) -> U) -> EventEnvelope<U> {
        let (head, payload) = self.split();
        let EventEnvelope { event_id, event_type, timestamp, version, source, correlation_ids, agent_context, .. } =
            head;
        let payload = map(payload);
        EventEnvelope { event_id, event_type, timestamp, version, source, correlation_ids, agent_context, payload }
    }

    /// A copy of the envelope without its payload.
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
