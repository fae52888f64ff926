//! Putting a payload together, and checking it before anything is sent.

use bloodbank_core::{
    EventEnvelope,
    envelope::{AgentContext, ENVELOPE_VERSION, EnvelopeDraft, Source, is_flat},
    event_id,
    registry::EventDescriptor,
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Assignment, SchemaNode, mock_payload,
    placeholders::{fill_from_key, placeholders},
};
use crate::error::{ClientError, Result};

/// Puts a payload together from several sources, each of which builds on those before: a made-up payload, then a given
/// one, then single values, then the words of the routing key.
#[derive(Debug, Clone)]
#[must_use = "nothing is checked until `build`"]
pub struct PayloadBuilder<'a> {
    event: &'a EventDescriptor,
    routing_key: &'a str,
    with_mock: bool,
    given: Option<Value>,
    assignments: &'a [Assignment],
    id_fields: &'a [String],
}

/// An event that has passed every check: its schema, its type, its rules and its key.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CheckedEvent {
    /// The routing key, without placeholders.
    pub routing_key: String,
    /// The payload, as its type writes it.
    pub payload: Value,
    /// The id that the envelope says, or that is derived from the payload; `None`: a random one.
    pub event_id: Option<Uuid>,
    /// The causes that the envelope says.
    pub causes: Vec<Uuid>,
    /// The causes that the payload names.
    pub parents: Vec<Uuid>,
    /// The time that the envelope says.
    pub timestamp: Option<DateTime<Utc>>,
    /// The source that the envelope says.
    pub source: Option<Source>,
    /// The agent that the envelope says.
    pub agent_context: Option<Box<AgentContext>>,
}

impl<'a> PayloadBuilder<'a> {
    /// A builder for an event under the key as it is declared.
    pub fn new(event: &'a EventDescriptor) -> Self {
        Self {
            event,
            routing_key: event.routing_key(),
            with_mock: false,
            given: None,
            assignments: &[],
            id_fields: &[],
        }
    }

    /// Publishes under this key, whose words fill the placeholders of the declared one.
    pub fn routing_key(mut self, key: &'a str) -> Self {
        self.routing_key = key;
        self
    }

    /// Begins with the declared example, or with a payload made up from the schema.
    pub fn with_mock(mut self) -> Self {
        self.with_mock = true;
        self
    }

    /// Adds a payload, or a whole envelope, whose id, time, source and causes stay what they are.
    pub fn given(mut self, value: Value) -> Self {
        self.given = Some(value);
        self
    }

    /// Sets single values.
    pub fn assign(mut self, assignments: &'a [Assignment]) -> Self {
        self.assignments = assignments;
        self
    }

    /// Derives the event id from these fields instead of those that the declaration names.
    pub fn id_from(mut self, fields: &'a [String]) -> Self {
        self.id_fields = fields;
        self
    }

