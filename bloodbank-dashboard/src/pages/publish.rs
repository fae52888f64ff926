//! Publishing an event through a form that its schema makes, or as JSON.

use std::sync::Arc;

use axum::{
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use bloodbank_client::{find_event, mock_payload};
use bloodbank_core::{Error, registry::EventDescriptor};
use bloodbank_gateway::{Access, Problem};
use maud::{Markup, html};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::event::event_place;
use crate::{
    data::audit,
    form::{self, Fault},
    html::{self, Section, csrf_field},
    refusal::Refusal,
    visit::Visit,
};

/// How a payload is entered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Fields,
    Json,
}

/// What is on the page.
struct Draft {
    mode: Mode,
    payload: Value,
    /// What was entered as JSON, whether it is JSON or not.
    text: Option<String>,
    faults: Vec<Fault>,
    /// The id that the event will have, so that a form that is sent twice publishes once.
    event_id: Uuid,
}

pub(crate) async fn page(visit: Visit) -> Result<Response, Refusal> {
    let event = find(&visit)?;
    let payload = match visit.query("fill") {
        Some("example") => mock_payload(event).map_err(|error| Refusal::bad_request(error.to_string()))?,
        _ => Value::Object(Map::new()),
    };
    let mode = if visit.query("as") == Some("json") { Mode::Json } else { Mode::Fields };
    let draft = Draft { mode, payload, text: None, faults: Vec::new(), event_id: Uuid::new_v4() };
    Ok(draw(&visit, event, &draft))
}

/// Publishes what was entered, or draws the form with one more item, another choice, or what is wrong.
pub(crate) async fn act(visit: Visit) -> Result<Response, Refusal> {
    let event = find(&visit)?;
    let mut draft = entered(&visit, event);
    for pointer in visit.fields("add") {
        form::add_item(&mut draft.payload, pointer);
    }
    for pointer in visit.fields("remove") {
        form::remove_item(&mut draft.payload, pointer);
    }
    if ["add", "remove", "choose"].iter().any(|name| visit.field(name).is_some()) {
        return Ok(draw(&visit, event, &draft));
    }
    let key = match check(event, &draft) {
        Ok(key) => key,
        Err(faults) => {
            draft.faults = faults;
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, draw(&visit, event, &draft)).into_response());
        }
    };
    if visit.field("check").is_some() {
        return Ok(draw(&visit, event, &draft));
    }
    let Some(caller) = visit.caller() else { return Err(Refusal::forbidden("Sign in to publish.")) };
    let source = audit::source(visit.bus(), caller.name.as_deref());
    // Where the id follows from fields, it does so here as well.
    let id = event.declaration().id_fields.is_empty().then_some(draft.event_id);
    let published = visit.gateway.publish(caller, &key, draft.payload.clone(), Some(source), id).await;
    match published {
        Ok(receipt) => {
            let unrouted = if receipt.unrouted == Some(true) { "&unrouted=yes" } else { "" };
            let place = format!("{}?published={}{unrouted}", publish_place(event), receipt.event_id);
            Ok(Redirect::to(&visit.link(&place)).into_response())
        }
        Err(problem) if problem.status == StatusCode::UNPROCESSABLE_ENTITY.as_u16() => {
            draft.faults = faults_of(&problem);
            Ok((StatusCode::UNPROCESSABLE_ENTITY, draw(&visit, event, &draft)).into_response())
        }
        Err(problem) => Err(problem.into()),
    }
}

/// The event of the address, if the visitor may publish it.
fn find(visit: &Visit) -> Result<&'static EventDescriptor, Refusal> {
    let key = visit.segment("key");
    let unknown = || {
        Refusal::not_found(format!(
            "No event `{key}` is registered in this program. The page Events lists those that are."
        ))
    };
    let event = find_event(key).map_err(|_| unknown())?;
    if may_publish(visit, event) {
        return Ok(event);
    }
    Err(Refusal::forbidden(format!("Your token may not publish `{}`.", event.routing_key())))
}

/// Whether the visitor may publish an event, or some with its key.
pub(super) fn may_publish(visit: &Visit, event: &EventDescriptor) -> bool {
    visit.caller().is_some_and(|caller| caller.publish.overlap(event.routing_key()))
}

/// The path of the form of an event.
pub(super) fn publish_place(event: &EventDescriptor) -> String {
    format!("{}/publish", event_place(event.routing_key()))
}

fn entered(visit: &Visit, event: &EventDescriptor) -> Draft {
    let event_id = visit.field("event_id").and_then(|id| Uuid::parse_str(id).ok()).unwrap_or_else(Uuid::new_v4);
    let (mode, payload, text, faults) = match visit.field("json") {
        Some(text) => match serde_json::from_str(text) {
            Ok(payload) => (Mode::Json, payload, Some(text.to_owned()), Vec::new()),
            Err(error) => {
                let fault = Fault { pointer: String::new(), detail: format!("This is not JSON: {error}.") };
                (Mode::Json, Value::Null, Some(text.to_owned()), vec![fault])
            }
        },
        None => {
            let payload = form::read(&event.schema().to_value(), &|name| visit.field(name));
            (Mode::Fields, payload, None, Vec::new())
        }
    };
    Draft { mode, payload, text, faults, event_id }
}

