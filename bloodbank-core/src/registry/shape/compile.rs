//! Compiles a schema to its shape, where it has one.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{Bounds, Member, Members, Shape, Text};

/// The keywords that say nothing about which values fit.
const ANNOTATIONS: [&str; 9] =
    ["$schema", "$defs", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"];
/// The formats of numbers, which no validator checks.
const FORMATS: [&str; 12] =
    ["int8", "int16", "int32", "int64", "int", "uint8", "uint16", "uint32", "uint64", "uint", "float", "double"];
/// The largest depth to which a schema is followed: a recursive one has no end.
const DEEPEST: usize = 12;
/// The largest number of subschemas that are followed.
const MOST: usize = 4_096;

impl Shape {
    /// The shape of a whole schema; `None` where it says something that a shape cannot. The formats in `unchecked` are
    /// not checked.
    pub(in crate::registry) fn of(schema: &Value, unchecked: &[&str]) -> Option<Self> {
        let definitions = schema.get("$defs").and_then(Value::as_object);
        Compiler { definitions, unchecked, left: MOST }.compile(schema, DEEPEST)
    }

    fn anything() -> Self {
        Self { anything: true, ..Self::default() }
    }

    /// The union of two shapes; `None` unless they have nothing in common.
    fn or(self, other: Self) -> Option<Self> {
        let twice = |of: fn(&Self) -> bool| of(&self) && of(&other);
        if self.anything
            || other.anything
            || twice(|shape| shape.null)
            || twice(|shape| shape.boolean)
            || twice(|shape| shape.integer || shape.number)
            || twice(|shape| shape.items.is_some())
            || twice(|shape| shape.members.is_some())
        {
            return None;
        }
        Some(Self {
            anything: false,
            null: self.null || other.null,
            boolean: self.boolean || other.boolean,
            integer: self.integer || other.integer,
            number: self.number || other.number,
            bounds: self.bounds.or(other.bounds),
            text: match (self.text, other.text) {
                (Some(one), Some(other)) => Some(one.or(other)?),
                (one, other) => one.or(other),
            },
            items: self.items.or(other.items),
            members: self.members.or(other.members),
        })
    }
}

impl Text {
    fn or(self, other: Self) -> Option<Self> {
        let (mut words, more) = (self.words?, other.words?);
        if more.iter().any(|word| words.contains(word)) {
            return None;
        }
        words.extend(more);
        Some(Self { words: Some(words), ..Self::default() })
    }
}

struct Compiler<'a> {
    definitions: Option<&'a Map<String, Value>>,
    unchecked: &'a [&'a str],
    left: usize,
}

impl<'a> Compiler<'a> {
    fn compile(&mut self, schema: &'a Value, deepest: usize) -> Option<Shape> {
        self.left = self.left.checked_sub(1)?;
        let deepest = deepest.checked_sub(1)?;
        let schema = match schema {
            Value::Bool(true) => return Some(Shape::anything()),
            Value::Object(schema) => schema,
            _ => return None,
        };
        let says: Vec<(&str, &Value)> = schema
            .iter()
            .map(|(keyword, value)| (keyword.as_str(), value))
            .filter(|(keyword, _)| !ANNOTATIONS.contains(keyword))
            .collect();
        match says[..] {
            [] => Some(Shape::anything()),
            [("$ref", name)] => {
                let defined = self.definitions?.get(name.as_str()?.strip_prefix("#/$defs/")?)?;
                self.compile(defined, deepest)
            }
            [("oneOf" | "anyOf", choices)] => {
                let mut shape = Shape::default();
                for choice in choices.as_array()? {
                    shape = shape.or(self.compile(choice, deepest)?)?;
                }
                Some(shape)
            }
            _ => self.of_kinds(schema, &says, deepest),
        }
    }

