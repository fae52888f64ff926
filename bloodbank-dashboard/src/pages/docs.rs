//! The documentation of the gateway for programs.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use bloodbank_core::{Registry, registry::EventDescriptor};
use bloodbank_gateway::{JsonFirst, openapi_document};
use maud::{Markup, html};
use serde_json::Value;

use super::publish::{may_publish, publish_place};
use crate::{
    html::{self, Section, search_form},
    refusal::Refusal,
    visit::Visit,
};

/// An endpoint of the OpenAPI document.
struct Endpoint<'a> {
    method: &'a str,
    path: &'a str,
    operation: &'a Value,
}

pub(crate) async fn page(visit: Visit) -> Result<Response, Refusal> {
    let document = openapi_document(&visit.gateway);
    let words = visit.query("q").unwrap_or_default().to_lowercase();
    let has = |endpoint: &Endpoint<'_>, word: &str| {
        let summary = endpoint.operation["summary"].as_str().unwrap_or_default();
        [endpoint.method, endpoint.path, summary].iter().any(|text| text.to_lowercase().contains(word))
    };
    let paths = document["paths"].as_object().into_iter().flatten();
    let all = paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().into_iter().flatten();
        methods.map(|(method, operation)| Endpoint { method: method.as_str(), path: path.as_str(), operation })
    });
    let found: Vec<_> = all.filter(|endpoint| words.split_whitespace().all(|word| has(endpoint, word))).collect();
    // The path of each event says what the page of the event says better.
    let (events, others): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|endpoint| endpoint.operation["tags"].is_array() && endpoint.path.starts_with("/events/"));
    let body = html! {
        div.title { h1 { "API" } (search_form(&visit, "Search endpoints")) }
        (tabs(&visit, true))
        p.lead {
            "Every endpoint of this gateway for programs; the same as a document: "
            a href=(visit.link("/dashboard/openapi.json")) { "OpenAPI 3.1" } "."
        }
        div #results aria-live="polite" {
            @if others.is_empty() && events.is_empty() { p.lead { "No endpoint has “" (visit.query("q").unwrap_or_default()) "” in its path or its summary." } }
            (section("Endpoints", &visit, &others))
            (section("Publishing one event", &visit, &events))
        }
    };
    Ok(html::page(&visit, "API", Section::Api, &body))
}

pub(crate) async fn openapi(visit: Visit) -> Result<Response, Refusal> {
    let mut document = openapi_document(&visit.gateway);
    if !visit.base.is_empty() {
        document["servers"][0]["url"] = visit.base.as_str().into();
    }
    Ok(Json(JsonFirst(&document)).into_response())
}

/// The two pages of the API.
pub(super) fn tabs(visit: &Visit, is_endpoints: bool) -> Markup {
    let current = |is_here: bool| is_here.then_some("page");
    html! {
        nav.tabs aria-label="API" {
            a href=(visit.link("/docs")) aria-current=[current(is_endpoints)] { "Endpoints" }
            a href=(visit.link("/asyncapi")) aria-current=[current(!is_endpoints)] { "Channels" }
        }
    }
}

fn section(title: &str, visit: &Visit, endpoints: &[Endpoint<'_>]) -> Markup {
    html! {
        @if !endpoints.is_empty() {
            section {
                h2 { (title) }
                div.endpoints { @for endpoint in endpoints { (self::endpoint(visit, endpoint)) } }
            }
        }
    }
}

fn endpoint(visit: &Visit, endpoint: &Endpoint<'_>) -> Markup {
    let Endpoint { method, path, operation } = endpoint;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let parameters: Vec<_> =
        operation["parameters"].as_array().into_iter().flatten().filter(|one| one["name"].is_string()).collect();
    let responses = operation["responses"].as_object().into_iter().flatten();
    let said: Vec<_> =
        responses.filter_map(|(status, response)| Some((status, response["description"].as_str()?))).collect();
    html! {
        details {
            summary {
                span.method { (method.to_uppercase()) }
                code { (visit.base) (path) }
                span.muted { (text(&operation["summary"])) }
            }
            (try_it(visit, endpoint))
            @if operation["description"].is_string() && operation["description"] != operation["summary"] {
                div.lead { (html::documentation(&text(&operation["description"]))) }
            }
            @if !parameters.is_empty() {
                table {
                    caption.hidden { "Parameters" }
                    thead { tr { th scope="col" { "Parameter" } th scope="col" { "In" } th scope="col" { "Meaning" } } }
                    tbody {
                        @for parameter in parameters {
                            tr {
                                th scope="row" { code { (text(&parameter["name"])) } @if parameter["required"] != true { small.muted { " optional" } } }
                                td { (text(&parameter["in"])) }
                                td.wide { (text(&parameter["description"])) }
                            }
                        }
                    }
                }
            }
            dl.answers { @for (status, description) in said { dt { code { (status) } } dd { (description) } } }
        }
    }
}

/// What somebody can do with an endpoint at once: fill in a form, open it, or copy a command.
fn try_it(visit: &Visit, endpoint: &Endpoint<'_>) -> Markup {
    let Endpoint { method, path, operation } = endpoint;
    let event =
        operation["operationId"].as_str().and_then(|id| event_of(path, id)).filter(|event| may_publish(visit, event));
    let has_body = operation["requestBody"].is_object();
    // A browser has a cookie for pages, and no token for endpoints.
    let opens = *method == "get" && !path.contains('{') && !visit.gateway.needs_sign_in() && !path.ends_with("/stream");
    html! {
        @if let Some(event) = event { p { a.button href=(visit.link(&publish_place(event))) { "Try it" } } }
        @else if opens { p { a.button href=(visit.link(path)) { "Try it" } } }
        pre.code tabindex="0" role="region" aria-label="As a command" {
            "curl "
            @if *method != "get" { "-X " (method.to_uppercase()) " " }
            @if visit.gateway.needs_sign_in() { "-H \"authorization: Bearer $TOKEN\" " }
            @if has_body { "--json @body.json " }
            "\"$GATEWAY" (path) "\""
        }
    }
}

/// The event that an endpoint publishes.
fn event_of(path: &str, operation: &str) -> Option<&'static EventDescriptor> {
    if !operation.starts_with("publish_") {
        return None;
    }
    let path = path.strip_prefix("/events/")?;
    Registry::global().events().iter().copied().find(|event| event.routing_key().replace('.', "/") == path)
}
