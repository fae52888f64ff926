//! Keys with placeholders: the payload must say what the key says.

use bloodbank_core::{
    registry::EventDescriptor,
    routing::{self, Segment},
};
use serde_json::Value;

use super::SchemaNode;

/// The names of the placeholders in the key of an event.
pub(super) fn placeholders(event: &EventDescriptor) -> impl Iterator<Item = &'static str> {
    routing::template_segments(event.routing_key()).filter_map(|segment| match segment {
        Segment::Placeholder(name) => Some(name.trim_start_matches("r#")),
        Segment::Literal(_) => None,
    })
}

/// Sets the fields of placeholders that the payload lacks to the words of the key: `artifact.created` sets `action`.
pub(super) fn fill_from_key(event: &EventDescriptor, key: &str, payload: &mut Value, schema: SchemaNode<'_>) {
    let template = event.routing_key();
    let Some(fields) = payload.as_object_mut().filter(|_| key != template) else { return };
    for (segment, word) in routing::template_segments(template).zip(key.split('.')) {
        let Segment::Placeholder(name) = segment else { continue };
        let name = name.trim_start_matches("r#");
        // A field under another name is for the caller to set: it is refused with its pointer where it is missing.
        if fields.get(name).is_none_or(Value::is_null) && schema.has_property(name) {
            let is_text = schema.member(name).types().iter().all(|kind| *kind == "string");
            let value = match serde_json::from_str(word) {
                Ok(value) if !is_text => value,
                _ => Value::String(word.to_owned()),
            };
            fields.insert(name.to_owned(), value);
        }
    }
}
