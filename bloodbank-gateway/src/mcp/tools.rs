//! The names, descriptions and schemas of the tools.

use std::{borrow::Cow, sync::Arc};

use bloodbank_core::{Registry, event::EventKind, registry::EventDescriptor};
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Map, Value, json};

use crate::publish::MOST_PARENTS;

/// The tools that publish one event, each with the key of its event. A tool whose event is not registered is left out.
pub(super) const OF_ONE_EVENT: [(&str, &str); 3] = [
    ("publish_llm_prompt", "llm.prompt"),
    ("publish_llm_response", "llm.response"),
    ("publish_artifact", "artifact.{action}"),
];

/// The longest time for which a command is waited for, in seconds.
pub(super) const LONGEST_WAIT: u64 = 300;
/// The number of events that a query returns at most.
pub(super) const MOST_EVENTS: usize = 500;

/// Every tool. The schemas name only the keys that may be published.
pub(super) fn all(registry: &Registry, may_publish: impl Fn(&str) -> bool) -> Vec<Tool> {
    let allowed = |event: &&&EventDescriptor| may_publish(event.routing_key());
    let keys: Vec<_> = registry.events().iter().filter(allowed).map(|event| event.routing_key()).collect();
    let commands: Vec<_> =
        registry.commands().filter(|event| allowed(&event)).map(|event| event.routing_key()).collect();
    let mut tools = vec![changing(
        "publish_event",
        "Publishes an event of any registered type.",
        with_causes(closed(json!({
            "type": "object",
            "required": ["key", "payload"],
            "properties": {
                "key": key("The routing key. A placeholder such as `{action}` stands for one word.", &keys),
                "payload": { "type": "object", "description": "The payload of the event, as `get_event_schema` describes it." },
            },
        }))),
        published(),
    )];
    for (name, event) in OF_ONE_EVENT {
        if let Some(event) = registry.event(event).filter(|event| may_publish(event.routing_key())) {
            let description = format!("Publishes `{}`. {}", event.routing_key(), event.declaration().docs.trim());
            tools.push(changing(name, description, with_causes(event.schema().to_value()), published()));
        }
    }
    tools.push(reading("list_events", "Lists the registered events.", json!({
        "type": "object",
        "properties": {
            "pattern": { "type": "string", "description": "Only keys that match this pattern: `*` stands for one word, `#` for any number of words." },
            "domain": { "type": "string", "description": "Only events of this domain." },
            "kind": { "enum": ["fact", "command", "failure"] },
        },
    }), json!({ "type": "object", "required": ["events"], "properties": { "events": list() } })));
    tools.push(reading(
        "get_event_schema",
        "Returns the JSON Schema of an event, with an example where there is one.",
        json!({
            "type": "object",
            "required": ["key"],
            "properties": { "key": { "type": "string", "description": "The routing key." } },
        }),
        json!({
            "type": "object",
            "required": ["key", "kind", "schema"],
            "properties": { "key": { "type": "string" }, "kind": { "type": "string" }, "schema": { "type": "object" } },
        }),
    ));
    tools.push(reading(
        "trace_event",
        "Returns the causes and effects of an event: everything that led to it, and everything that it led to.",
        json!({
            "type": "object",
            "required": ["event_id"],
            "properties": {
                "event_id": { "type": "string", "format": "uuid" },
                "format": { "enum": ["json", "text", "mermaid", "dot"], "default": "json" },
            },
        }),
        json!({
            "type": "object",
            "properties": { "events": list(), "drawing": { "type": "string" } },
        }),
    ));
    if !commands.is_empty() {
        tools.push(changing(
            "execute_command",
            "Publishes a command and waits for its reply. Where that takes longer than `timeout_seconds`, the command goes on: ask `command_status`, and do not execute it again.",
            with_causes(closed(json!({
                "type": "object",
                "required": ["key", "payload"],
                "properties": {
                    "key": key("The routing key of the command.", &commands),
                    "payload": { "type": "object" },
                    "timeout_seconds": { "type": "integer", "minimum": 1, "maximum": LONGEST_WAIT, "default": 30 },
                },
            }))),
            json!({
                "type": "object",
                "required": ["event_id", "status"],
                "properties": {
                    "event_id": { "type": "string", "format": "uuid" },
                    "status": { "enum": ["succeeded", "running"] },
                    "reply": { "type": ["object", "null"] },
                    "remedy": { "type": "string" },
                },
            }),
        ));
        tools.push(reading(
            "command_status",
            "Tells what became of a command, and waits for its end if `wait_seconds` says so.",
            json!({
                "type": "object",
                "required": ["event_id"],
                "properties": {
                    "event_id": { "type": "string", "format": "uuid", "description": "The id of the command." },
                    "wait_seconds": { "type": "integer", "minimum": 0, "maximum": LONGEST_WAIT, "default": 0 },
                },
            }),
            json!({
                "type": "object",
                "required": ["event_id", "status"],
                "properties": {
                    "event_id": { "type": "string", "format": "uuid" },
                    "status": { "enum": ["accepted", "running", "succeeded", "failed"] },
                    "reply": { "type": ["object", "null"] },
                    "failure": { "type": ["object", "null"] },
                    "remedy": { "type": "string" },
                },
            }),
        ));
    }
    tools.push(reading(
        "query_events",
        "Returns the events that were published, the newest first. Needs a bus that keeps history.",
        json!({
            "type": "object",
            "properties": {
                "pattern": { "type": "string", "description": "Only keys that match this pattern; default: all." },
                "since": { "type": "string", "format": "date-time" },
                "until": { "type": "string", "format": "date-time" },
                "source": { "type": "string", "description": "Only events that this program published." },
                "caused_by": { "type": "string", "format": "uuid", "description": "Only events that this one caused directly." },
                "event_id": { "type": "string", "format": "uuid" },
                "text": { "type": "string", "description": "Only events whose payload contains this text." },
                "limit": { "type": "integer", "minimum": 1, "maximum": MOST_EVENTS, "default": 50 },
            },
        }),
        json!({ "type": "object", "required": ["events"], "properties": { "events": list() } }),
    ));
    tools
}

