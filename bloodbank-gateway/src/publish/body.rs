//! The body of a request that publishes one event: JSON, or a CloudEvent in either mode.

use axum::{body::Body, http::HeaderMap};
use bytes::Bytes;
use serde_json::Value;

use super::{
    cloud_event,
    submission::{Submission, is_binary_cloud_event},
};
use crate::{Gateway, json, problem::Problem};

/// Reads a body; `plain` takes JSON that is no CloudEvent, and its text, which is called `what` where neither is sent.
pub(super) async fn read(
    gateway: &Gateway,
    headers: &HeaderMap,
    body: Body,
    what: &str,
    plain: impl FnOnce(Value, Bytes) -> Result<Submission, Problem>,
) -> Result<Submission, Problem> {
    let media_type = json::media_type(headers);
    let is_structured = media_type.as_deref() == Some(cloud_event::STRUCTURED);
    if !is_structured && media_type.as_deref() != Some("application/json") {
        return Err(Problem::media_type(format!("send {what} as `application/json`, or a CloudEvent")));
    }
    let text = json::read(body, gateway.limits().body_bytes).await?;
    let body = json::parse(&text, gateway.limits())?;
    if is_structured {
        cloud_event::structured(body)
    } else if is_binary_cloud_event(headers) {
        cloud_event::binary(headers, body)
    } else {
        plain(body, text)
    }
}
