//! The body of a request that publishes one event: JSON, or a CloudEvent in either mode.

use axum::{body::Body, http::HeaderMap};

use super::{
    cloud_event,
    submission::{Submission, is_binary_cloud_event},
};
use crate::{Gateway, json, problem::Problem};

/// Reads a body; `plain` takes JSON that is no CloudEvent, which is called `what` where neither is sent.
pub(super) async fn read<T: json::Json>(
    gateway: &Gateway,
    headers: &HeaderMap,
    body: Body,
    what: &str,
    plain: impl FnOnce(T) -> Result<Submission, Problem>,
) -> Result<Submission, Problem> {
    let media_type = json::media_type(headers);
    let is_structured = media_type.as_deref() == Some(cloud_event::STRUCTURED);
    if !is_structured && media_type.as_deref() != Some("application/json") {
        return Err(Problem::media_type(format!("send {what} as `application/json`, or a CloudEvent")));
    }
    let limits = gateway.limits();
    let body = json::read(body, limits.body_bytes).await?;
    if is_structured {
        cloud_event::structured(json::parse(&body, limits)?)
    } else if is_binary_cloud_event(headers) {
        cloud_event::binary(headers, json::parse(&body, limits)?)
    } else {
        plain(json::parse(&body, limits)?)
    }
}
