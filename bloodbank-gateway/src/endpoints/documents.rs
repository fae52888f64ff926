//! `GET /openapi.json`, `/docs`, `/asyncapi.json`, `/asyncapi`: the documents, for programs and as pages.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use bloodbank_core::Registry;
use serde_json::{Value, json};

use crate::{
    asyncapi::asyncapi_document,
    gateway::Gateway,
    openapi::{JsonFirst, openapi_document},
    operation::Operation,
    pages,
    params::BaseUrl,
};

/// Answers with the OpenAPI document.
pub(super) async fn openapi(State(gateway): State<Gateway>, base: BaseUrl) -> Response {
    json(&document_at(&gateway, &base))
}

/// Answers with a page of every endpoint and every event.
pub(super) async fn docs(State(gateway): State<Gateway>, base: BaseUrl) -> Response {
    html(pages::docs(Registry::global(), &document_at(&gateway, &base), &base.0))
}

/// Answers with the AsyncAPI document.
pub(super) async fn asyncapi(State(gateway): State<Gateway>) -> Response {
    json(&asyncapi_document(Registry::global(), gateway.bus().settings()))
}

/// Answers with a page of every event and its subscribers.
pub(super) async fn asyncapi_page() -> Response {
    html(pages::events(Registry::global()))
}

/// The OpenAPI document with the address at which clients find the gateway.
fn document_at(gateway: &Gateway, BaseUrl(base): &BaseUrl) -> Value {
    let mut document = openapi_document(gateway);
    if !base.is_empty() {
        document["servers"][0]["url"] = base.as_str().into();
    }
    document
}

fn json(document: &Value) -> Response {
    let text = JsonFirst(document).to_string();
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

fn html(page: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        // The pages load nothing and run nothing.
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
    ];
    (headers, page).into_response()
}

pub(super) fn openapi_operation() -> Operation {
    Operation::new("openapi", "Returns the OpenAPI document").json(
        200,
        "The OpenAPI document.",
        json!({ "type": "object" }),
    )
}

pub(super) fn docs_operation() -> Operation {
    page_operation("docs", "Shows the endpoints and the events as a page")
}

pub(super) fn asyncapi_operation() -> Operation {
    Operation::new("asyncapi", "Returns the AsyncAPI document of the events").json(
        200,
        "The AsyncAPI document.",
        json!({ "type": "object" }),
    )
}

pub(super) fn asyncapi_page_operation() -> Operation {
    page_operation("asyncapi_page", "Shows the events and their subscribers as a page")
}

fn page_operation(id: &str, summary: &str) -> Operation {
    let content = json!({ "text/html": { "schema": { "type": "string" } } });
    Operation::new(id, summary).response(200, json!({ "description": "The page.", "content": content }))
}
