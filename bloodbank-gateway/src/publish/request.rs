//! A request to publish one event, in whatever form it came.

use axum::http::HeaderMap;
#[cfg(feature = "mcp")]
use bloodbank_core::{ErrorKind, ExecuteError};
use bloodbank_core::{
    EventEnvelope, Receipt, Registry,
    envelope::{AgentContext, EnvelopeDraft, Source},
    event::EventKind,
    json::read_value,
    publish::{JsonPayload, PublishValue, TraceContext},
    routing,
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::{Value, value::RawValue};
use uuid::Uuid;

use super::{
    options::{MOST_PARENTS, PublishOptions},
    source::source,
};
use crate::{auth::Caller, gateway::Gateway, problem::Problem};

/// The execution of a command.
#[cfg(feature = "mcp")]
type Execution = tokio::task::JoinHandle<Result<Option<EventEnvelope<Value>>, ExecuteError>>;

/// The time for which an answer to a command is waited for. A command that takes longer is not lost.
#[cfg(feature = "mcp")]
const LONGEST_EXECUTION: std::time::Duration = std::time::Duration::from_secs(60 * 60);

/// A request to publish one event.
#[derive(Debug, Clone)]
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
#[derive(Debug, Clone)]
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
            && let Ok(value) = read_value(text.get().as_bytes())
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

    /// Makes a request from an envelope, of which only `event_type` and `payload` are required, or from a flat envelope of
    /// the first Python version.
    pub(crate) fn envelope(body: Value) -> Result<Self, Problem> {
        let draft = EnvelopeDraft::from_json(body)?;
        Ok(Self {
            event_id: draft.event_id,
            timestamp: draft.timestamp,
            source: draft.source,
            causes: draft.correlation_ids,
            agent_context: draft.agent_context,
            pointer: draft.payload_pointer,
            ..Self::payload(draft.event_type, draft.payload)
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
        let pointer = self.pointer;
        let below = |error| Problem::from(error).below(pointer);
        let prepared = self.prepare(gateway, caller).prepare().map_err(below)?;
        let (event_id, envelope) = (prepared.event_id(), prepared.envelope().clone());
        if is_command {
            begin_command(gateway, event_id, prepared.event_type()).await?;
        }
        let receipt = gateway.bus().publish_prepared(prepared).await.map_err(|error| {
            if is_command && !error.is_retryable() {
                gateway.commands().forget(event_id);
            }
            below(error).with_event_id(event_id)
        })?;
        Ok((receipt, envelope))
    }

    /// Publishes a command, if the caller may, and waits for its end in a task of its own: whoever stops waiting can ask
    /// what became of it.
    #[cfg(feature = "mcp")]
    pub(crate) async fn execute(mut self, gateway: &Gateway, caller: &Caller) -> Result<(Uuid, Execution), Problem> {
        self.check(caller)?;
        let prepared = self.clone().prepare(gateway, caller).prepare()?;
        let event_id = prepared.event_id();
        self.event_id = Some(event_id);
        begin_command(gateway, event_id, prepared.event_type()).await?;
        let (gateway, caller) = (gateway.clone(), caller.clone());
        let execution = tokio::spawn(async move {
            let executed = self.prepare(&gateway, &caller).execute(LONGEST_EXECUTION).await;
            match &executed {
                Ok(None) => gateway.commands().succeeded(event_id),
                Err(ExecuteError::Bus(error)) if !error.is_retryable() && error.kind() != ErrorKind::CommandFailed => {
                    gateway.commands().forget(event_id);
                }
                Ok(Some(_)) | Err(_) => {}
            }
            executed
        });
        Ok((event_id, execution))
    }

    fn check(&mut self, caller: &Caller) -> Result<(), Problem> {
        caller.check_publish(&self.key)?;
        if self.causes.len() > MOST_PARENTS {
            return Err(Problem::bad_request(format!(
                "the event has more than {MOST_PARENTS} parents in `correlation_ids`; send fewer"
            )));
        }
        if let Some(source) = &self.source {
            caller.check_source(source)?;
        }
        self.payload.fill_placeholders(&self.key);
        Ok(())
    }

    fn prepare<'a>(&'a mut self, gateway: &'a Gateway, caller: &Caller) -> PublishValue<'a> {
        let source = source(self.source.take(), gateway.bus().service_name(), caller);
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

/// Remembers a command that is about to be published, and listens for its answer.
async fn begin_command(gateway: &Gateway, event_id: Uuid, key: &str) -> Result<(), Problem> {
    let listening = gateway.commands().listen().await;
    listening.map_err(|error| Problem::from(error).with_event_id(event_id))?;
    gateway.commands().accepted(event_id, key);
    Ok(())
}

/// Whether headers are of a CloudEvent in binary mode.
pub(crate) fn is_binary_cloud_event(headers: &HeaderMap) -> bool {
    headers.contains_key("ce-specversion")
}
