//! The events as a page for people.

use std::fmt::Write;

use bloodbank_client::{Flow, HandlerKind, SchemaNode, documentation, kind_name, mock_payload, summary_line};
use bloodbank_core::{Registry, registry::EventDescriptor};

/// Every event by domain, and the flow between them.
pub(super) fn page(flow: &Flow) -> String {
    let registry = Registry::global();
    let mut page = String::from("# Events\n");
    for domain in registry.domains() {
        let _ = write!(page, "\n## {domain}\n\n| routing key | kind | |\n|---|---|---|\n");
        for event in registry.events_in(domain) {
            let docs = summary_line(event.declaration().docs);
            let _ = writeln!(
                page,
                "| [`{}`](#{}) | {} | {} |",
                event.routing_key(),
                anchor(event.routing_key()),
                kind_name(event.kind()),
                cell(&docs)
            );
        }
        for event in registry.events_in(domain) {
            section(&mut page, event, flow);
        }
    }
    if !flow.handlers.is_empty() {
        let _ = write!(page, "\n## Flow\n\n```mermaid\n{}```\n", flow.to_mermaid());
    }
    page
}

fn section(page: &mut String, event: &EventDescriptor, flow: &Flow) {
    let declaration = event.declaration();
    let schema = event.schema().to_value();
    let _ = write!(page, "\n### {}\n", event.routing_key());
    if !declaration.docs.trim().is_empty() {
        let _ = write!(page, "\n{}\n", documentation(declaration.docs));
    }
    let mut facts = vec![format!("- `{}`, {}", event.type_path(), kind_name(event.kind()))];
    if !declaration.id_fields.is_empty() {
        facts.push(format!("- its id is made from `{}`", declaration.id_fields.join("`, `")));
    }
    if !declaration.cause_fields.is_empty() {
        facts.push(format!("- caused by the event that `{}` names", declaration.cause_fields.join("`, `")));
    }
    if let Some(reply) = declaration.reply {
        facts.push(format!("- answered by [`{reply}`](#{})", anchor(reply)));
    }
    for handler in flow.handlers_of(event.routing_key()) {
        let verb = match handler.kind {
            HandlerKind::Executor => "executed",
            _ => "handled",
        };
        facts.push(format!("- {verb} by `{}`", handler.name));
    }
    let _ = write!(page, "\n{}\n", facts.join("\n"));
    let node = SchemaNode::root(&schema);
    if let Some(properties) = node.properties().filter(|properties| !properties.is_empty()) {
        let _ = write!(page, "\n| field | type | | |\n|---|---|---|---|\n");
        for (name, schema) in properties {
            let field = node.at(schema);
            let docs = schema.get("description").or_else(|| field.get("description")).and_then(|docs| docs.as_str());
            let required = if node.requires(name) { "required" } else { "" };
            let docs = summary_line(docs.unwrap_or_default());
            let _ = writeln!(page, "| `{name}` | {} | {required} | {} |", cell(&kinds(field)), cell(&docs));
        }
    }
    if let Ok(example) = mock_payload(event)
        && let Ok(text) = serde_json::to_string_pretty(&example)
    {
        let _ = write!(page, "\n```json\n{text}\n```\n");
    }
}

/// The type of a field in words.
fn kinds(field: SchemaNode<'_>) -> String {
    let values = field.enumerated();
    if !values.is_empty() {
        return values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
    }
    let kinds: Vec<_> = field.types().into_iter().filter(|kind| *kind != "null").collect();
    let format = field.get("format").and_then(|format| format.as_str()).map(|format| format!(" ({format})"));
    format!(
        "{}{}",
        if kinds.is_empty() { "anything".to_owned() } else { kinds.join(" or ") },
        format.unwrap_or_default()
    )
}

/// As GitHub and mdBook make them.
fn anchor(heading: &str) -> String {
    heading.chars().filter(|character| character.is_alphanumeric() || matches!(character, '_' | '-')).collect()
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
