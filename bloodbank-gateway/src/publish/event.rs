//! `POST /events/{a}/{b}/{c}`: one registered event; the body is its payload.

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    response::Response,
};
use bloodbank_core::{Receipt, Registry, event::EventKind, routing};
use bytes::Bytes;
use serde_json::value::RawValue;

use super::{
    body,
    options::Options,
    submission::{Submission, fault},
};
use crate::{
    Gateway,
    auth::Caller,
    params::{Params, Prefix},
    problem::Problem,
};

/// The path of the endpoint, as the router has it.
pub(crate) const ROUTE: &str = "/events/{*key}";

/// Whether the router would lead a request to the endpoint.
pub(crate) fn is_event<B>(request: &axum::http::Request<B>) -> bool {
    let rest = request.uri().path().strip_prefix("/events/");
    request.method() == Method::POST && rest.is_some_and(|rest| !matches!(rest, "" | "custom" | "batch" | "stream"))
}

/// Publishes one event; answers 202 with its envelope.
pub(crate) async fn event(
    State(gateway): State<Gateway>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    // The request goes before the wait: the server reads the next one into its memory.
    let (submission, prefix) = {
        let (parts, body) = request.into_parts();
        let (prefix, params) = (Prefix::of(&parts, &gateway), Params::of(&parts.uri));
        let key = key_of(parts.uri.path())?;
        let options = Options::read(&params, &parts.headers)?;
        let plain = |text: Box<RawValue>| Ok(Submission::payload(key.as_str(), text));
        let submission = body::read(&gateway, &parts.headers, body, "the payload", plain).await?;
        if submission.key != key {
            let faults = vec![fault("/type", "is another event than the path names")];
            return Err(Problem::invalid(format!("this is the path of `{key}`"), faults));
        }
        (submission.with(&options, &caller), prefix)
    };
    let (receipt, envelope) = submission.publish(&gateway, &caller).await?;
    Ok(accepted(&receipt, envelope, &prefix))
}

/// 202 with a body in JSON, where to look for the answer to a command, and whether nobody receives the event.
pub(super) fn accepted(receipt: &Receipt, body: impl Into<Bytes>, Prefix(prefix): &Prefix) -> Response {
    let mut response = Response::new(Body::from(body.into()));
    *response.status_mut() = StatusCode::ACCEPTED;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if receipt.unrouted {
        headers.insert("bloodbank-unrouted", HeaderValue::from_static("true"));
    }
    let is_command =
        Registry::global().event(&receipt.event_type).is_some_and(|event| event.kind() == EventKind::Command);
    if is_command && let Ok(place) = format!("{prefix}/commands/{}", receipt.event_id).try_into() {
        headers.insert(header::LOCATION, place);
    }
    response
}

/// The key that a path names. Read as it stands: nothing in a key needs to be escaped.
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
    Err(Problem::not_found("the path names no event; write its key with `/` in place of `.`"))
}
