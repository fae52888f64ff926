//! An event as streams get it.

use bloodbank_core::{EventEnvelope, envelope::RawEnvelope, message::Incoming};
use bytes::Bytes;
use serde_json::{Value, json};
use uuid::Uuid;

/// The member of `source.meta` that keeps the extensions of a CloudEvent.
pub(crate) const EXTENSIONS: &str = "cloudevents";

/// An event as it came from the bus.
#[derive(Debug)]
pub(crate) struct StreamEvent {
    pub(crate) event_id: Option<Uuid>,
    pub(crate) key: String,
    pub(crate) body: Bytes,
    /// Whether this is a failure event after which no further attempt follows.
    pub(crate) is_final: bool,
}

impl StreamEvent {
    pub(crate) fn from_message(message: &Incoming) -> Self {
        let properties = &message.properties;
        let key = properties.event_type.as_deref().unwrap_or(&message.routing_key).to_owned();
        // A foreign publisher may name its event only in the envelope.
        let event_id = properties.message_id.or_else(|| Some(envelope(&message.body)?.event_id));
        let is_final = properties.headers.get(bloodbank_core::message::names::FINAL).is_some();
        Self { event_id, key, body: message.body.clone(), is_final }
    }

    /// The envelope; `None` where the body is not an envelope.
    pub(crate) fn envelope(&self) -> Option<EventEnvelope<Value>> {
        envelope(&self.body)
    }

    /// The event as a CloudEvent in structured mode.
    pub(crate) fn cloud_event(&self) -> Option<Value> {
        let envelope = self.envelope()?;
        let source = envelope.source.app.as_deref().unwrap_or(&envelope.source.host);
        let mut event = json!({
            "specversion": "1.0",
            "id": envelope.event_id,
            "source": if source.is_empty() { "unknown" } else { source },
            "type": envelope.event_type,
            "time": envelope.timestamp.to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
            "datacontenttype": "application/json",
            "data": envelope.payload,
        });
        // What the CloudEvent said besides when it came; nothing of it stands in place of an attribute.
        let extensions = envelope.source.meta.as_ref().and_then(|meta| meta.get(EXTENSIONS)).and_then(Value::as_object);
        for (name, value) in extensions.into_iter().flatten() {
            if event.get(name).is_none() {
                event[name] = value.clone();
            }
        }
        if !envelope.correlation_ids.is_empty() {
            let parents: Vec<_> = envelope.correlation_ids.iter().map(Uuid::to_string).collect();
            event["correlationids"] = parents.join(",").into();
        }
        Some(event)
    }
}

fn envelope(body: &[u8]) -> Option<EventEnvelope<Value>> {
    let raw = RawEnvelope::read(body).ok()?;
    let payload = serde_json::from_str(raw.payload.get()).ok()?;
    Some(raw.map(|_| payload))
}