    /// Puts the payload together and checks it against the schema, the type, its rules and the key.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidPayload`](bloodbank_core::ErrorKind::InvalidPayload) with the places that do not fit,
    /// [`ErrorKind::InvalidEnvelope`](bloodbank_core::ErrorKind::InvalidEnvelope) for an envelope that cannot be read,
    /// [`ClientError::Invalid`] for an assignment, a key or an id field that contradicts the event, and
    /// [`ClientError::NoMock`].
    pub fn build(self) -> Result<CheckedEvent> {
        let Self { event, routing_key, with_mock, given, assignments, id_fields } = self;
        let schema = event.schema().to_value();
        let node = SchemaNode::root(&schema);
        let mut payload = if with_mock { mock_payload(event)? } else { json!({}) };
        if with_mock
            && routing_key != event.routing_key()
            && let Some(fields) = payload.as_object_mut()
        {
            // The words of the key come before those that were made up.
            for name in placeholders(event) {
                fields.remove(name);
            }
        }
        let (given, envelope) = match given {
            Some(value) if is_envelope(&value) => {
                let mut envelope = EnvelopeDraft::from_json(value)?;
                (Some(std::mem::take(&mut envelope.payload)), Some(envelope))
            }
            given => (given, None),
        };
        match (given, &mut payload) {
            (Some(Value::Object(members)), Value::Object(payload)) => payload.extend(members),
            (Some(other), _) => payload = other,
            (None, _) => {}
        }
        for assignment in assignments {
            assignment.apply(&mut payload, node)?;
        }
        fill_from_key(event, routing_key, &mut payload, node);
        let read = event.read(routing_key, &payload)?;
        let own_key = read.routing_key()?;
        if routing_key != event.routing_key() && routing_key != &*own_key {
            return Err(ClientError::Invalid(format!(
                "the payload belongs under `{own_key}`, not under `{routing_key}`; change one of them"
            )));
        }
        if let Some(envelope) = envelope.as_ref().filter(|envelope| *envelope.event_type != *own_key) {
            return Err(ClientError::Invalid(format!(
                "the envelope is of `{}`, not of `{own_key}`; change one of them",
                envelope.event_type
            )));
        }
        let payload = read.to_value()?;
        let said = envelope.as_ref().and_then(|envelope| envelope.event_id);
        let event_id = if id_fields.is_empty() {
            said.or_else(|| read.event_id(&own_key))
        } else {
            Some(derived_id(&own_key, &payload, id_fields)?)
        };
        let mut event = CheckedEvent {
            routing_key: own_key.to_string(),
            payload,
            event_id,
            causes: Vec::new(),
            parents: read.parents(),
            timestamp: None,
            source: None,
            agent_context: None,
        };
        if let Some(envelope) = envelope {
            event.causes = envelope.correlation_ids;
            event.timestamp = envelope.timestamp;
            event.source = envelope.source;
            event.agent_context = envelope.agent_context;
        }
        Ok(event)
    }
}

impl CheckedEvent {
    /// All causes of the event, each once: those that the envelope says, those that are given, those that the payload names.
    #[must_use]
    pub fn all_causes(&self, given: &[Uuid]) -> Vec<Uuid> {
        let mut causes: Vec<Uuid> = Vec::new();
        for cause in self.causes.iter().chain(given).chain(&self.parents) {
            if !causes.contains(cause) {
                causes.push(*cause);
            }
        }
        causes
    }

    /// The envelope of the event, as it would be published now: from this source and with these causes, besides what it says
    /// itself.
    #[must_use]
    pub fn envelope(&self, source: Source, causes: &[Uuid]) -> EventEnvelope<&Value> {
        EventEnvelope {
            event_id: self.event_id.unwrap_or_else(Uuid::new_v4),
            event_type: self.routing_key.clone(),
            timestamp: self.timestamp.unwrap_or_else(Utc::now),
            version: ENVELOPE_VERSION.into(),
            source: self.source.clone().unwrap_or(source),
            correlation_ids: self.all_causes(causes),
            agent_context: self.agent_context.clone(),
            payload: &self.payload,
        }
    }
}

/// Whether a value is an envelope, of today or of the first Python version, and no payload.
fn is_envelope(value: &Value) -> bool {
    let has = |fields: [&str; 3]| fields.iter().all(|field| value.get(field).is_some());
    has(["event_id", "event_type", "payload"]) || is_flat(value) && has(["id", "event_type", "data"])
}

/// The id that a declaration with `id(…)` would give an event with these fields.
fn derived_id(key: &str, payload: &Value, names: &[String]) -> Result<Uuid> {
    let mut fields = Vec::new();
    for name in names {
        let value = match payload.get(name) {
            Some(Value::String(text)) => Some(text.clone()),
            // As the Python side prints them: both derive the same id.
            Some(Value::Bool(boolean)) => Some(if *boolean { "True" } else { "False" }.to_owned()),
            Some(Value::Number(number)) if !number.is_f64() => Some(number.to_string()),
            Some(Value::Null) => None,
            Some(Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                return Err(ClientError::Invalid(format!(
                    "`{name}` cannot take part in an event id; texts, integers and booleans can"
                )));
            }
            None => {
                return Err(ClientError::Invalid(format!(
                    "no event id can be derived from `{name}`: the payload has no such field"
                )));
            }
        };
        fields.push((&**name, value.map(Into::into)));
    }
    Ok(event_id::deterministic(key, &event_id::unique_key(fields)))
}
