//! The schema of a payload, field by field.

use serde_json::Value;

use super::SchemaNode;

/// A field of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchemaField {
    /// The number of fields around the field.
    pub depth: usize,
    /// The name of the field.
    pub name: String,
    /// The types of the field, such as `string` or `array of integer or null`.
    pub kind: String,
    /// Whether the object around the field must have it.
    pub is_required: bool,
    /// The rules that its values must fulfil besides their type.
    pub rules: Vec<String>,
    /// The first line of the description.
    pub description: String,
}

/// A schema that contains itself ends here.
const DEEPEST: usize = 6;

impl SchemaField {
    /// The fields of a schema, with its references followed, each before those within it.
    #[must_use]
    pub fn all(schema: &Value) -> Vec<Self> {
        let mut fields = Vec::new();
        add(SchemaNode::root(schema), 0, &mut Vec::new(), &mut fields);
        fields
    }
}

fn add(node: SchemaNode<'_>, depth: usize, around: &mut Vec<usize>, fields: &mut Vec<SchemaField>) {
    if depth > DEEPEST || around.contains(&node.place()) {
        return;
    }
    around.push(node.place());
    for (name, schema) in node.properties().into_iter().flatten() {
        let member = node.at(schema);
        let keyword = |keyword: &str| schema.get(keyword).or_else(|| member.get(keyword)).and_then(Value::as_str);
        fields.push(SchemaField {
            depth,
            name: name.clone(),
            kind: kind_of(member),
            is_required: node.requires(name),
            rules: rules_of(member),
            description: keyword("description").unwrap_or_default().lines().next().unwrap_or_default().to_owned(),
        });
        add_within(member, depth + 1, around, fields);
    }
    for part in ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|keyword| node.list(keyword)) {
        add(part, depth, around, fields);
    }
    around.pop();
}

/// The fields of an object, of the items of an array, of the choices of a field.
fn add_within(node: SchemaNode<'_>, depth: usize, around: &mut Vec<usize>, fields: &mut Vec<SchemaField>) {
    add(node, depth, around, fields);
    if let Some(items) = node.get("items") {
        add(node.at(items), depth, around, fields);
    }
    for choice in ["anyOf", "oneOf"].into_iter().flat_map(|keyword| node.list(keyword)) {
        if let Some(items) = choice.get("items") {
            add(choice.at(items), depth, around, fields);
        }
    }
}

fn kind_of(node: SchemaNode<'_>) -> String {
    if node.is_anything() {
        return "anything".to_owned();
    }
    let mut kinds: Vec<String> = Vec::new();
    for kind in node.types() {
        let kind = match node.get("items") {
            Some(items) if kind == "array" => format!("array of {}", kind_of(node.at(items))),
            _ => kind.to_owned(),
        };
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    if kinds.is_empty() && !node.enumerated().is_empty() {
        return "one of".to_owned();
    }
    if kinds.is_empty() { "anything".to_owned() } else { kinds.join(" or ") }
}

fn rules_of(node: SchemaNode<'_>) -> Vec<String> {
    let mut rules = Vec::new();
    let values = node.enumerated();
    if !values.is_empty() {
        rules.push(values.iter().map(|value| value.to_string()).collect::<Vec<_>>().join(" | "));
    }
    for (keyword, sign) in [
        ("minimum", "≥ "),
        ("exclusiveMinimum", "> "),
        ("maximum", "≤ "),
        ("exclusiveMaximum", "< "),
        ("multipleOf", "multiple of "),
        ("minLength", "length ≥ "),
        ("maxLength", "length ≤ "),
        ("minItems", "items ≥ "),
        ("maxItems", "items ≤ "),
        ("pattern", "matches "),
        ("format", ""),
        ("default", "default "),
    ] {
        match node.get(keyword) {
            // The width of a number is in its bounds already.
            Some(Value::String(_)) if keyword == "format" && node.get("type").is_some_and(is_number) => {}
            Some(Value::String(text)) => rules.push(format!("{sign}{text}")),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => rules.push(format!("{sign}{value}")),
            _ => {}
        }
    }
    if node.get("uniqueItems") == Some(&Value::Bool(true)) {
        rules.push("each once".to_owned());
    }
    rules
}

fn is_number(kind: &Value) -> bool {
    let is_number = |kind: &Value| matches!(kind.as_str(), Some("integer" | "number"));
    is_number(kind) || kind.as_array().is_some_and(|kinds| kinds.iter().any(is_number))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::SchemaField;

    #[test]
    fn references_are_followed_and_end() {
        let schema = json!({
            "properties": {
                "id": {"type": "string", "minLength": 1, "description": "The number.\nMore."},
                "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}, "minItems": 1},
                "note": {"type": ["string", "null"]},
                "parent": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
            },
            "required": ["id"],
            "$defs": {"Line": {"type": "object", "properties": {"count": {"type": "integer", "minimum": 0}}}},
        });
        let lines: Vec<_> = SchemaField::all(&schema)
            .iter()
            .map(|field| {
                let required = if field.is_required { "!" } else { "" };
                format!(
                    "{}{}{required} {} [{}]",
                    "  ".repeat(field.depth),
                    field.name,
                    field.kind,
                    field.rules.join(", ")
                )
            })
            .collect();
        assert_eq!(
            lines,
            [
                "id! string [length ≥ 1]",
                "lines array of object [items ≥ 1]",
                "  count integer [≥ 0]",
                "note string or null []",
                "parent null []",
            ]
        );
        assert_eq!(SchemaField::all(&schema)[0].description, "The number.");
    }
}
