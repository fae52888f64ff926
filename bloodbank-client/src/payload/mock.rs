//! Payloads made up from a schema. They are always the same, so that they can be compared.

use bloodbank_core::registry::EventDescriptor;
use serde_json::{Map, Number, Value, json};

use super::SchemaNode;
use crate::error::{ClientError, Result};

/// The depth to which optional parts are made up: a type that contains itself must end somewhere.
const DEEPEST: usize = 6;

/// Makes up values, with or without the optional parts.
#[derive(Clone, Copy)]
struct Maker {
    with_optional: bool,
    depth: usize,
}

/// A payload that fits an event: its declared example, otherwise one made up from its schema.
///
/// # Errors
/// [`ClientError::NoMock`] when the rules of the event refuse what was made up from the schema.
pub fn mock_payload(event: &EventDescriptor) -> Result<Value> {
    if let Some(example) = event.example() {
        return Ok(example.to_value()?);
    }
    let schema = event.schema().to_value();
    let mut last = None;
    for with_optional in [true, false] {
        let payload = Maker { with_optional, depth: 0 }.value(SchemaNode::root(&schema), "");
        match event.read(event.routing_key(), &payload) {
            Ok(event) => return Ok(event.to_value()?),
            Err(error) => last = Some(error),
        }
    }
    let reason = last.map(|error| error.to_string()).unwrap_or_default();
    Err(ClientError::NoMock { routing_key: event.routing_key().to_owned(), reason })
}

impl Maker {
    fn value(self, node: SchemaNode<'_>, name: &str) -> Value {
        if let Some(value) = node.get("const") {
            return value.clone();
        }
        if let Some(value) = node.get("enum").and_then(Value::as_array).and_then(|values| values.first()) {
            return value.clone();
        }
        if let Some(value) = node.get("examples").and_then(Value::as_array).and_then(|values| values.first()) {
            return value.clone();
        }
        let deeper = Self { depth: self.depth + 1, ..self };
        for keyword in ["anyOf", "oneOf"] {
            let mut choices = node.list(keyword).filter(|choice| choice.types() != ["null"]);
            if let Some(choice) = choices.next() {
                return deeper.value(choice, name);
            }
        }
        let parts: Vec<_> = node.list("allOf").collect();
        if node.get("type").is_none() && !parts.is_empty() {
            let mut whole = Map::new();
            for part in parts {
                match deeper.value(part, name) {
                    Value::Object(members) => whole.extend(members),
                    other => return other,
                }
            }
            return Value::Object(whole);
        }
        let types = node.types();
        match types.iter().find(|kind| **kind != "null").or(types.first()) {
            Some(&"object") => Value::Object(deeper.object(node)),
            Some(&"array") => Value::Array(deeper.array(node, name)),
            Some(&"string") => Value::String(string(node, name)),
            Some(&"integer") => number(node, true),
            Some(&"number") => number(node, false),
            Some(&"boolean") => Value::Bool(true),
            Some(&"null") => Value::Null,
            _ if node.properties().is_some() => Value::Object(deeper.object(node)),
            _ => json!({}),
        }
    }

    fn object(self, node: SchemaNode<'_>) -> Map<String, Value> {
        let mut members = Map::new();
        for (name, schema) in node.properties().into_iter().flatten() {
            let optional = self.with_optional && self.depth < DEEPEST;
            if optional || node.requires(name) {
                members.insert(name.clone(), self.value(node.at(schema), name));
            }
        }
        members
    }

    fn array(self, node: SchemaNode<'_>, name: &str) -> Vec<Value> {
        let fixed: Vec<_> = node.list("prefixItems").collect();
        if !fixed.is_empty() {
            return fixed.into_iter().map(|item| self.value(item, name)).collect();
        }
        let least = node.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        let count = if self.with_optional && self.depth < DEEPEST { least.max(1) } else { least };
        let Some(items) = node.get("items").map(|items| node.at(items)) else { return Vec::new() };
        (0..count).map(|_| self.value(items, name.strip_suffix('s').unwrap_or(name))).collect()
    }
}

fn string(node: SchemaNode<'_>, name: &str) -> String {
    let text = match node.get("format").and_then(Value::as_str) {
        Some("date-time") => "2025-01-01T12:00:00Z".to_owned(),
        Some("date") => "2025-01-01".to_owned(),
        Some("time") => "12:00:00Z".to_owned(),
        Some("duration") => "PT1M".to_owned(),
        Some("uuid") => "00000000-0000-4000-8000-000000000001".to_owned(),
        Some("email" | "idn-email") => "ada@example.com".to_owned(),
        Some("uri" | "url" | "iri" | "uri-reference") => "https://example.com/".to_owned(),
        Some("hostname") => "example.com".to_owned(),
        Some("ipv4") => "192.0.2.1".to_owned(),
        Some("ipv6") => "2001:db8::1".to_owned(),
        _ if name.is_empty() => "text".to_owned(),
        _ => name.replace('_', "-"),
    };
    let least = node.get("minLength").and_then(Value::as_u64).and_then(|least| usize::try_from(least).ok());
    let most = node.get("maxLength").and_then(Value::as_u64).and_then(|most| usize::try_from(most).ok());
    let padding = least.unwrap_or(0).saturating_sub(text.chars().count());
    text.chars().chain(std::iter::repeat_n('x', padding)).take(most.unwrap_or(usize::MAX)).collect()
}

/// The smallest number from 1 on that the bounds allow.
fn number(node: SchemaNode<'_>, is_integer: bool) -> Value {
    let bound = |keyword| node.get(keyword).and_then(Value::as_f64);
    let step = bound("multipleOf").filter(|step| *step > 0.0).unwrap_or(if is_integer { 1.0 } else { 0.5 });
    let least = bound("minimum").or_else(|| bound("exclusiveMinimum").map(|least| least + step));
    let most = bound("maximum").or_else(|| bound("exclusiveMaximum").map(|most| most - step));
    let wanted = least.unwrap_or(1.0).max(1.0).min(most.unwrap_or(f64::MAX));
    let value = (wanted / step).ceil() * step;
    let value = if most.is_some_and(|most| value > most) { (wanted / step).floor() * step } else { value };
    #[expect(clippy::cast_possible_truncation, reason = "it is a whole number of a schema's own size")]
    if value.fract() == 0.0 && value.abs() < 9e15 {
        return Value::from(value as i64);
    }
    Number::from_f64(value).map_or(Value::from(1), Value::Number)
}
