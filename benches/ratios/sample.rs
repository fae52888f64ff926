//! The event with which both sides are measured, about 750 bytes on the wire.

use std::sync::LazyLock;

use bloodbank::{EventEnvelope, prelude::*};
use uuid::Uuid;

pub(crate) const KEY: &str = "bench.sentence.heard";

/// A sentence somebody said.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "bench.sentence.heard")]
pub(crate) struct SentenceHeard {
    meeting: String,
    index: u32,
    speaker: Option<String>,
    text: String,
    start: f64,
    end: f64,
    tags: Vec<String>,
}

pub(crate) const RELAYED: &str = "bench.sentence.relayed";

/// A sentence was passed on.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "bench.sentence.relayed")]
pub(crate) struct SentenceRelayed {
    meeting: String,
    index: u32,
    speaker: Option<String>,
    text: String,
    start: f64,
    end: f64,
    tags: Vec<String>,
}

impl From<SentenceHeard> for SentenceRelayed {
    fn from(heard: SentenceHeard) -> Self {
        let SentenceHeard { meeting, index, speaker, text, start, end, tags } = heard;
        Self { meeting, index, speaker, text, start, end, tags }
    }
}

impl SentenceHeard {
    pub(crate) fn index(&self) -> u32 {
        self.index
    }
}

pub(crate) fn event() -> SentenceHeard {
    numbered(7)
}

pub(crate) fn numbered(index: u32) -> SentenceHeard {
    SentenceHeard {
        meeting: "01K7CKT5XHEY6DP8BH4CND1QKZ".into(),
        index,
        speaker: Some("Ana".into()),
        text: "Two of those days went into chasing a lost event. ".repeat(6),
        start: 9.52,
        end: 19.44,
        tags: vec!["release".into(), "delivery".into()],
    }
}

/// The body that both sides put on the wire: the event in its envelope.
pub(crate) fn body() -> &'static [u8] {
    static BODY: LazyLock<Vec<u8>> = LazyLock::new(|| body_of(event()));
    &BODY
}

pub(crate) fn body_of(event: SentenceHeard) -> Vec<u8> {
    let envelope = EventEnvelope {
        event_id: Uuid::new_v4(),
        event_type: KEY.into(),
        timestamp: "2025-10-18T12:00:00.123456Z".parse().unwrap(),
        version: "1.0.0".into(),
        source: bloodbank::envelope::Source::new(bloodbank::envelope::TriggerType::Hook, "bloodbank"),
        correlation_ids: Vec::new(),
        agent_context: None,
        payload: event,
    };
    serde_json::to_vec(&envelope).unwrap()
}

/// The body of what follows an event, as both sides put it on the wire.
pub(crate) fn relayed(heard: EventEnvelope<SentenceHeard>) -> Vec<u8> {
    serde_json::to_vec(&relayed_envelope(heard)).unwrap()
}

pub(crate) fn relayed_envelope(heard: EventEnvelope<SentenceHeard>) -> EventEnvelope<SentenceRelayed> {
    EventEnvelope {
        event_id: Uuid::new_v4(),
        event_type: RELAYED.into(),
        timestamp: chrono::Utc::now(),
        version: "1.0.0".into(),
        source: bloodbank::envelope::Source::new(bloodbank::envelope::TriggerType::Hook, "bloodbank"),
        correlation_ids: vec![heard.event_id],
        agent_context: None,
        payload: SentenceRelayed::from(heard.payload),
    }
}
