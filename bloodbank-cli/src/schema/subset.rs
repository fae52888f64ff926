//! Whether everything that one schema allows, another one reads.

use std::collections::BTreeSet;

use bloodbank_client::SchemaNode;
use serde_json::Value;

/// What a writer may say that a reader refuses: a JSON pointer and a sentence for each.
pub(super) fn gaps(writer: &Value, reader: &Value) -> Vec<(String, String)> {
    let mut search = Search { gaps: Vec::new(), compared: BTreeSet::new() };
    search.compare(SchemaNode::root(writer), SchemaNode::root(reader), "");
    search.gaps
}

struct Search {
    gaps: Vec<(String, String)>,
    /// Pairs of places that were compared or are being compared: what contains itself is compared once.
    compared: BTreeSet<(usize, usize)>,
}

impl Search {
    fn gap(&mut self, pointer: &str, message: impl Into<String>) {
        let gap = (pointer.to_owned(), message.into());
        if !self.gaps.contains(&gap) {
            self.gaps.push(gap);
        }
    }

    fn compare(&mut self, writer: SchemaNode<'_>, reader: SchemaNode<'_>, pointer: &str) {
        if reader.is_anything() || !self.compared.insert((writer.place(), reader.place())) {
            return;
        }
        for part in reader.list("allOf") {
            self.compare(writer, part, pointer);
        }
        let readers = alternatives(reader);
        for writer in alternatives(writer) {
            self.compare_with_any(writer, &readers, pointer);
        }
    }

