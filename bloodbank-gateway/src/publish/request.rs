//! A request to publish one event, in whatever form it came.

use axum::http::HeaderMap;
use bloodbank_core::{
    EventEnvelope, Receipt, Registry,
    envelope::{AgentContext, Source},
    event::EventKind,
    publish::{JsonPayload, PublishValue, TraceContext},
    routing,
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, value::RawValue};
use uuid::Uuid;

use super::{options::PublishOptions, source::source};
use crate::{
    auth::Caller,
    gateway::Gateway,
    problem::{FieldError, Problem},
};

/// A request to publish one event.
#[derive(Debug)]
pub(crate) struct PublishRequest {
    pub(crate) key: String,
    pub(crate) payload: Payload,
    pub(crate) event_id: Option<Uuid>,
    pub(crate) timestamp: Option<DateTime<Utc>>,
    pub(crate) source: Option<Source>,
    pub(crate) causes: Vec<Uuid>,
    pub(crate) agent_context: Option<Box<AgentContext>>,
    pub(crate) trace: Option<TraceContext>,
    /// The place of the payload in the body, for the places of its invalid fields.
    pub(crate) pointer: &'static str,
}

/// The payload of a request: as text, where nothing needs its tree.
#[derive(Debug)]
pub(crate) enum Payload {
    Value(Value),
    Text(Box<RawValue>),
}

impl From<Value> for Payload {
    fn from(value: Value) -> Self {
        Self::Value(value)
    }
}

impl From<Box<RawValue>> for Payload {
    fn from(text: Box<RawValue>) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a Payload> for JsonPayload<'a> {
    fn from(payload: &'a Payload) -> Self {
        match payload {
            Payload::Value(value) => value.into(),
            Payload::Text(text) => (&**text).into(),
        }
    }
}

impl Payload {
    /// Fills fields that the key already tells: `artifact.created` tells the field `action` of `artifact.{action}`.
    fn fill_placeholders(&mut self, key: &str) {
        let Some(template) = Registry::global().event(key).map(|event| event.routing_key()) else { return };
        if !routing::is_template(template) {
            return;
        }
        if let Self::Text(text) = self
            && let Ok(value) = serde_json::from_str(text.get())
        {
            *self = Self::Value(value);
        }
        let Self::Value(Value::Object(payload)) = self else { return };
        for (segment, word) in routing::template_segments(template).zip(key.split('.')) {
            if let routing::Segment::Placeholder(name) = segment
                && !payload.contains_key(name)
            {
                payload.insert(name.to_owned(), word.into());
            }
        }
    }
}

impl PublishRequest {
    /// Makes a request from a key and a payload.
    pub(crate) fn payload(key: impl Into<String>, payload: impl Into<Payload>) -> Self {
        Self {
            key: key.into(),
            payload: payload.into(),
            event_id: None,
            timestamp: None,
            source: None,
            causes: Vec::new(),
            agent_context: None,
            trace: None,
            pointer: "",
        }
    }

    /// Makes a request from an envelope, of which only `event_type` and `payload` are required.
    pub(crate) fn envelope(body: Value) -> Result<Self, Problem> {
        let Value::Object(mut body) = body else {
            return Err(Problem::invalid(
                "an envelope is a JSON object",
                vec![FieldError::new("", "is not an object")],
            ));
        };
        let missing: Vec<_> = ["event_type", "payload"].into_iter().filter(|name| !body.contains_key(*name)).collect();
        if !missing.is_empty() {
            let errors = missing.iter().map(|name| FieldError::new(format!("/{name}"), "is missing")).collect();
            return Err(Problem::invalid(format!("the envelope has no {}", missing.join(" and no ")), errors));
        }
        let has = |name: &str, body: &Map<String, Value>| body.get(name).is_some_and(|value| !value.is_null());
        let (has_id, has_time, has_source) = (has("event_id", &body), has("timestamp", &body), has("source", &body));
        // The reader of envelopes needs what a publisher may leave out.
        if !has_id {
            body.insert("event_id".to_owned(), Uuid::nil().to_string().into());
        }
        if !has_time {
            body.insert("timestamp".to_owned(), "1970-01-01T00:00:00Z".into());
        }
        let envelope = EventEnvelope::from_json(Value::Object(body))?;
        if has_id && envelope.event_id.is_nil() {
            return Err(Problem::invalid(
                "the nil UUID is not an event id",
                vec![FieldError::new("/event_id", "is the nil UUID")],
            ));
        }
        Ok(Self {
            event_id: has_id.then_some(envelope.event_id),
            timestamp: has_time.then_some(envelope.timestamp),
            source: has_source.then_some(envelope.source),
            causes: envelope.correlation_ids,
            agent_context: envelope.agent_context,
            pointer: "/payload",
            ..Self::payload(envelope.event_type, envelope.payload)
        })
    }

