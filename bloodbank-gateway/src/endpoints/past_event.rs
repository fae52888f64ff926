//! `GET /events/{id}`: an event that the bus remembers.

use axum::{Json, extract::State, http::StatusCode};
use bloodbank_core::EventEnvelope;
use serde_json::Value;
use uuid::Uuid;

use super::history::no_journal;
use crate::{
    auth::Caller,
    gateway::Gateway,
    operation::{Operation, component},
    params::PathParam,
    problem::Problem,
    stream::StreamEvent,
};

/// Answers with the envelope of an event.
pub(super) async fn past_event(
    State(gateway): State<Gateway>,
    caller: Caller,
    PathParam(id): PathParam,
) -> Result<Json<EventEnvelope<Value>>, Problem> {
    // The paths of events, which are only published, are of the same form.
    let Ok(id) = Uuid::parse_str(&id) else {
        let detail = "an event is published here with POST; one that was published is at `GET /events/{event_id}`";
        return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed", detail));
    };
    let bus = gateway.bus();
    let journal = bus.stores().journal.ok_or_else(|| no_journal(bus.transport().system()))?;
    let entry = journal.get(id).await?;
    let event = entry.map(|entry| StreamEvent::from_message(&entry.message));
    // A caller who may not read the event must not learn that it exists.
    let event = event.filter(|event| caller.read.allow(&event.key)).and_then(|event| event.envelope());
    event.map(Json).ok_or_else(|| Problem::not_found(format!("the bus remembers no event with the id {id}")))
}

pub(super) fn operation() -> Operation {
    Operation::new("read_event", "Returns an event that the bus remembers")
        .parameter(component("parameters", "Id"))
        .json(200, "The envelope of the event.", component("schemas", "Envelope"))
        .problems([404, 405])
}
