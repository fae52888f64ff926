//! The answer to a request that published an event.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use bloodbank_core::{Receipt, Registry, event::EventKind};
use bytes::Bytes;

use crate::{
    auth::Caller,
    gateway::Gateway,
    idempotency::{Begun, StoredAnswer, Turn, fingerprint},
    params::BaseUrl,
    problem::Problem,
    publish::PublishOptions,
};

/// Begins a request that may have an `Idempotency-Key`: with the answer to the first one with that key, or with the turn
/// to become the first.
pub(super) async fn begin(
    gateway: &Gateway,
    caller: &Caller,
    options: &PublishOptions,
    parts: &Parts,
    body: &[u8],
) -> Result<Result<Option<Turn>, Response>, Problem> {
    let Some(key) = options.idempotency_key.as_deref() else { return Ok(Ok(None)) };
    let client = caller.name.as_deref().unwrap_or_default();
    let fingerprint = fingerprint(&parts.uri, &parts.headers, body);
    Ok(match gateway.answers().begin(gateway.bus(), client, key, fingerprint).await? {
        Begun::First(turn) => Ok(Some(turn)),
        Begun::Answered(answer) => {
            let mut response = response(answer);
            response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
            Err(response)
        }
    })
}

/// Answers 202 with a body in JSON, where to look for the reply to a command, and whether nobody receives the event.
pub(super) async fn accepted(
    receipt: &Receipt,
    body: impl Into<Bytes>,
    BaseUrl(base): &BaseUrl,
    turn: Option<Turn>,
) -> Response {
    let is_command =
        Registry::global().event(&receipt.event_type).is_some_and(|event| event.kind() == EventKind::Command);
    let location = is_command.then(|| format!("{base}/commands/{}", receipt.event_id));
    let answer = StoredAnswer { body: body.into(), location, unrouted: receipt.unrouted };
    if let Some(turn) = turn {
        turn.finish(&answer).await;
    }
    response(answer)
}

fn response(answer: StoredAnswer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::ACCEPTED;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if answer.unrouted == Some(true) {
        headers.insert("bloodbank-unrouted", HeaderValue::from_static("true"));
    }
    if let Some(location) = answer.location.and_then(|location| location.try_into().ok()) {
        headers.insert(header::LOCATION, location);
    }
    response
}
