//! Setting single values of a payload.

use std::str::FromStr;

use bloodbank_core::{json::read_value, routing::nearest};
use serde_json::{Map, Value};

use super::SchemaNode;
use crate::error::{ClientError, Result};

/// A value for a place in a payload, parsed from `order.lines.0.sku=A-1`, or with a JSON pointer from
/// `/order/lines/0/sku=A-1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    path: Vec<String>,
    text: String,
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let remedy = "write `path=value`, such as `order.total=42`";
        let (path, text) = text.split_once('=').ok_or(remedy)?;
        let path: Vec<String> = match path.strip_prefix('/') {
            Some(pointer) => pointer.split('/').map(|word| word.replace("~1", "/").replace("~0", "~")).collect(),
            None => path.split('.').map(str::to_owned).collect(),
        };
        if path.iter().any(String::is_empty) {
            Err(remedy.to_owned())
        } else {
            Ok(Self { path, text: text.to_owned() })
        }
    }
}

impl Assignment {
    /// Puts the value into its place; objects and items on the way are created.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] when the schema has no such place, or the payload has something else there.
    pub fn apply(&self, payload: &mut Value, schema: SchemaNode<'_>) -> Result<()> {
        let mut place = payload;
        let mut node = schema;
        for name in &self.path {
            // Decoding would drop the field without a word.
            if let Some(names) = node.names().filter(|names| !names.contains(&name.as_str())) {
                let remedy = match nearest(name, names.iter().copied()) {
                    Some(nearest) => format!("did you mean `{nearest}`?"),
                    None => format!("there are {}", names.join(", ")),
                };
                return Err(ClientError::Invalid(format!(
                    "cannot set `{}`: no field `{name}`; {remedy}",
                    self.path.join(".")
                )));
            }
            node = node.member(name);
            place = step(place, name).ok_or_else(|| {
                ClientError::Invalid(format!(
                    "cannot set `{}`: `{name}` does not lead into an object or to the next item of an array",
                    self.path.join(".")
                ))
            })?;
        }
        *place = self.value(node)?;
        Ok(())
    }

    /// The value as the schema wants it: text where only text fits, otherwise JSON, otherwise text.
    fn value(&self, node: SchemaNode<'_>) -> Result<Value> {
        let text = || Value::String(self.text.clone());
        let types = node.types();
        let is = |name| types.contains(&name);
        let value = match read_value(self.text.as_bytes()) {
            Ok(value) => value,
            // JSON with two meanings may still be meant as text.
            Err(fault) if fault.is_syntax() || is("string") => return Ok(text()),
            Err(fault) => {
                return Err(ClientError::Invalid(format!("cannot set `{}`: {fault}", self.path.join("."))));
            }
        };
        let fits = match &value {
            Value::Null => is("null"),
            Value::Bool(_) => is("boolean"),
            Value::Number(_) => is("number") || is("integer"),
            Value::String(_) => true,
            Value::Array(_) => is("array"),
            Value::Object(_) => is("object"),
        };
        Ok(if fits || !is("string") { value } else { text() })
    }
}

/// The place one step further in, made where it is missing.
fn step<'a>(place: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    let index: Result<usize, _> = name.parse();
    if place.is_null() {
        *place = if index.is_ok() { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
    }
    match place {
        Value::Object(object) => Some(object.entry(name).or_insert(Value::Null)),
        Value::Array(items) => {
            let index = index.ok().filter(|index| *index <= items.len())?;
            if index == items.len() {
                items.push(Value::Null);
            }
            items.get_mut(index)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}
