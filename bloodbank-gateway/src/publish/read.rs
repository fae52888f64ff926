//! Reads the body of a request that publishes one event: JSON, or a CloudEvent in either mode.

use axum::{body::Body, http::HeaderMap};
use bytes::Bytes;

use super::{
    cloud_event,
    request::{PublishRequest, is_binary_cloud_event},
};
use crate::{body, gateway::Gateway, problem::Problem};

/// Reads a request; returns its body too. JSON that is not a CloudEvent goes to `plain`, and is called `what` where the
/// media type is neither.
pub(crate) async fn read_request<T: body::Json>(
    gateway: &Gateway,
    headers: &HeaderMap,
    body: Body,
    what: &str,
    plain: impl FnOnce(T) -> Result<PublishRequest, Problem>,
) -> Result<(PublishRequest, Bytes), Problem> {
    let media_type = body::media_type(headers);
    let is_structured = media_type.as_deref() == Some(cloud_event::STRUCTURED);
    if !is_structured && media_type.as_deref() != Some("application/json") {
        return Err(Problem::media_type(format!("send {what} as `application/json`, or a CloudEvent")));
    }
    let limits = gateway.limits();
    let body = body::read_body(body, limits.body_bytes).await?;
    let request = if is_structured {
        cloud_event::structured(body::parse_json(&body, limits)?, limits)
    } else if is_binary_cloud_event(headers) {
        cloud_event::binary(headers, body::parse_json(&body, limits)?)
    } else {
        plain(body::parse_json(&body, limits)?)
    };
    Ok((request?, body))
}
