//! Reading a JSON Schema.

use serde_json::{Map, Value};

/// A place in a JSON Schema, with its references followed.
#[derive(Debug, Clone, Copy)]
pub struct SchemaNode<'a> {
    root: &'a Value,
    schema: &'a Value,
}

static ANYTHING: Value = Value::Bool(true);

impl<'a> SchemaNode<'a> {
    /// The root of a schema.
    #[must_use]
    pub fn root(schema: &'a Value) -> Self {
        Self { root: schema, schema }.resolved()
    }

    /// Another place in the same schema, whose references are followed.
    #[must_use]
    pub fn at(&self, schema: &'a Value) -> Self {
        Self { root: self.root, schema }.resolved()
    }

    /// Follows `$ref`, but not for ever: a reference may lead back to itself.
    fn resolved(self) -> Self {
        let mut node = self;
        for _ in 0..32 {
            let Some(target) = node.get("$ref").and_then(Value::as_str) else { break };
            let Some(schema) = target.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)) else { break };
            node.schema = schema;
        }
        node
    }

    /// An identifier of this place, for as long as the schema is borrowed.
    #[must_use]
    pub fn place(&self) -> usize {
        std::ptr::from_ref(self.schema).addr()
    }

    /// A place that allows every value.
    #[must_use]
    pub fn anything(&self) -> Self {
        Self { root: self.root, schema: &ANYTHING }
    }

    /// Whether this place allows every value.
    #[must_use]
    pub fn is_anything(&self) -> bool {
        self.schema == &ANYTHING || self.schema.as_object().is_some_and(serde_json::Map::is_empty)
    }

    /// The value of a keyword.
    #[must_use]
    pub fn get(&self, keyword: &str) -> Option<&'a Value> {
        self.schema.get(keyword)
    }

    /// The schemas under a keyword that holds a list: `anyOf`, `oneOf`, `allOf`.
    pub fn list(&self, keyword: &str) -> impl Iterator<Item = SchemaNode<'a>> + use<'a> {
        let node = *self;
        self.get(keyword).and_then(Value::as_array).into_iter().flatten().map(move |schema| node.at(schema))
    }

    /// The properties of an object, by name.
    #[must_use]
    pub fn properties(&self) -> Option<&'a Map<String, Value>> {
        self.get("properties")?.as_object()
    }

    /// Whether an object declares a property.
    #[must_use]
    pub fn has_property(&self, name: &str) -> bool {
        self.properties().is_some_and(|properties| properties.contains_key(name))
    }

    /// Whether an object must have a property.
    #[must_use]
    pub fn requires(&self, property: &str) -> bool {
        let required = self.get("required").and_then(Value::as_array);
        required.is_some_and(|names| names.iter().any(|name| name == property))
    }

    /// The types that a value may have.
    #[must_use]
    pub fn types(&self) -> Vec<&'a str> {
        match self.get("type") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => ["anyOf", "oneOf"]
                .into_iter()
                .flat_map(|keyword| self.list(keyword))
                .flat_map(|node| node.types())
                .collect(),
        }
    }

    /// The values that `const` and `enum` list; none: the place is open.
    #[must_use]
    pub fn enumerated(&self) -> Vec<&'a Value> {
        if let Some(value) = self.get("const") {
            return vec![value];
        }
        if let Some(values) = self.get("enum").and_then(Value::as_array) {
            return values.iter().collect();
        }
        let choices: Vec<_> = ["anyOf", "oneOf"].into_iter().flat_map(|keyword| self.list(keyword)).collect();
        let values: Vec<_> = choices.iter().map(|choice| choice.enumerated()).collect();
        // One choice that is open makes the whole open; `null` says only that the field may be empty.
        let is_open =
            choices.iter().zip(&values).any(|(choice, values)| values.is_empty() && choice.types() != ["null"]);
        if is_open { Vec::new() } else { values.concat() }
    }

    /// The names that members may have; `None`: any name.
    #[must_use]
    pub fn names(&self) -> Option<Vec<&'a str>> {
        let is_open = ["additionalProperties", "patternProperties", "unevaluatedProperties"]
            .iter()
            .any(|keyword| self.get(keyword).is_some_and(|value| value != &Value::Bool(false)));
        if is_open {
            return None;
        }
        let mut names: Vec<&str> = self.properties().into_iter().flat_map(Map::keys).map(String::as_str).collect();
        let parts = ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|keyword| self.list(keyword));
        let parts: Vec<_> = parts.filter(|part| part.types() != ["null"]).collect();
        if self.properties().is_none() && parts.is_empty() {
            return None;
        }
        for part in parts {
            names.extend(part.names()?);
        }
        Some(names)
    }

    /// The schema of a member: a property of an object, an item of an array.
    #[must_use]
    pub fn member(&self, name: &str) -> SchemaNode<'a> {
        let of_this = self.properties().and_then(|properties| properties.get(name)).or_else(|| {
            let keyword = if name.parse::<usize>().is_ok() { "items" } else { "additionalProperties" };
            self.get(keyword)
        });
        if let Some(schema) = of_this {
            return self.at(schema);
        }
        let parts = ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|keyword| self.list(keyword));
        let mut found = parts.map(|node| node.member(name)).filter(|node| !node.schema.is_boolean());
        found.next().unwrap_or_else(|| self.anything())
    }
}
