//! Publishing what a handler returned.

use futures_util::future::join_all;

use crate::{
    consume::Context,
    error::Result,
    identity,
    publish::{EventCollector, PendingEvent, PublishOptions},
    transport::{Outgoing, names},
};

/// Publishes what a handler collected, in order, as children of what it handled. Resolves when all of it is confirmed;
/// gives back the message that answers a requester.
pub(super) async fn publish_collected(events: EventCollector, cause: &Context) -> Result<Option<Outgoing>> {
    let bus = cause.bus();
    let (events, reply) = events.into_parts();
    let mut drafts = Vec::with_capacity(events.len());
    for event in events {
        let position = cause.next_position();
        let derived = identity::derived(cause.event_id(), cause.subscriber(), position, event.routing_key());
        let options = PublishOptions { event_id: event.event_id.or(Some(derived)), ..caused_by(cause) };
        drafts.push(bus.draft(&event.routing_key, &event.payload, options)?);
    }
    let answer = reply.and_then(|index| drafts.get(index)).map(|draft| draft.message.clone());
    for published in join_all(drafts.into_iter().map(|draft| bus.send(draft))).await {
        published?;
    }
    Ok(answer)
}

/// Publishes the failure event of an attempt; `last`: no further attempt follows.
pub(super) async fn publish_failure(event: &PendingEvent, cause: &Context, last: bool) -> Result<Outgoing> {
    let bus = cause.bus();
    let key = &event.routing_key;
    let event_id = identity::derived_failure(cause.event_id(), cause.subscriber(), cause.attempt(), key);
    let options = PublishOptions { event_id: Some(event_id), ..caused_by(cause) };
    let mut draft = bus.draft(key, &event.payload, options)?;
    if last {
        draft.message.properties.headers.set(names::FINAL, true);
    }
    let answer = draft.message.clone();
    bus.send(draft).await?;
    Ok(answer)
}

fn caused_by(cause: &Context) -> PublishOptions {
    let mut options = PublishOptions::default();
    options.caused_by(cause);
    options
}
