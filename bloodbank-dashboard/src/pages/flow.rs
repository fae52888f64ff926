//! The flow of events through the handlers of the program, with what was seen of it.

use std::collections::BTreeSet;

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use bloodbank_client::{Flow, Handler, HandlerKind};
use bloodbank_core::{EventKind, Registry, routing};
use maud::{Markup, html};

use super::event::event_place;
use crate::{
    data::{BUCKET_SECONDS, FlowLayout, Spot, Totals},
    html::{self, Section, count, rate},
    refusal::Refusal,
    visit::{Visit, encoded},
};

/// The size of what is drawn.
const WIDTH: usize = 220;
const HEIGHT: usize = 46;
const COLUMN: usize = WIDTH + 64;
const ROW: usize = HEIGHT + 18;
const MARGIN: usize = 12;
/// More than this is no picture any more; a part of it is chosen by a pattern.
const MOST: usize = 300;

pub(crate) async fn page(visit: Visit) -> Result<Response, Refusal> {
    drop(visit.dashboard.activity.look(&visit.gateway));
    let totals = visit.dashboard.activity.totals();
    let pattern = visit.query("q").unwrap_or_default().trim();
    let flow = Flow::of(Registry::global(), &BTreeSet::new());
    let flow = if routing::BindingPattern::parse_wire(pattern).is_ok() { flow.starting_from(pattern) } else { flow };
    let layout = FlowLayout::of(&flow);
    let alone = flow.events.keys().filter(|key| !layout.places.contains_key(&Spot::Event(key))).count();
    let body = html! {
        div.title {
            h1 { "Flow" }
            form.search method="get" role="search" {
                label.hidden for="search" { "Only what follows from" }
                input #search type="search" name="q" value=(pattern) placeholder="Follows from: orders.#" autocomplete="off" spellcheck="false";
                button type="submit" { "Show" }
            }
        }
        p.lead { "What the signatures of the handlers say, and what was seen: events of the last 15 minutes on the bus, and what the handlers of this process did since it began." }
        @if layout.places.is_empty() { p.lead { "No handler of this program handles one of these events." } }
        @else if layout.places.len() > MOST { p.note.warn { span aria-hidden="true" { "▲ " } "There are " (count(layout.places.len() as u64)) " events and handlers. Enter a pattern above to see a part of them." } }
        @else { (draw(&visit, &flow, &layout, &totals)) }
        @if alone > 0 { p.muted { (count(alone as u64)) @if alone == 1 { " event has no handler here and is left out." } @else { " events have no handler here and are left out." } } }
        (list(&visit, &flow, &totals))
    };
    Ok(html::page(&visit, "Flow", Section::Flow, &body))
}

fn draw(visit: &Visit, flow: &Flow, layout: &FlowLayout, totals: &Totals) -> Markup {
    let width = (layout.columns.max(1) - 1) * COLUMN + WIDTH + 2 * MARGIN;
    let height = layout.rows * ROW + 2 * MARGIN;
    html! {
        div.graph data-graph tabindex="0" role="region" aria-label="Events and handlers" {
            svg width=(width) height=(height) viewBox=(format!("0 0 {width} {height}")) role="group" aria-label="Events and handlers from left to right" {
                @for (from, to) in &layout.links { (link(layout, *from, *to)) }
                @for (spot, place) in &layout.places {
                    @match spot {
                        Spot::Event(key) => { (event(visit, flow, key, *place, totals)) }
                        Spot::Handler(number) => { (handler(&flow.handlers[*number], *place, totals)) }
                    }
                }
            }
        }
    }
}

fn corner((column, row): (usize, usize)) -> (usize, usize) {
    (MARGIN + column * COLUMN, MARGIN + row * ROW)
}

fn link(layout: &FlowLayout, from: Spot, to: Spot) -> Markup {
    let (Some(from), Some(to)) = (layout.places.get(&from), layout.places.get(&to)) else { return html! {} };
    let is_back = to.0 <= from.0;
    let (from, to) = (corner(*from), corner(*to));
    let (x1, y1, x2, y2) = (from.0 + WIDTH, from.1 + HEIGHT / 2, to.0, to.1 + HEIGHT / 2);
    let path = format!("M{x1} {y1}C{} {y1} {} {y2} {x2} {y2}", x1 + 32, x2.saturating_sub(32));
    html! { path.edge.extra[is_back] d=(path) {} }
}

