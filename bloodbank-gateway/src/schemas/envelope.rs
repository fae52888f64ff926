//! The schemas of what every event has in common.

use serde_json::{Value, json};

use super::reference;

/// The envelope of an event with any payload.
pub(crate) fn envelope() -> Value {
    json!({
        "type": "object",
        "description": "The envelope of an event.",
        "required": ["event_id", "event_type", "timestamp", "version", "source", "correlation_ids", "payload"],
        "properties": {
            "event_id": { "type": "string", "format": "uuid" },
            "event_type": { "type": "string", "description": "The routing key." },
            "timestamp": { "type": "string", "format": "date-time" },
            "version": { "type": "string", "description": "The version of the envelope." },
            "source": reference("Source"),
            "correlation_ids": {
                "type": "array", "items": { "type": "string", "format": "uuid" },
                "description": "The ids of the events that caused this one.",
            },
            "agent_context": { "type": ["object", "null"], "additionalProperties": true },
            "payload": {},
        },
    })
}

/// The program that published an event.
pub(crate) fn source() -> Value {
    json!({
        "type": "object",
        "description": "The program that published an event.",
        "required": ["host", "type"],
        "properties": {
            "host": { "type": "string" },
            "type": { "type": "string", "examples": ["manual", "agent", "scheduled", "file_watch", "hook"] },
            "app": { "type": ["string", "null"] },
            "meta": { "type": ["object", "null"], "additionalProperties": true },
        },
    })
}

/// A CloudEvent with any data.
pub(crate) fn cloud_event() -> Value {
    json!({
        "type": "object",
        "description": "An event in the form of CloudEvents 1.0.",
        "required": ["specversion", "id", "source", "type"],
        "properties": {
            "specversion": { "type": "string", "const": "1.0" },
            "id": { "type": "string", "minLength": 1 },
            "source": { "type": "string", "minLength": 1 },
            "type": { "type": "string", "minLength": 1, "description": "The routing key." },
            "time": { "type": "string", "format": "date-time" },
            "datacontenttype": { "type": "string", "const": "application/json" },
            "data": {},
            "correlationids": {
                "type": "string",
                "description": "The ids of the events that caused this one, with commas between them.",
            },
        },
    })
}
