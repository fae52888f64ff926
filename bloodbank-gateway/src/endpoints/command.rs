//! `GET /commands/{event_id}`: the state of a command.

use axum::{Json, extract::State};
use bloodbank_core::{Registry, event::EventKind};
use serde_json::json;
use uuid::Uuid;

use crate::{
    auth::Caller,
    commands::{CommandState, CommandStatus},
    gateway::Gateway,
    operation::{Operation, component},
    params::{PathParam, parse_event_id},
    problem::Problem,
    stream::StreamEvent,
};

/// Answers with the state of a command: accepted, running, succeeded with its reply, or failed with its failure event.
pub(super) async fn command(
    State(gateway): State<Gateway>,
    caller: Caller,
    PathParam(id): PathParam,
) -> Result<Json<CommandState>, Problem> {
    let id = parse_event_id(&id)?;
    let unknown = || Problem::not_found(format!("no command with the id {id} is known here"));
    let state = match gateway.commands().get(id) {
        Some(state) => state,
        None => from_index(&gateway, id).await?.ok_or_else(unknown)?,
    };
    let answers = [&state.reply, &state.failure].into_iter().flatten().map(|answer| answer.event_type.as_str());
    let is_readable = state.event_type.as_deref().into_iter().chain(answers).all(|key| caller.read.allow(key));
    // A caller who may not read the command must not learn that it exists.
    if is_readable { Ok(Json(state)) } else { Err(unknown()) }
}

/// The state of a command that this gateway has forgotten or never saw, from the correlation index and the history.
async fn from_index(gateway: &Gateway, id: Uuid) -> Result<Option<CommandState>, Problem> {
    let registry = Registry::global();
    let bus = gateway.bus();
    let Some(tracker) = bus.correlation() else { return Ok(None) };
    let Some(event_type) = tracker.entry(id).await?.and_then(|entry| entry.event_type().map(str::to_owned)) else {
        return Ok(None);
    };
    let Some(command) = registry.event(&event_type).filter(|event| event.kind() == EventKind::Command) else {
        return Ok(None);
    };
    let mut state = CommandState::accepted(id, Some(event_type));
    for child in tracker.children(id).await? {
        let Some(key) = tracker.entry(child).await?.and_then(|entry| entry.event_type().map(str::to_owned)) else {
            continue;
        };
        let Some(event) = registry.event(&key) else { continue };
        let is_reply = command.declaration().reply == Some(event.routing_key());
        if !is_reply && event.kind() != EventKind::Failure {
            continue;
        }
        let answer = match bus.stores().journal {
            Some(journal) => journal.get(child).await?.map(|entry| StreamEvent::from_message(&entry.message)),
            None => None,
        };
        match answer.as_ref().and_then(|answer| Some((answer.envelope()?, answer.is_final))) {
            Some((envelope, is_final)) => state.add_answer(envelope, event.kind(), is_final),
            // The index keeps ids, but no envelopes.
            None if is_reply => state.status = CommandStatus::Succeeded,
            None if state.status != CommandStatus::Succeeded => state.status = CommandStatus::Failed,
            None => {}
        }
    }
    Ok(Some(state))
}

pub(super) fn operation() -> Operation {
    let envelope = || json!({ "oneOf": [component("schemas", "Envelope"), { "type": "null" }] });
    let state = json!({
        "type": "object",
        "required": ["event_id", "event_type", "status", "failures", "reply", "failure"],
        "properties": {
            "event_id": { "type": "string", "format": "uuid" },
            "event_type": { "type": ["string", "null"], "description": "The routing key of the command." },
            "status": { "enum": ["accepted", "running", "succeeded", "failed"] },
            "failures": { "type": "integer", "minimum": 0, "description": "The number of failed attempts." },
            "reply": envelope(),
            "failure": envelope(),
        },
    });
    Operation::new("command", "Returns the state of a command")
        .parameter(component("parameters", "Id"))
        .json(200, "The state of the command.", state)
        .problems([400, 404])
}
