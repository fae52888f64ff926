//! Envelopes of events that travel as plain JSON, made from the properties of their messages.

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Head, Source, TriggerType, encode, time};
use crate::{
    error::{Error, ErrorKind, Result},
    event_id,
    message::{Incoming, names},
};

/// The envelope around the body of a message, as UTF-8 JSON. The time is that of the message, or else now; the parent is its
/// correlation id, where that is a UUID.
///
/// # Errors
/// [`ErrorKind::InvalidEnvelope`] where the body is no JSON.
pub fn wrap_plain(message: &Incoming, event_id: Uuid, event_type: &str) -> Result<Vec<u8>> {
    let payload: &RawValue = serde_json::from_slice(&message.body).map_err(|error| {
        Error::new(ErrorKind::InvalidEnvelope, "the body is no JSON, which is the format of this subscriber")
            .with_source(error)
    })?;
    let properties = &message.properties;
    let source = Source {
        host: "unknown".to_owned(),
        trigger: TriggerType::Other("foreign".to_owned()),
        app: properties.app_id.as_deref().map(str::to_owned),
        meta: None,
    };
    let head = Head {
        event_id,
        event_type,
        timestamp: properties.timestamp.unwrap_or_else(time::now),
        source: &source.to_json(),
        correlation_ids: properties.correlation_id.as_slice(),
        agent_context: None,
    };
    encode(&head, &payload)
}

/// The id of a message that names none which is a UUID. The same message has the same id each time it is delivered: the id is
/// made of the exchange, the key, and the message id; where there is none, of the time and the body.
pub(crate) fn plain_id(message: &Incoming) -> Uuid {
    let properties = &message.properties;
    let named = properties.foreign.as_ref().and_then(|foreign| foreign.message_id.as_deref());
    let seconds = properties.timestamp.as_ref().map(DateTime::<Utc>::timestamp).unwrap_or_default().to_be_bytes();
    let identity: [&[u8]; 2] = match named {
        Some(id) => [b"id", id.as_bytes()],
        None => [&seconds, &message.body],
    };
    event_id::of_parts(&[message.exchange.as_bytes(), message.routing_key.as_bytes(), identity[0], identity[1]])
}

/// The id and the type of an event that came as plain JSON, as a copy of its message says them.
pub(crate) fn plain_identity(message: &Incoming) -> Option<(Uuid, &str)> {
    let headers = &message.properties.headers;
    let id = Uuid::try_parse(headers.text(names::EVENT_ID)?).ok()?;
    Some((id, headers.text(names::EVENT_TYPE)?))
}
