//! `GET /commands/{event_id}`: the state of a command.

use axum::{Json, extract::State};

use crate::{
    auth::Caller,
    commands::{self, CommandState},
    gateway::Gateway,
    operation::{Operation, component},
    params::{PathParam, parse_event_id},
    problem::Problem,
};

/// Answers with the state of a command: accepted, running, succeeded with its reply, or failed with its failure event.
pub(super) async fn command(
    State(gateway): State<Gateway>,
    caller: Caller,
    PathParam(id): PathParam,
) -> Result<Json<CommandState>, Problem> {
    let id = parse_event_id(&id)?;
    let state = commands::find(gateway.bus(), gateway.commands(), &caller.read, id).await?;
    state.map(Json).ok_or_else(|| Problem::not_found(format!("no command with the id {id} is known here")))
}

pub(super) fn operation() -> Operation {
    Operation::new("command", "Returns the state of a command")
        .parameter(component("parameters", "Id"))
        .json(200, "The state of the command.", component("schemas", "CommandState"))
        .problems([400, 404])
}
