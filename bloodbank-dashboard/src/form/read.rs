//! Reads what was entered into a payload.

use bloodbank_client::SchemaNode;
use serde_json::{Map, Value};

use super::node::{Control, below, control, field, items_field, variant_field};

/// The largest number of items of a list in a form.
const MOST_ITEMS: usize = 200;

/// Reads the fields of a form into a payload. What is no value of its type stays the text that it is, and the schema says so.
pub(crate) fn read<'a>(schema: &Value, value: &impl Fn(&str) -> Option<&'a str>) -> Value {
    let node = SchemaNode::root(schema);
    Reader { value }.node(node, "", true, 0).unwrap_or_else(|| Value::Object(Map::new()))
}

struct Reader<'f, F> {
    value: &'f F,
}

impl<'a, F: Fn(&str) -> Option<&'a str>> Reader<'_, F> {
    /// The value of a place; `None`: nothing was entered, and nothing needs to be.
    fn node(&self, node: SchemaNode<'_>, pointer: &str, is_required: bool, depth: usize) -> Option<Value> {
        let entered = (self.value)(&field(pointer));
        match control(node, depth) {
            Control::Constant(value) => is_required.then(|| value.clone()),
            Control::Object(members) => self.object(node, &members, pointer, is_required, depth),
            Control::List(items) => self.list(items, pointer, is_required, depth),
            Control::Variants(variants) => {
                let chosen: usize = (self.value)(&variant_field(pointer))?.parse().ok()?;
                self.node(*variants.get(chosen)?, pointer, true, depth + 1)
            }
            Control::Text => match entered {
                Some("") | None if !is_required => None,
                None => None,
                Some("") if is_nullable(node) => Some(Value::Null),
                // A browser sends lines with both characters.
                Some(text) => Some(text.replace("\r\n", "\n").into()),
            },
            Control::Choice(_) | Control::Boolean | Control::Number { .. } | Control::Json => {
                let text = entered.map(str::trim).filter(|text| !text.is_empty());
                match text {
                    Some(text) => Some(serde_json::from_str(text).unwrap_or_else(|_| text.into())),
                    None => (is_required && is_nullable(node)).then_some(Value::Null),
                }
            }
        }
    }

    fn object(
        &self,
        node: SchemaNode<'_>,
        members: &[(&str, SchemaNode<'_>)],
        pointer: &str,
        is_required: bool,
        depth: usize,
    ) -> Option<Value> {
        let mut found = Map::new();
        let mut is_empty = true;
        for (name, member) in members {
            let must = node.requires(name);
            let Some(value) = self.node(*member, &below(pointer, name), must, depth + 1) else { continue };
            is_empty &= is_nothing(&value) || member.get("const").is_some();
            found.insert((*name).to_owned(), value);
        }
        (is_required || !is_empty).then_some(Value::Object(found))
    }

    fn list(&self, items: SchemaNode<'_>, pointer: &str, is_required: bool, depth: usize) -> Option<Value> {
        let count = (self.value)(&items_field(pointer)).and_then(|text| text.parse().ok()).unwrap_or(0_usize);
        let item = |index: usize| {
            self.node(items, &below(pointer, &index.to_string()), true, depth + 1).unwrap_or(Value::Null)
        };
        let found: Vec<_> = (0..count.min(MOST_ITEMS)).map(item).collect();
        (is_required || !found.is_empty()).then_some(Value::Array(found))
    }
}

/// Whether nothing was entered for a value that must be there.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(is_nothing),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn is_nullable(node: SchemaNode<'_>) -> bool {
    node.types().contains(&"null")
}

