//! Publishing events that are known only at run time.

use std::{future::IntoFuture, sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, value::RawValue};
use uuid::Uuid;

use crate::{
    dispatch::{ExecuteError, read_value},
    envelope::{AgentContext, EventEnvelope, WrittenSource},
    error::{Error, ErrorKind, PayloadFault, Result},
    event::EventKind,
    publish::{Bus, Cause, Draft, PublishOptions, Receipt, TraceContext},
    registry::{self, Registry},
    routing,
};

impl Bus {
    /// Publishes a JSON payload under a key that is known only at run time: a [`Value`], or the text of one
    /// ([`RawValue`]), which costs less. The event must be registered in this program; the payload is checked against its
    /// schema and its type.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownEvent`] naming the key and the nearest one; [`ErrorKind::InvalidPayload`] naming the JSON
    /// pointer of every fault ([`Error::faults`]).
    pub fn publish_value<'a>(&'a self, key: &'a str, payload: impl Into<JsonPayload<'a>>) -> PublishValue<'a> {
        PublishValue {
            bus: self,
            key,
            payload: payload.into(),
            options: PublishOptions::default(),
            unregistered: false,
        }
    }
}

/// A payload whose type is known only at run time.
#[derive(Debug, Clone, Copy)]
pub enum JsonPayload<'a> {
    /// As a tree.
    Value(&'a Value),
    /// As text.
    Text(&'a RawValue),
}

impl<'a> From<&'a Value> for JsonPayload<'a> {
    fn from(value: &'a Value) -> Self {
        Self::Value(value)
    }
}

impl<'a> From<&'a RawValue> for JsonPayload<'a> {
    fn from(text: &'a RawValue) -> Self {
        Self::Text(text)
    }
}

/// An event known only at run time, which is published when this is awaited; resolves when the broker has confirmed it.
#[must_use = "an event is published when this is awaited"]
pub struct PublishValue<'a> {
    bus: &'a Bus,
    key: &'a str,
    payload: JsonPayload<'a>,
    options: PublishOptions,
    unregistered: bool,
}

impl<'a> PublishValue<'a> {
    /// The event that caused this one. It becomes a parent; its agent and its trace are inherited.
    pub fn caused_by(mut self, cause: &(impl Cause + ?Sized)) -> Self {
        self.options.caused_by(cause);
        self
    }

    /// Several events that caused this one: a fan-in.
    pub fn causes<C: Cause>(mut self, causes: impl IntoIterator<Item = C>) -> Self {
        for cause in causes {
            self.options.caused_by(&cause);
        }
        self
    }

    /// The id, where it is neither random nor given by `id(…)`.
    pub fn event_id(mut self, event_id: Uuid) -> Self {
        self.options.event_id = Some(event_id);
        self
    }

    /// The time in the envelope; default: now.
    pub fn timestamp(mut self, timestamp: DateTime<Utc>) -> Self {
        self.options.timestamp = Some(timestamp);
        self
    }

    /// Who publishes it; default: this service.
    pub fn source(mut self, source: impl Into<WrittenSource>) -> Self {
        self.options.source = Some(source.into());
        self
    }

    /// The agent on whose behalf it is published.
    pub fn agent_context(mut self, agent: AgentContext) -> Self {
        self.options.rare().agent_context = Some(agent);
        self
    }

    /// The W3C trace it belongs to.
    pub fn trace(mut self, trace: TraceContext) -> Self {
        self.options.rare().trace = Some(trace);
        self
    }

    /// What the correlation store keeps about the link to the parents.
    pub fn metadata(mut self, metadata: Map<String, Value>) -> Self {
        self.options.rare().metadata = Some(metadata);
        self
    }

    /// Also publishes an event that is not registered in this program; nothing of its payload is checked then.
    pub fn allow_unregistered(mut self) -> Self {
        self.unregistered = true;
        self
    }

