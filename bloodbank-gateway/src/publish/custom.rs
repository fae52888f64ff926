//! `POST /events/custom`: a whole envelope.

use axum::{body::Body, extract::State, http::HeaderMap, response::Response};
use serde_json::json;

use super::{body, event, options::Options, submission::Submission};
use crate::{Gateway, auth::Caller, params::Params, problem::Problem};

/// Publishes an envelope, or a CloudEvent.
pub(crate) async fn custom(
    State(gateway): State<Gateway>,
    caller: Caller,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let options = Options::read(&params, &headers)?;
    let submission = body::read(&gateway, &headers, body, "an envelope", Submission::envelope).await?;
    let (receipt, _) = submission.with(&options, &caller).publish(&gateway, &caller).await?;
    let answer = json!({
        "status": "published",
        "event_id": receipt.event_id,
        "event_type": receipt.event_type,
        "unrouted": receipt.unrouted,
    });
    Ok(event::accepted(&receipt, answer.to_string()))
}
