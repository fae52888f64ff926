//! `GET /registry/…` and `GET /schemas/…`: the registered domains, events and schemas.

use axum::{
    Json,
    http::header,
    response::{IntoResponse, Response},
};
use bloodbank_core::{Registry, registry::EventDescriptor};
use serde_json::{Value, json};

use crate::{
    operation::{Operation, component},
    params::PathParam,
    problem::Problem,
    summary::summary,
};

/// Answers with the domains and the keys of their events.
pub(super) async fn domains() -> Json<Value> {
    let registry = Registry::global();
    let domains: Vec<_> = registry
        .domains()
        .map(|domain| {
            let keys: Vec<_> = registry.events_in(domain).iter().map(|event| event.routing_key()).collect();
            json!({ "domain": domain, "events": keys })
        })
        .collect();
    Json(json!({ "domains": domains }))
}

/// Answers with a summary of every event.
pub(super) async fn events() -> Json<Value> {
    let events: Vec<_> = Registry::global().events().iter().map(|event| summary(event)).collect();
    Json(json!({ "events": events }))
}

/// Answers with an event, its documentation, its schema and its example.
pub(super) async fn event(PathParam(key): PathParam) -> Result<Json<Value>, Problem> {
    let event = find(&key)?;
    let mut value = summary(event);
    value["docs"] = event.declaration().docs.into();
    value["schema"] = event.schema().to_value();
    value["example"] = event.example().and_then(|example| example.to_value().ok()).unwrap_or_default();
    Ok(Json(value))
}

/// Answers with the JSON Schema in the file `{key}.json`.
pub(super) async fn schema(PathParam(file): PathParam) -> Result<Response, Problem> {
    let key = file.strip_suffix(".json").ok_or_else(|| {
        Problem::not_found("a schema is at `/schemas/{key}.json`; `GET /registry/events` lists the keys")
    })?;
    let schema = find(key)?.schema();
    Ok(([(header::CONTENT_TYPE, "application/schema+json")], Json(schema.to_value())).into_response())
}

fn find(key: &str) -> Result<&'static EventDescriptor, Problem> {
    let registry = Registry::global();
    registry.event(key).ok_or_else(|| Problem::from(registry.unknown(key)))
}

pub(super) fn domains_operation() -> Operation {
    Operation::new("domains", "Lists the domains and the keys of their events").json(
        200,
        "The domains.",
        component("schemas", "Domains"),
    )
}

pub(super) fn events_operation() -> Operation {
    Operation::new("events", "Lists every registered event").json(
        200,
        "The events.",
        component("schemas", "EventSummaries"),
    )
}

pub(super) fn event_operation() -> Operation {
    Operation::new("event", "Returns a registered event with its schema")
        .parameter(json!({
            "name": "key", "in": "path", "required": true, "schema": { "type": "string" },
            "description": "The routing key of the event.",
        }))
        .json(200, "The event.", component("schemas", "EventDetails"))
        .problems([400, 404])
}

pub(super) fn schema_operation() -> Operation {
    let content = json!({ "application/schema+json": { "schema": { "type": "object" } } });
    Operation::new("schema", "Returns the JSON Schema of an event")
        .parameter(json!({
            "name": "file", "in": "path", "required": true, "schema": { "type": "string" },
            "description": "The routing key of the event, followed by `.json`.",
            "example": "llm.prompt.json",
        }))
        .response(200, json!({ "description": "The schema of the payload.", "content": content }))
        .problems([400, 404])
}
