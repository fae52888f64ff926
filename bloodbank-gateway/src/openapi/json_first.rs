//! The order in which a document is written.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;

/// The media type that generators of clients shall use.
const JSON: &str = "application/json";

/// Writes a document with `application/json` before other media types. Of the media types of a body some generators of clients
/// use only the first, and the order of an object in JSON is that of its letters.
///
/// ```
/// # use bloodbank_gateway::JsonFirst;
/// let content = serde_json::json!({ "application/cloudevents+json": 1, "application/json": 2 });
/// let written = JsonFirst(&content).to_string();
/// assert_eq!(written, r#"{"application/json":2,"application/cloudevents+json":1}"#);
/// ```
///
/// As text with `{:#}` it has a line for each field.
#[derive(Debug, Clone, Copy)]
pub struct JsonFirst<'a>(pub &'a Value);

impl Serialize for JsonFirst<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                let first = fields.get_key_value(JSON).into_iter();
                let others = fields.iter().filter(|(name, _)| *name != JSON);
                for (name, field) in first.chain(others) {
                    map.serialize_entry(name, &JsonFirst(field))?;
                }
                map.end()
            }
            Value::Array(items) => serializer.collect_seq(items.iter().map(JsonFirst)),
            other => other.serialize(serializer),
        }
    }
}

impl fmt::Display for JsonFirst<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = if f.alternate() { serde_json::to_string_pretty(self) } else { serde_json::to_string(self) };
        f.write_str(&text.map_err(|_| fmt::Error)?)
    }
}
