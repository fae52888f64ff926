//! `bus.publish(event)`: a builder that is a future, and what it resolves to.

use std::{future::IntoFuture, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    consume::Context,
    envelope::{AgentContext, WrittenSource},
    error::Result,
    event::Event,
    identity,
    publish::{Bus, Cause, TraceContext},
    transport::{HeaderValue, Headers, Text},
};

/// What the broker confirmed about an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The id of the event.
    pub event_id: Uuid,
    /// The key it was published under.
    pub event_type: Arc<str>,
    /// The time in its envelope.
    pub timestamp: DateTime<Utc>,
    /// No queue received it: nobody subscribes to this key yet.
    pub unrouted: bool,
}

/// Everything that may be said about an event besides the event.
#[derive(Debug, Default)]
pub(crate) struct PublishOptions {
    pub(crate) event_id: Option<Uuid>,
    pub(crate) timestamp: Option<DateTime<Utc>>,
    pub(crate) causes: Vec<Uuid>,
    pub(crate) mandatory: bool,
    pub(crate) source: Option<WrittenSource>,
    pub(crate) rare: Option<Box<Rare>>,
}

/// What is said about few events; apart, because most are moved often.
#[derive(Debug, Default)]
pub(crate) struct Rare {
    pub(crate) agent_context: Option<AgentContext>,
    pub(crate) trace: Option<TraceContext>,
    pub(crate) headers: Headers,
    pub(crate) metadata: Option<Map<String, Value>>,
    pub(crate) expires_in: Option<Duration>,
    pub(crate) reply_to: Option<Arc<str>>,
}

impl PublishOptions {
    pub(crate) fn caused_by(&mut self, cause: &(impl Cause + ?Sized)) {
        self.causes.push(cause.event_id());
        let (agent, trace) = (cause.agent_context(), cause.trace());
        if agent.is_none() && trace.is_none() {
            return;
        }
        let rare = self.rare();
        if rare.agent_context.is_none() {
            rare.agent_context = agent.cloned();
        }
        if rare.trace.is_none() {
            rare.trace = trace;
        }
    }

    pub(crate) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

/// An event that is published when this is awaited; resolves when the broker has confirmed it.
///
/// ```no_run
/// # use bloodbank_core::{Bus, Event, publish::Receipt};
/// # async fn example<E: Event>(bus: Bus, placed: Receipt, shipped: E) -> bloodbank_core::Result<()> {
/// let receipt = bus.publish(shipped).caused_by(&placed).header("tenant", "acme").await?;
/// println!("{} is on the bus", receipt.event_id);
/// # Ok(()) }
/// ```
#[must_use = "an event is published when this is awaited"]
pub struct Publish<'a, E> {
    bus: &'a Bus,
    event: E,
    options: PublishOptions,
    follow_up: Option<(&'a Context, u32)>,
}

impl<'a, E: Event> Publish<'a, E> {
    pub(crate) fn new(bus: &'a Bus, event: E) -> Self {
        Self { bus, event, options: PublishOptions::default(), follow_up: None }
    }

    pub(crate) fn follow_up(bus: &'a Bus, event: E, cause: &'a Context) -> Self {
        let mut publish = Self::new(bus, event).caused_by(cause);
        publish.follow_up = Some((cause, cause.next_position()));
        publish
    }

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

    /// A header. Names that begin with `x-` or `bloodbank-` are refused.
    pub fn header(mut self, name: impl Into<Text>, value: impl Into<HeaderValue>) -> Self {
        self.options.rare().headers.set(name, value);
        self
    }

    /// What the correlation store keeps about the link to the parents; refused when it takes more than
    /// [`METADATA_LIMIT`](crate::correlation::METADATA_LIMIT) bytes as JSON.
    pub fn metadata(mut self, metadata: Map<String, Value>) -> Self {
        self.options.rare().metadata = Some(metadata);
        self
    }

    /// How long the event is worth anything; after that queues drop it.
    pub fn expires_in(mut self, lifetime: Duration) -> Self {
        self.options.rare().expires_in = Some(lifetime);
        self
    }

    /// Makes it an error ([`crate::ErrorKind::Unrouted`]) when no queue receives the event.
    pub fn mandatory(mut self) -> Self {
        self.options.mandatory = true;
        self
    }

    pub(crate) fn options_mut(&mut self) -> &mut PublishOptions {
        &mut self.options
    }

    /// Validates and writes the event.
    pub(crate) fn draft(self) -> Result<Draft> {
        let Self { bus, event, mut options, follow_up } = self;
        event.validate()?;
        let key = event.routing_key()?;
        options.event_id = options
            .event_id
            .or_else(|| event.unique_key().map(|unique| identity::deterministic(&key, &unique)))
            .or_else(|| {
                follow_up
                    .map(|(cause, position)| identity::derived(cause.event_id(), cause.subscriber(), position, &key))
            });
        bus.draft(&key, &event, options)
    }
}

impl<'a, E: Event> IntoFuture for Publish<'a, E> {
    type Output = Result<Receipt>;
    type IntoFuture = BoxFuture<'a, Result<Receipt>>;

    fn into_future(self) -> Self::IntoFuture {
        let bus = self.bus;
        Box::pin(async move { bus.send(self.draft()?).await })
    }
}

/// An event that is written and ready to go.
pub(crate) struct Draft {
    pub(crate) receipt: Receipt,
    pub(crate) message: crate::transport::Outgoing,
    pub(crate) link: Option<crate::correlation::Link>,
    pub(crate) mandatory: bool,
}
