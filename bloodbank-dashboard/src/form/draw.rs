//! Draws a form: the fields of a schema with the values of a payload, and what is wrong at its place.

use bloodbank_client::SchemaNode;
use maud::{Markup, html};
use serde_json::Value;

use super::node::{Control, below, control, field, items_field, variant_field, variant_of};

/// What is wrong with a payload, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// A JSON pointer; empty for the whole payload.
    pub(crate) pointer: String,
    pub(crate) detail: String,
}

/// Draws the fields of a schema with the values of a payload.
pub(crate) fn draw(schema: &Value, payload: &Value, faults: &[Fault]) -> Markup {
    let node = SchemaNode::root(schema);
    let drawing = Drawing { faults };
    html! {
        @match control(node, 0) {
            Control::Object(members) => { (drawing.members(node, &members, "", Some(payload), 0)) }
            _ => { (drawing.place(Place { node, pointer: "", name: "Payload", is_required: true, depth: 1 }, Some(payload))) }
        }
    }
}

struct Drawing<'f> {
    faults: &'f [Fault],
}

/// A place in the payload, as it is drawn.
#[derive(Clone, Copy)]
struct Place<'a> {
    node: SchemaNode<'a>,
    pointer: &'a str,
    name: &'a str,
    is_required: bool,
    depth: usize,
}

impl Drawing<'_> {
    fn members(
        &self,
        node: SchemaNode<'_>,
        members: &[(&str, SchemaNode<'_>)],
        pointer: &str,
        value: Option<&Value>,
        depth: usize,
    ) -> Markup {
        html! {
            @for (name, member) in members {
                @let below = below(pointer, name);
                @let place = Place { node: *member, pointer: &below, name, is_required: node.requires(name), depth: depth + 1 };
                (self.place(place, value.and_then(|value| value.get(name))))
            }
        }
    }

    fn place(&self, place: Place<'_>, value: Option<&Value>) -> Markup {
        let Place { node, pointer, depth, .. } = place;
        match control(node, depth) {
            Control::Constant(_) => html! {},
            Control::Object(members) => self.group(place, &self.members(node, &members, pointer, value, depth)),
            Control::List(items) => self.list(place, items, value),
            Control::Variants(variants) => self.variants(place, &variants, value),
            Control::Choice(values) => self.labelled(place, |described| self.choice(place, &values, value, described)),
            Control::Boolean => {
                let values = [Value::Bool(true), Value::Bool(false)];
                self.labelled(place, |described| {
                    self.choice(place, &values.iter().collect::<Vec<_>>(), value, described)
                })
            }
            Control::Number { is_integer } => self.labelled(place, |described| {
                let mode = if is_integer { "numeric" } else { "decimal" };
                self.line(place, value, mode, described)
            }),
            Control::Text if is_long(node) => {
                self.labelled(place, |described| self.text(place, &shown(value), 3, described))
            }
            Control::Text => self.labelled(place, |described| self.line(place, value, "text", described)),
            Control::Json => self.labelled(place, |described| {
                let text = value.map(|value| format!("{value:#}")).unwrap_or_default();
                self.text(place, &text, text.lines().count().clamp(3, 12), described)
            }),
        }
    }

    /// A group of fields with a name.
    fn group(&self, place: Place<'_>, fields: &Markup) -> Markup {
        html! {
            fieldset {
                legend { (place.name) (optional(place.is_required)) }
                (hint(place.node, None))
                (self.fault(place.pointer))
                (fields)
            }
        }
    }

    fn list(&self, place: Place<'_>, items: SchemaNode<'_>, value: Option<&Value>) -> Markup {
        let found = value.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let item_name = |index: usize| format!("{} {}", place.name, index + 1);
        self.group(place, &html! {
            input type="hidden" name=(items_field(place.pointer)) value=(found.len());
            @for (index, item) in found.iter().enumerate() {
                @let pointer = below(place.pointer, &index.to_string());
                @let name = item_name(index);
                div.item {
                    (self.place(Place { node: items, pointer: &pointer, name: &name, is_required: true, depth: place.depth + 1 }, Some(item).filter(|item| !item.is_null())))
                    button.quiet type="submit" name="remove" value=(pointer) formnovalidate aria-label={ "Remove " (name) } { "Remove" }
                }
            }
            button type="submit" name="add" value=(place.pointer) formnovalidate { "Add to " (place.name) }
        })
    }

    fn variants(&self, place: Place<'_>, variants: &[SchemaNode<'_>], value: Option<&Value>) -> Markup {
        let chosen = (place.is_required || value.is_some()).then(|| variant_of(variants, value));
        let id = variant_field(place.pointer);
        self.group(place, &html! {
            label.hidden for=(id) { "Kind of " (place.name) }
            div.variant {
                select id=(id) name=(id) data-choose {
                    @if !place.is_required { option value="" selected[chosen.is_none()] { "–" } }
                    @for (index, variant) in variants.iter().enumerate() {
                        option value=(index) selected[chosen == Some(index)] { (variant_name(*variant, index)) }
                    }
                }
                button type="submit" name="choose" value="yes" formnovalidate { "Choose" }
            }
            @if let Some(variant) = chosen.and_then(|chosen| variants.get(chosen)) {
                @match control(*variant, place.depth + 1) {
                    Control::Object(members) => { (self.members(*variant, &members, place.pointer, value, place.depth + 1)) }
                    Control::Constant(_) => {}
                    _ => { (self.place(Place { node: *variant, name: "Value", is_required: true, depth: place.depth + 1, ..place }, value)) }
                }
            }
        })
    }

    /// A field with its label, its hint and what is wrong with it.
    fn labelled(&self, place: Place<'_>, draw: impl Fn(&str) -> Markup) -> Markup {
        let id = field(place.pointer);
        let described = format!("h{0} e{0}", place.pointer);
        html! {
            div.field {
                label for=(id) { (place.name) (optional(place.is_required)) }
                (draw(&described))
                (hint(place.node, Some(place.pointer)))
                (self.fault(place.pointer))
            }
        }
    }

    fn line(&self, place: Place<'_>, value: Option<&Value>, mode: &str, described: &str) -> Markup {
        let id = field(place.pointer);
        html! {
            input id=(id) name=(id) type="text" inputmode=(mode) value=(shown(value)) placeholder=[placeholder(place.node)]
                autocomplete="off" spellcheck="false" aria-describedby=(described) aria-invalid=[self.invalid(place.pointer)];
        }
    }

    fn text(&self, place: Place<'_>, text: &str, rows: usize, described: &str) -> Markup {
        let id = field(place.pointer);
        html! {
            textarea id=(id) name=(id) rows=(rows) autocomplete="off" spellcheck="false" aria-describedby=(described)
                aria-invalid=[self.invalid(place.pointer)] { (maud::PreEscaped("\n")) (text) }
        }
    }

    /// One of several values; each is written as JSON.
    fn choice(&self, place: Place<'_>, values: &[&Value], value: Option<&Value>, described: &str) -> Markup {
        let id = field(place.pointer);
        html! {
            select id=(id) name=(id) aria-describedby=(described) aria-invalid=[self.invalid(place.pointer)] {
                option value="" selected[value.is_none()] { "–" }
                @for known in values {
                    option value=(known) selected[value == Some(known)] { (shown(Some(known))) }
                }
            }
        }
    }

    fn invalid(&self, pointer: &str) -> Option<&'static str> {
        self.faults.iter().any(|fault| fault.pointer == pointer).then_some("true")
    }

    /// The place for what is wrong, which is there also where nothing is: something may be while one types.
    fn fault(&self, pointer: &str) -> Markup {
        html! {
            div.fault id={ "e" (pointer) } data-fault {
                @for fault in self.faults.iter().filter(|fault| fault.pointer == pointer) {
                    p { span aria-hidden="true" { "✕ " } (fault.detail) }
                }
            }
        }
    }
}

