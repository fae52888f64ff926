//! Editing a dead letter, and redriving it as a new event that the old one caused.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use bloodbank_core::{
    DeadLetters, Error, ErrorKind, Registry,
    dead_letter::{DeadLetter, DeadLetterDetail, DeadLetterEntry},
    event_id,
    publish::Prepared,
};
use maud::html;
use serde_json::Value;

use super::{
    letter::{find, gone, pointer},
    queue_letters::{place, place_of_letter},
};
use crate::{
    data::audit,
    html::{self, Section, csrf_field},
    refusal::Refusal,
    visit::Visit,
};

/// The fault of what was entered: what is wrong, and where.
struct Fault {
    pointer: Option<String>,
    detail: String,
}

pub(crate) async fn page(visit: Visit) -> Result<Response, Refusal> {
    let (queue, found, handle) = find(&visit).await?;
    let letter = found.find(handle).ok_or_else(|| gone(handle))?;
    let entry = DeadLetterEntry::of(letter, DeadLetterDetail::Message);
    let payload = entry.message.as_ref().and_then(|message| message.get("payload"));
    let payload =
        payload.ok_or_else(|| Refusal::bad_request("The message is no event, so there is nothing to edit."))?;
    Ok(form(&visit, &queue, letter, &format!("{payload:#}"), &[]))
}

/// Publishes what was entered, and closes the dead letter.
pub(crate) async fn redrive(visit: Visit) -> Result<Response, Refusal> {
    let (queue, found, handle) = find(&visit).await?;
    let letter = found.find(handle).ok_or_else(|| gone(handle))?;
    let text = visit.field("payload").unwrap_or_default();
    let corrected = match prepare(&visit, letter, text) {
        Ok(corrected) => corrected,
        Err(faults) => {
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, form(&visit, &queue, letter, text, &faults)).into_response());
        }
    };
    let letters = DeadLetters::of(visit.bus(), queue.as_str());
    let replaced = visit.dashboard.letters.change(&queue, letters.replace(handle, corrected)).await?;
    let receipt = replaced.ok_or_else(|| gone(handle))?;
    let counts = audit::Counts { selected: 1, done: 1, failed: 0 };
    let who = visit.caller().and_then(|caller| caller.name.as_deref());
    audit::record(visit.bus(), audit::Verb::Edited, &queue, who, &[handle], counts).await;
    visit.dashboard.queues.forget().await;
    Ok(Redirect::to(&visit.link(&format!("{}?edited={}", place(&queue), receipt.event_id))).into_response())
}

/// The corrected event, unless it is not valid.
fn prepare(visit: &Visit, letter: &DeadLetter, text: &str) -> Result<Prepared, Vec<Fault>> {
    let whole = |detail: String| vec![Fault { pointer: None, detail }];
    let payload: Value = serde_json::from_str(text).map_err(|error| whole(format!("This is not JSON: {error}.")))?;
    let Some(old) = letter.event_id else { return Err(whole("The letter does not name its event.".to_owned())) };
    let who = visit.caller().and_then(|caller| caller.name.as_deref());
    // Derived, so that the same correction sent twice is handled once.
    let id = event_id::in_namespace("edited", &letter.event_type, &format!("{old}|{payload}"));
    let publish = visit.bus().publish_value(&letter.event_type, &payload);
    publish.event_id(id).causes([old]).source(audit::source(visit.bus(), who)).prepare().map_err(|error| faults(&error))
}

fn faults(error: &Error) -> Vec<Fault> {
    if error.kind() == ErrorKind::UnknownEvent || error.faults().is_empty() {
        return vec![Fault { pointer: None, detail: error.to_string() }];
    }
    let faults = error.faults().iter();
    faults.map(|fault| Fault { pointer: Some(fault.pointer.clone()), detail: fault.detail.clone() }).collect()
}

fn form(visit: &Visit, queue: &str, letter: &DeadLetter, text: &str, faults: &[Fault]) -> Response {
    let letter_place = place_of_letter(queue, letter.handle);
    let is_known = Registry::global().event(&letter.event_type).is_some();
    let lines = text.lines().count().clamp(8, 30);
    let body = html! {
        p.path {
            a href=(visit.link("/dashboard/dead-letters")) { "Dead letters" } " / "
            a href=(visit.link(&place(queue))) { (queue) } " / "
            a href=(visit.link(&letter_place)) { (letter.handle) }
        }
        h1 { "Edit and redrive " code { (letter.event_type) } }
        p.lead {
            "What you enter is published as a new event, which the old one caused, to " code { (queue) } " and to no other queue. "
            "The dead letter is closed with it."
        }
        @if !is_known { p.note.bad { span aria-hidden="true" { "✕ " } "This program does not know the event, so it cannot check and publish it." } }
        @if let Some(error) = &letter.error { p.note.warn { span aria-hidden="true" { "▲ " } "It failed with: " (error) } }
        form.edit method="post" action=(visit.link(&format!("{letter_place}/edit"))) {
            (csrf_field(visit))
            label for="payload" { "Payload" }
            @if !faults.is_empty() {
                div.note.bad #faults role="alert" {
                    p { "It is not published yet:" }
                    ul { @for Fault { pointer: place, detail } in faults { li { @if let Some(place) = place { code { (pointer(place)) } " " } (detail) } } }
                }
            }
            textarea #payload name="payload" rows=(lines) spellcheck="false" autocomplete="off" required
                aria-invalid=[(!faults.is_empty()).then_some("true")] aria-describedby=[(!faults.is_empty()).then_some("faults")] { (text) }
            p.actions {
                button.primary type="submit" disabled[!is_known] { "Redrive the corrected event" }
                a.button href=(visit.link(&letter_place)) { "Back" }
            }
        }
    };
    html::page(visit, "Edit and redrive", Section::DeadLetters, &body)
}
