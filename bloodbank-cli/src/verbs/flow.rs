//! `bb flow`.

use std::{fmt::Write as _, io::Write};

use bloodbank_core::{EventKind, Registry};
use clap::ValueEnum;
use serde_json::json;

use crate::{
    fault::{Done, Fault},
    flow::Flow,
    output::{
        self,
        style::{DIM, KEY, paint},
    },
    payload::describe,
};

/// Draw the flow of events through the subscribers and commands of this program
#[derive(Debug, clap::Args)]
#[command(
    name = "flow",
    after_help = "\
Examples:
  bb flow
  bb flow --from orders.order.placed
  bb flow --format mermaid > flow.mmd
  bb flow --format dot | dot -Tsvg > flow.svg"
)]
pub(crate) struct FlowVerb {
    /// How it is drawn
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Only what follows from the events of a pattern
    #[arg(long, value_name = "PATTERN")]
    from: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For reading
    Text,
    /// For Markdown
    Mermaid,
    /// For Graphviz
    Dot,
}

impl FlowVerb {
    pub(crate) fn run(self) -> Done {
        let mut flow = Flow::of(Registry::global());
        if let Some(pattern) = &self.from {
            flow = flow.from(pattern);
            if flow.events.is_empty() {
                return Err(Fault::usage(format!(
                    "no event of this program travels under `{pattern}`; `list-events` shows those there are"
                )));
            }
        }
        if self.json {
            let handlers: Vec<_> = flow
                .handlers
                .iter()
                .map(|handler| json!({"name": handler.name, "location": handler.location, "receives": handler.inputs, "publishes": handler.outputs}))
                .collect();
            output::json(&json!({"events": flow.events, "handlers": handlers}))?;
            return Ok(());
        }
        let text = match self.format {
            Format::Text => text(&flow),
            Format::Mermaid => mermaid(&flow),
            Format::Dot => dot(&flow),
        };
        output::out().write_all(text.as_bytes())?;
        Ok(())
    }
}

fn text(flow: &Flow) -> String {
    let mut text = String::new();
    for (key, kind) in &flow.events {
        let mut line = paint(KEY, key);
        if *kind != EventKind::Fact {
            line = format!("{line} {}", paint(DIM, describe::kind(*kind)));
        }
        text.push_str(&line);
        text.push('\n');
        for handler in flow.handlers_of(key) {
            text.push_str(&format!("  → {}\n", handler.name));
            for output in &handler.outputs {
                text.push_str(&format!("      {}\n", paint(KEY, output)));
            }
        }
    }
    text
}

/// What is drawn: events with their numbers, handlers with theirs, and the lines between them.
fn edges(flow: &Flow) -> Vec<(String, String)> {
    let number = |key: &str| flow.events.keys().position(|known| *known == key);
    let mut edges = Vec::new();
    for (handler, index) in flow.handlers.iter().zip(0..) {
        let ends =
            |keys: &std::collections::BTreeSet<&str>| keys.iter().filter_map(|key| number(key)).collect::<Vec<_>>();
        edges.extend(ends(&handler.inputs).into_iter().map(|event| (format!("e{event}"), format!("h{index}"))));
        edges.extend(ends(&handler.outputs).into_iter().map(|event| (format!("h{index}"), format!("e{event}"))));
    }
    edges
}

/// For Markdown.
pub(super) fn mermaid(flow: &Flow) -> String {
    let mut text = String::from("flowchart LR\n");
    for ((key, kind), index) in flow.events.iter().zip(0..) {
        let (open, close) = match kind {
            EventKind::Fact => ("([", "])"),
            EventKind::Command => ("{{", "}}"),
            EventKind::Failure => ("[/", "/]"),
        };
        // Braces of placeholders would be read as a shape.
        let label = key.replace('{', "#123;").replace('}', "#125;");
        let _ = writeln!(text, "    e{index}{open}\"{label}\"{close}");
    }
    for (handler, index) in flow.handlers.iter().zip(0..) {
        let _ = writeln!(text, "    h{index}[\"{}\"]", handler.name);
    }
    for (from, to) in edges(flow) {
        let _ = writeln!(text, "    {from} --> {to}");
    }
    text
}

fn dot(flow: &Flow) -> String {
    let mut text = String::from("digraph flow {\n    rankdir=LR;\n");
    for ((key, kind), index) in flow.events.iter().zip(0..) {
        let shape = match kind {
            EventKind::Fact => "ellipse",
            EventKind::Command => "hexagon",
            EventKind::Failure => "octagon",
        };
        let _ = writeln!(text, "    e{index} [label=\"{key}\", shape={shape}];");
    }
    for (handler, index) in flow.handlers.iter().zip(0..) {
        let _ = writeln!(text, "    h{index} [label=\"{}\", shape=box];", handler.name);
    }
    for (from, to) in edges(flow) {
        let _ = writeln!(text, "    {from} -> {to};");
    }
    text.push_str("}\n");
    text
}
