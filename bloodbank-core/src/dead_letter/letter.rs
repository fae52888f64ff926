//! A dead letter.

use std::{fmt, sync::Arc};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Handle, death::Death};
use crate::{
    envelope::{EventEnvelope, RawEnvelope, plain_identity, wrap_plain},
    error::Result,
    message::{Headers, Incoming, names},
    registry::{AnyEvent, Registry},
};

/// A dead letter: a message that a subscriber gave up, and the reason.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The handle, by which the dead letter is shown, redriven or discarded.
    pub handle: Handle,
    /// The id of the event; `None`: the message does not name it.
    pub event_id: Option<Uuid>,
    /// The type of the event; if the message does not name it, the routing key it came with.
    pub event_type: String,
    /// The exchange that the message came through before it was given up.
    pub exchange: Arc<str>,
    /// The routing key that the message came with before it was given up.
    pub routing_key: Arc<str>,
    /// The queue of the subscriber that gave it up.
    pub queue: Arc<str>,
    /// The reason: one of Bloodbank's (`failed`, `attempts`, `max-age`, `timed-out`, `panicked`, `undecodable`,
    /// `invalid`, `behind`, …), one of the broker's (`rejected`, `expired`, `delivery_limit`, `maxlen`), or `unknown`.
    pub reason: String,
    /// The error of the last attempt; absent where the broker gave the message up.
    pub error: Option<String>,
    /// The number of attempts; 0 for one that waits behind another one of its key, whose handler was not called.
    pub attempts: u32,
    /// The time at which the first attempt failed.
    pub first_failed: Option<DateTime<Utc>>,
    /// The time at which the last attempt failed.
    pub last_failed: Option<DateTime<Utc>>,
    /// The time of publishing, to the second.
    pub published: Option<DateTime<Utc>>,
    /// The number of times the message was redriven before.
    pub redriven: u32,
    /// The key of the event, where the subscriber parks keys (`retry(park_key)`): what comes of it follows into the dead letters.
    pub key: Option<String>,
    /// The position among those of its key.
    pub(super) position: Option<i64>,
    /// The message in the dead-letter queue, with its first exchange and key.
    pub message: Incoming,
}

impl DeadLetter {
    pub(super) fn new(queue: &Arc<str>, mut message: Incoming) -> Self {
        let death = Death::latest(&message.properties.headers);
        if let Some(first) = Death::first(&message.properties.headers) {
            message.exchange = first.exchange.unwrap_or(message.exchange);
            message.routing_key = first.routing_key.unwrap_or(message.routing_key);
        }
        message.restore_origin();
        let properties = &message.properties;
        let headers = &properties.headers;
        let head = if properties.message_id.is_none() || properties.event_type.is_none() {
            RawEnvelope::read(&message.body).ok()
        } else {
            None
        };
        let text = |name: &str| headers.text(name).map(str::to_owned);
        let plain = plain_identity(&message);
        let event_type = plain.map(|(_, event_type)| event_type).or(properties.event_type.as_deref());
        let event_type = event_type.or(head.as_ref().map(|head| head.event_type.as_str()));
        let event_id = plain.map(|(id, _)| id).or(properties.message_id).or(head.as_ref().map(|head| head.event_id));
        let reason = text(names::REASON)
            .or_else(|| death.as_ref()?.reason.clone())
            .or_else(|| text("x-first-death-reason"))
            .unwrap_or_else(|| "unknown".to_owned());
        let mut letter = Self {
            handle: Handle::Event(event_id.unwrap_or_default()),
            event_id,
            event_type: event_type.unwrap_or(&message.routing_key).to_owned(),
            exchange: Arc::clone(&message.exchange),
            routing_key: Arc::clone(&message.routing_key),
            queue: Arc::clone(queue),
            attempts: if reason == "behind" { 0 } else { number(headers, names::ATTEMPT).max(1) },
            reason,
            error: text(names::ERROR),
            first_failed: time(headers, names::FIRST_FAILED),
            last_failed: time(headers, names::LAST_FAILED).or_else(|| death.as_ref()?.time),
            published: properties.timestamp,
            redriven: number(headers, names::REDRIVEN),
            key: text(names::PARKED_KEY),
            position: headers.integer(names::PARKED_POSITION),
            message,
        };
        if event_id.is_none() {
            letter.handle = Handle::of_content(&letter);
        }
        letter
    }

    /// The time of the last failure; the time of publishing stands in for an unknown one.
    #[must_use]
    pub fn time(&self) -> Option<DateTime<Utc>> {
        self.last_failed.or(self.published)
    }

    /// Decodes the event as the type that this program has registered for it: shows whether it would decode now, and
    /// its content.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidEnvelope`], [`crate::ErrorKind::UnknownEvent`] or [`crate::ErrorKind::InvalidPayload`]
    /// naming every fault.
    pub fn decode(&self) -> Result<EventEnvelope<Box<dyn AnyEvent>>> {
        let wrapped = plain_identity(&self.message)
            .map(|(event_id, event_type)| wrap_plain(&self.message, event_id, event_type))
            .transpose()?;
        let raw = RawEnvelope::read(wrapped.as_deref().unwrap_or(&self.message.body))?;
        let registry = Registry::global();
        let descriptor = registry.event(&raw.event_type).ok_or_else(|| registry.unknown(&raw.event_type))?;
        let event = descriptor.read_text(&raw.event_type, raw.payload.get())?;
        Ok(raw.map(|_| event))
    }
}

fn number(headers: &Headers, name: &str) -> u32 {
    headers.integer(name).and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
}

fn time(headers: &Headers, name: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(headers.text(name)?).ok().map(|time| time.to_utc())
}

impl fmt::Display for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { event_type, queue, reason, attempts, .. } = self;
        match self.event_id {
            Some(id) => write!(f, "{event_type} {id}")?,
            None => write!(f, "{event_type} without an id ({})", self.handle)?,
        }
        write!(f, " in `{queue}`: {reason} after {attempts} attempts")?;
        match &self.error {
            Some(error) => write!(f, ": {error}"),
            None => Ok(()),
        }
    }
}