/// The word for a kind of event in arguments.
pub(super) fn kind_word(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Fact => "fact",
        EventKind::Command => "command",
        EventKind::Failure => "failure",
    }
}

/// A schema that allows no other properties, because the tool refuses them.
fn closed(mut schema: Value) -> Value {
    schema["additionalProperties"] = false.into();
    schema
}

fn list() -> Value {
    json!({ "type": "array", "items": { "type": "object" } })
}

fn published() -> Value {
    json!({
        "type": "object",
        "required": ["event_id", "event_type", "unrouted"],
        "properties": {
            "event_id": { "type": "string", "format": "uuid" },
            "event_type": { "type": "string" },
            "unrouted": { "type": ["boolean", "null"], "description": "Whether nobody subscribes to the event yet; null: nobody can tell." },
        },
    })
}

/// The schema of a routing key. The known keys are its examples, whose placeholders the caller fills in.
fn key(description: &str, keys: &[&str]) -> Value {
    json!({ "type": "string", "description": description, "examples": keys })
}

fn with_causes(mut schema: Value) -> Value {
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert(
            "correlation_ids".to_owned(),
            json!({
                "type": "array", "items": { "type": "string", "format": "uuid" }, "maxItems": MOST_PARENTS,
                "description": "The ids of the events that caused this one.",
            }),
        );
        properties.insert("event_id".to_owned(), json!({
            "type": "string", "format": "uuid", "description": "The id of the event. Publishing twice with the same id publishes one event.",
        }));
    }
    schema
}

fn changing(name: &'static str, description: impl Into<Cow<'static, str>>, input: Value, output: Value) -> Tool {
    let annotations = ToolAnnotations::new().read_only(false).destructive(false);
    tool(name, description, input, output).annotate(annotations)
}

fn reading(name: &'static str, description: impl Into<Cow<'static, str>>, input: Value, output: Value) -> Tool {
    tool(name, description, closed(input), output).annotate(ToolAnnotations::new().read_only(true))
}

fn tool(name: &'static str, description: impl Into<Cow<'static, str>>, input: Value, output: Value) -> Tool {
    Tool::new(name, description, object(input)).with_raw_output_schema(object(output))
}

fn object(schema: Value) -> Arc<JsonObject> {
    match schema {
        Value::Object(schema) => Arc::new(schema),
        _ => Arc::new(Map::new()),
    }
}
