//! Publishing of a handler's follow-up events.

use futures_util::future::join_all;
use tracing::debug;

use crate::{
    error::Result,
    event::{EventCollector, PendingEvent},
    event_id,
    handler::{Committed, Context, caused_by, prepare_collected},
    message::{Outgoing, names},
    publish::{Prepared, PublishOptions},
};

/// Publishes the events that a handler collected, in order, as children of the handled event. Resolves when all are
/// confirmed; returns the message that answers a requester.
pub(super) async fn publish_collected(events: EventCollector, cause: &Context) -> Result<Option<Outgoing>> {
    let (prepared, answer) = prepare_collected(events, cause)?;
    publish_all(prepared, cause).await?;
    Ok(answer)
}

/// Publishes the follow-ups that a transaction has committed, and forgets them once they are confirmed. What cannot be
/// published now is left to the relay. Returns the message that answers a requester.
pub(super) async fn publish_committed(committed: Committed, cause: &Context) -> Option<Outgoing> {
    let Committed { follow_ups, reply, kept } = committed;
    if !follow_ups.is_empty() {
        match publish_all(follow_ups, cause).await {
            Ok(()) => {
                if let Some(forget) = kept {
                    forget().await;
                }
            }
            Err(error) => {
                debug!(queue = cause.queue(), event_id = %cause.event_id(), %error, "follow-ups are left to the relay of the outbox");
            }
        }
    }
    reply
}

async fn publish_all(prepared: Vec<Prepared>, cause: &Context) -> Result<()> {
    let bus = cause.bus();
    for published in join_all(prepared.into_iter().map(|event| bus.publish_prepared(event))).await {
        published?;
    }
    Ok(())
}

/// Publishes the failure event of an attempt; `last`: no further attempt follows.
pub(super) async fn publish_failure(event: &PendingEvent, cause: &Context, last: bool) -> Result<Outgoing> {
    let bus = cause.bus();
    let key = &event.routing_key;
    let event_id = event_id::derived_failure(cause.event_id(), cause.subscriber(), cause.attempt(), key);
    let mut options = PublishOptions { event_id: Some(event_id), ..caused_by(cause) };
    options.causes.extend(&event.parents);
    let mut prepared = bus.prepare(key, &event.payload, options)?;
    if last {
        prepared.message.properties.headers.set(names::FINAL, true);
    }
    let answer = prepared.message.clone();
    bus.publish_prepared(prepared).await?;
    Ok(answer)
}
