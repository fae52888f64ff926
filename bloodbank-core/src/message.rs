//! Messages between a transport and the rest of the engine, with their properties and headers.

use std::{borrow::Cow, sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Error, ErrorKind, Result};

/// Text that costs no allocation where it is a literal.
pub type Text = Cow<'static, str>;

/// A message on its way to an exchange.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Outgoing {
    /// The exchange; the empty name is the default exchange, which routes to the queue named by the key.
    pub exchange: Arc<str>,
    /// The routing key.
    pub routing_key: Arc<str>,
    /// The properties.
    pub properties: Properties,
    /// The body.
    pub body: Bytes,
    /// Whether the broker is asked to report a message that no queue receives, as [`Published::unrouted`]; with
    /// `false`, that field is always `false`.
    pub mandatory: bool,
}

impl Outgoing {
    /// Creates a message without properties that is not mandatory.
    ///
    /// ```
    /// use bloodbank_core::message::{Outgoing, Properties};
    ///
    /// // To the queue `jobs`, by way of the default exchange.
    /// let message = Outgoing::new("", "jobs", "{}").properties(Properties::default().header("priority", "high")).mandatory();
    /// assert!(message.mandatory);
    /// ```
    #[must_use]
    pub fn new(exchange: impl Into<Arc<str>>, routing_key: impl Into<Arc<str>>, body: impl Into<Bytes>) -> Self {
        Self {
            exchange: exchange.into(),
            routing_key: routing_key.into(),
            properties: Properties::default(),
            body: body.into(),
            mandatory: false,
        }
    }

    /// Replaces the properties.
    #[must_use]
    pub fn properties(mut self, properties: Properties) -> Self {
        self.properties = properties;
        self
    }

    /// Replaces the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Asks the broker to report a message that no queue receives.
    #[must_use]
    pub fn mandatory(mut self) -> Self {
        self.mandatory = true;
        self
    }
}

/// The broker's confirm of a published message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Whether the message was unrouted: no queue received it.
    pub unrouted: bool,
}

/// A message as it arrived in a queue.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The exchange that the message came through.
    pub exchange: Arc<str>,
    /// The routing key that the message came with; the name of the queue for a message that comes back from a delay.
    pub routing_key: Arc<str>,
    /// The properties.
    pub properties: Properties,
    /// The body.
    pub body: Bytes,
}

/// The AMQP properties that Bloodbank uses.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Properties {
    /// The event id; `None` on foreign messages whose id is no UUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<Uuid>,
    /// The first parent, or the id of the command that a reply answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<Uuid>,
    /// The event type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_type: Option<Arc<str>>,
    /// The time of publishing, to the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<DateTime<Utc>>,
    /// The service that published the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_id: Option<Arc<str>>,
    /// The queue that waits for the reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Arc<str>>,
    /// The time to live of the message; queues drop it afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration: Option<Duration>,
    /// The headers.
    #[serde(skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
}

/// Setters; each takes the value itself or an `Option` of it.
impl Properties {
    /// Sets the event id.
    #[must_use]
    pub fn message_id(mut self, id: impl Into<Option<Uuid>>) -> Self {
        self.message_id = id.into();
        self
    }

    /// Sets the first parent, or the id of the command that a reply answers.
    #[must_use]
    pub fn correlation_id(mut self, id: impl Into<Option<Uuid>>) -> Self {
        self.correlation_id = id.into();
        self
    }

    /// Sets the event type.
    #[must_use]
    pub fn event_type(mut self, event_type: impl Into<Arc<str>>) -> Self {
        self.event_type = Some(event_type.into());
        self
    }

    /// Sets the time of publishing.
    #[must_use]
    pub fn timestamp(mut self, time: impl Into<Option<DateTime<Utc>>>) -> Self {
        self.timestamp = time.into();
        self
    }

    /// Sets the service that publishes the message.
    #[must_use]
    pub fn app_id(mut self, service: impl Into<Arc<str>>) -> Self {
        self.app_id = Some(service.into());
        self
    }

    /// Sets the queue that waits for the reply.
    #[must_use]
    pub fn reply_to(mut self, queue: impl Into<Arc<str>>) -> Self {
        self.reply_to = Some(queue.into());
        self
    }

    /// Sets the time to live of the message.
    #[must_use]
    pub fn expiration(mut self, lifetime: impl Into<Option<Duration>>) -> Self {
        self.expiration = lifetime.into();
        self
    }

    /// Replaces the headers.
    #[must_use]
    pub fn headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// Adds a header, or replaces the one of that name.
    #[must_use]
    pub fn header(mut self, name: impl Into<Text>, value: impl Into<HeaderValue>) -> Self {
        self.headers.set(name, value);
        self
    }
}

/// The value of a header. Nested tables are not supported, because streams drop them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum HeaderValue {
    /// Text.
    Text(Text),
    /// An integer.
    Integer(i64),
    /// True or false.
    Boolean(bool),
}