    /// Adds the options of the request. What the event says itself takes precedence.
    pub(crate) fn with(mut self, options: &PublishOptions, caller: &Caller) -> Self {
        self.event_id = self.event_id.or_else(|| options.event_id(&self.key, caller));
        self.causes.extend(&options.causes);
        self.trace = self.trace.or_else(|| options.trace.clone());
        self
    }

    /// Publishes the event, if the caller may.
    pub(crate) async fn publish(mut self, gateway: &Gateway, caller: &Caller) -> Result<(Receipt, Bytes), Problem> {
        self.check(caller)?;
        let is_command = Registry::global().event(&self.key).is_some_and(|event| event.kind() == EventKind::Command);
        if is_command {
            gateway.commands().listen().await?;
        }
        let pointer = self.pointer;
        let below = |error| Problem::from(error).below(pointer);
        let prepared = self.prepare(gateway, caller).prepare().map_err(below)?;
        let envelope = prepared.envelope().clone();
        let receipt = gateway.bus().publish_prepared(prepared).await.map_err(below)?;
        if is_command {
            gateway.commands().accepted(receipt.event_id, &receipt.event_type);
        }
        Ok((receipt, envelope))
    }

    /// Publishes a command, if the caller may, and waits for its reply.
    #[cfg(feature = "mcp")]
    pub(crate) async fn execute(
        mut self,
        gateway: &Gateway,
        caller: &Caller,
        timeout: std::time::Duration,
    ) -> Result<Option<EventEnvelope<Value>>, Result<bloodbank_core::ExecuteError, Problem>> {
        self.check(caller).map_err(Err)?;
        self.prepare(gateway, caller).execute(timeout).await.map_err(Ok)
    }

    fn check(&mut self, caller: &Caller) -> Result<(), Problem> {
        caller.check_publish(&self.key)?;
        self.payload.fill_placeholders(&self.key);
        Ok(())
    }

    fn prepare<'a>(&'a mut self, gateway: &'a Gateway, caller: &Caller) -> PublishValue<'a> {
        let source = self.source.take().unwrap_or_else(|| source(gateway.bus().service_name(), caller));
        let causes = std::mem::take(&mut self.causes);
        let bus = gateway.bus();
        let mut publish = bus.publish_value(&self.key, &self.payload).causes(causes).source(source);
        if gateway.allows_unregistered() {
            publish = publish.allow_unregistered();
        }
        if let Some(event_id) = self.event_id {
            publish = publish.event_id(event_id);
        }
        if let Some(timestamp) = self.timestamp {
            publish = publish.timestamp(timestamp);
        }
        if let Some(agent) = self.agent_context.take() {
            publish = publish.agent_context(*agent);
        }
        if let Some(trace) = self.trace.take() {
            publish = publish.trace(trace);
        }
        publish
    }
}

/// Whether headers are of a CloudEvent in binary mode.
pub(crate) fn is_binary_cloud_event(headers: &HeaderMap) -> bool {
    headers.contains_key("ce-specversion")
}
