//! `GET /queues`, `GET /queues/{queue}`: how many messages wait where, and who takes them.

use axum::{Json, extract::State};
use bloodbank_core::transport::QueueStatus;
use serde_json::{Value, json};

use crate::{
    gateway::Gateway,
    operation::{Operation, component},
    params::PathParam,
    problem::Problem,
};

/// Answers with the state of every queue of the bus.
pub(super) async fn list(State(gateway): State<Gateway>) -> Result<Json<Value>, Problem> {
    let queues = gateway.bus().transport().queues().await?.ok_or_else(|| {
        Problem::not_found("RabbitMQ lists its queues by its management API alone; ask that, or for one queue by name")
    })?;
    Ok(Json(json!({ "queues": queues })))
}

/// Answers with the state of one queue.
pub(super) async fn queue(
    State(gateway): State<Gateway>,
    PathParam(queue): PathParam,
) -> Result<Json<QueueStatus>, Problem> {
    let found = gateway.bus().transport().queue(queue.as_str().into()).await?;
    found.map(Json).ok_or_else(|| Problem::not_found(format!("there is no queue `{queue}`; `bb queues` lists them")))
}

pub(super) fn list_operation() -> Operation {
    Operation::new("queues", "Lists the queues of the bus: how many messages wait, since when, and who takes them")
        .json(200, "The queues.", component("schemas", "Queues"))
        .problems([404])
}

pub(super) fn queue_operation() -> Operation {
    let name = json!({
        "name": "queue", "in": "path", "required": true, "schema": { "type": "string" },
        "description": "The name of the queue.",
    });
    Operation::new("queue", "Returns the state of one queue")
        .parameter(name)
        .json(200, "The state of the queue.", component("schemas", "QueueStatus"))
        .problems([404])
}