impl HeaderValue {
    /// The text of the value, if it is text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Integer(_) | Self::Boolean(_) => None,
        }
    }

    /// The integer of the value, if it is one.
    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(integer) => Some(*integer),
            Self::Text(_) | Self::Boolean(_) => None,
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Integer(_) => 8,
            Self::Boolean(_) => 1,
        }
    }
}

impl From<&str> for HeaderValue {
    fn from(text: &str) -> Self {
        Self::Text(Cow::Owned(text.to_owned()))
    }
}

impl From<String> for HeaderValue {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<i64> for HeaderValue {
    fn from(integer: i64) -> Self {
        Self::Integer(integer)
    }
}

impl From<u32> for HeaderValue {
    fn from(integer: u32) -> Self {
        Self::Integer(integer.into())
    }
}

impl From<bool> for HeaderValue {
    fn from(boolean: bool) -> Self {
        Self::Boolean(boolean)
    }
}

/// Headers by name, in the order they were set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Headers(Vec<(Text, HeaderValue)>);

impl Headers {
    /// The largest number of headers that [`Headers::check_foreign`] accepts.
    pub const MAX_COUNT: usize = 64;
    /// The largest total size of names and values, in bytes, that [`Headers::check_foreign`] accepts.
    pub const MAX_BYTES: usize = 16 * 1024;

    /// The value of the header with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&HeaderValue> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The text of the header with this name, if its value is text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_text()
    }

    /// The integer of the header with this name, if its value is one.
    #[must_use]
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.get(name)?.as_integer()
    }

    /// Sets a header, replacing an existing one of that name.
    pub fn set(&mut self, name: impl Into<Text>, value: impl Into<HeaderValue>) {
        let (name, value) = (name.into(), value.into());
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    /// Removes the headers whose name `unwanted` accepts.
    pub fn remove_all(&mut self, unwanted: impl Fn(&str) -> bool) {
        self.0.retain(|(name, _)| !unwanted(name));
    }

    /// The headers in the order they were set, as pairs of name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &HeaderValue)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// Whether there are no headers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Refuses headers that a caller from outside may not set: the broker's own (`x-…`), Bloodbank's own, `CC` and
    /// `BCC` (which add routing keys), names that are empty or longer than 128 bytes, line breaks and NUL, and headers
    /// beyond [`Self::MAX_COUNT`] or [`Self::MAX_BYTES`].
    ///
    /// # Errors
    /// [`ErrorKind::InvalidHeader`] naming the header.
    pub fn check_foreign(&self) -> Result<()> {
        for (name, value) in self.iter() {
            let lower = name.to_ascii_lowercase();
            let fault = if lower.starts_with("x-") || lower == "cc" || lower == "bcc" {
                "is the broker's own; choose another name"
            } else if lower.starts_with("bloodbank-") {
                "is set by Bloodbank itself; choose another name"
            } else if name.is_empty() || name.len() > 128 {
                "must have a name of 1 to 128 bytes"
            } else if [name, value.as_text().unwrap_or_default()].iter().any(|text| text.contains(['\r', '\n', '\0'])) {
                "has a line break or a NUL; encode it"
            } else {
                continue;
            };
            return Err(Error::new(ErrorKind::InvalidHeader, format!("header {name:?} {fault}")));
        }
        let bytes: usize = self.iter().map(|(name, value)| name.len() + value.size()).sum();
        if self.0.len() > Self::MAX_COUNT || bytes > Self::MAX_BYTES {
            return Err(Error::new(
                ErrorKind::InvalidHeader,
                format!(
                    "{} headers of {bytes} bytes are too many; at most {} of {} bytes: put the rest into the payload",
                    self.0.len(),
                    Self::MAX_COUNT,
                    Self::MAX_BYTES
                ),
            ));
        }
        Ok(())
    }
}

impl FromIterator<(Text, HeaderValue)> for Headers {
    fn from_iter<I: IntoIterator<Item = (Text, HeaderValue)>>(headers: I) -> Self {
        Self(headers.into_iter().collect())
    }
}

/// The names of the headers that Bloodbank sets.
pub mod names {
    /// The number of the attempt, from 1; set on copies that wait for a retry, and on dead letters.
    pub const ATTEMPT: &str = "bloodbank-attempt";
    /// The queue of the subscriber that failed.
    pub const QUEUE: &str = "bloodbank-queue";
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
    /// Marks a failure event that no further attempt follows.
    pub const FINAL: &str = "bloodbank-final";
    /// The kind of an answer to a requester: `reply`, `failure` or `error`; set on the copy that is sent to it.
    pub const REPLY: &str = "bloodbank-reply";
    /// The W3C trace context.
    pub const TRACEPARENT: &str = "traceparent";
    /// The vendors' part of the W3C trace context.
    pub const TRACESTATE: &str = "tracestate";
}