    /// Checks the event without publishing it; resolves to the envelope as it would be on the bus.
    ///
    /// # Errors
    /// Like [`Bus::publish_value`].
    pub fn dry_run(self) -> Result<Bytes> {
        Ok(self.draft()?.message.body)
    }

    /// Publishes it, and resolves to the envelope as it is on the bus.
    ///
    /// # Errors
    /// Like [`Bus::publish_value`].
    pub async fn into_envelope(self) -> Result<(Receipt, Bytes)> {
        let bus = self.bus;
        let draft = self.draft()?;
        let envelope = draft.message.body.clone();
        Ok((bus.send(draft).await?, envelope))
    }

    /// Publishes a command and waits for its reply; `None` where it declares none.
    ///
    /// # Errors
    /// [`ExecuteError`]: the failure event of the command, or why there is no answer.
    pub async fn execute(mut self, timeout: Duration) -> Result<Option<EventEnvelope<Value>>, ExecuteError> {
        let (bus, key) = (self.bus, self.key);
        if Registry::global().event(key).is_some_and(|event| event.kind() != EventKind::Command) {
            return Err(Error::new(
                ErrorKind::UnknownEvent,
                format!("`{key}` is not a command, so nothing answers it; publish it instead"),
            )
            .into());
        }
        self.options.mandatory = true;
        self.options.rare().reply_to = Some(Arc::clone(bus.replies().queue(bus).await?));
        let draft = self.draft()?;
        let mut waiter = bus.replies().wait_for(draft.receipt.event_id);
        bus.send(draft).await?;
        match tokio::time::timeout(timeout, &mut waiter.answer).await {
            Ok(Ok(answer)) => read_value(&answer),
            Ok(Err(_)) => Err(Error::new(ErrorKind::Closed, "the bus was closed before the answer came").into()),
            Err(_) => Err(Error::new(
                ErrorKind::Deadline,
                format!("no answer to `{key}` within {timeout:?}; its executor is slow or keeps retrying, and the command may yet be executed"),
            )
            .into()),
        }
    }

    fn draft(self) -> Result<Draft> {
        let Self { bus, key, payload, mut options, unregistered } = self;
        routing::check_wire_key(key)
            .map_err(|fault| Error::new(ErrorKind::InvalidKey, routing::explain(key, &fault)))?;
        let registry = Registry::global();
        let Some(descriptor) = registry.event(key) else {
            if unregistered {
                return match payload {
                    JsonPayload::Value(payload) => bus.draft(key, payload, options),
                    // Not every text that looks like JSON can be read as JSON, and nobody else looks at this one.
                    JsonPayload::Text(payload) => bus.draft(key, &registry::tree(key, payload.get())?, options),
                };
            }
            return Err(registry.unknown(key));
        };
        let event = match payload {
            JsonPayload::Value(payload) => descriptor.read(key, payload)?,
            JsonPayload::Text(payload) => descriptor.read_text(key, payload.get())?,
        };
        let own_key = event.routing_key()?;
        if &*own_key != key {
            let field = routing::template_segments(descriptor.routing_key()).find_map(|segment| match segment {
                routing::Segment::Placeholder(name) => Some(name),
                routing::Segment::Literal(_) => None,
            });
            let detail = format!("belongs under the key `{own_key}`, not under `{key}`");
            let pointer = field.map(|name| format!("/{name}")).unwrap_or_default();
            return Err(Error::new(ErrorKind::InvalidPayload, format!("payload at {pointer:?} {detail}"))
                .with_faults(vec![PayloadFault { pointer, detail }]));
        }
        options.event_id = options.event_id.or_else(|| event.event_id(key));
        bus.draft(key, &event.to_text()?, options)
    }
}

impl<'a> IntoFuture for PublishValue<'a> {
    type Output = Result<Receipt>;
    type IntoFuture = BoxFuture<'a, Result<Receipt>>;

    fn into_future(self) -> Self::IntoFuture {
        let bus = self.bus;
        Box::pin(async move { bus.send(self.draft()?).await })
    }
}
