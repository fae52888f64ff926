//! Attempts in place (`retry(keep_order)`): an event that failed keeps its lane until it is handled or given up.

use chrono::{SecondsFormat, Utc};
use tokio::time::sleep;
use tracing::warn;

use crate::{
    consume::{
        follow_ups::publish_failure,
        line::leave,
        settle::{Outcome, fail, finish, next_after, settle_committed, unpublished},
        worker::Worker,
    },
    dedupe::Lease,
    event::EventCollector,
    handler::{Context, HandlerError, HandlerErrorKind},
    message::names,
    store::Place,
    transport::{Settlement, topology::LADDER},
};

/// Settles an event, after further attempts where its handler failed.
pub(super) async fn settle_in_place(
    worker: &mut Worker,
    mut context: Context,
    settlement: Settlement,
    mut result: Result<EventCollector, HandlerError>,
    lease: Option<&Lease>,
    place: Place,
) -> Outcome {
    loop {
        if let Some(committed) = context.take_committed() {
            if !leave(&context, &settlement, place).await {
                return Outcome::Kept;
            }
            return settle_committed(settlement, &context, committed).await;
        }
        let failure = match result {
            Ok(events) => match finish(events, &context).await {
                Ok(()) => {
                    if let Some(lease) = lease {
                        lease.done().await;
                    }
                    // It is done: whoever comes again finds the mark, or is handled in its place again.
                    if !leave(&context, &settlement, place).await {
                        return Outcome::Kept;
                    }
                    settlement.ack();
                    return Outcome::Ack;
                }
                Err(error) => unpublished(&error),
            },
            Err(failure) => failure,
        };
        let options = &worker.spec.options;
        let delay = match failure.kind {
            // The event has not been handled, and no attempt is used up.
            HandlerErrorKind::Deferred => LADDER[1],
            _ => match next_after(&failure, &context, options) {
                Ok(delay) => delay,
                Err(_) => return fail(settlement, &context, options, &failure, lease).await,
            },
        };
        if let HandlerErrorKind::Failure { event, .. } = &failure.kind
            && let Err(error) = publish_failure(event, &context, false).await
        {
            warn!(queue = context.queue(), event_id = %context.event_id(), %error, "a failure event is not published");
        }
        warn!(queue = context.queue(), event_id = %context.event_id(), key = context.key(), attempt = context.attempt(), error = %failure, "failed; tried again in {delay:?}, before what comes behind it");
        let is_deferred = matches!(failure.kind, HandlerErrorKind::Deferred);
        if !is_deferred {
            worker.count(Outcome::Retry);
        }
        tokio::select! {
            // It goes back to its place, and is handled by whoever is next.
            () = context.cancellation().cancelled() => {
                if let Some(lease) = lease {
                    lease.release().await;
                }
                return Outcome::Kept;
            }
            () = sleep(delay) => {}
        }
        context = again(&context, is_deferred, lease);
        result = worker.call(&context, lease.map_or(&[], std::slice::from_ref)).await;
    }
}

/// The context of the next attempt.
fn again(context: &Context, is_deferred: bool, lease: Option<&Lease>) -> Context {
    let mut message = context.message().clone();
    let headers = &mut message.properties.headers;
    if !is_deferred {
        headers.set(names::ATTEMPT, context.attempt().saturating_add(1));
        if headers.get(names::FIRST_FAILED).is_none() {
            headers.set(names::FIRST_FAILED, Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true));
        }
    }
    let next = context.next_attempt(message);
    if let Some(lease) = lease {
        next.set_dedupe_mark(lease.mark().clone());
    }
    next
}
