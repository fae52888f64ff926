//! The flow as a diagram for other programs.

use std::{collections::BTreeSet, fmt::Write};

use bloodbank_core::EventKind;

use super::Flow;

impl Flow {
    /// The flow as a Mermaid flowchart, for Markdown.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        let mut text = String::from("flowchart LR\n");
        for ((key, kind), index) in self.events.iter().zip(0..) {
            let (open, close) = match kind {
                EventKind::Fact => ("([", "])"),
                EventKind::Command => ("{{", "}}"),
                EventKind::Failure => ("[/", "/]"),
            };
            // Mermaid would read the braces of placeholders as a shape.
            let label = key.replace('{', "#123;").replace('}', "#125;");
            let _ = writeln!(text, "    e{index}{open}\"{label}\"{close}");
        }
        for (handler, index) in self.handlers.iter().zip(0..) {
            let _ = writeln!(text, "    h{index}[\"{}\"]", handler.name);
        }
        for (from, to) in self.edges() {
            let _ = writeln!(text, "    {from} --> {to}");
        }
        text
    }

    /// The flow in the DOT language, for Graphviz.
    #[must_use]
    pub fn to_dot(&self) -> String {
        let mut text = String::from("digraph flow {\n    rankdir=LR;\n");
        for ((key, kind), index) in self.events.iter().zip(0..) {
            let shape = match kind {
                EventKind::Fact => "ellipse",
                EventKind::Command => "hexagon",
                EventKind::Failure => "octagon",
            };
            let _ = writeln!(text, "    e{index} [label=\"{key}\", shape={shape}];");
        }
        for (handler, index) in self.handlers.iter().zip(0..) {
            let _ = writeln!(text, "    h{index} [label=\"{}\", shape=box];", handler.name);
        }
        for (from, to) in self.edges() {
            let _ = writeln!(text, "    {from} -> {to};");
        }
        text.push_str("}\n");
        text
    }

    /// The lines between events (`e` and their index) and handlers (`h` and theirs).
    fn edges(&self) -> Vec<(String, String)> {
        let index = |key: &str| self.events.keys().position(|known| *known == key);
        let ends = |keys: &BTreeSet<&str>| keys.iter().filter_map(|key| index(key)).collect::<Vec<_>>();
        let mut edges = Vec::new();
        for (handler, index) in self.handlers.iter().zip(0..) {
            edges.extend(ends(&handler.inputs).into_iter().map(|event| (format!("e{event}"), format!("h{index}"))));
            edges.extend(ends(&handler.outputs).into_iter().map(|event| (format!("h{index}"), format!("e{event}"))));
        }
        edges
    }
}
