//! The target `envelope`: bodies of messages.

use bloodbank::{__private::read_raw, EventEnvelope, Registry};
use bloodbank_domains as _;
use chrono::TimeDelta;
use serde_json::Value;

use crate::Target;

/// Bodies of messages: an envelope that can be read is written and read again without a loss, and every registered event
/// reads its payload or returns an error.
pub struct Envelopes;

impl Target for Envelopes {
    fn name(&self) -> &'static str {
        "envelope"
    }

    fn corpus(&self) -> Vec<Vec<u8>> {
        let mut corpus = super::golden();
        // Of version 1, and with as little as there may be.
        corpus.push(br#"{"event_id":"00000000-0000-0000-0000-000000000001","event_type":"llm.prompt","timestamp":"2025-10-18T12:00:00","version":"1.0.0","source":{"host":"a","type":"manual"},"correlation_id":"00000000-0000-0000-0000-000000000002","payload":{"provider":"a","prompt":"b"}}"#.to_vec());
        corpus.push(br#"{"event_id":"00000000-0000-0000-0000-000000000001","event_type":"a.b","timestamp":"2025-10-18T12:00:00Z","payload":null}"#.to_vec());
        // A leap second, where there is none.
        corpus.push(br#"{"event_id":"00000000-0000-0000-0000-000000000001","event_type":"a.b","timestamp":"5025-10-18T12:00:60.1236+00:00","payload":1.5}"#.to_vec());
        corpus
    }

    fn words(&self) -> &'static [&'static str] {
        &[
            "event_id",
            "event_type",
            "timestamp",
            "version",
            "source",
            "correlation_ids",
            "correlation_id",
            "agent_context",
            "payload",
            "host",
            "type",
            "app",
            "meta",
            "code_state",
            "2.0.0",
            "1.0.0",
            "3.0",
            "2025-10-18T12:00:00Z",
            "2025-10-18T12:00:00.123456789+14:00",
            "-262143-01-01T00:00:00Z",
            "+262142-12-31T23:59:60Z",
            "0001-01-01T00:00:00",
            "fireflies.transcript.ready",
            "llm.prompt",
            "artifact.created",
            "agent.thread.prompt",
            "github.pr.created",
            "00000000-0000-0000-0000-000000000001",
            "{}",
            "[]",
        ]
    }

    fn execute(&mut self, input: &[u8]) -> String {
        let raw = match read_raw(input) {
            Ok(raw) => raw,
            Err(error) => return error.to_string(),
        };
        let envelope: EventEnvelope<Value> = match serde_json::from_slice(input) {
            Ok(envelope) => envelope,
            // The payload is deeper than is read.
            Err(error) => return error.to_string(),
        };
        assert_eq!((&raw.event_id, &raw.event_type), (&envelope.event_id, &envelope.event_type));
        let written = serde_json::to_string(&envelope).expect("what was read can be written");
        let again: EventEnvelope<Value> = serde_json::from_str(&written).expect("what was written can be read");
        // Times are written in microseconds, and a leap second as the last one of its minute.
        let is_leap = envelope.timestamp.timestamp_subsec_nanos() >= 1_000_000_000;
        let most = if is_leap { TimeDelta::seconds(1) } else { TimeDelta::microseconds(1) };
        let late = envelope.timestamp - again.timestamp;
        assert!(late.abs() < most, "{late}");
        let envelope = EventEnvelope { timestamp: again.timestamp, ..envelope };
        assert_eq!(again, envelope, "something is lost in {written}");
        let value = serde_json::to_value(&envelope).expect("what was read is a value");
        if let Ok(from_value) = EventEnvelope::from_json(value) {
            assert_eq!(from_value, envelope);
        }
        let registry = Registry::global();
        let Some(descriptor) = registry.event(&raw.event_type) else {
            return registry.unknown(&raw.event_type).to_string();
        };
        match descriptor.read(&raw.event_type, &envelope.payload) {
            Ok(_) => format!("an event of {}", descriptor.type_path()),
            Err(error) => error.to_string(),
        }
    }
}
