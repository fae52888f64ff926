//! Trees of traces for terminals.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::{
    Trace, TraceEvent,
    label::{self, Labels},
};

/// The largest depth of indentation: a line stays readable and a chain of thousands stays small.
const DEEPEST: usize = 48;

struct Line {
    branches: String,
    name: String,
    /// The id, the time and the program; only the id where the event is shown elsewhere.
    details: Vec<String>,
    note: String,
}

/// An event that is still to be drawn.
struct Next<'a> {
    event: &'a TraceEvent,
    /// The indent of the event and of its siblings.
    indent: String,
    depth: usize,
    is_last: bool,
}

impl Trace {
    /// The trace as a tree: causes first, their effects indented below them. An event with several causes is shown in
    /// full below the first of them and mentioned below the others. Ids are whole, so that each can be traced in turn.
    ///
    /// ```text
    /// fireflies.transcript.upload              6f1c2a9e-…  12:00:00.123  webhook
    /// └─ fireflies.transcript.ready            a81f03c2-…  12:00:41.007  webhook
    ///    ├─ fireflies.transcript.processed     0b7e55d1-…  12:00:41.950  rag      ◀
    ///    └─ agent.thread.prompt                c03d91aa-…  12:00:42.003  agents
    ///       └─ agent.thread.response           5e2a7b40-…  12:00:44.681  agents
    /// ```
    #[must_use]
    pub fn to_text(&self) -> String {
        let labels = Labels::of(self);
        let mut text = String::new();
        if let Some(day) = labels.day() {
            text.push_str(&day);
            text.push_str(" (UTC)\n");
        }
        align(&self.lines(&labels), &mut text);
        for (is_so, remark) in [
            (self.truncated, "there is more than is shown"),
            (
                self.may_be_incomplete,
                "this may be incomplete: the correlation store was away when some of it was published",
            ),
        ] {
            if is_so {
                text.push_str(remark);
                text.push('\n');
            }
        }
        for value in &self.malformed {
            text.push_str(&format!("ignored {value}\n"));
        }
        text
    }

    fn lines(&self, labels: &Labels) -> Vec<Line> {
        let events: HashMap<Uuid, &TraceEvent> = self.events.iter().map(|event| (event.event_id, event)).collect();
        let mut drawn = HashSet::new();
        let mut lines = Vec::with_capacity(self.events.len());
        let (roots, others): (Vec<_>, Vec<_>) = self.events.iter().partition(|event| event.parents.is_empty());
        // What no root leads to is in a cycle, or begins outside of what was loaded.
        for root in roots.into_iter().chain(others) {
            if drawn.contains(&root.event_id) {
                continue;
            }
            let mut open = vec![Next { event: root, indent: String::new(), depth: 0, is_last: true }];
            while let Some(next) = open.pop() {
                let is_first = drawn.insert(next.event.event_id);
                lines.push(self.line(labels, &next, is_first));
                if !is_first {
                    continue;
                }
                let indent = next.indent_of_children();
                let children = next.event.children.iter().filter_map(|child| events.get(child));
                // Drawn from a stack: the last child goes in first.
                for (position, &event) in children.rev().enumerate() {
                    open.push(Next { event, indent: indent.clone(), depth: next.depth + 1, is_last: position == 0 });
                }
            }
        }
        lines
    }

    fn line(&self, labels: &Labels, next: &Next<'_>, is_first: bool) -> Line {
        let event = next.event;
        let mut note = if event.event_id == self.around { "◀" } else { "" }.to_owned();
        let details = if is_first {
            if event.parents.len() > 1 {
                let parents: Vec<_> = event.parents.iter().map(Uuid::to_string).collect();
                note = format!("{note} caused by {}", parents.join(", ")).trim_start().to_owned();
            }
            let [_, time, app] = labels.details(event);
            vec![event.event_id.to_string(), time, app]
        } else {
            note = "↑ above".to_owned();
            vec![event.event_id.to_string()]
        };
        Line { branches: next.branches(), name: label::name(event).into_owned(), details, note }
    }
}

impl Next<'_> {
    fn branches(&self) -> String {
        match self.depth {
            0 => String::new(),
            1..=DEEPEST => format!("{}{}", self.indent, if self.is_last { "└─ " } else { "├─ " }),
            depth => format!("{}{depth:·>5} ", self.indent),
        }
    }

    fn indent_of_children(&self) -> String {
        match self.depth {
            0 => String::new(),
            1..DEEPEST => format!("{}{}", self.indent, if self.is_last { "   " } else { "│  " }),
            _ => self.indent.clone(),
        }
    }
}

/// Writes the lines with their details in columns.
fn align(lines: &[Line], text: &mut String) {
    let rows = lines.iter().map(|line| {
        let first = format!("{}{}", line.branches, line.name);
        std::iter::once(first).chain(line.details.iter().cloned()).collect::<Vec<_>>()
    });
    let rows: Vec<_> = rows.collect();
    let mut widths = [0; 4];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for (line, row) in lines.iter().zip(rows) {
        let mut aligned = String::new();
        for (cell, width) in row.iter().zip(widths).filter(|(_, width)| *width > 0) {
            aligned.push_str(&format!("{cell:<width$}  "));
        }
        aligned.push_str(&line.note);
        text.push_str(aligned.trim_end());
        text.push('\n');
    }
}
