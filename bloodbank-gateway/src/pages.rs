//! The documents as HTML pages, each in one file without scripts, which loads nothing from elsewhere.

use std::fmt::Write as _;

use bloodbank_core::{Registry, registry::EventDescriptor};
use serde_json::Value;

use crate::{schemas::event_path, summary::plain};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
h2{margin-top:2.5rem;border-bottom:1px solid #8886}code,pre{font:14px/1.4 ui-monospace,monospace}\
pre{background:#8881;padding:.75rem;overflow:auto}table{border-collapse:collapse;width:100%}\
td,th{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #8883}\
section{margin:1.5rem 0}.kind{opacity:.7;font-size:.85rem}:root{color-scheme:light dark}";

/// The page of every endpoint in the OpenAPI document and of every event; `base` stands before each path.
pub(crate) fn docs(registry: &Registry, document: &Value, base: &str) -> String {
    let mut body = "<p>Every endpoint of this gateway, and every event with its fields. Programs read the same from \
        <a href=\"openapi.json\">openapi.json</a>. The page <a href=\"asyncapi\">asyncapi</a> lists the events by domain, \
        with their subscribers.</p>\n<h2>Endpoints</h2>\n<table>\n"
        .to_owned();
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let summary = operation["summary"].as_str().unwrap_or_default();
            let _ = writeln!(
                body,
                "<tr><td><code>{}</code></td><td><code>{}</code></td><td>{}</td></tr>",
                method.to_uppercase(),
                escape(&format!("{base}{path}")),
                prose(summary)
            );
        }
    }
    body.push_str("</table>\n<h2>Events</h2>\n");
    for event in registry.events() {
        section(&mut body, event, &format!("POST {base}{}", event_path(event)));
    }
    page("Bloodbank gateway", &body)
}

/// The page of every event by domain, with its subscribers.
pub(crate) fn events(registry: &Registry) -> String {
    let mut body = "<p>Every event by its domain, with its fields and its subscribers. Programs read the same from \
        <a href=\"asyncapi.json\">asyncapi.json</a>. The page <a href=\"docs\">docs</a> lists the endpoints.</p>\n"
        .to_owned();
    for domain in registry.domains() {
        let _ = writeln!(body, "<h2>{}</h2>", escape(domain));
        for event in registry.events_in(domain) {
            section(&mut body, event, event.routing_key());
            let subscribers: Vec<_> = registry
                .subscribers()
                .iter()
                .filter(|subscriber| (subscriber.inputs)().iter().any(|input| input.routing_key == event.routing_key()))
                .map(|subscriber| escape(subscriber.name))
                .collect();
            if !subscribers.is_empty() {
                let _ = writeln!(body, "<p>Subscribers: {}.</p>", subscribers.join(", "));
            }
        }
    }
    page("Bloodbank events", &body)
}

fn section(body: &mut String, event: &EventDescriptor, address: &str) {
    let kind = format!("{:?}", event.kind()).to_lowercase();
    let _ = writeln!(
        body,
        "<section id=\"{key}\"><h3><code>{}</code> <span class=kind>{kind}</span></h3>\n<p>{}</p>\n<table>",
        escape(address),
        prose(event.declaration().docs),
        key = escape(event.routing_key()),
    );
    let schema = event.schema().to_value();
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let must = if required.iter().any(|other| other == name) { "required" } else { "" };
        let _ = writeln!(
            body,
            "<tr><td><code>{}</code></td><td>{}</td><td>{must}</td><td>{}</td></tr>",
            escape(name),
            escape(&type_of(field)),
            prose(field["description"].as_str().unwrap_or_default())
        );
    }
    body.push_str("</table>\n");
    if let Some(example) = event.example().and_then(|example| example.to_value().ok()) {
        let _ = writeln!(body, "<p>Example:</p><pre>{}</pre>", escape(&format!("{example:#}")));
    }
    let _ = writeln!(
        body,
        "<details><summary>JSON Schema</summary><pre>{}</pre></details></section>",
        escape(&format!("{schema:#}"))
    );
}

fn type_of(field: &Value) -> String {
    let word = |value: &Value| match value {
        Value::String(word) => Some(word.clone()),
        Value::Array(words) => Some(words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")),
        _ => None,
    };
    let reference = field["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
    word(&field["type"]).or_else(|| reference.map(str::to_owned)).unwrap_or_default()
}

/// A doc comment with its code as code.
fn prose(docs: &str) -> String {
    let text = escape(&plain(docs));
    let parts: Vec<_> = text.split('`').collect();
    // A mark without a partner is a character like any other.
    if parts.len() % 2 == 0 {
        return text;
    }
    let marked = parts.iter().enumerate().map(|(number, part)| match number % 2 {
        0 => (*part).to_owned(),
        _ => format!("<code>{part}</code>"),
    });
    marked.collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style>\n<h1>{title}</h1>\n{body}</html>\n"
    )
}
