//! `POST /events/{a}/{b}/{c}`: publishes one registered event, whose payload is the body.

use axum::{
    extract::{Request, State},
    response::Response,
};
use bloodbank_core::{Registry, event::EventKind, registry::EventDescriptor, routing};
use serde_json::{Map, Value, json, value::RawValue};

use super::accepted::{accepted, begin};
use crate::{
    auth::Caller,
    gateway::Gateway,
    openapi::publish_parameters,
    operation::Operation,
    params::{BaseUrl, QueryParams},
    problem::{FieldError, Problem},
    publish::{PublishOptions, PublishRequest, read_request},
    schemas::{Schemas, placeholders},
    summary::{self, plain},
};

/// Publishes one event and answers 202 with its envelope.
pub(super) async fn event(
    State(gateway): State<Gateway>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    // The request is dropped before the wait: the server reads the next one into its memory.
    let (publish, base, turn) = {
        let (parts, body) = request.into_parts();
        let (base, params) = (BaseUrl::of(&parts, &gateway), QueryParams::of(&parts.uri));
        let key = key_of(parts.uri.path())?;
        let options = PublishOptions::read(&params, &parts.headers)?;
        let plain = |text: Box<RawValue>| Ok(PublishRequest::payload(key.as_str(), text));
        let (publish, body) = read_request(&gateway, &parts.headers, body, "the payload", plain).await?;
        if publish.key != key {
            let errors = vec![FieldError::new("/type", "names another event than the path")];
            return Err(Problem::invalid(format!("events with the key `{key}` are published here"), errors));
        }
        let turn = match begin(&gateway, &caller, &options, &parts, &body).await? {
            Ok(turn) => turn,
            Err(answered) => return Ok(answered),
        };
        (publish.with(&options, &caller), base, turn)
    };
    let (receipt, envelope) = publish.publish(&gateway, &caller).await?;
    Ok(accepted(&receipt, envelope, &base, turn).await)
}

/// The routing key in a path. The path is not decoded, because nothing in a key needs to be escaped.
fn key_of(path: &str) -> Result<String, Problem> {
    let registry = Registry::global();
    let path = path.strip_prefix("/events/").unwrap_or_default();
    let is_key = !path.contains('.') && path.split('/').all(|segment| routing::check_segment(segment).is_ok());
    let key = path.replace('/', ".");
    if is_key && registry.event(&key).is_some() {
        return Ok(key);
    }
    if is_key {
        return Err(registry.unknown(&key).into());
    }
    Err(Problem::not_found(
        "the path is not the key of an event; write the key with `/` in place of `.`, as in `/events/llm/prompt`",
    ))
}

/// Describes how an event is published.
pub(super) fn operation(event: &EventDescriptor) -> Operation {
    let (declaration, schemas) = (event.declaration(), Schemas::global());
    let mut media = json!({ "schema": schemas.body(event) });
    if let Some(example) = event.example().and_then(|example| example.to_value().ok()) {
        media["example"] = example;
    }
    let in_path = placeholders(event)
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": schemas.field(event, name) }));
    let body = json!({
        "application/json": media,
        "application/cloudevents+json": { "schema": schemas.cloud_event(event) },
    });
    let docs = plain(declaration.docs);
    let operation =
        Operation::new(format!("publish_{}", schemas.name(event).replace('.', "_")), summary::first_line(&docs));
    // A summary that says all needs no description.
    let is_said = summary::first_line(&docs) == docs.trim();
    let operation = if is_said { operation } else { operation.description(docs) };
    operation
        .tag(event.domain())
        .parameters(in_path.chain(publish_parameters()))
        .body(body)
        .response(202, accepted_response(event))
        .problems([400, 404, 409, 413, 415, 422])
}

fn accepted_response(event: &EventDescriptor) -> Value {
    let unrouted = json!({
        "description": "Present where no queue received the event, because nobody subscribes to its key yet.",
        "schema": { "type": "string", "enum": ["true"] },
    });
    let mut headers = Map::from_iter([("bloodbank-unrouted".to_owned(), unrouted)]);
    if event.kind() == EventKind::Command {
        let location =
            json!({ "description": "The address of the state of the command.", "schema": { "type": "string" } });
        headers.insert("Location".to_owned(), location);
    }
    json!({
        "description": "The event is on the bus. The body is its envelope.",
        "headers": headers,
        "content": { "application/json": { "schema": Schemas::global().envelope(event) } },
    })
}