fn event(visit: &Visit, flow: &Flow, key: &str, place: (usize, usize), totals: &Totals) -> Markup {
    let (x, y) = corner(place);
    let (class, sign) = match flow.events.get(key) {
        Some(EventKind::Failure) => ("failure", "✕ "),
        Some(EventKind::Command) => ("command", "▸ "),
        Some(EventKind::Fact) | None => ("fact", ""),
    };
    let seen = totals.published.get(key).copied().unwrap_or(0);
    html! {
        a href=(visit.link(&event_place(key))) {
            g class=(format!("node {class}")) {
                title { (key) ", seen " (seen) " times" }
                rect x=(x) y=(y) width=(WIDTH) height=(HEIGHT) rx=(HEIGHT / 2) {}
                text.name x=(x + 18) y=(y + 20) { (sign) (html::clipped(key, 24)) }
                text.below x=(x + 18) y=(y + 36) { (rate(seen, totals.seconds.max(BUCKET_SECONDS))) " /s · " (count(seen)) " seen" }
            }
        }
    }
}

fn handler(handler: &Handler, place: (usize, usize), totals: &Totals) -> Markup {
    let (x, y) = corner(place);
    let (handled, failed) = numbers(handler, totals);
    html! {
        g.node.handler.lost[failed > 0] {
            title { (handler.location) }
            rect x=(x) y=(y) width=(WIDTH) height=(HEIGHT) rx="4" {}
            text.name x=(x + 12) y=(y + 20) { (html::clipped(&handler.name, 26)) }
            text.below x=(x + 12) y=(y + 36) { (count(handled)) " handled" @if failed > 0 { " · ✕ " (count(failed)) " failed" } }
        }
    }
}

/// The deliveries that a handler of this process handled, and the attempts that failed.
fn numbers(handler: &Handler, totals: &Totals) -> (u64, u64) {
    match handler.kind {
        HandlerKind::Executor => {
            let ends = handler
                .inputs
                .iter()
                .map(|key| totals.of_queues(&format!(".command.{}", routing::template_to_pattern(key))));
            ends.fold((0, 0), |sum, (handled, failed)| (sum.0 + handled, sum.1 + failed))
        }
        _ => totals.of_queues(&format!(".{}", handler.name)),
    }
}

/// The same as a table, for whoever does not see the picture.
fn list(visit: &Visit, flow: &Flow, totals: &Totals) -> Markup {
    let links = |keys: &BTreeSet<&'static str>| {
        html! {
            @for (index, key) in keys.iter().enumerate() { @if index > 0 { ", " } a href=(visit.link(&event_place(key))) { code { (key) } } }
            @if keys.is_empty() { span.muted { "–" } }
        }
    };
    html! {
        details open[flow.handlers.len() <= 12] {
            summary { "As a table" }
            div.scroll tabindex="0" role="region" aria-label="Handlers" {
                table {
                    thead {
                        tr {
                            th scope="col" { "Handler" } th scope="col" { "Handles" } th scope="col" { "Publishes" }
                            th.number scope="col" { "Handled" } th.number scope="col" { "Failed" }
                        }
                    }
                    tbody {
                        @for handler in &flow.handlers {
                            @let (handled, failed) = numbers(handler, totals);
                            tr {
                                th scope="row" { (handler.name) " " small.muted { @match handler.kind { HandlerKind::Executor => "executor", _ => "subscriber" } } }
                                td { (links(&handler.inputs)) }
                                td { (links(&handler.outputs)) }
                                td.number { (count(handled)) }
                                td.number { @if failed > 0 { span.mark.warn { span aria-hidden="true" { "▲ " } (count(failed)) } } @else { "0" } }
                            }
                        }
                    }
                }
            }
            p { a href=(visit.link(&format!("/dashboard/flow/mermaid?q={}", encoded(visit.query("q").unwrap_or_default())))) { "As Mermaid" } }
        }
    }
}

/// The flow as a Mermaid flowchart.
pub(crate) async fn mermaid(visit: Visit) -> Result<Response, Refusal> {
    let pattern = visit.query("q").unwrap_or_default();
    let flow = Flow::of(Registry::global(), &BTreeSet::new());
    let flow = if pattern.is_empty() { flow } else { flow.starting_from(pattern) };
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], flow.to_mermaid()).into_response())
}
