//! The endpoints as an OpenAPI 3.1 document, made from the registry.

mod components;
mod fixed;

use bloodbank_core::{Registry, event::EventKind, registry::EventDescriptor, routing};
use components::{options, problems, reference};
use serde_json::{Map, Value, json};

use crate::{Gateway, schemas};

/// The document: the endpoints of every registered event, and those that are always there.
///
/// ```
/// let document = bloodbank_gateway::openapi::document(bloodbank_core::Registry::global());
/// assert_eq!(document["openapi"], "3.1.0");
/// ```
#[must_use]
pub fn document(registry: &Registry) -> Value {
    let mut paths = Map::new();
    for event in registry.events() {
        paths.insert(path(event), json!({ "post": publish(event) }));
    }
    paths.extend(fixed::paths());
    let tags: Vec<_> = registry.domains().map(|domain| json!({ "name": domain })).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Bloodbank gateway",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Every registered event over HTTP. Errors are `application/problem+json` (RFC 9457) with the JSON pointer of each fault.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": tags,
        "security": [{}, { "bearer": [] }],
        "paths": paths,
        "components": components::all(registry),
    })
}

/// The document of a gateway: with the routes of others that it serves.
#[must_use]
pub fn of(gateway: &Gateway) -> Value {
    let mut document = document(Registry::global());
    if let Some(paths) = document["paths"].as_object_mut() {
        paths.extend(gateway.open().paths.clone());
    }
    document
}

/// `artifact.{action}` is at `/events/artifact/{action}`.
pub(crate) fn path(event: &EventDescriptor) -> String {
    format!("/events/{}", event.routing_key().replace('.', "/"))
}

fn publish(event: &EventDescriptor) -> Value {
    let declaration = event.declaration();
    let schema = schemas::reference(event);
    let mut media = json!({ "schema": body(event) });
    if let Some(example) = event.example().and_then(|example| example.to_value().ok()) {
        media["example"] = example;
    }
    let mut parameters: Vec<Value> = placeholders(event)
        .map(|name| {
            json!({
                "name": name, "in": "path", "required": true,
                "schema": { "$ref": format!("#/components/schemas/{}/properties/{name}", schemas::name(event)) },
            })
        })
        .collect();
    parameters.extend(options());
    let mut accepted = json!({
        "description": "The event is on the bus; this is its envelope.",
        "headers": { "bloodbank-unrouted": {
            "description": "No queue received it: nobody subscribes to this key yet.",
            "schema": { "type": "string", "enum": ["true"] },
        } },
        "content": { "application/json": { "schema": { "allOf": [
            reference("schemas", "Envelope"),
            { "type": "object", "properties": { "payload": schema } },
        ] } } },
    });
    if event.kind() == EventKind::Command {
        accepted["headers"]["Location"] =
            json!({ "description": "What becomes of the command.", "schema": { "type": "string" } });
    }
    let mut responses = problems(&[400, 401, 403, 404, 408, 413, 415, 422, 503]);
    responses.insert("202".to_owned(), accepted);
    json!({
        "operationId": format!("publish_{}", schemas::name(event).replace('.', "_")),
        "tags": [event.domain()],
        "summary": crate::registry::first_line(declaration.docs),
        "description": declaration.docs,
        "parameters": parameters,
        "requestBody": { "required": true, "content": {
            "application/json": media,
            "application/cloudevents+json": { "schema": cloud_event(event) },
        } },
        "responses": responses,
    })
}

fn placeholders(event: &EventDescriptor) -> impl Iterator<Item = &'static str> {
    routing::template_segments(event.routing_key()).filter_map(|segment| match segment {
        routing::Segment::Placeholder(name) => Some(name),
        routing::Segment::Literal(_) => None,
    })
}

/// The event as a CloudEvent.
fn cloud_event(event: &EventDescriptor) -> Value {
    let mut schema = json!({
        "allOf": [reference("schemas", "CloudEvent")],
        "required": ["data"],
        "properties": { "data": schemas::reference(event) },
    });
    if placeholders(event).next().is_none() {
        schema["properties"]["type"] = json!({ "const": event.routing_key() });
    }
    schema
}

/// The payload. What the path says already may be left out.
fn body(event: &EventDescriptor) -> Value {
    let names: Vec<_> = placeholders(event).collect();
    if names.is_empty() {
        return schemas::reference(event);
    }
    let mut schema = schemas::component(event);
    if let Some(schema) = schema.as_object_mut() {
        // They stand in the component, where the references lead.
        schema.remove("$defs");
    }
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|field| !names.iter().any(|name| field == name));
    }
    schema
}
