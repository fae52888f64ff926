//! The components that operations share.

use bloodbank_core::Registry;
use serde_json::{Map, Value, json};

use crate::{operation::component, publish::MOST_PARENTS, schemas};

/// The options that every request to publish one event has.
pub(crate) fn publish_parameters() -> [Value; 4] {
    ["EventId", "CorrelationIds", "IdempotencyKey", "Traceparent"].map(|name| component("parameters", name))
}

/// The components of the document, as an OpenAPI Components Object.
pub(super) fn components(registry: &Registry) -> Value {
    let mut all = Map::new();
    for event in registry.events() {
        all.insert(schemas::name(event), schemas::component(event));
    }
    all.insert("Envelope".to_owned(), envelope());
    all.insert("PublishRequest".to_owned(), publish_request());
    all.insert("CloudEvent".to_owned(), cloud_event());
    all.insert("Problem".to_owned(), problem());
    json!({
        "schemas": all,
        "parameters": {
            "EventId": {
                "name": "event_id", "in": "query",
                "description": "The id of the event. May also be sent as the header `Event-Id`.",
                "schema": { "type": "string", "format": "uuid" },
            },
            "CorrelationIds": {
                "name": "correlation_ids", "in": "query", "explode": false,
                "description": "The ids of the events that caused this one. May also be sent as the header `Correlation-Ids`, with commas between them.",
                "schema": { "type": "array", "items": { "type": "string", "format": "uuid" }, "maxItems": MOST_PARENTS },
            },
            "IdempotencyKey": {
                "name": "Idempotency-Key", "in": "header",
                "description": "Requests of one client with the same key publish the same event.",
                "schema": { "type": "string", "minLength": 1, "maxLength": 255 },
            },
            "Traceparent": {
                "name": "traceparent", "in": "header", "description": "The W3C trace context that the event belongs to.",
                "schema": { "type": "string" },
            },
            "Id": { "name": "id", "in": "path", "required": true, "schema": { "type": "string", "format": "uuid" } },
        },
        "responses": {
            "Problem": {
                "description": "The request was refused. The body tells why.",
                "content": { "application/problem+json": { "schema": component("schemas", "Problem") } },
            },
        },
        "securitySchemes": { "bearer": {
            "type": "http", "scheme": "bearer", "description": "A token of the gateway. A gateway without tokens needs none.",
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

fn publish_request() -> Value {
    let mut schema = envelope();
    schema["description"] = "An envelope. The gateway fills in the fields that are left out.".into();
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
            "correlationids": { "type": "string", "description": "The ids of the events that caused this one, with commas between them." },
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
                    "pointer": { "type": "string", "description": "A JSON pointer to the invalid field in the body." },
                    "detail": { "type": "string" },
                },
            } },
        },
    })
}
