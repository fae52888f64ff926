//! The AsyncAPI document, made from the registry.

use bloodbank_core::{Registry, registry::EventDescriptor, routing};
use serde_json::{Map, Value, json};

use crate::{schemas, summary};

/// Makes the AsyncAPI 3.0 document of a registry: a channel for every event, an operation for publishing it, and one for
/// every subscriber and executor that is linked into this program.
///
/// ```
/// let document = bloodbank_gateway::asyncapi_document(bloodbank_core::Registry::global());
/// assert_eq!(document["asyncapi"], "3.0.0");
/// ```
#[must_use]
pub fn asyncapi_document(registry: &Registry) -> Value {
    let (mut channels, mut messages, mut known) = (Map::new(), Map::new(), Map::new());
    let mut operations = Map::new();
    for event in registry.events() {
        let name = schemas::name(event);
        channels.insert(name.clone(), channel(event));
        messages.insert(name.clone(), message(event));
        known.insert(name.clone(), schemas::component(event));
        operations.insert(format!("publish.{name}"), publishing(registry, event));
    }
    known.insert("Envelope".to_owned(), envelope());
    for subscriber in registry.subscribers() {
        for input in (subscriber.inputs)() {
            let Some(event) = registry.event(input.routing_key) else { continue };
            let operation = receiving(event, subscriber.docs);
            operations.insert(format!("{}.{}", subscriber.name, schemas::name(event)), operation);
        }
    }
    for executor in registry.executors() {
        let Some(event) = registry.event(executor.declaration().routing_key) else { continue };
        operations.insert(format!("execute.{}", schemas::name(event)), receiving(event, "Executes the command."));
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Bloodbank events",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Every registered event on one topic exchange. The address of a channel is the routing key.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages, "schemas": known },
    })
}

fn channel(event: &EventDescriptor) -> Value {
    let name = schemas::name(event);
    let mut channel = json!({
        "address": event.routing_key(),
        "title": event.declaration().name,
        "description": event.declaration().docs,
        "messages": { &name: { "$ref": format!("#/components/messages/{name}") } },
    });
    let parameters: Map<_, _> = routing::template_segments(event.routing_key())
        .filter_map(|segment| match segment {
            routing::Segment::Placeholder(name) => {
                let location = format!("$message.payload#/payload/{name}");
                Some((name.to_owned(), json!({ "location": location })))
            }
            routing::Segment::Literal(_) => None,
        })
        .collect();
    if !parameters.is_empty() {
        channel["parameters"] = parameters.into();
    }
    channel
}

fn message(event: &EventDescriptor) -> Value {
    let declaration = event.declaration();
    let mut message = json!({
        "name": event.routing_key(),
        "title": declaration.name,
        "summary": summary::first_line(declaration.docs),
        "contentType": "application/json",
        "correlationId": { "location": "$message.payload#/correlation_ids/0" },
        "payload": { "allOf": [
            { "$ref": "#/components/schemas/Envelope" },
            { "type": "object", "properties": { "payload": schemas::reference(event) } },
        ] },
        "x-kind": event.kind(),
        "x-domain": event.domain(),
    });
    if let Some(example) = event.example().and_then(|example| example.to_value().ok()) {
        message["x-example"] = example;
    }
    message
}

fn channel_reference(name: &str) -> Value {
    json!({ "$ref": format!("#/channels/{name}") })
}

fn publishing(registry: &Registry, event: &EventDescriptor) -> Value {
    let name = schemas::name(event);
    let mut operation = json!({
        "action": "send",
        "channel": channel_reference(&name),
        "messages": [{ "$ref": format!("#/channels/{name}/messages/{name}") }],
    });
    let reply = event.declaration().reply.and_then(|reply| registry.event(reply));
    if let Some(reply) = reply {
        operation["reply"] = json!({ "channel": channel_reference(&schemas::name(reply)) });
    }
    operation
}

fn receiving(event: &EventDescriptor, docs: &str) -> Value {
    let name = schemas::name(event);
    json!({
        "action": "receive",
        "description": docs,
        "channel": channel_reference(&name),
        "messages": [{ "$ref": format!("#/channels/{name}/messages/{name}") }],
    })
}

fn envelope() -> Value {
    json!({
        "type": "object",
        "required": ["event_id", "event_type", "timestamp", "payload"],
        "properties": {
            "event_id": { "type": "string", "format": "uuid" },
            "event_type": { "type": "string", "description": "The routing key." },
            "timestamp": { "type": "string", "format": "date-time" },
            "version": { "type": "string" },
            "source": { "type": "object" },
            "correlation_ids": { "type": "array", "items": { "type": "string", "format": "uuid" } },
            "agent_context": { "type": ["object", "null"] },
            "payload": { "type": "object" },
        },
    })
}
