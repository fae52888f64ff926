//! What operations share.

use bloodbank_core::Registry;
use serde_json::{Map, Value, json};

use crate::{publish::MOST_PARENTS, schemas};

/// A reference to a component.
pub(super) fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

/// What may be said about every event besides the event.
pub(super) fn options() -> Vec<Value> {
    ["EventId", "CorrelationIds", "IdempotencyKey", "Traceparent"].map(|name| reference("parameters", name)).into()
}

/// The problems with these statuses, and what the server says before it reads a request to the end.
pub(super) fn problems(statuses: &[u16]) -> Map<String, Value> {
    let problems = statuses.iter().map(|status| (status.to_string(), reference("responses", "Problem")));
    let refusals = [("414", "The address is too long."), ("431", "The headers are too large.")]
        .map(|(status, description)| (status.to_owned(), json!({ "description": description })));
    problems.chain(refusals).collect()
}

pub(super) fn all(registry: &Registry) -> Value {
    let mut known = Map::new();
    for event in registry.events() {
        known.insert(schemas::name(event), schemas::component(event));
    }
    known.insert("Envelope".to_owned(), envelope());
    known.insert("Submission".to_owned(), submission());
    known.insert("CloudEvent".to_owned(), cloud_event());
    known.insert("Problem".to_owned(), problem());
    json!({
        "schemas": known,
        "parameters": {
            "EventId": {
                "name": "event_id", "in": "query",
                "description": "The id of the event; also as the header `Event-Id`.",
                "schema": { "type": "string", "format": "uuid" },
            },
            "CorrelationIds": {
                "name": "correlation_ids", "in": "query", "explode": false,
                "description": "The events that caused it; also as the header `Correlation-Ids`.",
                "schema": { "type": "array", "items": { "type": "string", "format": "uuid" }, "maxItems": MOST_PARENTS },
            },
            "IdempotencyKey": {
                "name": "Idempotency-Key", "in": "header",
                "description": "Requests of one client with the same key are the same event.",
                "schema": { "type": "string", "minLength": 1, "maxLength": 255 },
            },
            "Traceparent": {
                "name": "traceparent", "in": "header", "description": "W3C trace context.",
                "schema": { "type": "string" },
            },
            "Id": { "name": "id", "in": "path", "required": true, "schema": { "type": "string", "format": "uuid" } },
        },
        "responses": {
            "Problem": {
                "description": "Why the request was refused.",
                "content": { "application/problem+json": { "schema": reference("schemas", "Problem") } },
            },
        },
        "securitySchemes": { "bearer": {
            "type": "http", "scheme": "bearer", "description": "A token of the gateway; not needed where it has none.",
        } },
    })
}

fn uuids() -> Value {
    json!({ "type": "array", "items": { "type": "string", "format": "uuid" } })
}

fn envelope() -> Value {
    json!({
        "type": "object",
        "required": ["event_id", "event_type", "timestamp", "version", "source", "correlation_ids", "payload"],
        "properties": {
            "event_id": { "type": "string", "format": "uuid" },
            "event_type": { "type": "string", "description": "The routing key." },
            "timestamp": { "type": "string", "format": "date-time" },
            "version": { "type": "string" },
            "source": source(),
            "correlation_ids": uuids(),
            "agent_context": { "type": ["object", "null"] },
            "payload": {},
        },
    })
}

fn source() -> Value {
    json!({
        "type": "object",
        "required": ["host", "type"],
        "properties": {
            "host": { "type": "string" },
            "type": { "type": "string", "examples": ["manual", "agent", "scheduled", "file_watch", "hook"] },
            "app": { "type": ["string", "null"] },
            "meta": { "type": ["object", "null"] },
        },
    })
}

fn submission() -> Value {
    let mut schema = envelope();
    schema["description"] = "An envelope; what is left out, the gateway fills in.".into();
    schema["required"] = json!(["event_type", "payload"]);
    schema
}

fn cloud_event() -> Value {
    json!({
        "type": "object",
        "required": ["specversion", "id", "source", "type"],
        "properties": {
            "specversion": { "const": "1.0" },
            "id": { "type": "string", "minLength": 1 },
            "source": { "type": "string", "minLength": 1 },
            "type": { "type": "string", "minLength": 1, "description": "The routing key." },
            "time": { "type": "string", "format": "date-time" },
            "datacontenttype": { "const": "application/json" },
            "data": {},
            "correlationids": { "type": "string", "description": "The ids of the causes, with commas between them." },
        },
    })
}

fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": { "type": "string", "format": "uri" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "errors": { "type": "array", "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": { "type": "string", "description": "A JSON pointer into the body." },
                    "detail": { "type": "string" },
                },
            } },
        },
    })
}