/// The key that the event is published under, unless something is wrong with it.
fn check(event: &EventDescriptor, draft: &Draft) -> Result<Arc<str>, Vec<Fault>> {
    if !draft.faults.is_empty() {
        return Err(draft.faults.clone());
    }
    let read = event.read(event.routing_key(), &draft.payload).and_then(|event| event.routing_key());
    read.map(|key| Arc::from(&*key)).map_err(|error| faults_of_error(&error))
}

fn faults_of_error(error: &Error) -> Vec<Fault> {
    if error.faults().is_empty() {
        return vec![Fault { pointer: String::new(), detail: error.to_string() }];
    }
    error.faults().iter().map(|fault| Fault { pointer: fault.pointer.clone(), detail: fault.detail.clone() }).collect()
}

fn faults_of(problem: &Problem) -> Vec<Fault> {
    if problem.errors.is_empty() {
        return vec![Fault { pointer: String::new(), detail: problem.detail.clone() }];
    }
    problem.errors.iter().map(|fault| Fault { pointer: fault.pointer.clone(), detail: fault.detail.clone() }).collect()
}

fn draw(visit: &Visit, event: &'static EventDescriptor, draft: &Draft) -> Response {
    let key = event.routing_key();
    let here = visit.link(&publish_place(event));
    let body = html! {
        p.path {
            a href=(visit.link("/dashboard/events")) { "Events" } " / "
            a href=(visit.link(&event_place(key))) { code { (key) } }
        }
        div.title { h1 { "Publish " code { (key) } } }
        (published(visit))
        nav.tabs aria-label="How the payload is entered" {
            a href=(here) aria-current=[(draft.mode == Mode::Fields).then_some("page")] { "Fields" }
            a href={ (here) "?as=json" } aria-current=[(draft.mode == Mode::Json).then_some("page")] { "JSON" }
            @let other = if draft.mode == Mode::Json { "&as=json" } else { "" };
            a.fill href={ (here) "?fill=example" (other) } { "Fill in an example" }
        }
        form.publish method="post" action=(here) data-check novalidate {
            (csrf_field(visit))
            input type="hidden" name="event_id" value=(draft.event_id);
            (summary(draft))
            // Enter sends the form, and does not press the first button of a list.
            button.hidden type="submit" tabindex="-1" aria-hidden="true" { "Publish" }
            @match draft.mode {
                Mode::Fields => { (form::draw(&event.schema().to_value(), &draft.payload, &draft.faults)) }
                Mode::Json => { (json(draft)) }
            }
            p.actions { button.primary type="submit" { "Publish" } button type="submit" name="check" value="yes" { "Check" } }
        }
    };
    html::page(visit, &format!("Publish {key}"), Section::Events, &body)
}

/// What is wrong, in one place. It is there also where nothing is: something may be while one types.
fn summary(draft: &Draft) -> Markup {
    html! {
        div #faults data-fault role="status" {
            @if !draft.faults.is_empty() {
                div.note.bad {
                    p { span aria-hidden="true" { "✕ " } @if draft.faults.len() == 1 { "This is wrong:" } @else { "These are wrong:" } }
                    ul {
                        @for fault in &draft.faults {
                            li {
                                @if fault.pointer.is_empty() { (fault.detail) }
                                @else if draft.mode == Mode::Fields { a href={ "#f" (fault.pointer) } { code { (fault.pointer) } } " " (fault.detail) }
                                @else { code { (fault.pointer) } " " (fault.detail) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn json(draft: &Draft) -> Markup {
    let text = draft.text.clone().unwrap_or_else(|| format!("{:#}", draft.payload));
    html! {
        div.field {
            label for="json" { "Payload" }
            textarea #json name="json" rows=(text.lines().count().clamp(12, 30)) spellcheck="false" autocomplete="off"
                aria-describedby="faults" { (maud::PreEscaped("\n")) (text) }
        }
    }
}

fn published(visit: &Visit) -> Markup {
    let id = visit.query("published").and_then(|id| Uuid::parse_str(id).ok());
    html! {
        @if let Some(id) = id {
            div.note.good role="status" {
                p {
                    span aria-hidden="true" { "● " } "Published as " code { (id) } ". "
                    @if visit.may(Access::ReadAll) { a href=(visit.link(&format!("/dashboard/trace/{id}"))) { "See its trace" } }
                }
            }
            @if visit.query("unrouted").is_some() {
                p.note.warn { span aria-hidden="true" { "▲ " } "No queue received it, because nobody subscribes to its key yet." }
            }
        }
    }
}
