//! The settling of deliveries. One order, everywhere: the work is done → follow-ups are published → their confirms have
//! arrived → the cause is settled.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, SecondsFormat, Utc};
use metrics::counter;
use tracing::{error, warn};

use crate::{
    consume::{
        answer::{Answer, answer},
        dedupe::put_off,
        follow_ups::{publish_collected, publish_committed, publish_failure},
    },
    dedupe::Lease,
    error::{Error, ErrorKind, Result},
    event::EventCollector,
    handler::{Committed, Context, HandlerError, HandlerErrorKind},
    message::{Outgoing, names},
    publish::{Bus, StuckEvent},
    registry::{OnFailure, SubscriberOptions},
    transport::{
        Settlement,
        topology::{DEAD_LETTER_EXCHANGE, LADDER, rung_name},
    },
};

/// The outcome of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Handled and acknowledged.
    Ack,
    /// Retried: comes back to this queue after a delay.
    Retry,
    /// Dead-lettered, or dropped where the subscriber says so.
    DeadLetter,
    /// Left with the broker, which delivers the event again, because no replacement could be published.
    Kept,
    /// A duplicate of an event that was handled before.
    Duplicate,
    /// An event whose time to live is over, dropped.
    Expired,
    /// Deferred: comes back to this queue in a moment, unchanged, because it is not yet known whether it is a
    /// duplicate.
    PutOff,
}

/// Settles a delivery according to the result of the handler.
pub(super) async fn settle(
    settlement: Settlement,
    context: &Context,
    options: &SubscriberOptions,
    result: Result<EventCollector, HandlerError>,
    lease: Option<&Lease>,
) -> Outcome {
    if let Some(committed) = context.take_committed() {
        return Box::pin(settle_committed(settlement, context, committed)).await;
    }
    let failure = match result {
        Ok(events) => match finish(events, context).await {
            Ok(()) => {
                if let Some(lease) = lease {
                    lease.done().await;
                }
                settlement.ack();
                return Outcome::Ack;
            }
            Err(error) => unpublished(&error),
        },
        Err(failure) => failure,
    };
    Box::pin(fail(settlement, context, options, &failure, lease)).await
}

/// Settles a delivery that failed: it is tried again, or given up.
pub(super) async fn fail(
    settlement: Settlement,
    context: &Context,
    options: &SubscriberOptions,
    failure: &HandlerError,
    lease: Option<&Lease>,
) -> Outcome {
    if matches!(failure.kind, HandlerErrorKind::Deferred) {
        warn!(queue = context.queue(), event_id = %context.event_id(), error = %failure, "an event waits");
        return put_off(settlement, context, options, LADDER[1]).await;
    }
    replace(settlement, context, || give_up(failure, context, options), lease).await
}

/// Settles a delivery whose effects are committed: follow-ups are published, or left to the relay.
pub(super) async fn settle_committed(settlement: Settlement, context: &Context, committed: Committed) -> Outcome {
    let is_duplicate = committed.kept.is_none();
    let reply = publish_committed(committed, context).await;
    if is_duplicate {
        counter!("bloodbank_duplicates_total", "queue" => context.queue().to_owned()).increment(1);
    } else {
        answer(context, Answer::Reply(reply)).await;
    }
    settlement.ack();
    if is_duplicate { Outcome::Duplicate } else { Outcome::Ack }
}

/// Acknowledges a delivery once a replacement is published; until then it is kept.
pub(super) async fn replace<F: Future<Output = Result<Outcome>>>(
    settlement: Settlement,
    context: &Context,
    mut by: impl FnMut() -> F,
    lease: Option<&Lease>,
) -> Outcome {
    let mut delay = Duration::from_millis(200);
    let mut stuck: Option<StuckEvent<'_>> = None;
    loop {
        match by().await {
            Ok(outcome) => {
                if let Some(lease) = lease {
                    lease.release().await;
                }
                settlement.ack();
                return outcome;
            }
            Err(error) => {
                warn!(queue = context.queue(), event_id = %context.event_id(), %error, "a failed event cannot be put aside; keeping it");
                let stuck = stuck.get_or_insert_with(|| context.bus().stuck().note(&context.queue().into()));
                stuck.because(&error);
                if error.kind() == ErrorKind::Unrouted {
                    declare_again(context.bus()).await;
                }
                tokio::select! {
                    () = context.cancellation().cancelled() => {
                        if let Some(lease) = lease {
                            lease.release().await;
                        }
                        return Outcome::Kept;
                    }
                    () = tokio::time::sleep(delay) => delay = (delay * 2).min(Duration::from_secs(15)),
                }
            }
        }
    }
}

/// Somebody has deleted the queue of dead letters or of retries, or its binding: makes it again.
async fn declare_again(bus: &Bus) {
    if let Err(error) = bus.declare_again().await {
        warn!(%error, "a queue is missing that holds what fails, and cannot be declared again");
    }
}

