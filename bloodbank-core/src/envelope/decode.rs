//! The decoding of envelopes: strict about the fields that name an event, lenient about the rest.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{AgentContext, ENVELOPE_VERSION, EventEnvelope, Source, TriggerType, flat, time};
use crate::{
    error::{Error, ErrorKind, Result},
    json,
};

/// An envelope whose payload is still JSON text.
pub type RawEnvelope<'a> = EventEnvelope<&'a RawValue>;

impl<'a> RawEnvelope<'a> {
    /// Reads an envelope and leaves the payload alone; also reads the flat envelope of the first Python version.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidEnvelope`] with what is missing, or the version.
    pub fn read(body: &'a [u8]) -> Result<Self> {
        // Looked at only where it is no envelope of today, which costs that one nothing.
        let read = json::read(body).or_else(|fault| flat::read(body).unwrap_or(Err(fault)));
        let raw: Self = read.map_err(|fault| {
            let (fault, error) = fault.into_parts();
            Error::new(ErrorKind::InvalidEnvelope, "not an event envelope").with_faults(vec![fault]).with_source(error)
        })?;
        check_version(&raw.version)?;
        Ok(raw)
    }
}

/// The envelope as it may arrive: an early one has a single `correlation_id`, and older publishers leave fields out.
#[derive(Deserialize)]
pub(super) struct Wire<T> {
    event_id: Uuid,
    event_type: String,
    #[serde(deserialize_with = "time::deserialize")]
    timestamp: DateTime<Utc>,
    #[serde(default, deserialize_with = "version")]
    version: Option<Cow<'static, str>>,
    #[serde(default)]
    source: Option<Source>,
    #[serde(default)]
    correlation_ids: Option<Vec<Uuid>>,
    #[serde(default)]
    correlation_id: Option<Uuid>,
    #[serde(default)]
    agent_context: Option<Box<AgentContext>>,
    payload: T,
}

/// Reads the version; the usual one costs no allocation.
fn version<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'static, str>>, D::Error> {
    let text = <Option<Cow<'de, str>>>::deserialize(deserializer)?;
    Ok(text.map(
        |text| {
            if text == ENVELOPE_VERSION { Cow::Borrowed(ENVELOPE_VERSION) } else { Cow::Owned(text.into_owned()) }
        },
    ))
}

impl<T> From<Wire<T>> for EventEnvelope<T> {
    fn from(wire: Wire<T>) -> Self {
        let correlation_ids = wire.correlation_ids.unwrap_or_default();
        Self {
            event_id: wire.event_id,
            event_type: wire.event_type,
            timestamp: wire.timestamp,
            version: wire.version.unwrap_or(Cow::Borrowed(ENVELOPE_VERSION)),
            source: wire.source.unwrap_or_else(|| Source {
                host: "unknown".to_owned(),
                trigger: TriggerType::Other("unknown".to_owned()),
                app: None,
                meta: None,
            }),
            correlation_ids: if correlation_ids.is_empty() {
                wire.correlation_id.into_iter().collect()
            } else {
                correlation_ids
            },
            agent_context: wire.agent_context,
            payload: wire.payload,
        }
    }
}

impl EventEnvelope<serde_json::Value> {
    /// Reads an envelope from a JSON value; also reads the flat envelope of the first Python version.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidEnvelope`] naming the JSON pointer of the fault, or the version.
    pub fn from_json(value: serde_json::Value) -> Result<Self> {
        let read = if flat::is_flat(&value) { flat::read_tree(value) } else { json::read_tree(value) };
        let envelope: Self = read.map_err(|fault| {
            let (fault, _) = fault.into_parts();
            Error::new(ErrorKind::InvalidEnvelope, format!("no envelope: at {:?}: {}", fault.pointer, fault.detail))
                .with_faults(vec![fault])
        })?;
        check_version(&envelope.version)?;
        Ok(envelope)
    }
}

/// Refuses envelopes of a major version that this crate does not know.
///
/// # Errors
/// [`ErrorKind::InvalidEnvelope`] naming the version.
pub fn check_version(version: &str) -> Result<()> {
    match version.split('.').next() {
        Some("2" | "1" | "0") => Ok(()),
        _ => Err(Error::new(
            ErrorKind::InvalidEnvelope,
            format!(
                "unknown envelope version {version:?}; this program reads 1.x and 2.x: update it, or publish version {ENVELOPE_VERSION}"
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn minimal() -> Value {
        json!({"event_id": Uuid::nil(), "event_type": "a.b", "timestamp": "2025-10-18T12:00:00", "payload": {}})
    }

    #[test]
    fn a_single_correlation_id_becomes_the_list() {
        let parent = Uuid::from_u128(7);
        let mut body = minimal();
        body["correlation_id"] = json!(parent);
        body["surprise"] = json!([1, 2, 3]);
        let envelope: EventEnvelope<Value> = serde_json::from_value(body).unwrap();
        assert_eq!(envelope.correlation_ids, [parent]);
        assert_eq!(envelope.correlation_id(), Some(parent));
    }

    #[test]
    fn unknown_words_are_written_back_unchanged() {
        let mut body = minimal();
        body["source"] = json!({"host": "h", "type": "carrier_pigeon"});
        body["agent_context"] = json!({"type": "hal-9000"});
        let envelope: EventEnvelope<Value> = serde_json::from_value(body).unwrap();
        let back = serde_json::to_value(&envelope).unwrap();
        assert_eq!(back["source"]["type"], "carrier_pigeon");
        assert_eq!(back["agent_context"]["type"], "hal-9000");
        assert_eq!(back["source"]["app"], Value::Null);
    }

    #[test]
    fn only_the_first_major_versions_are_read() {
        assert!(check_version("1.4.2").is_ok());
        assert!(check_version("2.0.0").is_ok(), "the Python side calls its own envelope that");
        assert!(check_version("3.0.0").unwrap_err().to_string().contains("\"3.0.0\""));
    }
}
