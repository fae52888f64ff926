//! `POST /events/custom`: publishes a whole envelope.

use axum::{
    extract::{Request, State},
    response::Response,
};
use serde_json::json;

use super::accepted::{accepted, begin};
use crate::{
    auth::Caller,
    gateway::Gateway,
    openapi::publish_parameters,
    operation::{Operation, component},
    params::{BaseUrl, QueryParams},
    problem::Problem,
    publish::{PublishOptions, PublishRequest, read_request},
};

/// Publishes an envelope, or a CloudEvent.
pub(super) async fn envelope(
    State(gateway): State<Gateway>,
    caller: Caller,
    base: BaseUrl,
    params: QueryParams,
    request: Request,
) -> Result<Response, Problem> {
    let (publish, turn) = {
        let (parts, body) = request.into_parts();
        let options = PublishOptions::read(&params, &parts.headers)?;
        let (publish, body) =
            read_request(&gateway, &parts.headers, body, "an envelope", PublishRequest::envelope).await?;
        let turn = match begin(&gateway, &caller, &options, &parts, &body).await? {
            Ok(turn) => turn,
            Err(answered) => return Ok(answered),
        };
        (publish.with(&options, &caller), turn)
    };
    let (receipt, _) = publish.publish(&gateway, &caller).await?;
    let answer = json!({
        "status": "published",
        "event_id": receipt.event_id,
        "event_type": receipt.event_type,
        "unrouted": receipt.unrouted,
    });
    Ok(accepted(&receipt, answer.to_string(), &base, turn).await)
}

pub(super) fn operation() -> Operation {
    let body = json!({
        "application/json": { "schema": component("schemas", "PublishRequest") },
        "application/cloudevents+json": { "schema": component("schemas", "CloudEvent") },
    });
    Operation::new("publish_envelope", "Publishes a whole envelope, or a CloudEvent")
        .parameters(publish_parameters())
        .body(body)
        .json(202, "The event is on the bus.", component("schemas", "Published"))
        .problems([400, 404, 409, 413, 415, 422])
}
