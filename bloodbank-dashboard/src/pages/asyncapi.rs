//! The channels of the program: each event, who publishes it, and who handles it.

use std::collections::BTreeSet;

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use bloodbank_client::{EventSummary, Flow, Handler};
use bloodbank_core::Registry;
use bloodbank_gateway::asyncapi_document;
use maud::{Markup, html};

use super::{
    docs::tabs,
    event::event_place,
    publish::{may_publish, publish_place},
};
use crate::{
    html::{self, Section, pages, search_form},
    refusal::Refusal,
    visit::Visit,
};

/// The number of channels on a page.
const SIZE: usize = 100;

pub(crate) async fn page(visit: Visit) -> Result<Response, Refusal> {
    let registry = Registry::global();
    let query = visit.query("q").unwrap_or_default().to_lowercase();
    let has = |event: &EventSummary, word: &str| {
        [event.routing_key, event.kind, &*event.description].iter().any(|text| text.to_lowercase().contains(word))
    };
    let all = registry.events().iter().map(|event| (*event, EventSummary::of(event)));
    let found: Vec<_> = all.filter(|(_, event)| query.split_whitespace().all(|word| has(event, word))).collect();
    let last = found.len().div_ceil(SIZE).max(1);
    let first = (visit.page_number().min(last) - 1) * SIZE;
    let flow = Flow::of(registry, &BTreeSet::new());
    let body = html! {
        div.title { h1 { "API" } (search_form(&visit, "Search channels")) }
        (tabs(&visit, false))
        p.lead {
            "Every event is a channel of the exchange " code { (visit.bus().exchange()) } ". The same as a document: "
            a href=(visit.link("/dashboard/asyncapi.json")) { "AsyncAPI 3.0" } "."
        }
        div #results aria-live="polite" {
            @if found.is_empty() { p.lead { "No channel fits." } }
            @else {
                div.scroll tabindex="0" role="region" aria-label="Channels" {
                    table {
                        thead {
                            tr {
                                th scope="col" { "Channel" }
                                th scope="col" { "Published by" }
                                th scope="col" { "Handled by" }
                                th scope="col" { span.hidden { "Action" } }
                            }
                        }
                        tbody {
                            @for (event, summary) in found.iter().skip(first).take(SIZE) {
                                @let key = event.routing_key();
                                tr {
                                    th.wide scope="row" {
                                        a href=(visit.link(&event_place(key))) { code { (key) } } " "
                                        span class=(format!("kind {}", summary.kind)) { (summary.kind) }
                                        p.muted { small { (summary.description) } }
                                    }
                                    td { (names(flow.handlers.iter().filter(|handler| handler.outputs.contains(key)))) }
                                    td { (names(flow.handlers_of(key))) }
                                    td.number { @if may_publish(&visit, event) { a.button href=(visit.link(&publish_place(event))) { "Try it" } } }
                                }
                            }
                        }
                    }
                }
            }
            (pages(&visit, found.len(), SIZE))
        }
    };
    Ok(html::page(&visit, "API", Section::Api, &body))
}

/// The AsyncAPI document, for whoever has signed in with a browser.
pub(crate) async fn document(visit: Visit) -> Result<Response, Refusal> {
    Ok(Json(asyncapi_document(Registry::global(), visit.gateway.bus().settings())).into_response())
}

fn names<'a>(handlers: impl Iterator<Item = &'a Handler>) -> Markup {
    let names: Vec<_> = handlers.map(|handler| handler.name.as_str()).collect();
    html! { @if names.is_empty() { span.muted { "–" } } @else { (names.join(", ")) } }
}