    /// One thing that the writer may say, with all that the reader understands.
    fn compare_with_any(&mut self, writer: Alternative<'_>, readers: &[Alternative<'_>], pointer: &str) {
        let same_type: Vec<_> = readers.iter().filter(|reader| reads_type(reader.kind, writer.kind)).collect();
        let mut best: Option<Self> = None;
        for reader in &same_type {
            let mut search = Self { gaps: Vec::new(), compared: self.compared.clone() };
            search.compare_one(&writer, reader, pointer);
            if search.gaps.is_empty() {
                self.compared = search.compared;
                return;
            }
            if best.as_ref().is_none_or(|best| search.gaps.len() < best.gaps.len()) {
                best = Some(search);
            }
        }
        // A value of an enumeration whose others are read by other alternatives.
        if let Some(values) = writer.values() {
            let read: Vec<_> = same_type.iter().filter_map(|reader| reader.values()).flatten().collect();
            if !read.is_empty() {
                for value in values.iter().filter(|value| !read.contains(value)) {
                    self.gap(pointer, format!("may be {value}, which is not read"));
                }
                return;
            }
        }
        match best {
            Some(best) => self.gaps.extend(best.gaps),
            None => self.gap(pointer, format!("may be {}, which is not read", article(writer.kind))),
        }
    }

    fn compare_one(&mut self, writer: &Alternative<'_>, reader: &Alternative<'_>, pointer: &str) {
        if let Some(read) = reader.values() {
            match writer.values() {
                Some(written) => {
                    for value in written.iter().filter(|value| !read.contains(value)) {
                        self.gap(pointer, format!("may be {value}, which is not read"));
                    }
                }
                None => self.gap(pointer, format!("may be any {}, only {} is read", writer.kind, listed(&read))),
            }
            return;
        }
        let (w, r) = (writer.node, reader.node);
        match writer.kind {
            "object" => self.compare_objects(w, r, pointer),
            "array" => {
                self.compare_bound(w, r, pointer, "minItems", Bound::Least);
                self.compare_bound(w, r, pointer, "maxItems", Bound::Most);
                if let Some(items) = r.get("items") {
                    let written = w.get("items").map_or_else(|| w.anything(), |items| w.at(items));
                    self.compare(written, r.at(items), &format!("{pointer}/*"));
                }
            }
            "string" if writer.values().is_none() => {
                self.compare_bound(w, r, pointer, "minLength", Bound::Least);
                self.compare_bound(w, r, pointer, "maxLength", Bound::Most);
                for keyword in ["pattern", "format"] {
                    if let Some(wanted) = r.get(keyword)
                        && w.get(keyword) != Some(wanted)
                    {
                        self.gap(pointer, format!("may be any string, only those of the {keyword} {wanted} are read"));
                    }
                }
            }
            "integer" | "number" => {
                for (keywords, bound) in
                    [(["minimum", "exclusiveMinimum"], Bound::Least), (["maximum", "exclusiveMaximum"], Bound::Most)]
                {
                    self.compare_limits(w, r, pointer, keywords, bound);
                }
                if let Some(step) = r.get("multipleOf")
                    && w.get("multipleOf") != Some(step)
                {
                    self.gap(pointer, format!("may be any number, only multiples of {step} are read"));
                }
            }
            _ => {}
        }
    }

    fn compare_objects(&mut self, writer: SchemaNode<'_>, reader: SchemaNode<'_>, pointer: &str) {
        let required = reader.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        for name in required.filter(|name| !writer.requires(name)) {
            let at = member(pointer, name);
            let message = if writer.has_property(name) {
                "may be left out, but is required"
            } else {
                "is not written, but is required"
            };
            self.gap(&at, message);
        }
        for name in writer.properties().into_iter().flat_map(|properties| properties.keys()) {
            let at = member(pointer, name);
            if reader.has_property(name) {
                self.compare(writer.member(name), reader.member(name), &at);
            } else if reader.get("additionalProperties") == Some(&Value::Bool(false)) {
                self.gap(&at, "is written, but unknown fields are refused");
            } else if reader.get("additionalProperties").is_some_and(Value::is_object) {
                self.compare(writer.member(name), reader.member(name), &at);
            }
        }
        if let (Some(written), Some(read)) = (writer.get("additionalProperties"), reader.get("additionalProperties"))
            && written.is_object()
            && read.is_object()
        {
            self.compare(writer.at(written), reader.at(read), &format!("{pointer}/*"));
        }
    }

    fn compare_bound(
        &mut self,
        writer: SchemaNode<'_>,
        reader: SchemaNode<'_>,
        pointer: &str,
        keyword: &str,
        bound: Bound,
    ) {
        let (written, read) = (number(writer, keyword), number(reader, keyword));
        if let Some(read) = read
            && bound.is_tighter(read, written)
        {
            self.gap(pointer, format!("{keyword} is {}, but {read} is read", shown(written)));
        }
    }

    /// Bounds of numbers, those of their Rust type among them.
    fn compare_limits(
        &mut self,
        writer: SchemaNode<'_>,
        reader: SchemaNode<'_>,
        pointer: &str,
        keywords: [&str; 2],
        bound: Bound,
    ) {
        let limit = |node: SchemaNode<'_>| {
            let said = keywords.iter().filter_map(|keyword| number(node, keyword));
            said.chain(bound.of_type(node))
                .reduce(|one, other| if bound.is_tighter(other, Some(one)) { other } else { one })
        };
        let (written, read) = (limit(writer), limit(reader));
        if let Some(read) = read
            && bound.is_tighter(read, written)
        {
            let (written, read) = (bound.said(written, writer), bound.said(Some(read), reader));
            self.gap(pointer, format!("is {written}, but only {read} is read"));
        }
    }
}

#[derive(Clone, Copy)]
enum Bound {
    Least,
    Most,
}

impl Bound {
    /// The bound that the Rust type gives.
    fn of_type(self, node: SchemaNode<'_>) -> Option<f64> {
        let (least, most) = node.get("format").and_then(Value::as_str).and_then(range)?;
        Some(match self {
            Self::Least => least,
            Self::Most => most,
        })
    }

    /// A bound in words: that of a Rust type by its name.
    fn said(self, bound: Option<f64>, node: SchemaNode<'_>) -> String {
        let word = match self {
            Self::Least => "at least",
            Self::Most => "at most",
        };
        match (bound, node.get("format").and_then(Value::as_str)) {
            (None, _) => "any number".to_owned(),
            (Some(_), Some(format)) if bound == self.of_type(node) => format!("{word} what a {format} holds"),
            (Some(bound), _) => format!("{word} {bound}"),
        }
    }

