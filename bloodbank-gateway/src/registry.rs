//! What is registered: domains, events, schemas.

use axum::{
    Json,
    http::header,
    response::{IntoResponse, Response},
};
use bloodbank_core::{Registry, registry::EventDescriptor};
use serde_json::{Value, json};

use crate::{params::Segment, problem::Problem};

/// `GET /registry/domains`.
pub(crate) async fn domains() -> Json<Value> {
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

/// `GET /registry/events`.
pub(crate) async fn events() -> Json<Value> {
    let events: Vec<_> = Registry::global().events().iter().map(|event| summary(event)).collect();
    Json(json!({ "events": events }))
}

/// `GET /registry/events/{key}`.
pub(crate) async fn event(Segment(key): Segment) -> Result<Json<Value>, Problem> {
    let event = find(&key)?;
    let mut value = summary(event);
    value["docs"] = event.declaration().docs.into();
    value["schema"] = event.schema().to_value();
    value["example"] = event.example().and_then(|example| example.to_value().ok()).unwrap_or_default();
    Ok(Json(value))
}

/// `GET /schemas/{key}.json`.
pub(crate) async fn schema(Segment(file): Segment) -> Result<Response, Problem> {
    let key = file
        .strip_suffix(".json")
        .ok_or_else(|| Problem::not_found("a schema is at `/schemas/{key}.json`; `/registry/events` lists the keys"))?;
    let schema = find(key)?.schema();
    Ok(([(header::CONTENT_TYPE, "application/schema+json")], Json(schema.to_value())).into_response())
}

fn find(key: &str) -> Result<&'static EventDescriptor, Problem> {
    let registry = Registry::global();
    registry.event(key).ok_or_else(|| Problem::from(registry.unknown(key)))
}

/// What a list says about an event.
pub(crate) fn summary(event: &EventDescriptor) -> Value {
    let declaration = event.declaration();
    let location = event.location();
    json!({
        "key": event.routing_key(),
        "kind": event.kind(),
        "domain": event.domain(),
        "name": declaration.name,
        "description": first_line(declaration.docs),
        "reply": declaration.reply,
        "id_fields": declaration.id_fields,
        "supersedes": declaration.supersedes.map(|older| older.routing_key),
        "external": declaration.external,
        "crate": location.crate_name,
        "crate_version": location.crate_version,
    })
}

/// The first line of a doc comment.
pub(crate) fn first_line(docs: &str) -> &str {
    docs.trim().lines().next().unwrap_or_default()
}
