//! Keys with placeholders: what the key says, the payload says too.

use bloodbank_core::{
    registry::EventDescriptor,
    routing::{self, Segment},
};
use serde_json::Value;

use crate::payload::Node;

/// Gives the payload the words of the key, where its fields for placeholders are missing: `artifact.created` sets
/// `action`.
pub(crate) fn fill_from_key(event: &EventDescriptor, key: &str, payload: &mut Value, schema: Node<'_>) {
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
