//! Changes inside a schema.

use serde_json::{Map, Value};

use crate::summary::plain;

/// Replaces the references in a schema.
pub(super) fn rewrite_references(value: &mut Value, replace: &impl Fn(&str) -> Option<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get_mut("$ref")
                && let Some(other) = replace(reference)
            {
                *reference = other;
            }
            fields.values_mut().for_each(|field| rewrite_references(field, replace));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rewrite_references(item, replace)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The references in a schema.
pub(super) fn references(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("$ref").and_then(Value::as_str);
            own.into_iter().chain(fields.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// Takes the links of rustdoc out of the descriptions in a schema.
pub(super) fn describe(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = plain(text).into_owned();
            }
            fields.values_mut().for_each(describe);
        }
        Value::Array(items) => items.iter_mut().for_each(describe),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Writes each choice between constant words as an `enum`, of which generators make an enumeration; of a choice between constants
/// they make a type for each. The descriptions of the words go into that of the whole.
pub(super) fn enumerate(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some((words, descriptions)) =
                fields.get("oneOf").and_then(Value::as_array).and_then(|all| words(all))
            {
                fields.remove("oneOf");
                fields.insert("type".to_owned(), "string".into());
                fields.insert("enum".to_owned(), words.into());
                let own = fields.get("description").and_then(Value::as_str).into_iter().map(str::to_owned);
                let text = own.chain(descriptions).collect::<Vec<_>>().join("\n");
                fields.insert("description".to_owned(), text.into());
            }
            fields.values_mut().for_each(enumerate);
        }
        Value::Array(items) => items.iter_mut().for_each(enumerate),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The words of a choice that is between nothing else, and the lines that describe them.
fn words(choices: &[Value]) -> Option<(Vec<Value>, Vec<String>)> {
    let (mut words, mut descriptions) = (Vec::new(), Vec::new());
    for choice in choices.iter().map(Value::as_object) {
        let choice: &Map<String, Value> = choice?;
        if choice.keys().any(|key| !matches!(key.as_str(), "const" | "type" | "description")) {
            return None;
        }
        let word = choice.get("const")?.as_str()?;
        if let Some(description) = choice.get("description").and_then(Value::as_str) {
            descriptions.push(format!("- `{word}`: {description}"));
        }
        words.push(word.into());
    }
    Some((words, descriptions))
}