/// Adds an item to the list at a place, with its containers where they are not there yet.
pub(crate) fn add_item(payload: &mut Value, pointer: &str) {
    let mut place = payload;
    for token in pointer.split('/').skip(1) {
        let name = token.replace("~1", "/").replace("~0", "~");
        if !place.is_object() && !place.is_array() {
            *place = Value::Object(Map::new());
        }
        place = match place {
            Value::Array(items) => {
                let Some(item) = name.parse::<usize>().ok().and_then(|index| items.get_mut(index)) else { return };
                item
            }
            Value::Object(members) => members.entry(name).or_insert(Value::Null),
            _ => return,
        };
    }
    if !place.is_array() {
        *place = Value::Array(Vec::new());
    }
    if let Value::Array(items) = place
        && items.len() < MOST_ITEMS
    {
        items.push(Value::Null);
    }
}

/// Removes the item at a place from its list.
pub(crate) fn remove_item(payload: &mut Value, pointer: &str) {
    let Some((list, index)) = pointer.rsplit_once('/') else { return };
    if let (Some(Value::Array(items)), Ok(index)) = (payload.pointer_mut(list), index.parse::<usize>())
        && index < items.len()
    {
        items.remove(index);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({
            "type": "object",
            "required": ["id", "count", "lines", "kind"],
            "properties": {
                "id": { "type": "string" },
                "count": { "type": "integer" },
                "is_new": { "type": ["boolean", "null"] },
                "note": { "type": ["string", "null"] },
                "kind": { "oneOf": [{ "const": "a" }, { "const": "b" }] },
                "lines": { "type": "array", "items": { "$ref": "#/$defs/Line" } },
                "address": { "$ref": "#/$defs/Address" },
                "extra": true,
                "way": { "oneOf": [
                    { "type": "object", "required": ["by", "stops"], "properties": { "by": { "const": "van" }, "stops": { "type": "integer" } } },
                    { "type": "object", "required": ["by"], "properties": { "by": { "const": "ship" } } },
                ] },
            },
            "$defs": {
                "Line": { "type": "object", "required": ["sku"], "properties": { "sku": { "type": "string" } } },
                "Address": { "type": "object", "required": ["town"], "properties": { "town": { "type": "string" } } },
            },
        })
    }

    fn entered(fields: &[(&'static str, &'static str)]) -> Value {
        let value = |name: &str| fields.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        read(&schema(), &value)
    }

    #[test]
    fn fields_become_a_payload_and_empty_ones_nothing() {
        let payload = entered(&[
            ("f/id", "o-1"),
            ("f/count", " 3 "),
            ("f/is_new", "true"),
            ("f/note", ""),
            ("f/kind", "\"b\""),
            ("n/lines", "2"),
            ("f/lines/0/sku", "A"),
            ("f/lines/1/sku", "two\r\nlines"),
            ("f/address/town", ""),
            ("f/extra", "{\"x\": [1]}"),
            ("v/way", "0"),
            ("f/way/stops", "2"),
        ]);
        let expected = json!({
            "id": "o-1", "count": 3, "is_new": true, "kind": "b", "lines": [{ "sku": "A" }, { "sku": "two\nlines" }],
            "extra": { "x": [1] }, "way": { "by": "van", "stops": 2 },
        });
        assert_eq!(payload, expected);
        assert_eq!(entered(&[]), json!({ "lines": [] }));
        // What is no number stays what it is, for the schema to refuse it at its place.
        assert_eq!(entered(&[("f/count", "three")])["count"], json!("three"));
        assert_eq!(entered(&[("f/id", "17")])["id"], json!("17"), "a text stays a text");
    }

    #[test]
    fn lists_grow_and_shrink() {
        let mut payload = json!({ "lines": [1, 2] });
        add_item(&mut payload, "/lines");
        remove_item(&mut payload, "/lines/0");
        assert_eq!(payload, json!({ "lines": [2, null] }));
        add_item(&mut payload, "/address/streets");
        assert_eq!(payload["address"], json!({ "streets": [null] }));
        for pointer in ["/lines/9", "/lines/x", "/none/0", ""] {
            remove_item(&mut payload, pointer);
        }
        assert_eq!(payload["lines"], json!([2, null]));
    }
}
