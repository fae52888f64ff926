//! The answer to a request that published an event.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use bloodbank_core::{Receipt, Registry, event::EventKind};
use bytes::Bytes;

use crate::params::BaseUrl;

/// Answers 202 with a body in JSON, where to look for the reply to a command, and whether nobody receives the event.
pub(super) fn accepted(receipt: &Receipt, body: impl Into<Bytes>, BaseUrl(base): &BaseUrl) -> Response {
    let mut response = Response::new(Body::from(body.into()));
    *response.status_mut() = StatusCode::ACCEPTED;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if receipt.unrouted {
        headers.insert("bloodbank-unrouted", HeaderValue::from_static("true"));
    }
    let is_command =
        Registry::global().event(&receipt.event_type).is_some_and(|event| event.kind() == EventKind::Command);
    if is_command && let Ok(location) = format!("{base}/commands/{}", receipt.event_id).try_into() {
        headers.insert(header::LOCATION, location);
    }
    response
}
