//! An entry of a journal, and its form as one line of JSON.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{
    envelope::RawEnvelope,
    message::{HeaderValue, Incoming, Properties},
};

/// A message that was published, as a journal keeps it.
///
/// In JSON it is an object on one line with `offset`, `published_at`, `exchange`, `routing_key`, `properties` and `body`. The body
/// is JSON where it is, otherwise text, otherwise `{"bytes": "…"}` in hexadecimal digits; it comes back byte by byte.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JournalEntry {
    /// The position of the entry in the journal. Offsets grow; there may be gaps.
    pub offset: u64,
    /// The time at which the message was kept, to the millisecond.
    pub published_at: DateTime<Utc>,
    /// The message, as it was published.
    pub message: Incoming,
}

impl JournalEntry {
    /// Creates an entry, for implementations of a journal.
    #[must_use]
    pub fn new(offset: u64, published_at: DateTime<Utc>, message: Incoming) -> Self {
        Self { offset, published_at, message }
    }

    /// The event type of the message: its property of that name, otherwise its routing key.
    #[must_use]
    pub fn event_type(&self) -> &str {
        self.message.properties.event_type.as_ref().unwrap_or(&self.message.routing_key)
    }

    /// The event id of the message: its property of that name, otherwise that of its envelope.
    #[must_use]
    pub fn event_id(&self) -> Option<Uuid> {
        let id = self.message.properties.message_id;
        id.or_else(|| Some(RawEnvelope::read(&self.message.body).ok()?.event_id))
    }
}

#[derive(Serialize, Deserialize)]
struct Written<B> {
    offset: u64,
    published_at: DateTime<Utc>,
    exchange: Arc<str>,
    routing_key: Arc<str>,
    #[serde(default)]
    properties: Properties,
    body: B,
}

/// A body that is no JSON object or array.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Body {
    Text(String),
    /// `{"bytes": "…"}`.
    Bytes(HeaderValue),
}

impl Serialize for JournalEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = &self.message.body;
        match json(bytes) {
            Some(json) => self.written(json).serialize(serializer),
            None => match std::str::from_utf8(bytes) {
                Ok(text) => self.written(Body::Text(text.to_owned())).serialize(serializer),
                Err(_) => self.written(Body::Bytes(HeaderValue::Bytes(bytes.clone()))).serialize(serializer),
            },
        }
    }
}

/// The body where it is the JSON of an object that stands on one line and is not mistaken for other bytes when it is read.
fn json(body: &[u8]) -> Option<&RawValue> {
    let inside = body.strip_prefix(b"{")?.strip_suffix(b"}")?;
    let is_mistaken = inside.trim_ascii_start().starts_with(b"\"bytes\"");
    let is_one_line = !inside.iter().any(|byte| matches!(byte, b'\n' | b'\r'));
    (!is_mistaken && is_one_line).then(|| serde_json::from_slice(body).ok()).flatten()
}

impl<'de> Deserialize<'de> for JournalEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::<Box<RawValue>>::deserialize(deserializer)?;
        let text = written.body.get();
        let body = match serde_json::from_str(text) {
            Ok(Body::Text(text)) => text.into(),
            Ok(Body::Bytes(HeaderValue::Bytes(bytes))) => bytes,
            Ok(Body::Bytes(_)) | Err(_) => Bytes::from(text.to_owned()),
        };
        let Written { offset, published_at, exchange, routing_key, properties, .. } = written;
        Ok(Self::new(offset, published_at, Incoming { exchange, routing_key, properties, body }))
    }
}

impl JournalEntry {
    fn written<B>(&self, body: B) -> Written<B> {
        let Incoming { exchange, routing_key, properties, .. } = self.message.clone();
        Written { offset: self.offset, published_at: self.published_at, exchange, routing_key, properties, body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_body_comes_back_byte_by_byte_from_one_line() {
        let bodies: [&[u8]; 10] = [
            br#"{"event_id":1,  "payload":{"a":[1.50]}}"#,
            br#"{"bytes":"ff"}"#,
            br#"{ "bytes": "ff"}"#,
            b"{\"a\":\n1}",
            b"17",
            b"\"quoted\"",
            b"plain",
            b"",
            b"\xff\x00",
            b"{broken",
        ];
        for body in bodies {
            let message = Incoming {
                exchange: "events".into(),
                routing_key: "a.b".into(),
                properties: Properties::default().message_id(Uuid::from_u128(3)).header("n", 1_i64),
                body: Bytes::from_static(body),
            };
            let line = serde_json::to_string(&JournalEntry::new(7, DateTime::UNIX_EPOCH, message)).unwrap();
            assert!(!line.contains('\n'), "{line}");
            let read: JournalEntry = serde_json::from_str(&line).unwrap();
            assert_eq!(&*read.message.body, body, "{line}");
            assert_eq!(
                (read.offset, read.published_at, read.event_id()),
                (7, DateTime::UNIX_EPOCH, Some(Uuid::from_u128(3)))
            );
            assert_eq!(read.message.properties.headers.get("n"), Some(&HeaderValue::Integer(1)));
        }
    }
}
