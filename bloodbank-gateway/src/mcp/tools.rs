//! The tools: names, descriptions, schemas.

use std::{borrow::Cow, sync::Arc};

use bloodbank_core::{Registry, event::EventKind, registry::EventDescriptor};
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Map, Value, json};

use crate::publish::MOST_PARENTS;

/// The tools that publish one event, and the key of the event. Where it is not registered, the tool is not there.
pub(super) const OF_ONE_EVENT: [(&str, &str); 3] = [
    ("publish_llm_prompt", "llm.prompt"),
    ("publish_llm_response", "llm.response"),
    ("publish_artifact", "artifact.{action}"),
];

/// The longest a command is waited for, in seconds.
pub(super) const LONGEST_WAIT: u64 = 300;
/// So many events at most are answered to a question.
pub(super) const MOST_EVENTS: usize = 500;

/// Every tool; the schemas name only the keys that may be published.
pub(super) fn all(registry: &Registry, may_publish: impl Fn(&str) -> bool) -> Vec<Tool> {
    let allowed = |event: &&&EventDescriptor| may_publish(event.routing_key());
    let keys: Vec<_> = registry.events().iter().filter(allowed).map(|event| event.routing_key()).collect();
    let commands: Vec<_> =
        registry.commands().filter(|event| allowed(&event)).map(|event| event.routing_key()).collect();
    let mut tools = vec![changing(
        "publish_event",
        "Publishes an event of any registered type.",
        with_causes(json!({
            "type": "object",
            "required": ["key", "payload"],
            "properties": {
                "key": key("The routing key; a placeholder such as `{action}` stands for one word.", &keys),
                "payload": { "type": "object", "description": "The event, as `get_event_schema` describes it." },
            },
        })),
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
            "pattern": { "type": "string", "description": "Only keys that match: `*` is one word, `#` any number." },
            "domain": { "type": "string", "description": "Only of this domain." },
            "kind": { "enum": ["fact", "command", "failure"] },
        },
    }), json!({ "type": "object", "required": ["events"], "properties": { "events": list() } })));
    tools.push(reading(
        "get_event_schema",
        "The JSON Schema of an event, with an example where there is one.",
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
        "Everything that led to an event and that it led to.",
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
            "Publishes a command and waits for its reply.",
            with_causes(json!({
                "type": "object",
                "required": ["key", "payload"],
                "properties": {
                    "key": key("The routing key of the command.", &commands),
                    "payload": { "type": "object" },
                    "timeout_seconds": { "type": "integer", "minimum": 1, "maximum": LONGEST_WAIT, "default": 30 },
                },
            })),
            json!({ "type": "object", "properties": { "reply": { "type": ["object", "null"] } } }),
        ));
    }
    tools.push(reading(
        "query_events",
        "The events that were published, the newest first, where the bus keeps history.",
        json!({
            "type": "object",
            "properties": {
                "pattern": { "type": "string", "description": "Only keys that match; default: all." },
                "since": { "type": "string", "format": "date-time" },
                "limit": { "type": "integer", "minimum": 1, "maximum": MOST_EVENTS, "default": 50 },
            },
        }),
        json!({ "type": "object", "required": ["events"], "properties": { "events": list() } }),
    ));
    tools
}

/// The word of a kind in arguments.
pub(super) fn kind_word(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Fact => "fact",
        EventKind::Command => "command",
        EventKind::Failure => "failure",
    }
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
            "unrouted": { "type": "boolean", "description": "Nobody subscribes to it yet." },
        },
    })
}

/// Keys without placeholders are listed; one with them is filled in by the caller.
fn key(description: &str, keys: &[&str]) -> Value {
    json!({ "type": "string", "description": description, "examples": keys })
}

fn with_causes(mut schema: Value) -> Value {
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert(
            "correlation_ids".to_owned(),
            json!({
                "type": "array", "items": { "type": "string", "format": "uuid" }, "maxItems": MOST_PARENTS,
                "description": "The events that caused it.",
            }),
        );
        properties.insert("event_id".to_owned(), json!({
            "type": "string", "format": "uuid", "description": "Its id, where publishing it twice shall be one event.",
        }));
    }
    schema
}

fn changing(name: &'static str, description: impl Into<Cow<'static, str>>, input: Value, output: Value) -> Tool {
    let annotations = ToolAnnotations::new().read_only(false).destructive(false);
    tool(name, description, input, output).annotate(annotations)
}

fn reading(name: &'static str, description: impl Into<Cow<'static, str>>, input: Value, output: Value) -> Tool {
    tool(name, description, input, output).annotate(ToolAnnotations::new().read_only(true))
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
