//! The trace of an event: its causes and effects as a graph, and the event itself beside it.

use std::collections::{HashMap, HashSet};

use axum::{
    Json,
    http::header,
    response::{IntoResponse, Redirect, Response},
};
use bloodbank_core::{
    Registry,
    correlation::{CorrelationTracker, Trace, TraceEvent},
    envelope::RawEnvelope,
};
use maud::{Markup, html};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{dead_letters::time, event::event_place, queue_letters::place_of_letter, trace_graph};
use crate::{
    data::{Graph, letters_of_all},
    html::{self, Section, count, json_block},
    refusal::Refusal,
    visit::Visit,
};

/// The number of events that a trace is loaded with.
const MOST: usize = 5000;
/// The number of events of a node that are listed.
const MOST_LISTED: usize = 50;

/// Where a dead letter lies: the queue, and the number of attempts.
pub(super) type GivenUp = HashMap<Uuid, Vec<(String, u32)>>;

/// A form for the id of an event.
pub(crate) async fn search(visit: Visit) -> Result<Response, Refusal> {
    let text = visit.query("id").map(str::trim);
    let fault = match text.map(Uuid::parse_str) {
        Some(Ok(id)) => return Ok(Redirect::to(&visit.link(&trace_place(id))).into_response()),
        Some(Err(_)) => Some("This is not the id of an event, which is a UUID."),
        None => None,
    };
    let body = html! {
        h1 { "Trace" }
        p.lead { "What led to an event, and what it led to. Each event in Live and each dead letter has a link to its trace." }
        form.search.large method="get" role="search" {
            label.hidden for="search" { "Id of an event" }
            input #search type="text" name="id" value=[text] placeholder="Id of an event" autocomplete="off" spellcheck="false" required
                aria-invalid=[fault.map(|_| "true")] aria-describedby=[fault.map(|_| "fault")];
            button.primary type="submit" { "Show" }
        }
        @if let Some(fault) = fault { p.note.bad #fault role="alert" { span aria-hidden="true" { "✕ " } (fault) } }
    };
    Ok(html::page(&visit, "Trace", Section::Trace, &body))
}

pub(crate) async fn page(visit: Visit) -> Result<Response, Refusal> {
    let trace = load(&visit).await?;
    let expanded: HashSet<Uuid> = visit.queries("each").filter_map(|id| Uuid::parse_str(id).ok()).collect();
    let graph = Graph::of(&trace, &expanded);
    let given_up = given_up(&visit).await;
    let shown = visit.query("event").and_then(|id| Uuid::parse_str(id).ok()).unwrap_or(trace.around);
    let selected = trace.events.iter().position(|event| event.event_id == shown).unwrap_or(0);
    let node = graph.node_of(selected);
    let place = trace_place(trace.around);
    let title =
        trace.events.iter().find(|event| event.event_id == trace.around).and_then(|event| event.event_type.clone());
    let title = title.unwrap_or_else(|| "(unknown)".to_owned());
    let body = html! {
        p.path { a href=(visit.link("/dashboard/trace")) { "Trace" } " / " code { (trace.around) } }
        div.title {
            h1 { code { (title) } }
            p.muted { (count(trace.events.len() as u64)) @if trace.events.len() == 1 { " event" } @else { " events" } (span_of(&trace)) }
            p.actions.end {
                a.button href=(visit.link(&format!("{place}/mermaid"))) { "Mermaid" }
                a.button href=(visit.link(&format!("{place}/json"))) { "JSON" }
            }
        }
        @if trace.truncated { p.note.warn { span aria-hidden="true" { "▲ " } "There is more than the " (count(MOST as u64)) " events nearest to this one, which are shown." } }
        @if trace.may_be_incomplete { p.note.warn { span aria-hidden="true" { "▲ " } "Links of these events may be missing: the correlation store was away when they were published." } }
        div.trace {
            (trace_graph::draw(&visit, &trace, &graph, &given_up, node, &expanded))
            @if let Some(event) = trace.events.get(selected) {
                aside #event { (about(&visit, &trace, event, node.map(|node| graph.nodes[node].events.as_slice()), &given_up).await) }
            }
        }
        details { summary { "As text" } pre.code tabindex="0" role="region" aria-label="The trace as text" { (trace.to_text()) } }
    };
    Ok(html::page(&visit, &title, Section::Trace, &body))
}

/// The trace as a Mermaid flowchart.
pub(crate) async fn mermaid(visit: Visit) -> Result<Response, Refusal> {
    let trace = load(&visit).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], trace.to_mermaid()).into_response())
}

/// The trace as JSON.
pub(crate) async fn json(visit: Visit) -> Result<Response, Refusal> {
    Ok(Json(load(&visit).await?).into_response())
}

/// The path of the trace of an event.
pub(super) fn trace_place(id: Uuid) -> String {
    format!("/dashboard/trace/{id}")
}