    fn of_kinds(
        &mut self,
        schema: &'a Map<String, Value>,
        says: &[(&str, &'a Value)],
        deepest: usize,
    ) -> Option<Shape> {
        let words = match (schema.get("const"), schema.get("enum")) {
            (None, None) => None,
            (Some(word), None) => Some(std::slice::from_ref(word)),
            (None, Some(words)) => Some(words.as_array()?.as_slice()),
            (Some(_), Some(_)) => return None,
        };
        let mut shape = kinds(schema.get("type"), words)?;
        if let Some(words) = words {
            // Other constants, and what else is said about them, are for the validator.
            let is_said = |keyword: &str| matches!(keyword, "type" | "const" | "enum");
            if !says.iter().all(|(keyword, _)| is_said(keyword)) {
                return None;
            }
            return only(&shape, words);
        }
        for (keyword, value) in says {
            match *keyword {
                "type" => {}
                "format" => {
                    let format = value.as_str()?;
                    if !FORMATS.contains(&format) && !self.unchecked.contains(&format) {
                        return None;
                    }
                }
                "minLength" => shape.text.as_mut()?.least = usize::try_from(value.as_u64()?).ok()?,
                "maxLength" => shape.text.as_mut()?.most = Some(usize::try_from(value.as_u64()?).ok()?),
                "minimum" => shape.bounds.get_or_insert(Bounds::NONE).least = exact(value)?,
                "maximum" => shape.bounds.get_or_insert(Bounds::NONE).most = exact(value)?,
                "items" => **shape.items.as_mut()? = self.compile(value, deepest)?,
                "properties" => shape.members.as_mut()?.named = self.members(value, deepest)?,
                "additionalProperties" => {
                    let others = match value {
                        Value::Bool(false) => None,
                        schema => Some(Box::new(self.compile(schema, deepest)?)),
                    };
                    shape.members.as_mut()?.others = others;
                }
                "required" => {}
                _ => return None,
            }
        }
        if let Some(required) = schema.get("required") {
            let members = shape.members.as_mut()?;
            for (place, name) in required.as_array()?.iter().enumerate() {
                let bit = 1_u64.checked_shl(u32::try_from(place).ok()?)?;
                members.named.get_mut(name.as_str()?)?.bit |= bit;
                members.required |= bit;
            }
        }
        Some(shape)
    }

    fn members(&mut self, properties: &'a Value, deepest: usize) -> Option<HashMap<String, Member>> {
        let members = properties.as_object()?.iter();
        members
            .map(|(name, schema)| Some((name.clone(), Member { shape: self.compile(schema, deepest)?, bit: 0 })))
            .collect()
    }
}

impl Bounds {
    const NONE: Self = Self { least: f64::NEG_INFINITY, most: f64::INFINITY };
}

/// The shape of everything of these kinds; where none is named, of the kinds that constants have.
fn kinds(kinds: Option<&Value>, constants: Option<&[Value]>) -> Option<Shape> {
    let mut shape = Shape::default();
    let kinds = match kinds {
        Some(Value::Array(kinds)) => kinds.as_slice(),
        Some(kind) => std::slice::from_ref(kind),
        None => {
            constants?;
            (shape.null, shape.text) = (true, Some(Text::default()));
            &[]
        }
    };
    for kind in kinds {
        match kind.as_str()? {
            "null" => shape.null = true,
            "boolean" => shape.boolean = true,
            "integer" => shape.integer = true,
            "number" => shape.number = true,
            "string" => shape.text = Some(Text::default()),
            "array" => shape.items = Some(Box::new(Shape::anything())),
            "object" => {
                let others = Some(Box::new(Shape::anything()));
                shape.members = Some(Members { named: HashMap::new(), required: 0, others });
            }
            _ => return None,
        }
    }
    Some(shape)
}

/// The shape of only these constants among what `kinds` lets pass, where they are words or null.
fn only(kinds: &Shape, constants: &[Value]) -> Option<Shape> {
    let mut shape = Shape::default();
    let mut words = Vec::new();
    for constant in constants {
        match constant {
            Value::Null => shape.null = kinds.null,
            Value::String(word) => words.push(word.clone()),
            _ => return None,
        }
    }
    if kinds.text.is_some() && !words.is_empty() {
        shape.text = Some(Text { words: Some(words), ..Text::default() });
    }
    Some(shape)
}

/// The value of a bound, unless it is rounded.
fn exact(bound: &Value) -> Option<f64> {
    bound.as_f64().filter(|bound| bound.abs() < Bounds::EXACT)
}
