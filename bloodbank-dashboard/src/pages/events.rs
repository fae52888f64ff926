//! The events that are registered, by domain, with a search.

use axum::response::Response;
use bloodbank_client::{EventSummary, Flow};
use bloodbank_core::Registry;
use maud::{Markup, html};

use super::event::event_place;
use crate::{
    html::{self, Section, pages, search_form},
    refusal::Refusal,
    visit::Visit,
};

/// The number of events on a page.
const SIZE: usize = 100;

pub(crate) async fn page(visit: Visit) -> Result<Response, Refusal> {
    let registry = Registry::global();
    let query = visit.query("q").unwrap_or_default().to_lowercase();
    let words: Vec<&str> = query.split_whitespace().collect();
    let mut found: Vec<EventSummary> = registry
        .events()
        .iter()
        .map(|event| EventSummary::of(event))
        .filter(|event| words.iter().all(|word| has_word(event, word)))
        .collect();
    found.sort_by_key(|event| (event.domain, event.routing_key));
    let last = found.len().div_ceil(SIZE).max(1);
    let first = (visit.page_number().min(last) - 1) * SIZE;
    let shown: Vec<_> = found.iter().skip(first).take(SIZE).collect();
    let flow = Flow::of(registry, &std::collections::BTreeSet::new());
    let body = html! {
        div.title { h1 { "Events" } (search_form(&visit, "Search events")) }
        div #results aria-live="polite" {
            @if registry.events().is_empty() {
                p.lead { "This program links no events. A crate that declares events is linked by naming it: " code { "use my_events as _;" } }
            } @else if found.is_empty() {
                p.lead { "No event has “" (visit.query("q").unwrap_or_default()) "” in its key, its name or its description." }
            }
            @for group in shown.chunk_by(|one, other| one.domain == other.domain) { (domain(&visit, &flow, group)) }
            (pages(&visit, found.len(), SIZE))
        }
    };
    Ok(html::page(&visit, "Events", Section::Events, &body))
}

fn has_word(event: &EventSummary, word: &str) -> bool {
    let EventSummary { routing_key, kind, name, description, .. } = event;
    [routing_key, kind, name, description.as_str()].iter().any(|text| text.to_lowercase().contains(word))
}

fn domain(visit: &Visit, flow: &Flow, events: &[&EventSummary]) -> Markup {
    let name = events.first().map_or("", |event| event.domain);
    html! {
        section {
            h2 { (name) }
            table.list {
                thead.hidden {
                    tr { th scope="col" { "Event" } th scope="col" { "Kind" } th scope="col" { "Description" } th scope="col" { "Handlers" } }
                }
                tbody {
                    @for event in events {
                        @let handlers = flow.handlers_of(event.routing_key).count();
                        tr {
                            th scope="row" {
                                a href=(visit.link(&event_place(event.routing_key))) { code { (event.routing_key) } }
                            }
                            td { span class=(format!("kind {}", event.kind)) { (event.kind) } }
                            td.wide { (event.description) }
                            td.number.muted { @match handlers { 0 => "no handler", 1 => "1 handler", _ => { (handlers) " handlers" } } }
                        }
                    }
                }
            }
        }
    }
}
