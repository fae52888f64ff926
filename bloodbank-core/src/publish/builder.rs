//! `bus.publish(event)`: a builder that is a future.

use std::{future::IntoFuture, time::Duration};

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    Bus, Cause, FollowUp, Prepared, PublishOptions, Receipt, TraceContext,
    payload::{Publishable, Untyped},
};
use crate::{
    envelope::{AgentContext, WrittenSource},
    error::Result,
    message::{HeaderValue, Text},
};

/// An event that is published when this is awaited; resolves when the broker has confirmed it.
///
/// ```no_run
/// # use bloodbank_core::{Bus, Event, publish::Receipt};
/// # async fn example<E: Event>(bus: Bus, placed: Receipt, shipped: E) -> bloodbank_core::Result<()> {
/// let receipt = bus.publish(shipped).caused_by(&placed).header("tenant", "acme").await?;
/// println!("{} is on the bus", receipt.event_id);
/// # Ok(()) }
/// ```
///
/// `P` is the event, or its JSON payload ([`PublishValue`]); the options are the same for both.
#[must_use = "an event is published when this is awaited"]
pub struct Publish<'a, P> {
    bus: &'a Bus,
    payload: P,
    options: PublishOptions,
}

/// An event known only at run time, which is published when this is awaited; see [`Bus::publish_value`].
pub type PublishValue<'a> = Publish<'a, Untyped<'a>>;

impl<'a, P> Publish<'a, P> {
    pub(super) fn new(bus: &'a Bus, payload: P) -> Self {
        Self { bus, payload, options: PublishOptions::default() }
    }

    /// Gives the event an id that is derived from its cause, unless it has one of its own.
    pub(crate) fn follow_up(mut self, follow_up: FollowUp) -> Self {
        self.options.follow_up = Some(follow_up);
        self
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

    /// The time in the envelope; default: now.
    pub fn timestamp(mut self, timestamp: DateTime<Utc>) -> Self {
        self.options.timestamp = Some(timestamp);
        self
    }

    /// The source in the envelope: who publishes the event; default: this service.
    pub fn source(mut self, source: impl Into<WrittenSource>) -> Self {
        self.options.source = Some(source.into());
        self
    }

    /// The agent on whose behalf it is published.
    pub fn agent_context(mut self, agent: AgentContext) -> Self {
        self.options.uncommon().agent_context = Some(agent);
        self
    }

    /// The W3C trace it belongs to.
    pub fn trace(mut self, trace: TraceContext) -> Self {
        self.options.uncommon().trace = Some(trace);
        self
    }

    /// A header. Names that begin with `x-` or `bloodbank-` are refused.
    pub fn header(mut self, name: impl Into<Text>, value: impl Into<HeaderValue>) -> Self {
        self.options.uncommon().headers.set(name, value);
        self
    }

    /// Metadata that the correlation store keeps about the link to the parents; refused when it takes more than
    /// [`METADATA_LIMIT`](crate::correlation::METADATA_LIMIT) bytes as JSON.
    pub fn metadata(mut self, metadata: Map<String, Value>) -> Self {
        self.options.uncommon().metadata = Some(metadata);
        self
    }

    /// How long the event is worth anything; after that queues drop it.
    pub fn expires_in(mut self, lifetime: Duration) -> Self {
        self.options.uncommon().expires_in = Some(lifetime);
        self
    }

    /// Makes it an error ([`crate::ErrorKind::Unrouted`]) when no queue receives the event.
    pub fn mandatory(mut self) -> Self {
        self.options.mandatory = true;
        self
    }

    pub(super) fn parts(&mut self) -> (&'a Bus, &mut P, &mut PublishOptions) {
        (self.bus, &mut self.payload, &mut self.options)
    }
}

impl<P: Publishable> Publish<'_, P> {
    /// Checks the event and writes it without publishing it: the message as it would be sent.
    /// [`Bus::publish_prepared`] sends it.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidPayload`], [`crate::ErrorKind::InvalidKey`], [`crate::ErrorKind::InvalidHeader`],
    /// [`crate::ErrorKind::InvalidEnvelope`], [`crate::ErrorKind::TooLarge`]; for a value also
    /// [`crate::ErrorKind::UnknownEvent`].
    pub fn prepare(self) -> Result<Prepared> {
        self.payload.prepare(self.bus, self.options)
    }
}

impl<'a, P: Publishable + Send + 'a> IntoFuture for Publish<'a, P> {
    type Output = Result<Receipt>;
    type IntoFuture = BoxFuture<'a, Result<Receipt>>;

    fn into_future(self) -> Self::IntoFuture {
        let bus = self.bus;
        Box::pin(async move { bus.publish_prepared(self.prepare()?).await })
    }
}