fn optional(is_required: bool) -> Markup {
    html! { @if !is_required { small.muted { " optional" } } }
}

/// What the schema says about a place.
fn hint(node: SchemaNode<'_>, pointer: Option<&str>) -> Markup {
    let description = node.get("description").and_then(Value::as_str).unwrap_or_default();
    html! { p.hint id=[pointer.map(|pointer| format!("h{pointer}"))] { (description.lines().next().unwrap_or_default()) } }
}

/// The name of a variant: its title, its constant, the first of its members, its type.
fn variant_name(variant: SchemaNode<'_>, index: usize) -> String {
    let text = |keyword: &str| variant.get(keyword).and_then(Value::as_str).map(str::to_owned);
    let constant = || {
        let (_, schema) = variant.properties()?.iter().find(|(_, schema)| schema.get("const").is_some())?;
        schema.get("const").map(|value| shown(Some(value)))
    };
    let member = || variant.properties()?.keys().next().cloned();
    let kind = || variant.types().first().map(|kind| (*kind).to_owned());
    text("title").or_else(constant).or_else(member).or_else(kind).unwrap_or_else(|| format!("Choice {}", index + 1))
}

fn placeholder(node: SchemaNode<'_>) -> Option<&'static str> {
    Some(match node.get("format")?.as_str()? {
        "date-time" => "2025-01-31T12:00:00Z",
        "date" => "2025-01-31",
        "time" => "12:00:00Z",
        "duration" => "PT1M",
        "uuid" => "00000000-0000-4000-8000-000000000000",
        "uri" | "url" => "https://example.com/",
        "email" => "ada@example.com",
        _ => return None,
    })
}

/// Whether texts here are likely to have several lines.
fn is_long(node: SchemaNode<'_>) -> bool {
    node.get("maxLength").and_then(Value::as_u64).is_some_and(|most| most > 200)
}

/// A value as it is entered.
fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_fault_stands_at_its_field_and_values_are_no_markup() {
        let schema = json!({ "type": "object", "required": ["a"], "properties": {
            "a": { "type": "string", "description": "What <i>." }, "b": { "type": "integer" },
        } });
        let faults = [Fault { pointer: "/b".to_owned(), detail: "is <b>".to_owned() }];
        let drawn = draw(&schema, &json!({ "a": "\"><script>", "b": "x" }), &faults).into_string();
        assert!(drawn.contains("id=\"e/b\" data-fault><p>") && drawn.contains("is &lt;b&gt;"), "{drawn}");
        assert!(drawn.contains("value=\"&quot;&gt;&lt;script&gt;\"") && !drawn.contains("<script>"), "{drawn}");
        assert_eq!(drawn.matches("aria-invalid").count(), 1, "{drawn}");
    }

    #[test]
    fn a_type_that_contains_itself_ends_as_json() {
        let schema = json!({ "type": "object", "properties": { "child": { "$ref": "#" } } });
        let drawn = draw(&schema, &json!({}), &[]).into_string();
        assert!(drawn.contains("<textarea"), "{drawn}");
    }
}
