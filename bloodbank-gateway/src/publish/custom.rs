//! `POST /events/custom`: a whole envelope.

use axum::{
    extract::{Request, State},
    response::Response,
};
use serde_json::json;

use super::{body, event, options::Options, submission::Submission};
use crate::{
    Gateway,
    auth::Caller,
    params::{Params, Prefix},
    problem::Problem,
};

/// Publishes an envelope, or a CloudEvent.
pub(crate) async fn custom(
    State(gateway): State<Gateway>,
    caller: Caller,
    prefix: Prefix,
    params: Params,
    request: Request,
) -> Result<Response, Problem> {
    let submission = {
        let (parts, body) = request.into_parts();
        let options = Options::read(&params, &parts.headers)?;
        let submission = body::read(&gateway, &parts.headers, body, "an envelope", Submission::envelope).await?;
        submission.with(&options, &caller)
    };
    let (receipt, _) = submission.publish(&gateway, &caller).await?;
    let answer = json!({
        "status": "published",
        "event_id": receipt.event_id,
        "event_type": receipt.event_type,
        "unrouted": receipt.unrouted,
    });
    Ok(event::accepted(&receipt, answer.to_string(), &prefix))
}
