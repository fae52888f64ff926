//! The order of keys with parked events (`retry(park_key)`): what comes behind a parked event is parked behind it.
//!
//! The line of a key decides about every event, whichever way it comes. The first of a line was brought back, and is handled. Any
//! other is parked at once, at its place or at the end. So it does not matter who brings dead letters back, in which order, and
//! what is published meanwhile.

use std::time::Duration;

use metrics::counter;
use tracing::warn;

use crate::{
    consume::{
        answer::{Answer, answer},
        settle::{Outcome, dead_letter_copy, publish_copy, replace},
    },
    dedupe::Lease,
    error::Result,
    handler::{Context, HandlerError},
    publish::StuckEvent,
    store::Place,
    transport::Settlement,
};

/// What becomes of an event whose turn it is.
pub(super) enum Turn {
    /// It is handled, and stands at this place of its line.
    Handled(Settlement, Place),
    /// It was settled without its handler.
    Settled(Outcome),
}

/// Lets an event have its turn, unless it stands behind a parked one. While the store does not answer, it waits here: what is
/// behind it must not pass.
pub(super) async fn turn(context: &Context, settlement: Settlement, lease: Option<&Lease>) -> Turn {
    let Some(line) = context.line() else { return Turn::Handled(settlement, Place::Free) };
    let place = insist(context, &settlement, || line.join()).await;
    let settled = match place {
        Some(Place::Behind { first, position }) => {
            let text = format!(
                "event {first} of `{}` was given up before, and this one waits behind it; redrive or discard that one first",
                line.key()
            );
            let failure = HandlerError::unreadable("behind", text);
            replace(settlement, context, || park_behind(context, &failure, position), lease).await
        }
        Some(place) => return Turn::Handled(settlement, place),
        None => {
            if let Some(lease) = lease {
                lease.release().await;
            }
            Outcome::Kept
        }
    };
    Turn::Settled(settled)
}

async fn park_behind(context: &Context, failure: &HandlerError, position: u64) -> Result<Outcome> {
    publish_copy(dead_letter_copy(context, failure, "behind", Some(position)), context).await?;
    counter!("bloodbank_parked_behind_total", "queue" => context.queue().to_owned()).increment(1);
    warn!(queue = context.queue(), event_id = %context.event_id(), key = context.key(), "parked: {failure}");
    answer(context, Answer::Error(failure.to_string())).await;
    Ok(Outcome::DeadLetter)
}

/// Takes an event that was handled out of its line, before it is acknowledged: otherwise the others would wait for ever behind an
/// event that does not come again. `false`: the store does not answer, and the event comes again.
pub(super) async fn leave(context: &Context, settlement: &Settlement, place: Place) -> bool {
    match context.line() {
        Some(line) if place == Place::First => insist(context, settlement, || line.leave()).await.is_some(),
        _ => true,
    }
}

/// Calls the store until it answers; `None`: the app stops meanwhile, or the event comes again on another connection.
async fn insist<T, F: Future<Output = Result<T>>>(
    context: &Context,
    settlement: &Settlement,
    mut call: impl FnMut() -> F,
) -> Option<T> {
    let mut delay = Duration::from_millis(100);
    let mut stuck: Option<StuckEvent<'_>> = None;
    loop {
        match call().await {
            Ok(answer) => return Some(answer),
            Err(error) => {
                warn!(queue = context.queue(), event_id = %context.event_id(), %error, "parked keys are not known, and an event waits; check the store");
                stuck.get_or_insert_with(|| context.bus().stuck().note(&context.queue().into())).because(&error);
            }
        }
        if !settlement.is_open() {
            return None;
        }
        tokio::select! {
            () = context.cancellation().cancelled() => return None,
            () = tokio::time::sleep(delay) => delay = (delay * 2).min(Duration::from_secs(2)),
        }
    }
}
