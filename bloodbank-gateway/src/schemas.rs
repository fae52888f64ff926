//! The names, paths and schemas of events in the OpenAPI and AsyncAPI documents.

use bloodbank_core::registry::EventDescriptor;
use serde_json::Value;

const PREFIX: &str = "#/components/schemas/";

/// The path under which an event is published: `artifact.{action}` is at `/events/artifact/{action}`.
pub(crate) fn event_path(event: &EventDescriptor) -> String {
    format!("/events/{}", event.routing_key().replace('.', "/"))
}

/// The name of the component for an event: its routing key without the braces of placeholders.
pub(crate) fn name(event: &EventDescriptor) -> String {
    event.routing_key().replace(['{', '}'], "")
}

/// A reference to the schema of an event.
pub(crate) fn reference(event: &EventDescriptor) -> Value {
    serde_json::json!({ "$ref": format!("{PREFIX}{}", name(event)) })
}

/// The schema of an event as a component. Its references to itself are rewritten to lead to the component.
pub(crate) fn component(event: &EventDescriptor) -> Value {
    let mut schema = event.schema().to_value();
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("$schema");
    }
    rebase(&mut schema, &format!("{PREFIX}{}", name(event)));
    schema
}

fn rebase(value: &mut Value, base: &str) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get_mut("$ref")
                && let Some(inner) = reference.strip_prefix('#')
            {
                *reference = format!("{base}{inner}");
            }
            fields.values_mut().for_each(|field| rebase(field, base));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rebase(item, base)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
