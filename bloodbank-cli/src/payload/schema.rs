//! Looking into a JSON Schema.

use serde_json::{Map, Value};

/// A place in a schema.
#[derive(Clone, Copy)]
pub(crate) struct Node<'a> {
    root: &'a Value,
    schema: &'a Value,
}

static ANYTHING: Value = Value::Bool(true);

impl<'a> Node<'a> {
    /// The whole schema.
    pub(crate) fn root(schema: &'a Value) -> Self {
        Self { root: schema, schema }.resolved()
    }

    /// Another place in the same schema.
    pub(crate) fn at(&self, schema: &'a Value) -> Self {
        Self { root: self.root, schema }.resolved()
    }

    /// Follows `$ref`, as far as it leads without an end.
    fn resolved(self) -> Self {
        let mut node = self;
        for _ in 0..32 {
            let Some(target) = node.get("$ref").and_then(Value::as_str) else { break };
            let Some(schema) = target.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)) else { break };
            node.schema = schema;
        }
        node
    }

    /// Names the place in the schema, as long as that is borrowed.
    pub(crate) fn place(&self) -> usize {
        std::ptr::from_ref(self.schema).addr()
    }

    /// A place that allows everything.
    pub(crate) fn anything(&self) -> Self {
        Self { root: self.root, schema: &ANYTHING }
    }

    /// Whether it allows everything.
    pub(crate) fn is_anything(&self) -> bool {
        self.schema == &ANYTHING || self.schema.as_object().is_some_and(serde_json::Map::is_empty)
    }

    /// A keyword.
    pub(crate) fn get(&self, keyword: &str) -> Option<&'a Value> {
        self.schema.get(keyword)
    }

    /// The schemas under a keyword that holds a list: `anyOf`, `oneOf`, `allOf`.
    pub(crate) fn list(&self, keyword: &str) -> impl Iterator<Item = Node<'a>> + use<'a> {
        let node = *self;
        self.get(keyword).and_then(Value::as_array).into_iter().flatten().map(move |schema| node.at(schema))
    }

    /// The properties of an object, by name.
    pub(crate) fn properties(&self) -> Option<&'a Map<String, Value>> {
        self.get("properties")?.as_object()
    }

    /// Whether an object declares a property.
    pub(crate) fn has_property(&self, name: &str) -> bool {
        self.properties().is_some_and(|properties| properties.contains_key(name))
    }

    /// Whether an object must have a property.
    pub(crate) fn requires(&self, property: &str) -> bool {
        let required = self.get("required").and_then(Value::as_array);
        required.is_some_and(|names| names.iter().any(|name| name == property))
    }

    /// The types that a value may have.
    pub(crate) fn types(&self) -> Vec<&'a str> {
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

    /// The values, where they are counted up.
    pub(crate) fn enumerated(&self) -> Vec<&'a Value> {
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

    /// The names that members may have; `None`: any.
    pub(crate) fn names(&self) -> Option<Vec<&'a str>> {
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
    pub(crate) fn member(&self, name: &str) -> Node<'a> {
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
