//! Diagrams of traces for documents: Mermaid and DOT.

use std::{collections::HashMap, fmt::Write as _};

use uuid::Uuid;

use super::{
    Trace,
    label::{self, Labels},
};

impl Trace {
    /// The trace as a Mermaid flowchart.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        let mut text = "flowchart TD\n".to_owned();
        let labels = Labels::of(self);
        for (number, event) in self.events.iter().enumerate() {
            let name = mermaid_text(&label::name(event));
            let details = mermaid_text(&labels.details_in_line(event));
            let _ = writeln!(text, "    e{number}[\"{name}<br/>{details}\"]");
        }
        for (cause, effect) in self.arrows() {
            let _ = writeln!(text, "    e{cause} --> e{effect}");
        }
        if let Some(around) = self.number_of_around() {
            let _ = writeln!(text, "    style e{around} stroke-width:3px");
        }
        text
    }

    /// The trace as a DOT graph for Graphviz.
    #[must_use]
    pub fn to_dot(&self) -> String {
        let mut text = "digraph trace {\n    node [shape=box, fontname=\"sans-serif\"];\n".to_owned();
        let labels = Labels::of(self);
        let around = self.number_of_around();
        for (number, event) in self.events.iter().enumerate() {
            let name = dot_text(&label::name(event));
            let details = dot_text(&labels.details_in_line(event));
            let mark = if around == Some(number) { ", penwidth=3" } else { "" };
            let _ = writeln!(text, "    e{number} [label=\"{name}\\n{details}\"{mark}];");
        }
        for (cause, effect) in self.arrows() {
            let _ = writeln!(text, "    e{cause} -> e{effect};");
        }
        text.push_str("}\n");
        text
    }

    fn number_of_around(&self) -> Option<usize> {
        self.events.iter().position(|event| event.event_id == self.around)
    }

    /// The edges of the graph: causes and effects by number.
    fn arrows(&self) -> Vec<(usize, usize)> {
        let numbers: HashMap<Uuid, usize> =
            self.events.iter().enumerate().map(|(number, event)| (event.event_id, number)).collect();
        let children = self.events.iter().enumerate();
        children
            .flat_map(|(cause, event)| event.children.iter().map(move |child| (cause, child)))
            .filter_map(|(cause, child)| Some((cause, *numbers.get(child)?)))
            .collect()
    }
}

/// Escapes text for Mermaid, which reads entities with `#` in place of `&`.
fn mermaid_text(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut safe, letter| {
        match letter {
            '"' | '#' | '<' | '>' | '&' | '`' | '\\' | ';' => {
                let _ = write!(safe, "#{};", u32::from(letter));
            }
            letter => safe.push(letter),
        }
        safe
    })
}

fn dot_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
