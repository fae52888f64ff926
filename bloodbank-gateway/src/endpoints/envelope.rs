//! `POST /events/custom`: publishes a whole envelope.

use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use bloodbank_core::Receipt;
use serde_json::{Value, json};

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
    let answers_as = AnswerForm::read(&params)?;
    let (publish, turn) = {
        let (parts, body) = request.into_parts();
        let options = PublishOptions::read(&params, &parts.headers)?;
        let (publish, body) =
            read_request(&gateway, &parts.headers, body, "an envelope", PublishRequest::envelope).await?;
        let turn = match begin(&gateway, &caller, &options, &parts, &body).await? {
            Ok(turn) => turn,
            Err(answered) => return Ok(answers_as.with_status(answered)),
        };
        (publish.with(&options, &caller), turn)
    };
    let (receipt, _) = publish.publish(&gateway, &caller).await?;
    let answer = answers_as.body(&receipt);
    Ok(answers_as.with_status(accepted(&receipt, answer.to_string(), &base, turn).await))
}

/// The form of the answer.
#[derive(Clone, Copy)]
enum AnswerForm {
    Ours,
    /// That of the Python side: 200, and two members.
    Python,
}

impl AnswerForm {
    fn read(params: &QueryParams) -> Result<Self, Problem> {
        match params.one("answer")? {
            None => Ok(Self::Ours),
            Some("python") => Ok(Self::Python),
            Some(_) => {
                Err(Problem::bad_request("`answer` must be `python`; leave it out for the answer of this gateway"))
            }
        }
    }

    fn body(self, receipt: &Receipt) -> Value {
        let mut body = json!({ "status": "published", "event_id": receipt.event_id });
        if matches!(self, Self::Ours) {
            body["event_type"] = json!(receipt.event_type);
            body["unrouted"] = json!(receipt.unrouted);
        }
        body
    }

    fn with_status(self, mut response: Response) -> Response {
        if matches!(self, Self::Python) {
            *response.status_mut() = StatusCode::OK;
        }
        response
    }
}

pub(super) fn operation() -> Operation {
    let body = json!({
        "application/json": { "schema": component("schemas", "PublishRequest") },
        "application/cloudevents+json": { "schema": component("schemas", "CloudEvent") },
    });
    Operation::new("publish_envelope", "Publishes a whole envelope, or a CloudEvent")
        .parameters(publish_parameters())
        .parameter(json!({
            "name": "answer", "in": "query",
            "description": "`python`: answers as the Python side does, with 200, `status` and `event_id`.",
            "schema": { "enum": ["python"] },
        }))
        .body(body)
        .json(200, "The event is on the bus; with `answer=python`.", component("schemas", "PublishedAsPython"))
        .json(202, "The event is on the bus.", component("schemas", "Published"))
        .problems([400, 404, 409, 413, 415, 422])
}
