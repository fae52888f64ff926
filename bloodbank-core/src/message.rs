//! What travels between a transport and the rest: messages, properties, headers.

use std::{borrow::Cow, sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Error, ErrorKind, Result};

/// Text that is cheap to clone.
pub type Text = Cow<'static, str>;

/// A message on its way to an exchange.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The exchange; the empty name is the default exchange, which routes to the queue named by the key.
    pub exchange: Arc<str>,
    /// The routing key.
    pub routing_key: Arc<str>,
    /// The properties.
    pub properties: Properties,
    /// The body.
    pub body: Bytes,
    /// Whether a message that no queue receives is reported as [`Published::unrouted`].
    /// (It always is; with `false` the broker is not asked and the answer is `false`.)
    pub mandatory: bool,
}

/// What the broker confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// No queue received the message.
    pub unrouted: bool,
}

/// A message as it arrived in a queue.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The exchange it came through.
    pub exchange: Arc<str>,
    /// The key it came with; the name of the queue for one that comes back from a delay.
    pub routing_key: Arc<str>,
    /// The properties.
    pub properties: Properties,
    /// The body.
    pub body: Bytes,
}

/// The AMQP properties that Bloodbank uses.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
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
    /// When it was published, to the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<DateTime<Utc>>,
    /// The service that published it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_id: Option<Arc<str>>,
    /// The queue that waits for a reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Arc<str>>,
    /// How long it is worth anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration: Option<Duration>,
    /// The headers.
    #[serde(skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
}

/// The value of a header. Nested tables are not used: streams drop them.
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
    /// The text, where it is text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Integer(_) | Self::Boolean(_) => None,
        }
    }

    /// The integer, where it is one.
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
    /// At most so many headers.
    pub const MAX_COUNT: usize = 64;
    /// At most so many bytes of names and values.
    pub const MAX_BYTES: usize = 16 * 1024;

    /// The value of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&HeaderValue> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The text of that name, where it is text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_text()
    }

    /// The integer of that name, where it is one.
    #[must_use]
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.get(name)?.as_integer()
    }

    /// Sets a header; one of that name is replaced.
    pub fn set(&mut self, name: impl Into<Text>, value: impl Into<HeaderValue>) {
        let (name, value) = (name.into(), value.into());
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    /// Takes out the headers whose name says so.
    pub fn remove_all(&mut self, unwanted: impl Fn(&str) -> bool) {
        self.0.retain(|(name, _)| !unwanted(name));
    }

    /// Every header.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &HeaderValue)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Refuses what a caller from outside may not set: the broker's own `x-…`, ours, `CC` and `BCC` (which add
    /// routing keys), line breaks, too many, too much.
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

/// The names of Bloodbank's own headers.
pub mod names {
    /// The attempt, from 1; set on copies that wait for a retry.
    pub const ATTEMPT: &str = "bloodbank-attempt";
    /// The queue whose subscriber failed.
    pub const QUEUE: &str = "bloodbank-queue";
    /// What the last attempt said.
    pub const ERROR: &str = "bloodbank-error";
    /// Why the message was parked: `undecodable`, `invalid`, `failed`, `attempts`, `panicked`, …
    pub const REASON: &str = "bloodbank-reason";
    /// When the first attempt failed, RFC 3339.
    pub const FIRST_FAILED: &str = "bloodbank-first-failed-at";
    /// When the last attempt failed, RFC 3339.
    pub const LAST_FAILED: &str = "bloodbank-last-failed-at";
    /// How often the message was brought back from the dead letters.
    pub const REDRIVEN: &str = "bloodbank-redriven";
    /// How often whoever handled it died; set on copies that wait for a lease to end.
    pub const RETURNED: &str = "bloodbank-returned";
    /// No further attempt follows this failure event.
    pub const FINAL: &str = "bloodbank-final";
    /// Set on the copy that answers a requester: `reply`, `failure` or `error`.
    pub const REPLY: &str = "bloodbank-reply";
    /// W3C trace context.
    pub const TRACEPARENT: &str = "traceparent";
    /// W3C trace context of vendors.
    pub const TRACESTATE: &str = "tracestate";
}