/// Publishes the follow-ups and answers a requester.
pub(super) async fn finish(events: EventCollector, context: &Context) -> Result<()> {
    if events.is_empty() && context.message().properties.reply_to.is_none() {
        return Ok(());
    }
    Box::pin(async {
        let reply = publish_collected(events, context).await?;
        answer(context, Answer::Reply(reply)).await;
        Ok(())
    })
    .await
}

/// The failure of a handler that succeeded, but whose follow-ups could not be published.
pub(super) fn unpublished(error: &Error) -> HandlerError {
    let message = format!("a follow-up event could not be published: {error}");
    if error.is_retryable() { HandlerError::retry(message) } else { HandlerError::unreadable("follow-up", message) }
}

/// Decides between another attempt and the dead-letter queue; publishes the failure event and the copy.
pub(super) async fn give_up(failure: &HandlerError, context: &Context, options: &SubscriberOptions) -> Result<Outcome> {
    let next = next_after(failure, context, options);
    // Where the order is kept, what can be tried again was, in its place.
    let next = if options.retry.keep_order { next.and(Err("attempts")) } else { next };
    let published = match &failure.kind {
        HandlerErrorKind::Failure { event, .. } => Some(publish_failure(event, context, next.is_err()).await?),
        HandlerErrorKind::Permanent { .. }
        | HandlerErrorKind::Retryable { .. }
        | HandlerErrorKind::Deferred
        | HandlerErrorKind::TimedOut
        | HandlerErrorKind::Panicked => None,
    };
    match next {
        Ok(delay) => {
            publish_copy(retry_copy(context, failure, delay), context).await?;
            // Said when it is so: before the confirm the same attempt may be settled again.
            warn!(queue = context.queue(), event_id = %context.event_id(), key = context.key(), attempt = context.attempt(), error = %failure, "failed; tried again in {delay:?}");
            Ok(Outcome::Retry)
        }
        Err(reason) => {
            if options.on_failure == OnFailure::DeadLetter {
                // First: were the process to end in between, it would come again as the first of its line.
                let position = match context.line() {
                    Some(line) => Some(line.park().await?),
                    None => None,
                };
                publish_copy(dead_letter_copy(context, failure, reason, position), context).await?;
            }
            // Said when it is so: whoever reads it finds the dead letter.
            error!(queue = context.queue(), event_id = %context.event_id(), key = context.key(), attempt = context.attempt(), reason, error = %failure, "gave up");
            let answered = match published {
                Some(message) => Answer::Failure(message),
                None => Answer::Error(failure.to_string()),
            };
            answer(context, answered).await;
            Ok(Outcome::DeadLetter)
        }
    }
}

/// The delay until the next attempt of an event that failed; `Err`: the reason why there is none.
pub(super) fn next_after(
    failure: &HandlerError,
    context: &Context,
    options: &SubscriberOptions,
) -> Result<Duration, &'static str> {
    match &failure.kind {
        HandlerErrorKind::Permanent { reason } => Err(*reason),
        HandlerErrorKind::Failure { retryable: false, .. } => Err("failed"),
        HandlerErrorKind::Failure { retryable: true, .. } => next_attempt(context, options, None),
        HandlerErrorKind::Retryable { after } => next_attempt(context, options, *after),
        HandlerErrorKind::Deferred => next_attempt(context, options, None),
        HandlerErrorKind::TimedOut => next_attempt(context, options, None).map_err(|_| "timed-out"),
        HandlerErrorKind::Panicked => next_attempt(context, options, None).map_err(|_| "panicked"),
    }
}

/// The delay until the next attempt, at least what the handler asks for.
fn next_attempt(
    context: &Context,
    options: &SubscriberOptions,
    after: Option<Duration>,
) -> Result<Duration, &'static str> {
    let Some(by_policy) = options.retry.delay_after(context.attempt()) else {
        return Err("attempts");
    };
    // What a handler asks for is a least; what the policy says is an average.
    let delay = after.map_or_else(|| spread(by_policy, fastrand::f64()), not_before);
    if let (Some(max_age), Some(first)) = (options.retry.max_age, first_failed(context)) {
        let age = (Utc::now() - first).to_std().unwrap_or_default();
        if age + delay > max_age {
            return Err("max-age");
        }
    }
    Ok(delay)
}

fn first_failed(context: &Context) -> Option<DateTime<Utc>> {
    let text = context.headers().text(names::FIRST_FAILED)?;
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}

/// Publishes a copy that replaces its original; an unrouted copy is an error, because it replaces nothing.
pub(super) async fn publish_copy(copy: Outgoing, context: &Context) -> Result<()> {
    let exchange = Arc::clone(&copy.exchange);
    if context.bus().publish_message(copy).await?.unrouted == Some(true) {
        return Err(Error::new(
            ErrorKind::Unrouted,
            format!(
                "exchange `{exchange}` leads nowhere for `{}`; was its queue deleted? an app that declares makes it again by itself, otherwise run `topology declare`",
                context.queue()
            ),
        ));
    }
    Ok(())
}

