//! Draws a causation graph as SVG.

use std::collections::HashSet;

use bloodbank_core::{EventKind, Registry, correlation::Trace};
use maud::{Markup, html};
use uuid::Uuid;

use super::trace::{GivenUp, trace_place};
use crate::{
    data::{Edge, Graph, Node},
    html::{clipped, count, gap},
    visit::Visit,
};

/// The size of a node, and the room between nodes.
const WIDTH: usize = 230;
const HEIGHT: usize = 46;
const COLUMN: usize = WIDTH + 84;
const HALF_ROW: usize = (HEIGHT + 16) / 2;
const MARGIN: usize = 12;
/// The letters of a name that fit into a node.
const FITTING: usize = 27;

/// Draws a graph; `selected` is the node that is shown beside it.
pub(super) fn draw(
    visit: &Visit,
    trace: &Trace,
    graph: &Graph,
    given_up: &GivenUp,
    selected: Option<usize>,
    expanded: &HashSet<Uuid>,
) -> Markup {
    let width = (graph.columns.max(1) - 1) * COLUMN + WIDTH + 2 * MARGIN;
    let height = graph.half_rows * HALF_ROW + 2 * MARGIN;
    let drawing = Drawing { visit, trace, given_up, expanded };
    html! {
        div.graph data-graph tabindex="0" role="region" aria-label="Causes and effects" {
            svg width=(width) height=(height) viewBox=(format!("0 0 {width} {height}")) role="group" aria-label="Events from left to right" {
                @for edge in &graph.edges { (self::edge(graph, edge)) }
                @for (number, node) in graph.nodes.iter().enumerate() { (drawing.node(node, selected == Some(number))) }
            }
        }
    }
}

/// The upper left corner of a node.
fn corner(node: &Node) -> (usize, usize) {
    (MARGIN + node.column * COLUMN, MARGIN + node.half_row * HALF_ROW)
}

fn edge(graph: &Graph, edge: &Edge) -> Markup {
    let (from, to) = (corner(&graph.nodes[edge.from]), corner(&graph.nodes[edge.to]));
    let (start_x, start_y) = (from.0 + WIDTH, from.1 + HEIGHT / 2);
    let (end_x, end_y) = (to.0, to.1 + HEIGHT / 2);
    let bend = 36;
    let path = format!(
        "M{start_x} {start_y}C{} {start_y} {} {end_y} {end_x} {end_y}",
        start_x + bend,
        end_x.saturating_sub(bend)
    );
    html! {
        path.edge.extra[edge.is_extra] d=(path) {}
        @if let Some(time) = edge.gap {
            text.gap x=(end_x - 6) y=(end_y - 5) text-anchor="end" { (gap(time)) }
        }
    }
}

struct Drawing<'a> {
    visit: &'a Visit,
    trace: &'a Trace,
    given_up: &'a GivenUp,
    expanded: &'a HashSet<Uuid>,
}

impl Drawing<'_> {
    fn node(&self, node: &Node, is_selected: bool) -> Markup {
        let Some(event) = node.events.first().map(|first| &self.trace.events[*first]) else { return html! {} };
        let (x, y) = corner(node);
        let name = event.event_type.as_deref().unwrap_or("(unknown)");
        let kind = Registry::global().event(name).map(|event| event.kind());
        let is_lost = node.events.iter().any(|number| self.given_up.contains_key(&self.trace.events[*number].event_id));
        let (class, sign) = match kind {
            _ if is_lost => ("lost", "✕ "),
            Some(EventKind::Failure) => ("failure", "✕ "),
            Some(EventKind::Command) => ("command", "▸ "),
            Some(EventKind::Fact) | None => ("fact", ""),
        };
        let is_around = node.events.iter().any(|number| self.trace.events[*number].event_id == self.trace.around);
        let number = node.events.len();
        // Smaller letters, beside which something else may stand.
        let room = if number > 1 || is_lost { FITTING - 5 } else { FITTING + 6 };
        let app = clipped(event.app.as_deref().unwrap_or_default(), room);
        let below = match number {
            1 if is_lost => format!("given up · {app}"),
            1 => app,
            _ => format!("× {} · {app}", count(number as u64)),
        };
        let said = format!("{name}{}", if number > 1 { format!(", {number} of them") } else { String::new() });
        html! {
            a href=(self.link(event.event_id)) aria-current=[is_selected.then_some("true")] {
                g class=(format!("node {class}")) {
                    title { (said) }
                    @if number > 1 {
                        rect.behind x=(x + 5) y=(y + 5) width=(WIDTH) height=(HEIGHT) rx="7" {}
                    }
                    rect.selected[is_selected].around[is_around] x=(x) y=(y) width=(WIDTH) height=(HEIGHT) rx="7" {}
                    text.name x=(x + 12) y=(y + 20) { (sign) (clipped(name, FITTING)) }
                    text.below x=(x + 12) y=(y + 36) { (below) }
                }
            }
            @if number > 1 {
                a.each href=(self.each(event.event_id)) aria-label={ "Show each of " (said) } {
                    text x=(x + WIDTH - 10) y=(y + 36) text-anchor="end" { "show each" }
                }
            }
        }
    }

    /// The address at which an event is shown beside the graph.
    fn link(&self, id: Uuid) -> String {
        let each: String = self.expanded.iter().map(|id| format!("&each={id}")).collect();
        self.visit.link(&format!("{}?event={id}{each}", trace_place(self.trace.around)))
    }

    /// The address at which the events of a node are shown one by one.
    fn each(&self, id: Uuid) -> String {
        format!("{}&each={id}", self.link(id))
    }
}
