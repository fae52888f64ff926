//! Prepared events, which are serialised and ready to be sent, and receipts.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de, ser};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{
    message::{Outgoing, Properties},
    store::CausationLink,
};

/// The receipt of a published event, which the broker has confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// The id of the event.
    pub event_id: Uuid,
    /// The routing key that the event was published under.
    pub event_type: Arc<str>,
    /// The time in the envelope.
    pub timestamp: DateTime<Utc>,
    /// Whether the event was unrouted: no queue received it, because nobody subscribes to its key yet. `None`: nobody can
    /// tell, because a journal on RabbitMQ receives every event.
    pub unrouted: Option<bool>,
}

/// A prepared event, as a publish would send it: checked, serialised, with its id.
/// [`Bus::publish_prepared`](crate::Bus::publish_prepared) sends it.
///
/// A prepared event can be serialised and kept, in an outbox for instance, and be sent later by another process; the
/// event id stays the same.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub(crate) receipt: Receipt,
    pub(crate) message: Outgoing,
    pub(crate) link: Option<CausationLink>,
    pub(crate) mandatory: bool,
}

impl Prepared {
    /// The id of the event.
    #[must_use]
    pub fn event_id(&self) -> Uuid {
        self.receipt.event_id
    }

    /// The routing key that the event will be published under.
    #[must_use]
    pub fn event_type(&self) -> &Arc<str> {
        &self.receipt.event_type
    }

    /// The time in the envelope.
    #[must_use]
    pub fn timestamp(&self) -> DateTime<Utc> {
        self.receipt.timestamp
    }

    /// The envelope, as UTF-8 JSON.
    #[must_use]
    pub fn envelope(&self) -> &Bytes {
        &self.message.body
    }

    /// The message with its exchange, key, properties and headers.
    #[must_use]
    pub fn message(&self) -> &Outgoing {
        &self.message
    }

    /// Whether an unrouted event, which no queue receives, is an error.
    #[must_use]
    pub fn is_mandatory(&self) -> bool {
        self.mandatory
    }
}

/// The JSON form of a prepared event.
#[derive(Serialize, Deserialize)]
struct Written<Text> {
    exchange: Arc<str>,
    routing_key: Arc<str>,
    properties: Properties,
    envelope: Text,
    mandatory: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    link: Option<CausationLink>,
}

impl Serialize for Prepared {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let envelope: &RawValue = serde_json::from_slice(&self.message.body).map_err(ser::Error::custom)?;
        let written = Written {
            exchange: Arc::clone(&self.message.exchange),
            routing_key: Arc::clone(&self.message.routing_key),
            properties: self.message.properties.clone(),
            envelope,
            mandatory: self.mandatory,
            link: self.link.clone(),
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Prepared {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::<Box<RawValue>>::deserialize(deserializer)?;
        let Properties { message_id, event_type, timestamp, .. } = &written.properties;
        let missing = |name: &str| de::Error::custom(format!("a prepared event without `properties.{name}`"));
        let receipt = Receipt {
            event_id: message_id.ok_or_else(|| missing("message_id"))?,
            event_type: event_type.clone().ok_or_else(|| missing("event_type"))?,
            timestamp: timestamp.ok_or_else(|| missing("timestamp"))?,
            unrouted: None,
        };
        Ok(Self {
            receipt,
            message: Outgoing {
                exchange: written.exchange,
                routing_key: written.routing_key,
                properties: written.properties,
                body: Bytes::from(Box::<str>::from(written.envelope).into_string()),
                mandatory: true,
            },
            link: written.link,
            mandatory: written.mandatory,
        })
    }
}