/// The first rung of the retry ladder that is not shorter than a delay; the longest rung if there is none.
fn not_before(delay: Duration) -> Duration {
    LADDER.into_iter().find(|rung| *rung >= delay).unwrap_or(LADDER[LADDER.len() - 1])
}

/// One of the two rungs of the retry ladder around a delay, the nearer one more often: on average that delay, and
/// events that failed together do not come back together. `fraction`: a random number from 0 to 1.
fn spread(delay: Duration, fraction: f64) -> Duration {
    let longer = not_before(delay);
    let Some(shorter) = LADDER.into_iter().rev().find(|rung| *rung < longer) else {
        return longer;
    };
    let (gap, over) = (longer - shorter, delay.saturating_sub(shorter));
    if over.as_secs_f64() > fraction * gap.as_secs_f64() { longer } else { shorter }
}

/// The copy of a delivery that waits on a rung of the retry ladder and then comes back to this queue alone.
fn retry_copy(context: &Context, failure: &HandlerError, delay: Duration) -> Outgoing {
    let mut copy = failed_copy(context, failure, &rung_name(context.bus().settings().queue_kind, delay));
    copy.properties.headers.set(names::ATTEMPT, context.attempt().saturating_add(1));
    copy
}

/// The copy of a delivery for the dead-letter queue; `position`: in the line of its key.
pub(super) fn dead_letter_copy(
    context: &Context,
    failure: &HandlerError,
    reason: &'static str,
    position: Option<u64>,
) -> Outgoing {
    let mut copy = failed_copy(context, failure, DEAD_LETTER_EXCHANGE);
    copy.properties.headers.set(names::ATTEMPT, context.attempt());
    let headers = &mut copy.properties.headers;
    headers.set(names::REASON, reason);
    if let (Some(line), Some(position)) = (context.line(), position) {
        headers.set(names::PARKED_KEY, line.key());
        headers.set(names::PARKED_POSITION, position.cast_signed());
    }
    copy
}

fn failed_copy(context: &Context, failure: &HandlerError, exchange: &str) -> Outgoing {
    let mut copy = copy(context, exchange);
    let properties = &mut copy.properties;
    let now = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
    if properties.headers.get(names::FIRST_FAILED).is_none() {
        properties.headers.set(names::FIRST_FAILED, now.clone());
    }
    properties.headers.set(names::LAST_FAILED, now);
    properties.headers.set(names::ERROR, shortened(&failure.to_string()));
    properties.headers.set(names::QUEUE, context.queue());
    copy
}

/// The copy of a delivery for an exchange that leads back to its queue, or to its dead-letter queue.
pub(super) fn copy(context: &Context, exchange: &str) -> Outgoing {
    let mut properties = context.message().properties.clone();
    // Old death certificates make the broker drop the copy as a cycle, and an old lifetime would cut the delay short.
    properties.headers.remove_all(names::is_added_by_broker);
    properties.expiration = None;
    context.message().note_origin(&mut properties.headers);
    if context.is_plain() {
        properties.headers.set(names::EVENT_ID, context.event_id().to_string());
        properties.headers.set(names::EVENT_TYPE, context.key());
    }
    Outgoing {
        exchange: exchange.into(),
        routing_key: context.queue().into(),
        properties,
        body: context.message().body.clone(),
        mandatory: true,
    }
}

/// The text of an error, shortened to fit into a header.
fn shortened(text: &str) -> String {
    const MAX: usize = 2000;
    let mut short: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX).collect();
    if text.chars().nth(MAX).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_takes_one_of_its_neighbouring_rungs_and_is_right_on_average() {
        let millis = |delay, fraction| spread(Duration::from_millis(delay), fraction).as_millis();
        for fraction in [0.0, 0.5, 0.999] {
            assert_eq!(millis(0, fraction), 250);
            assert_eq!(millis(1_000, fraction), 1_000);
            assert_eq!(millis(86_400_000, fraction), 21_600_000);
        }
        assert_eq!([0.0, 0.2, 0.3, 0.9].map(|fraction| millis(2_000, fraction)), [5_000, 5_000, 1_000, 1_000]);
        let total: u128 = (0..10_000).map(|_| millis(2_000, fastrand::f64())).sum();
        assert!((1_900..2_100).contains(&(total / 10_000)), "{total}");
    }

    #[test]
    fn a_delay_that_a_handler_asks_for_is_not_cut_short() {
        let millis = |delay| not_before(Duration::from_millis(delay)).as_millis();
        assert_eq!(
            [0, 250, 251, 30_000, 60_000, 86_400_000].map(millis),
            [250, 250, 1_000, 60_000, 60_000, 21_600_000]
        );
    }

    #[test]
    fn an_error_in_a_header_is_short_and_has_no_line_breaks() {
        let text = shortened(&"a\nü".repeat(3000));
        assert_eq!(text.chars().count(), 2001);
        assert!(!text.contains('\n'));
    }
}
