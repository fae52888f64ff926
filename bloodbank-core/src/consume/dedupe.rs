//! Deduplication of a delivery before it is handled: it may have been handled, or be in progress (`dedupe`).

use std::time::Duration;

use crate::{
    consume::settle::{Outcome, copy, give_up, publish_copy, replace},
    dedupe::{Asked, Begun, Guard},
    handler::{Context, HandlerError},
    message::names,
    registry::SubscriberOptions,
    transport::{
        Settlement,
        topology::{DELIVERY_LIMIT, LADDER, rung_name},
    },
};

/// Acquires the lease on the event of a delivery.
pub(super) async fn begin(guard: &Guard, context: &Context, asked: Option<Asked>) -> Begun {
    let Some(event_id) = context.handled_id() else {
        // Nothing that could be handled twice: it cannot be read, and is parked.
        return Begun::Unchecked;
    };
    guard.begin(event_id, asked, LADDER[0], LADDER[1]).await
}

/// Defers a delivery for a moment, unchanged: no attempt is used up. A copy begins with a delivery limit of its own, so
/// the deaths of its earlier consumers are counted in a header.
pub(super) async fn put_off(
    settlement: Settlement,
    context: &Context,
    options: &SubscriberOptions,
    delay: Duration,
) -> Outcome {
    let deaths = context.deaths();
    let put_off = || async move {
        if deaths > i64::from(DELIVERY_LIMIT) {
            let text = format!("whoever handled it died {deaths} times; find out why, and redrive it");
            return give_up(&HandlerError::unreadable("delivery_limit", text), context, options).await;
        }
        let mut copy = copy(context, &rung_name(context.bus().settings().queue_kind, delay));
        if deaths > 0 {
            copy.properties.headers.set(names::RETURNED, deaths);
        }
        publish_copy(copy, context).await?;
        Ok(Outcome::PutOff)
    };
    replace(settlement, context, put_off, None).await
}
