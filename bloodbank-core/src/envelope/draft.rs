//! Envelopes as publishers send them, which may leave out what the bus can fill in.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{AgentContext, EventEnvelope, Source, flat::is_flat};
use crate::error::{Error, ErrorKind, PayloadFault, Result};

/// An envelope that is to be published: only its key and its payload are required. Also read from the flat envelope of the first
/// Python version.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EnvelopeDraft {
    /// The routing key.
    pub event_type: String,
    /// The payload.
    pub payload: Value,
    /// The id; `None`: the bus gives the event one.
    pub event_id: Option<Uuid>,
    /// The time; `None`: that of its publishing.
    pub timestamp: Option<DateTime<Utc>>,
    /// The source; `None`: whoever publishes it.
    pub source: Option<Source>,
    /// The direct parents.
    pub correlation_ids: Vec<Uuid>,
    /// The agent on whose behalf the event is published.
    pub agent_context: Option<Box<AgentContext>>,
    /// The JSON pointer of the payload in what was read: `/payload`, or `/data` in a flat envelope.
    pub payload_pointer: &'static str,
}

impl EnvelopeDraft {
    /// Reads an envelope from a JSON value.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidEnvelope`] naming the JSON pointers of the faults, or the version.
    pub fn from_json(mut value: Value) -> Result<Self> {
        if is_flat(&value) {
            return Ok(Self::of(EventEnvelope::from_json(value)?, [true; 3], "/data"));
        }
        let Some(members) = value.as_object_mut() else {
            return Err(invalid("an envelope is a JSON object", &[("", "is not an object")]));
        };
        let missing: Vec<_> =
            ["event_type", "payload"].into_iter().filter(|name| !members.contains_key(*name)).collect();
        if !missing.is_empty() {
            let faults: Vec<_> = missing.iter().map(|name| (format!("/{name}"), "is missing")).collect();
            let faults: Vec<_> = faults.iter().map(|(pointer, detail)| (&**pointer, *detail)).collect();
            return Err(invalid(&format!("the envelope has no {}", missing.join(" and no ")), &faults));
        }
        // The reader of envelopes needs what a publisher may leave out.
        let said = [
            said_or(members, "event_id", &Uuid::nil().to_string()),
            said_or(members, "timestamp", "1970-01-01T00:00:00Z"),
            members.get("source").is_some_and(|source| !source.is_null()),
        ];
        let envelope = EventEnvelope::from_json(value)?;
        if said[0] && envelope.event_id.is_nil() {
            return Err(invalid("the nil UUID is not an event id", &[("/event_id", "is the nil UUID")]));
        }
        Ok(Self::of(envelope, said, "/payload"))
    }

    fn of(envelope: EventEnvelope<Value>, [id, time, source]: [bool; 3], payload_pointer: &'static str) -> Self {
        Self {
            event_type: envelope.event_type,
            payload: envelope.payload,
            event_id: id.then_some(envelope.event_id),
            timestamp: time.then_some(envelope.timestamp),
            source: source.then_some(envelope.source),
            correlation_ids: envelope.correlation_ids,
            agent_context: envelope.agent_context,
            payload_pointer,
        }
    }
}

/// Whether a member says something; otherwise it gets this text.
fn said_or(members: &mut Map<String, Value>, name: &str, text: &str) -> bool {
    let is_said = members.get(name).is_some_and(|value| !value.is_null());
    if !is_said {
        members.insert(name.to_owned(), text.into());
    }
    is_said
}

fn invalid(sentence: &str, faults: &[(&str, &str)]) -> Error {
    let fault = |(pointer, detail): &(&str, &str)| PayloadFault {
        pointer: (*pointer).to_owned(),
        detail: (*detail).to_owned(),
    };
    Error::new(ErrorKind::InvalidEnvelope, sentence).with_faults(faults.iter().map(fault).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_left_out_is_none_and_what_is_said_stays() {
        let draft =
            EnvelopeDraft::from_json(json!({"event_type": "a.b", "payload": {"x": 1}, "source": null})).unwrap();
        assert_eq!((draft.event_id, draft.timestamp, draft.source), (None, None, None));
        assert_eq!((draft.payload, draft.payload_pointer), (json!({"x": 1}), "/payload"));
        let [id, parent] = [1, 2].map(Uuid::from_u128);
        let flat = json!({"id": id, "ts": "2025-10-06T12:00:00Z", "event_type": "a.b", "source": "cli/claude",
                          "correlation_id": parent, "data": {"x": 1}});
        let draft = EnvelopeDraft::from_json(flat).unwrap();
        assert_eq!((draft.event_id, draft.correlation_ids), (Some(id), vec![parent]));
        assert_eq!(draft.source.unwrap().app.as_deref(), Some("cli/claude"));
        assert_eq!((draft.timestamp.unwrap().timestamp(), draft.payload_pointer), (1_759_752_000, "/data"));
    }

    #[test]
    fn a_fault_has_its_place() {
        let pointers = |value| {
            let error = EnvelopeDraft::from_json(value).unwrap_err();
            error.faults().iter().map(|fault| fault.pointer.clone()).collect::<Vec<_>>()
        };
        assert_eq!(pointers(json!([])), [""]);
        assert_eq!(pointers(json!({})), ["/event_type", "/payload"]);
        assert_eq!(pointers(json!({"event_type": "a.b", "payload": {}, "event_id": Uuid::nil()})), ["/event_id"]);
        assert_eq!(pointers(json!({"event_type": "a.b", "payload": {}, "timestamp": "noon"})), ["/timestamp"]);
    }
}
