//! Preparation of the follow-ups that a handler collected.

use super::Context;
use crate::{
    error::Result,
    event::EventCollector,
    message::Outgoing,
    publish::{Prepared, PublishOptions},
};

/// Prepares the events that a handler collected, in order, as children of the handled event; also returns the message that
/// answers a requester.
pub(crate) fn prepare_collected(events: EventCollector, cause: &Context) -> Result<(Vec<Prepared>, Option<Outgoing>)> {
    let (events, reply) = events.into_parts();
    let mut prepared = Vec::with_capacity(events.len());
    for event in events {
        let follow_up = Some(cause.next_follow_up());
        let mut options = PublishOptions { event_id: event.event_id, follow_up, ..caused_by(cause) };
        options.causes.extend(event.parents);
        prepared.push(cause.bus().prepare(&event.routing_key, &event.payload, options)?);
    }
    let answer = reply.and_then(|index| prepared.get(index)).map(|event| event.message.clone());
    Ok((prepared, answer))
}

pub(crate) fn caused_by(cause: &Context) -> PublishOptions {
    let mut options = PublishOptions::default();
    for cause in cause.causes() {
        options.caused_by(cause);
    }
    options
}
