//! Summaries of registered events, for lists.

use bloodbank_core::registry::EventDescriptor;
use serde_json::{Value, json};

/// The summary of an event in a list.
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
