//! The names of the headers that Bloodbank sets, and of those that the broker adds.

/// The number of the attempt, from 1; set on copies that wait for a retry, and on dead letters.
pub const ATTEMPT: &str = "bloodbank-attempt";
/// The queue of the subscriber that failed.
pub const QUEUE: &str = "bloodbank-queue";
/// The exchange that the event came through first; set on copies, which come through another one.
pub const EXCHANGE: &str = "bloodbank-exchange";
/// The routing key that the event came with first; set on copies, which come with the name of their queue.
pub const ROUTING_KEY: &str = "bloodbank-routing-key";
/// The further routing keys that a foreign message came with, in its header `CC`; set on copies, which must not go there.
pub const CC: &str = "bloodbank-cc";
/// The header in which a foreign publisher names further routing keys.
pub(crate) const FOREIGN_CC: &str = "CC";
/// The id of an event that came as plain JSON; set on copies.
pub const EVENT_ID: &str = "bloodbank-event-id";
/// The type of an event that came as plain JSON; set on copies.
pub const EVENT_TYPE: &str = "bloodbank-event-type";
/// The time after which the event is worth nothing, RFC 3339; a subscriber drops it then without handling it.
pub const EXPIRES_AT: &str = "bloodbank-expires-at";
/// The error of the last attempt.
pub const ERROR: &str = "bloodbank-error";
/// The reason for the dead letter: `undecodable`, `invalid`, `failed`, `attempts`, `panicked`, …
pub const REASON: &str = "bloodbank-reason";
/// The time at which the first attempt failed, RFC 3339.
pub const FIRST_FAILED: &str = "bloodbank-first-failed-at";
/// The time at which the last attempt failed, RFC 3339.
pub const LAST_FAILED: &str = "bloodbank-last-failed-at";
/// The number of times the message was redriven from the dead-letter queue.
pub const REDRIVEN: &str = "bloodbank-redriven";
/// The number of times a consumer died while it handled the message; set on copies that wait for a lease to end.
pub const RETURNED: &str = "bloodbank-returned";
/// The id of the replay that brought the event to this subscriber again; set on copies for one subscriber.
pub const REPLAYED: &str = "bloodbank-replayed";
/// The id of the replay that led to the event: a subscriber published it when it handled a replayed one.
pub const REPLAY: &str = "bloodbank-replay";
/// The key of an event that was parked with those behind it (`park_key`); set on its dead letter, and on what brings it back.
pub const PARKED_KEY: &str = "bloodbank-parked-key";
/// The position of the event among those of its key: the order in which they are brought back.
pub const PARKED_POSITION: &str = "bloodbank-parked-position";
/// The id of the event whose place in the line of its key this one has; set on a corrected event, which replaces a dead letter.
pub const PARKED_PLACE: &str = "bloodbank-parked-place";
/// Marks a failure event that no further attempt follows.
pub const FINAL: &str = "bloodbank-final";
/// The kind of an answer to a requester: `reply`, `failure` or `error`; set on the copy that is sent to it.
pub const REPLY: &str = "bloodbank-reply";
/// The W3C trace context.
pub const TRACEPARENT: &str = "traceparent";
/// The vendors' part of the W3C trace context.
pub const TRACESTATE: &str = "tracestate";

/// Whether the broker adds this header to what it gives up or delivers again: `x-death`, `x-first-death-…`,
/// `x-last-death-…`, `x-delivery-count`, `x-acquired-count`. On a copy, an old death would make the broker drop the copy
/// as a cycle.
#[must_use]
pub fn is_added_by_broker(name: &str) -> bool {
    let prefixes = ["x-death", "x-first-death", "x-last-death", "x-delivery-count", "x-acquired-count"];
    prefixes.iter().any(|prefix| name.starts_with(prefix))
}
