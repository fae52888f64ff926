//! The properties of a message.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{HeaderValue, Headers, Text};

/// The AMQP properties of a message.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Properties {
    /// The event id; `None` on foreign messages whose id is no UUID: [`ForeignProperties::message_id`] has it.
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
    /// The time to live of the message; a queue gives it up afterwards, to where the queue dead-letters. Events have none:
    /// see [`names::EXPIRES_AT`](super::names::EXPIRES_AT).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration: Option<Duration>,
    /// The priority, 0 to 9.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// The properties that no event has, on messages that somebody else published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub foreign: Option<Box<ForeignProperties>>,
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

    /// Sets the priority, 0 to 9.
    #[must_use]
    pub fn priority(mut self, priority: impl Into<Option<u8>>) -> Self {
        self.priority = priority.into();
        self
    }

    /// Sets the properties that no event has.
    #[must_use]
    pub fn foreign(mut self, foreign: ForeignProperties) -> Self {
        self.foreign = Some(Box::new(foreign));
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

/// The properties of a message that Bloodbank did not publish, as far as they differ from those of an event: `JSON` in
/// `UTF-8`, with ids that are UUIDs. Where a message has them, they are all that it has of these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ForeignProperties {
    /// The message id, where it is no UUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<Arc<str>>,
    /// The correlation id, where it is no UUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<Arc<str>>,
    /// The media type of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<Arc<str>>,
    /// The encoding of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<Arc<str>>,
}

/// Setters; each takes the value itself or an `Option` of it.
impl ForeignProperties {
    /// Sets the message id, which is no UUID.
    #[must_use]
    pub fn message_id(mut self, id: impl Into<Option<Arc<str>>>) -> Self {
        self.message_id = id.into();
        self
    }

    /// Sets the correlation id, which is no UUID.
    #[must_use]
    pub fn correlation_id(mut self, id: impl Into<Option<Arc<str>>>) -> Self {
        self.correlation_id = id.into();
        self
    }

    /// Sets the media type of the body.
    #[must_use]
    pub fn content_type(mut self, media_type: impl Into<Option<Arc<str>>>) -> Self {
        self.content_type = media_type.into();
        self
    }

    /// Sets the encoding of the body.
    #[must_use]
    pub fn content_encoding(mut self, encoding: impl Into<Option<Arc<str>>>) -> Self {
        self.content_encoding = encoding.into();
        self
    }
}
