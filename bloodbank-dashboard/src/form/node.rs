//! What a place in a schema is in a form.

use bloodbank_client::SchemaNode;
use serde_json::Value;

/// Deeper than this, JSON is entered as text: a type may contain itself.
const DEEPEST: usize = 6;

/// What a place in a schema is in a form.
pub(super) enum Control<'a> {
    /// A value that the schema names, and nobody needs to enter.
    Constant(&'a Value),
    /// One of these values.
    Choice(Vec<&'a Value>),
    Boolean,
    Number {
        is_integer: bool,
    },
    Text,
    /// Its members, each with a name.
    Object(Vec<(&'a str, SchemaNode<'a>)>),
    /// Items of one kind.
    List(SchemaNode<'a>),
    /// One of several kinds of value.
    Variants(Vec<SchemaNode<'a>>),
    /// JSON as text.
    Json,
}

/// The control for a place.
pub(super) fn control(node: SchemaNode<'_>, depth: usize) -> Control<'_> {
    if let Some(value) = node.get("const") {
        return Control::Constant(value);
    }
    let values = node.enumerated();
    if !values.is_empty() {
        return Control::Choice(values.into_iter().filter(|value| !value.is_null()).collect());
    }
    let variants: Vec<_> = ["anyOf", "oneOf"].into_iter().flat_map(|keyword| node.list(keyword)).collect();
    let variants: Vec<_> = variants.into_iter().filter(|variant| variant.types() != ["null"]).collect();
    match variants.as_slice() {
        [] => {}
        [one] if node.properties().is_none() => return control(*one, depth),
        _ if depth >= DEEPEST || node.properties().is_some() => return Control::Json,
        _ => return Control::Variants(variants),
    }
    let mut types = node.types();
    types.retain(|kind| *kind != "null");
    match types.as_slice() {
        ["boolean"] => Control::Boolean,
        ["integer"] => Control::Number { is_integer: true },
        ["number"] => Control::Number { is_integer: false },
        ["string"] => Control::Text,
        ["array"] if depth < DEEPEST && node.get("prefixItems").is_none() => {
            node.get("items").map_or(Control::Json, |items| Control::List(node.at(items)))
        }
        ["object"] | [] if depth < DEEPEST && is_closed(node) => Control::Object(members(node)),
        _ => Control::Json,
    }
}

/// Whether the members of an object are those that the schema names, and nothing else decides what they are.
fn is_closed(node: SchemaNode<'_>) -> bool {
    let has_names = node.properties().is_some_and(|properties| !properties.is_empty());
    has_names && node.get("additionalProperties").is_none_or(Value::is_boolean) && node.list("allOf").next().is_none()
}

fn members(node: SchemaNode<'_>) -> Vec<(&str, SchemaNode<'_>)> {
    let mut members: Vec<_> =
        node.properties().into_iter().flatten().map(|(name, schema)| (name.as_str(), node.at(schema))).collect();
    // The names are sorted, but those that are required are in the order of the declaration.
    let required = node.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let place = |name: &str| required.iter().position(|known| known == name).unwrap_or(usize::MAX);
    members.sort_by_key(|(name, _)| place(name));
    members
}

/// The number of the variant that fits a value best: the one whose constants it has, otherwise whose members or type.
pub(super) fn variant_of(variants: &[SchemaNode<'_>], value: Option<&Value>) -> usize {
    let Some(value) = value else { return 0 };
    let fits = |variant: &&SchemaNode<'_>| {
        let properties = variant.properties();
        let constants =
            properties.into_iter().flatten().filter_map(|(name, schema)| Some((name, schema.get("const")?)));
        let constants: Vec<_> = constants.collect();
        match value {
            Value::Object(members) if !constants.is_empty() => {
                constants.iter().all(|(name, constant)| members.get(*name) == Some(constant))
            }
            Value::Object(members) => {
                properties.is_some_and(|known| members.keys().all(|name| known.contains_key(name)))
            }
            Value::Array(_) => variant.types() == ["array"],
            Value::String(text) => {
                let values = variant.enumerated();
                variant.types() == ["string"]
                    && (values.is_empty() || values.iter().any(|value| *value == text.as_str()))
            }
            Value::Number(_) => variant.types().iter().any(|kind| matches!(*kind, "integer" | "number")),
            Value::Bool(_) => variant.types() == ["boolean"],
            Value::Null => false,
        }
    };
    variants.iter().position(|variant| fits(&variant)).unwrap_or(0)
}

/// The pointer of a member.
pub(super) fn below(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// The name of the field for a place; of the number of items of a list, of the choice of a variant.
pub(super) fn field(pointer: &str) -> String {
    format!("f{pointer}")
}

pub(super) fn items_field(pointer: &str) -> String {
    format!("n{pointer}")
}

pub(super) fn variant_field(pointer: &str) -> String {
    format!("v{pointer}")
}