async fn load(visit: &Visit) -> Result<Trace, Refusal> {
    let id = Uuid::parse_str(visit.segment("id"))
        .map_err(|_| Refusal::bad_request("The address names no event: the id of an event is a UUID."))?;
    let trace = Trace::load_at_most(tracker(visit)?, id, MOST).await?;
    // An unknown event is alone in its trace, and has no type.
    let is_known = trace.events.len() > 1 || trace.events.iter().any(|event| event.event_type.is_some());
    if is_known {
        Ok(trace)
    } else {
        Err(Refusal::not_found(format!(
            "Nothing is known of an event {id}: it was never published here, or so long ago that its links have expired."
        )))
    }
}

fn tracker(visit: &Visit) -> Result<&CorrelationTracker, Refusal> {
    let why = "This gateway records no correlation, so it knows no causes and effects. Its operator can switch it on.";
    visit.bus().correlation().ok_or_else(|| Refusal::not_found(why))
}

/// The time from the first to the last event.
fn span_of(trace: &Trace) -> String {
    let times = || trace.events.iter().filter_map(|event| event.time);
    match times().min().zip(times().max()) {
        Some((first, last)) if last > first => format!(" within {}", html::gap(last - first)),
        _ => String::new(),
    }
}

/// The dead letters of all queues by their events. A trace is shown also where they cannot be looked at.
async fn given_up(visit: &Visit) -> GivenUp {
    let mut found = GivenUp::new();
    let Ok(letters) = letters_of_all(&visit.dashboard.queues, &visit.dashboard.letters, &visit.gateway).await else {
        return found;
    };
    for letter in letters.queues.iter().flat_map(|letters| &letters.letters) {
        if let Some(id) = letter.event_id {
            found.entry(id).or_default().push((letter.queue.to_string(), letter.attempts));
        }
    }
    found
}

/// What is known of an event: what it says, and when and by whom it was published.
async fn about(
    visit: &Visit,
    trace: &Trace,
    event: &TraceEvent,
    alike: Option<&[usize]>,
    given_up: &GivenUp,
) -> Markup {
    let id = event.event_id;
    let name = event.event_type.as_deref().unwrap_or("(unknown)");
    let is_registered = Registry::global().event(name);
    let envelope = envelope(visit, id).await;
    let alike = alike.filter(|events| events.len() > 1);
    html! {
        section {
            h2 { code { (name) } }
            dl.facts {
                dt { "Event id" } dd { code { (id) } }
                dt { "Published" } dd { (time(event.time, visit.now)) @if let Some(app) = &event.app { " by " (app) } }
                dt { "Causes and effects" } dd { (event.parents.len()) " and " (event.children.len()) }
            }
            p.actions {
                @if id != trace.around { a.button href=(visit.link(&trace_place(id))) { "Trace around it" } }
                @if let Some(known) = is_registered { a.button href=(visit.link(&event_place(known.routing_key()))) { "About this event" } }
            }
        }
        @for (queue, attempts) in given_up.get(&id).into_iter().flatten() {
            p.note.bad {
                span aria-hidden="true" { "✕ " } "Given up in " code { (queue) } " after " (attempts) @if *attempts == 1 { " attempt. " } @else { " attempts. " }
                a href=(visit.link(&place_of_letter(queue, id.into()))) { "See the dead letter" }
            }
        }
        section {
            h2 { "Payload" }
            @match &envelope {
                Some(envelope) => {
                    (json_block(&envelope["payload"], "Payload"))
                    details { summary { "The whole envelope" } (json_block(envelope, "Envelope")) }
                }
                None => { p.muted { "The payload is not kept: this bus has no journal, and the event is not among the last that the dashboard has seen." } }
            }
        }
        @if !event.metadata.is_empty() { section { h2 { "Metadata" } (json_block(&json!(event.metadata), "Metadata")) } }
        @if let Some(alike) = alike { (list(visit, trace, alike)) }
    }
}

/// The events of a node with several.
fn list(visit: &Visit, trace: &Trace, events: &[usize]) -> Markup {
    html! {
        section {
            h2 { (count(events.len() as u64)) " alike" }
            ul.plain-list {
                @for number in events.iter().take(MOST_LISTED) {
                    @let event = &trace.events[*number];
                    li {
                        a href=(visit.link(&format!("{}?event={}", trace_place(trace.around), event.event_id))) { code { (event.event_id) } }
                        " " span.muted { (time(event.time, visit.now)) }
                    }
                }
            }
            @if events.len() > MOST_LISTED { p.muted { "These are the first " (MOST_LISTED) "." } }
        }
    }
}

/// The envelope of an event, from the journal or from the last events that were seen.
async fn envelope(visit: &Visit, id: Uuid) -> Option<Value> {
    let kept = match visit.bus().stores().journal {
        Some(journal) => journal.get(id).await.ok().flatten().map(|entry| entry.message.body),
        None => None,
    };
    let body = match kept {
        Some(body) => body,
        None => {
            let recent = visit.gateway.recent_events();
            recent.iter().rev().find(|event| event.event_id() == Some(id))?.body().clone()
        }
    };
    RawEnvelope::read(&body).ok()?;
    serde_json::from_slice(&body).ok()
}
