//! `POST /events/custom`: a whole envelope.

use axum::{body::Body, extract::State, http::HeaderMap, response::Response};
use serde_json::json;

use super::{
    cloud_event, event,
    options::Options,
    submission::{Submission, is_binary_cloud_event},
};
use crate::{Gateway, auth::Caller, json, params::Params, problem::Problem};

/// Publishes an envelope, or a CloudEvent.
pub(crate) async fn custom(
    State(gateway): State<Gateway>,
    caller: Caller,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let options = Options::read(&params, &headers)?;
    let media_type = json::media_type(&headers);
    let is_structured = media_type.as_deref() == Some(cloud_event::STRUCTURED);
    if !is_structured && media_type.as_deref() != Some("application/json") {
        return Err(Problem::media_type("send an envelope as `application/json`, or a CloudEvent"));
    }
    let body = json::read(body, gateway.limits().body_bytes).await?;
    let body = json::parse(&body, gateway.limits())?;
    let submission = if is_structured {
        cloud_event::structured(body)?
    } else if is_binary_cloud_event(&headers) {
        cloud_event::binary(&headers, body)?
    } else {
        Submission::envelope(body)?
    };
    let (receipt, _) = submission.with(&options, &caller).publish(&gateway, &caller).await?;
    let answer = json!({
        "status": "published",
        "event_id": receipt.event_id,
        "event_type": receipt.event_type,
        "unrouted": receipt.unrouted,
    });
    Ok(event::accepted(&receipt, answer.to_string()))
}
