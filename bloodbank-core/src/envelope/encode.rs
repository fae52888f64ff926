//! The encoding of envelopes, without copying their parts.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::{AgentContext, ENVELOPE_VERSION, time};
use crate::error::{Error, ErrorKind, Result};

/// The initial capacity of a body in bytes, enough for most: from 1,024 bytes on, glibc tidies up its free lists before
/// it allocates.
const ROOM: usize = 992;

/// The fields of an envelope before its payload.
pub(crate) struct Head<'a> {
    pub(crate) event_id: Uuid,
    pub(crate) event_type: &'a str,
    pub(crate) timestamp: DateTime<Utc>,
    /// The source as [`Source::to_json`](super::Source::to_json) writes it; the same for most events.
    pub(crate) source: &'a str,
    pub(crate) correlation_ids: &'a [Uuid],
    pub(crate) agent_context: Option<&'a AgentContext>,
}

/// Encodes an envelope as UTF-8 JSON.
pub(crate) fn encode<T: Serialize>(head: &Head<'_>, payload: &T) -> Result<Vec<u8>> {
    let mut body = Vec::with_capacity(ROOM);
    head.write(&mut body)
        .and_then(|()| value(&mut body, payload))
        .map_err(|error| cannot_be_written(head.event_type, error))?;
    body.push(b'}');
    Ok(body)
}

/// Encodes a payload as UTF-8 JSON, without an envelope.
pub(crate) fn encode_plain<T: Serialize>(event_type: &str, payload: &T) -> Result<Vec<u8>> {
    let mut body = Vec::with_capacity(ROOM);
    value(&mut body, payload).map_err(|error| cannot_be_written(event_type, error))?;
    Ok(body)
}

fn cannot_be_written(event_type: &str, error: serde_json::Error) -> Error {
    Error::new(ErrorKind::InvalidPayload, format!("`{event_type}` cannot be written as JSON")).with_source(error)
}

impl Head<'_> {
    /// Writes the head by hand: field by field through serde costs as much as a payload of 300 bytes.
    fn write(&self, body: &mut Vec<u8>) -> serde_json::Result<()> {
        body.extend_from_slice(b"{\"event_id\":");
        id(body, self.event_id);
        body.extend_from_slice(b",\"event_type\":");
        value(body, self.event_type)?;
        body.extend_from_slice(b",\"timestamp\":\"");
        match time::text(&self.timestamp) {
            Some(text) => body.extend_from_slice(&text),
            None => body.extend_from_slice(self.timestamp.to_rfc3339().as_bytes()),
        }
        body.extend_from_slice(b"\",\"version\":\"");
        body.extend_from_slice(ENVELOPE_VERSION.as_bytes());
        body.extend_from_slice(b"\",\"source\":");
        body.extend_from_slice(self.source.as_bytes());
        body.extend_from_slice(b",\"correlation_ids\":[");
        for (number, parent) in self.correlation_ids.iter().enumerate() {
            if number > 0 {
                body.push(b',');
            }
            id(body, *parent);
        }
        body.extend_from_slice(b"],\"agent_context\":");
        match self.agent_context {
            Some(agent) => value(body, agent)?,
            None => body.extend_from_slice(b"null"),
        }
        body.extend_from_slice(b",\"payload\":");
        Ok(())
    }
}

fn id(body: &mut Vec<u8>, id: Uuid) {
    body.push(b'"');
    body.extend_from_slice(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
    body.push(b'"');
}

fn value<T: Serialize + ?Sized>(body: &mut Vec<u8>, value: &T) -> serde_json::Result<()> {
    serde_json::to_writer(body, value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::envelope::{AgentType, EventEnvelope, Source, TriggerType};

    /// The same bytes as through serde.
    fn check(envelope: &EventEnvelope<serde_json::Value>) {
        let source = envelope.source.to_json();
        let head = Head {
            event_id: envelope.event_id,
            event_type: &envelope.event_type,
            timestamp: envelope.timestamp,
            source: &source,
            correlation_ids: &envelope.correlation_ids,
            agent_context: envelope.agent_context.as_deref(),
        };
        let written = String::from_utf8(encode(&head, &envelope.payload).unwrap()).unwrap();
        assert_eq!(written, serde_json::to_string(envelope).unwrap());
    }

    #[test]
    fn what_is_written_by_hand_is_what_serde_writes() {
        let mut envelope = EventEnvelope {
            event_id: Uuid::new_v4(),
            event_type: "orders.order.placed".into(),
            timestamp: "2025-10-18T12:00:00.000001Z".parse().unwrap(),
            version: ENVELOPE_VERSION.into(),
            source: Source::new(TriggerType::Hook, "an \"app\"\n"),
            correlation_ids: vec![],
            agent_context: None,
            payload: json!({ "text": "a\"b\u{1}", "number": 0.1 }),
        };
        check(&envelope);
        envelope.event_type = "not \"a\" key".into();
        envelope.correlation_ids = vec![Uuid::new_v4()];
        envelope.source.app = None;
        check(&envelope);
        envelope.correlation_ids.push(Uuid::max());
        envelope.timestamp = "+12025-10-18T12:00:00Z".parse().unwrap();
        envelope.agent_context =
            Some(Box::new(AgentContext { name: Some("one".into()), ..AgentContext::new(AgentType::ClaudeCode) }));
        envelope.source.meta = json!({ "a": [1] }).as_object().cloned();
        check(&envelope);
    }
}
