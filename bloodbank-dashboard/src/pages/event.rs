//! An event: what it means, its fields, an example, and who handles it.

use std::collections::BTreeSet;

use axum::response::Response;
use bloodbank_client::{EventDetails, Flow, Handler, HandlerKind, SchemaField, find_event, mock_payload};
use bloodbank_core::{Registry, registry::EventDescriptor};
use maud::{Markup, html};

use super::publish::{may_publish, publish_place};
use crate::{
    html::{self, Section, documentation, json_block},
    refusal::Refusal,
    visit::{Visit, encoded},
};

pub(crate) async fn page(visit: Visit) -> Result<Response, Refusal> {
    let key = visit.segment("key");
    let unknown = || format!("No event `{key}` is registered in this program. The page Events lists those that are.");
    let event = find_event(key).map_err(|_| Refusal::not_found(unknown()))?;
    let details = EventDetails::of(event);
    let flow = Flow::of(Registry::global(), &BTreeSet::new());
    let body = html! {
        p.path { a href=(visit.link("/dashboard/events")) { "Events" } " / " (details.summary.domain) }
        div.title {
            h1 { code { (details.summary.routing_key) } }
            span class=(format!("kind {}", details.summary.kind)) { (details.summary.kind) }
            @if may_publish(&visit, event) { p.actions.end { a.button href=(visit.link(&publish_place(event))) { "Publish" } } }
        }
        div.lead { (documentation(&details.documentation)) }
        div.columns {
            div {
                (fields(&details))
                (example(event))
                details.schema {
                    summary { "JSON Schema" }
                    (json_block(&details.schema, "JSON Schema"))
                }
            }
            aside { (place(&visit, &details, &flow)) (facts(&visit, &details)) }
        }
    };
    Ok(html::page(&visit, details.summary.routing_key, Section::Events, &body))
}

fn fields(details: &EventDetails) -> Markup {
    let fields = SchemaField::all(&details.schema);
    html! {
        section {
            h2 { "Fields" }
            @if fields.is_empty() { p.muted { "The event has no fields." } }
            @else {
                div.scroll tabindex="0" role="region" aria-label="Fields" {
                    table.fields {
                        thead { tr { th scope="col" { "Field" } th scope="col" { "Type" } th scope="col" { "Rules" } th scope="col" { "Meaning" } } }
                        tbody { @for field in &fields { (row(field)) } }
                    }
                }
            }
            @if details.validated { p.muted { "The event checks rules of its own besides." } }
        }
    }
}

fn row(field: &SchemaField) -> Markup {
    html! {
        tr {
            th scope="row" class=(format!("depth-{}", field.depth.min(6))) {
                code { (field.name) }
                @if !field.is_required { small.muted { " optional" } }
            }
            td { (field.kind) }
            td { @for rule in &field.rules { span.rule { (rule) } " " } }
            td.wide { (field.description) }
        }
    }
}

fn example(event: &'static EventDescriptor) -> Markup {
    let is_declared = event.example().is_some();
    html! {
        section {
            h2 { "Example" }
            @match mock_payload(event) {
                Ok(payload) => {
                    @if !is_declared { p.muted { "Made up from the schema: the event declares no example." } }
                    (json_block(&payload, "Example"))
                }
                Err(error) => { p.muted { (error) } }
            }
        }
    }
}

/// The place of the event in the flow: what publishes it, and what handles it.
fn place(visit: &Visit, details: &EventDetails, flow: &Flow) -> Markup {
    let key = details.summary.routing_key;
    let publishers: Vec<_> = flow.handlers.iter().filter(|handler| handler.outputs.contains(key)).collect();
    let handlers: Vec<_> = flow.handlers_of(key).collect();
    html! {
        section {
            h2 { "Published by" }
            @if details.external { p { "Programs outside of this code base." } }
            @else if publishers.is_empty() { p.muted { "No handler of this program returns it; other code may publish it." } }
            @for publisher in publishers { (handler(visit, publisher, "handles", &publisher.inputs)) }
        }
        section {
            h2 { "Handled by" }
            @if handlers.is_empty() { p.muted { "No handler of this program." } }
            @for one in handlers { (handler(visit, one, "publishes", &one.outputs)) }
        }
    }
}

fn handler(visit: &Visit, handler: &Handler, verb: &str, events: &BTreeSet<&'static str>) -> Markup {
    let kind = match handler.kind {
        HandlerKind::Executor => "executor",
        _ => "subscriber",
    };
    html! {
        div.handler {
            p { b { (handler.name) } " " small.muted { (kind) } }
            p.muted { small { code { (handler.location) } } }
            @if !events.is_empty() {
                p { (verb) " " @for (index, key) in events.iter().enumerate() { @if index > 0 { ", " } (event_link(visit, key)) } }
            }
        }
    }
}

/// The path of an event.
pub(super) fn event_place(key: &str) -> String {
    format!("/dashboard/events/{}", encoded(key))
}

fn event_link(visit: &Visit, key: &str) -> Markup {
    html! { a href=(visit.link(&event_place(key))) { code { (key) } } }
}

fn facts(visit: &Visit, details: &EventDetails) -> Markup {
    let summary = &details.summary;
    html! {
        section {
            h2 { "Declaration" }
            dl.facts {
                dt { "Type" } dd { code { (summary.type_path) } }
                dt { "Declared at" } dd { code { (summary.location) } }
                dt { "Crate" } dd { (summary.location.crate_name) " " (summary.location.crate_version) }
                @if !details.id_fields.is_empty() { dt { "Id from" } dd { code { (details.id_fields.join(", ")) } } }
                @if !details.cause_fields.is_empty() { dt { "Caused by" } dd { code { (details.cause_fields.join(", ")) } } }
                @if let Some(reply) = details.reply { dt { "Reply" } dd { (event_link(visit, reply)) } }
                @if !details.supersedes.is_empty() { dt { "Supersedes" } dd { @for key in &details.supersedes { (event_link(visit, key)) " " } } }
            }
        }
    }
}
