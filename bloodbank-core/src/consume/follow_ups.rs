//! Publishing of a handler's follow-up events.

use futures_util::future::join_all;

use crate::{
    error::Result,
    event::{EventCollector, PendingEvent},
    event_id,
    handler::Context,
    message::{Outgoing, names},
    publish::PublishOptions,
};

/// Publishes the events that a handler collected, in order, as children of the handled event. Resolves when all are
/// confirmed; returns the message that answers a requester.
pub(super) async fn publish_collected(events: EventCollector, cause: &Context) -> Result<Option<Outgoing>> {
    let bus = cause.bus();
    let (events, reply) = events.into_parts();
    let mut prepared = Vec::with_capacity(events.len());
    for event in events {
        let follow_up = Some(cause.next_follow_up());
        let options = PublishOptions { event_id: event.event_id, follow_up, ..caused_by(cause) };
        prepared.push(bus.prepare(&event.routing_key, &event.payload, options)?);
    }
    let answer = reply.and_then(|index| prepared.get(index)).map(|event| event.message.clone());
    for published in join_all(prepared.into_iter().map(|event| bus.publish_prepared(event))).await {
        published?;
    }
    Ok(answer)
}

/// Publishes the failure event of an attempt; `last`: no further attempt follows.
pub(super) async fn publish_failure(event: &PendingEvent, cause: &Context, last: bool) -> Result<Outgoing> {
    let bus = cause.bus();
    let key = &event.routing_key;
    let event_id = event_id::derived_failure(cause.event_id(), cause.subscriber(), cause.attempt(), key);
    let options = PublishOptions { event_id: Some(event_id), ..caused_by(cause) };
    let mut prepared = bus.prepare(key, &event.payload, options)?;
    if last {
        prepared.message.properties.headers.set(names::FINAL, true);
    }
    let answer = prepared.message.clone();
    bus.publish_prepared(prepared).await?;
    Ok(answer)
}

fn caused_by(cause: &Context) -> PublishOptions {
    let mut options = PublishOptions::default();
    options.caused_by(cause);
    options
}
