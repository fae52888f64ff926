//! A dead letter: the event, the error, and whether it would be understood now.

use std::sync::Arc;

use axum::response::Response;
use bloodbank_core::{
    Error,
    correlation::Direction,
    dead_letter::{DeadLetter, DeadLetterDetail, DeadLetterEntry, Fingerprint, Handle},
};
use bloodbank_gateway::Access;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::{
    dead_letters::{headline, time},
    queue_letters::{place, place_of_letter},
    trace::trace_place,
};
use crate::{
    data::Letters,
    html::{self, Section, csrf_field, json_block},
    refusal::Refusal,
    visit::Visit,
};

pub(crate) async fn page(visit: Visit) -> Result<Response, Refusal> {
    let (queue, found, handle) = find(&visit).await?;
    let letter = found.find(handle).ok_or_else(|| gone(handle))?;
    let root = root_type(&visit, letter).await;
    let decoded = letter.decode().map(|_| ());
    let entry = DeadLetterEntry::of(letter, DeadLetterDetail::Message);
    let message = entry.message.clone().unwrap_or_default();
    let payload = message.get("payload");
    let body = html! {
        p.path {
            a href=(visit.link("/dashboard/dead-letters")) { "Dead letters" } " / "
            a href=(visit.link(&place(&queue))) { (queue) } " / "
            a href=(visit.link(&format!("{}?group={}", place(&queue), Fingerprint::of(letter)))) { "the same failure" }
        }
        div.title {
            h1 { (headline(letter.error.as_deref(), &letter.reason)) }
            span.kind { (letter.reason) }
        }
        (actions(&visit, &queue, letter))
        div.columns {
            div {
                (understood(&decoded))
                @if let Some(error) = &letter.error {
                    section { h2 { "Error" } pre.code tabindex="0" role="region" aria-label="Error" { (error) } }
                }
                section {
                    h2 { @if payload.is_some() { "Payload" } @else { "Message" } }
                    (json_block(payload.unwrap_or(&message), "Payload"))
                }
                @if payload.is_some() { details { summary { "The whole envelope" } (json_block(&message, "Envelope")) } }
                details {
                    summary { "Headers and properties" }
                    (json_block(&json!({ "headers": entry.headers, "properties": entry.properties }), "Headers and properties"))
                }
            }
            aside { (facts(&visit, letter, root.as_deref())) }
        }
    };
    Ok(html::page(&visit, &letter.event_type, Section::DeadLetters, &body))
}

/// The queue, its letters and the handle that the address names.
pub(super) async fn find(visit: &Visit) -> Result<(String, Arc<Letters>, Handle), Refusal> {
    let handle = visit
        .segment("handle")
        .parse()
        .map_err(|fault| Refusal::bad_request(format!("The address names no letter: {fault}.")))?;
    let queue = visit.segment("queue").to_owned();
    let found = visit.dashboard.letters.get(visit.bus(), &queue).await?;
    Ok((queue, found, handle))
}

pub(super) fn gone(handle: Handle) -> Refusal {
    Refusal::not_found(format!(
        "No dead letter {handle} is here: it was redriven or discarded, or somebody works on it now."
    ))
}

fn actions(visit: &Visit, queue: &str, letter: &DeadLetter) -> Markup {
    let handle = letter.handle;
    html! {
        @if visit.may(Access::ReadAndPublishAll) {
            form.actions method="post" action=(visit.link(&format!("{}/redrive", place(queue)))) {
                (csrf_field(visit))
                input type="hidden" name="id" value=(handle);
                button.primary type="submit" { "Redrive" }
                @if letter.event_id.is_some() {
                    a.button href=(visit.link(&format!("{}/edit", place_of_letter(queue, handle)))) { "Edit and redrive" }
                }
                button type="submit" formaction=(visit.link(&format!("{}/discard", place(queue)))) { "Discard…" }
            }
        }
    }
}

fn understood(decoded: &Result<(), Error>) -> Markup {
    html! {
        section {
            h2 { "Would it decode now?" }
            @match decoded {
                Ok(()) => { p.note.good { span aria-hidden="true" { "● " } "Yes: this program reads the event as it is." } }
                Err(error) => {
                    div.note.bad {
                        p { span aria-hidden="true" { "✕ " } "No: " (error) }
                        @if error.faults().len() > 1 {
                            ul { @for fault in error.faults() { li { code { (pointer(&fault.pointer)) } " " (fault.detail) } } }
                        }
                    }
                }
            }
        }
    }
}

/// A JSON pointer for people.
pub(super) fn pointer(pointer: &str) -> &str {
    if pointer.is_empty() { "the whole payload" } else { pointer }
}

fn facts(visit: &Visit, letter: &DeadLetter, root: Option<&str>) -> Markup {
    html! {
        section {
            h2 { "Letter" }
            dl.facts {
                dt { "Event" } dd { code { (letter.event_type) } }
                @if let Some(id) = letter.event_id { dt { "Event id" } dd { code { (id) } " " a href=(visit.link(&trace_place(id))) { "trace" } } }
                @else { dt { "Handle" } dd { code { (letter.handle) } } }
                dt { "Subscriber" } dd { code { (letter.queue) } }
                dt { "Reason" } dd { (letter.reason) }
                dt { "Attempts" } dd { (letter.attempts) }
                dt { "Published" } dd { (time(letter.published, visit.now)) }
                dt { "First failed" } dd { (time(letter.first_failed, visit.now)) }
                dt { "Given up" } dd { (time(letter.last_failed, visit.now)) }
                @if letter.redriven > 0 { dt { "Redriven before" } dd { (letter.redriven) @if letter.redriven == 1 { " time" } @else { " times" } } }
                @if let Some(root) = root { dt { "Began with" } dd { code { (root) } } }
                dt { "Exchange and key" } dd { code { (letter.exchange) } " " code { (letter.routing_key) } }
            }
        }
    }
}

/// The type of the event with which the trace began, unless it is the letter itself.
async fn root_type(visit: &Visit, letter: &DeadLetter) -> Option<String> {
    let (tracker, id) = (visit.bus().correlation()?, letter.event_id?);
    let chain = tracker.chain(id, Direction::Ancestors, 100).await.ok()?;
    let root = *chain.events.first()?;
    if root == id {
        return None;
    }
    let metadata = tracker.metadata(root).await.ok()??;
    metadata.get("event_type").and_then(Value::as_str).map(str::to_owned)
}