    /// Whether a bound leaves out what another one allows.
    fn is_tighter(self, bound: f64, other: Option<f64>) -> bool {
        match (self, other) {
            (_, None) => true,
            (Self::Least, Some(other)) => bound > other,
            (Self::Most, Some(other)) => bound < other,
        }
    }
}

/// One type that a value may have.
#[derive(Clone, Copy)]
struct Alternative<'a> {
    kind: &'a str,
    node: SchemaNode<'a>,
}

impl<'a> Alternative<'a> {
    /// The values of this type, where they are counted up.
    fn values(&self) -> Option<Vec<&'a Value>> {
        let values: Vec<_> = match (self.node.get("const"), self.node.get("enum").and_then(Value::as_array)) {
            (Some(value), _) => vec![value],
            (None, Some(values)) => values.iter().collect(),
            (None, None) => return None,
        };
        Some(values.into_iter().filter(|value| reads_type(self.kind, kind_of(value))).collect())
    }
}

/// What a value may be: choices and lists of types taken apart.
fn alternatives(node: SchemaNode<'_>) -> Vec<Alternative<'_>> {
    let choices: Vec<_> = ["anyOf", "oneOf"].into_iter().flat_map(|keyword| node.list(keyword)).collect();
    if !choices.is_empty() {
        return choices.into_iter().flat_map(alternatives).collect();
    }
    let mut kinds = match node.get("type") {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if kinds.is_empty() {
        let values =
            node.get("const").into_iter().chain(node.get("enum").and_then(Value::as_array).into_iter().flatten());
        kinds = values.map(kind_of).collect();
        kinds.dedup();
    }
    if kinds.is_empty() {
        kinds = match node.properties() {
            Some(_) => vec!["object"],
            None => vec!["null", "boolean", "number", "string", "array", "object"],
        };
    }
    kinds.into_iter().map(|kind| Alternative { kind, node }).collect()
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Whether a reader of one type reads a value of another: integers are numbers.
fn reads_type(reader: &str, writer: &str) -> bool {
    reader == writer || (reader, writer) == ("number", "integer")
}

/// The range of a Rust type, as schemars names it.
fn range(format: &str) -> Option<(f64, f64)> {
    Some(match format {
        "uint8" => (0.0, 255.0),
        "uint16" => (0.0, 65_535.0),
        "uint32" => (0.0, 4_294_967_295.0),
        "uint64" | "uint" => (0.0, 18_446_744_073_709_551_615.0),
        "int8" => (-128.0, 127.0),
        "int16" => (-32_768.0, 32_767.0),
        "int32" => (-2_147_483_648.0, 2_147_483_647.0),
        "int64" | "int" => (-9_223_372_036_854_775_808.0, 9_223_372_036_854_775_807.0),
        _ => return None,
    })
}

fn number(node: SchemaNode<'_>, keyword: &str) -> Option<f64> {
    node.get(keyword)?.as_f64()
}

fn shown(bound: Option<f64>) -> String {
    bound.map_or_else(|| "open".to_owned(), |bound| bound.to_string())
}

fn member(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn article(kind: &str) -> String {
    match kind {
        "null" => "null".to_owned(),
        "array" | "integer" | "object" => format!("an {kind}"),
        _ => format!("a {kind}"),
    }
}

fn listed(values: &[&Value]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sentences(writer: Value, reader: Value) -> Vec<String> {
        gaps(&writer, &reader).into_iter().map(|(pointer, message)| format!("{pointer}: {message}")).collect()
    }

    fn object(properties: Value, required: Value) -> Value {
        json!({"type": "object", "properties": properties, "required": required})
    }

    #[test]
    fn a_schema_reads_itself() {
        let node = json!({
            "$ref": "#/$defs/Node",
            "$defs": {"Node": {"type": "object", "properties": {
                "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
                "word": {"oneOf": [{"const": "a", "type": "string"}, {"const": "b", "type": "string"}]},
                "count": {"type": "integer", "format": "uint32", "minimum": 0},
                "any": true,
                "map": {"type": "object", "additionalProperties": {"type": "number"}},
            }, "required": ["word"]}},
        });
        assert_eq!(sentences(node.clone(), node), [""; 0]);
    }

    #[test]
    fn fields_that_come_and_go() {
        let one = || object(json!({"a": {"type": "string"}}), json!(["a"]));
        let optional = object(json!({"a": {"type": "string"}, "b": {"type": ["string", "null"]}}), json!(["a"]));
        let required = object(json!({"a": {"type": "string"}, "b": {"type": "string"}}), json!(["a", "b"]));
        assert_eq!(sentences(one(), optional.clone()), [""; 0]);
        assert_eq!(sentences(optional.clone(), one()), [""; 0]);
        assert_eq!(sentences(one(), required.clone()), ["/b: is not written, but is required"]);
        assert_eq!(
            sentences(optional, required.clone()),
            ["/b: may be left out, but is required", "/b: may be null, which is not read"]
        );
        let mut closed = one();
        closed["additionalProperties"] = json!(false);
        assert_eq!(sentences(required, closed), ["/b: is written, but unknown fields are refused"]);
    }

    #[test]
    fn types_that_change() {
        let of = |schema: Value| object(json!({"a": schema}), json!(["a"]));
        for (writer, reader, expected) in [
            (json!({"type": "integer"}), json!({"type": "number"}), None),
            (json!({"type": "number"}), json!({"type": "integer"}), Some("/a: may be a number, which is not read")),
            (json!({"type": "string"}), json!({"type": ["string", "null"]}), None),
            (
                json!({"type": ["string", "null"]}),
                json!({"type": "string"}),
                Some("/a: may be null, which is not read"),
            ),
            (json!({"enum": ["x"]}), json!({"enum": ["x", "y"]}), None),
            (
                json!({"enum": ["x", "y"]}),
                json!({"oneOf": [{"const": "x"}]}),
                Some("/a: may be \"y\", which is not read"),
            ),
            (json!({"type": "string"}), json!({"enum": ["x"]}), Some("/a: may be any string, only \"x\" is read")),
            (json!({"enum": ["x"]}), json!({"type": "string"}), None),
            (
                json!({"type": "integer", "format": "uint64", "minimum": 0}),
                json!({"type": "integer", "format": "uint32", "minimum": 0}),
                Some("/a: is at most what a uint64 holds, but only at most what a uint32 holds is read"),
            ),
            (
                json!({"type": "string"}),
                json!({"type": "string", "minLength": 1}),
                Some("/a: minLength is open, but 1 is read"),
            ),
            (
                json!({"type": "string"}),
                json!({"type": "string", "format": "uuid"}),
                Some("/a: may be any string, only those of the format \"uuid\" are read"),
            ),
            (
                json!({"type": "array", "items": {"type": "string"}}),
                json!({"type": "array", "items": {"type": "integer"}}),
                Some("/a/*: may be a string, which is not read"),
            ),
            (json!(true), json!({"type": "string"}), Some("/a: may be null, which is not read")),
            (json!({"type": "string"}), json!(true), None),
        ] {
            let found = sentences(of(writer.clone()), of(reader.clone()));
            assert_eq!(found.first().map(String::as_str), expected, "{writer} → {reader}");
        }
    }

    #[test]
    fn variants_of_an_enumeration_with_fields() {
        let variant = |tag: &str, field: &str| {
            object(json!({"type": {"const": tag}, field: {"type": "string"}}), json!(["type", field]))
        };
        let one = json!({"oneOf": [variant("card", "number")]});
        let two = json!({"oneOf": [variant("card", "number"), variant("cash", "currency")]});
        assert_eq!(sentences(one.clone(), two.clone()), [""; 0]);
        assert_eq!(
            sentences(two, one),
            ["/number: is not written, but is required", "/type: may be \"cash\", which is not read"]
        );
    }
}
