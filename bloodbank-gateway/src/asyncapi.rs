//! The AsyncAPI document, made from the registry.

use bloodbank_core::{Registry, Settings, registry::EventDescriptor};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use crate::{
    schemas::{Schemas, placeholders, source},
    summary::{self, plain},
};

/// The version of the AMQP bindings of AsyncAPI.
const BINDINGS: &str = "0.3.0";

/// Makes the AsyncAPI 3.0 document of a registry: a channel for every event, an operation for publishing it, and one for
/// every subscriber and executor that is linked into this program. The settings tell the server, without user and password, and
/// the exchange.
///
/// ```
/// # use bloodbank_core::{Registry, Settings};
/// let document = bloodbank_gateway::asyncapi_document(Registry::global(), &Settings::default());
/// assert_eq!(document["asyncapi"], "3.0.0");
/// ```
#[must_use]
pub fn asyncapi_document(registry: &Registry, settings: &Settings) -> Value {
    let schemas = Schemas::of(registry);
    let servers: Vec<_> = settings.rabbit_urls().iter().filter_map(|url| server(url.expose_secret())).collect();
    let vhost = servers.first().and_then(|server| server["pathname"].as_str()).unwrap_or("/");
    let bindings = json!({ "amqp": {
        "is": "routingKey",
        "exchange": {
            "name": settings.exchange_name, "type": "topic", "durable": true, "autoDelete": false, "vhost": vhost,
        },
        "bindingVersion": BINDINGS,
    } });
    let (mut channels, mut messages, mut operations) = (Map::new(), Map::new(), Map::new());
    for event in registry.events() {
        let name = schemas.name(event);
        let mut channel = channel(event, name);
        channel["bindings"] = bindings.clone();
        channels.insert(name.to_owned(), channel);
        messages.insert(name.to_owned(), message(event, &schemas));
        operations.insert(format!("publish.{name}"), publishing(registry, event, &schemas));
    }
    for subscriber in registry.subscribers() {
        for input in (subscriber.inputs)() {
            let Some(event) = registry.event(input.routing_key) else { continue };
            let name = schemas.name(event);
            operations.insert(format!("{}.{name}", subscriber.name), receiving(name, &plain(subscriber.docs)));
        }
    }
    for executor in registry.executors() {
        let Some(event) = registry.event(executor.declaration().routing_key) else { continue };
        let name = schemas.name(event);
        operations.insert(format!("execute.{name}"), receiving(name, "Executes the command."));
    }
    let mut known = schemas.components();
    let mut source = source();
    source["title"] = "Source".into();
    known.insert("Source".to_owned(), source);
    // What HTTP alone takes.
    for event in registry.events() {
        schemas.http_names(event).for_each(|name| drop(known.remove(name)));
    }
    let mut document = json!({
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
    });
    // Without an address the events are on a bus in this process or in a file.
    if !servers.is_empty() {
        let named = |(number, server)| match number {
            0 => ("rabbitmq".to_owned(), server),
            _ => (format!("rabbitmq_{}", number + 1), server),
        };
        document["servers"] = servers.into_iter().enumerate().map(named).collect::<Map<_, _>>().into();
    }
    document
}

/// A node of RabbitMQ by its address, without user and password.
fn server(url: &str) -> Option<Value> {
    let (protocol, rest) = url.split_once("://")?;
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, vhost) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let vhost = percent_encoding::percent_decode_str(vhost).decode_utf8_lossy();
    let pathname = if vhost.is_empty() { "/" } else { &*vhost };
    Some(json!({
        "host": host, "protocol": protocol, "protocolVersion": "0.9.1", "pathname": pathname,
        "description": "The broker.",
    }))
}

fn channel(event: &EventDescriptor, name: &str) -> Value {
    let mut channel = json!({
        "address": event.routing_key(),
        "title": event.declaration().name,
        "description": plain(event.declaration().docs),
        "messages": { name: { "$ref": format!("#/components/messages/{name}") } },
    });
    let parameters: Map<_, _> = placeholders(event)
        .map(|name| (name.to_owned(), json!({ "location": format!("$message.payload#/payload/{name}") })))
        .collect();
    if !parameters.is_empty() {
        channel["parameters"] = parameters.into();
    }
    channel
}

fn message(event: &EventDescriptor, schemas: &Schemas) -> Value {
    let declaration = event.declaration();
    let mut message = json!({
        "name": event.routing_key(),
        "title": declaration.name,
        "summary": summary::first_line(&plain(declaration.docs)),
        "contentType": "application/json",
        "correlationId": { "location": "$message.payload#/correlation_ids/0" },
        "payload": schemas.envelope(event),
        "bindings": { "amqp": { "messageType": event.routing_key(), "bindingVersion": BINDINGS } },
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

fn publishing(registry: &Registry, event: &EventDescriptor, schemas: &Schemas) -> Value {
    let name = schemas.name(event);
    let mut operation = json!({
        "action": "send",
        "channel": channel_reference(name),
        "messages": [{ "$ref": format!("#/channels/{name}/messages/{name}") }],
        // Messages are persistent.
        "bindings": { "amqp": { "deliveryMode": 2, "bindingVersion": BINDINGS } },
    });
    let reply = event.declaration().reply.and_then(|reply| registry.event(reply));
    if let Some(reply) = reply {
        operation["reply"] = json!({ "channel": channel_reference(schemas.name(reply)) });
    }
    operation
}

fn receiving(name: &str, docs: &str) -> Value {
    json!({
        "action": "receive",
        "description": docs,
        "channel": channel_reference(name),
        "messages": [{ "$ref": format!("#/channels/{name}/messages/{name}") }],
        "bindings": { "amqp": { "ack": true, "bindingVersion": BINDINGS } },
    })
}
