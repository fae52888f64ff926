//! The definitions inside the schemas of events, as components beside them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    names::{Names, of_definition},
    rewrite::{references, rewrite_references},
};

const WITHIN: &str = "#/$defs/";

/// The definitions of all events.
pub(super) struct Definitions<'a> {
    /// The names of the components, by the name of the event's component and that of the definition.
    names: BTreeMap<(&'a str, &'a str), String>,
    schemas: &'a [(&'a str, Value)],
}

impl<'a> Definitions<'a> {
    /// Names the definitions in these schemas, each with the name of its component.
    pub(super) fn of(schemas: &'a [(&'a str, Value)], names: &mut Names) -> Self {
        let same = same_everywhere(schemas);
        let mut given = BTreeMap::new();
        let mut shared = BTreeMap::<&str, String>::new();
        for (event, schema) in schemas {
            for definition in definitions(schema).map(|(name, _)| name) {
                let bare = of_definition(definition);
                let known = shared.get(definition).cloned();
                let name = known.unwrap_or_else(|| {
                    let bare_name = same.contains(definition).then(|| names.unless_taken(&bare)).flatten();
                    bare_name.unwrap_or_else(|| names.unique(&format!("{event}.{bare}")))
                });
                if same.contains(definition) {
                    shared.insert(definition, name.clone());
                }
                given.insert((*event, definition), name);
            }
        }
        Self { names: given, schemas }
    }

    /// The definitions as components.
    pub(super) fn components(&self) -> Map<String, Value> {
        let mut components = Map::new();
        for (event, schema) in self.schemas {
            for (definition, value) in definitions(schema) {
                let mut value = value.clone();
                self.rewrite(event, &mut value);
                components.insert(self.names[&(*event, definition)].clone(), value);
            }
        }
        components
    }

    /// The schema of an event without its definitions, which its references lead to.
    pub(super) fn hoisted(&self, event: &str, schema: &Value) -> Value {
        let mut schema = schema.clone();
        if let Some(schema) = schema.as_object_mut() {
            schema.remove("$schema");
            schema.remove("$defs");
        }
        self.rewrite(event, &mut schema);
        schema
    }

    fn rewrite(&self, event: &str, value: &mut Value) {
        rewrite_references(value, &|reference: &str| {
            let definition = reference.strip_prefix(WITHIN).and_then(|name| self.names.get(&(event, name)));
            let inside = reference.strip_prefix('#')?;
            Some(match definition {
                Some(name) => format!("#/components/schemas/{name}"),
                None => format!("#/components/schemas/{event}{inside}"),
            })
        });
    }
}

fn definitions(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    schema["$defs"].as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

/// The definitions that mean the same in every event that has them, which share a component.
fn same_everywhere<'a>(schemas: &'a [(&str, Value)]) -> BTreeSet<&'a str> {
    let mut all = BTreeMap::<&str, Vec<&Value>>::new();
    for (name, value) in schemas.iter().flat_map(|(_, schema)| definitions(schema)) {
        all.entry(name).or_default().push(value);
    }
    let mut same: BTreeSet<&str> = all
        .iter()
        .filter(|(_, values)| values.iter().all(|value| value == &values[0]))
        .map(|(name, _)| *name)
        .collect();
    // Where a definition differs, so do those that lead to it.
    loop {
        let leads_elsewhere = |name: &&str| {
            references(all[name][0]).iter().any(|reference| match reference.strip_prefix(WITHIN) {
                Some(other) => !same.contains(other),
                None => true,
            })
        };
        let different: Vec<_> = same.iter().copied().filter(leads_elsewhere).collect();
        if different.is_empty() {
            return same;
        }
        same.retain(|name| !different.contains(name));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_definitions_share_a_component_and_others_have_their_own() {
        let schema = |unit: &str| {
            json!({
                "properties": {
                    "price": { "$ref": "#/$defs/Price" },
                    "place": { "$ref": "#/$defs/Place" },
                    "inner": { "$ref": "#" },
                },
                "$defs": {
                    "Price": { "properties": { "unit": { "$ref": "#/$defs/Unit" } } },
                    "Unit": { "const": unit },
                    "Place": { "type": "string" },
                },
            })
        };
        let schemas = [("a.b", schema("EUR")), ("c.d", schema("USD"))];
        let mut names = Names::reserving(["Place"]);
        let definitions = Definitions::of(&schemas, &mut names);
        let components = definitions.components();
        let found: Vec<_> = components.keys().collect();
        assert_eq!(found, ["a.b.Place", "a.b.Price", "a.b.Unit", "c.d.Price", "c.d.Unit"]);
        assert_eq!(components["c.d.Price"]["properties"]["unit"]["$ref"], "#/components/schemas/c.d.Unit");
        let hoisted = definitions.hoisted("c.d", &schemas[1].1);
        assert_eq!(hoisted["properties"]["place"]["$ref"], "#/components/schemas/a.b.Place");
        assert_eq!(hoisted["properties"]["inner"]["$ref"], "#/components/schemas/c.d");
        assert!(hoisted.get("$defs").is_none());
    }
}
