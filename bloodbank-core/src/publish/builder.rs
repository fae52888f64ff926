//! The publish builder, `bus.publish(event)`, which is a future.

use std::{future::IntoFuture, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    Broker, Bus, Cause, Destination, FollowUp, Prepared, PublishOptions, TraceContext,
    payload::{Publishable, Untyped},
};
use crate::{
    envelope::{AgentContext, WrittenSource},
    error::Result,
    message::{Format, HeaderValue, Text},
};

/// A publish: awaiting it publishes the event, and resolves when the broker has confirmed it.
///
/// ```no_run
/// # use bloodbank_core::{Bus, Event, publish::Receipt};
/// # async fn example<E: Event>(bus: Bus, placed: Receipt, shipped: E) -> bloodbank_core::Result<()> {
/// let receipt = bus.publish(shipped).caused_by(&placed).header("tenant", "acme").await?;
/// println!("{} is on the bus", receipt.event_id);
/// # Ok(()) }
/// ```
///
/// `P` is the event, or its JSON payload ([`PublishValue`]); the options are the same for both, and for every destination.
#[must_use = "an event is published when this is awaited"]
pub struct Publish<'a, P, To = Broker> {
    bus: &'a Bus,
    payload: P,
    options: PublishOptions,
    /// Kept from where the type was checked, so that one that is no event is reported there and not again at `.await`.
    write: fn(P, &Bus, PublishOptions) -> Result<Prepared>,
    destination: To,
}

/// A publish of an event known only at run time; see [`Bus::publish_value`].
pub type PublishValue<'a> = Publish<'a, Untyped<'a>>;

impl<'a, P> Publish<'a, P> {
    pub(super) fn new(bus: &'a Bus, payload: P) -> Self
    where
        P: Publishable,
    {
        Self { bus, payload, options: PublishOptions::default(), write: P::prepare, destination: Broker }
    }

    /// Sends the event somewhere else than to the broker, such as to an outbox, which publishes it later.
    pub fn via<To: Destination<'a>>(self, destination: To) -> Publish<'a, P, To> {
        let Self { bus, payload, options, write, destination: Broker } = self;
        Publish { bus, payload, options, write, destination }
    }
}

impl<'a, P, To> Publish<'a, P, To> {
    /// Gives the event an id derived from its cause, unless it has one of its own.
    pub(crate) fn follow_up(mut self, follow_up: FollowUp) -> Self {
        self.options.follow_up = Some(follow_up);
        self
    }

    /// Adds the event that caused this one as a parent; its agent and its trace are inherited.
    pub fn caused_by(mut self, cause: &(impl Cause + ?Sized)) -> Self {
        self.options.caused_by(cause);
        self
    }

    /// Adds several events that caused this one: a fan-in.
    pub fn causes<C: Cause>(mut self, causes: impl IntoIterator<Item = C>) -> Self {
        for cause in causes {
            self.options.caused_by(&cause);
        }
        self
    }

    /// Sets the event id, in place of a random one or the one given by `id(…)`.
    pub fn event_id(mut self, event_id: Uuid) -> Self {
        self.options.event_id = Some(event_id);
        self
    }

    /// Sets the time in the envelope; default: now.
    pub fn timestamp(mut self, timestamp: DateTime<Utc>) -> Self {
        self.options.timestamp = Some(timestamp);
        self
    }

    /// Sets the source in the envelope, which says who publishes the event; default: this service.
    pub fn source(mut self, source: impl Into<WrittenSource>) -> Self {
        self.options.source = Some(source.into());
        self
    }

    /// Sets the agent on whose behalf the event is published.
    pub fn agent_context(mut self, agent: AgentContext) -> Self {
        self.options.uncommon().agent_context = Some(agent);
        self
    }

    /// Sets the W3C trace that the event belongs to.
    pub fn trace(mut self, trace: TraceContext) -> Self {
        self.options.uncommon().trace = Some(trace);
        self
    }

    /// Sets a header. Names that begin with `x-` or `bloodbank-` are refused, and `CC` and `BCC`, which are the broker's own, in any
    /// case of their letters.
    pub fn header(mut self, name: impl Into<Text>, value: impl Into<HeaderValue>) -> Self {
        self.options.uncommon().headers.set(name, value);
        self
    }

    /// Sets metadata that the correlation store keeps about the link to the parents; refused when it takes more than
    /// [`METADATA_LIMIT`](crate::correlation::METADATA_LIMIT) bytes as JSON.
    pub fn metadata(mut self, metadata: Map<String, Value>) -> Self {
        self.options.uncommon().metadata = Some(metadata);
        self
    }

    /// Sets the time to live of the event. A subscriber that receives it later drops it without handling it, counted by
    /// `bloodbank_expired_total`: it becomes no dead letter. Until then it waits in the queue like every other. The clocks
    /// of publisher and subscriber are compared.
    pub fn expires_in(mut self, lifetime: Duration) -> Self {
        self.options.uncommon().expires_in = Some(lifetime);
        self
    }

    /// Publishes through another exchange than that of the events, which must exist: others make it. Its subscribers see what
    /// the format says; ours see the event only where it is bound to one of their queues.
    ///
    /// ```no_run
    /// # use bloodbank_core::{Bus, Event, message::Format};
    /// # async fn example<E: Event>(bus: Bus, placed: E) -> bloodbank_core::Result<()> {
    /// bus.publish(placed).exchange("legacy.orders").routing_key("order.new").format(Format::Json).await?;
    /// # Ok(()) }
    /// ```
    pub fn exchange(mut self, name: impl Into<Arc<str>>) -> Self {
        self.options.uncommon().exchange = Some(name.into());
        self
    }

    /// Sets the routing key on the wire, where another exchange wants another one than that of the event. The type of the event
    /// stays what it is.
    pub fn routing_key(mut self, key: impl Into<Arc<str>>) -> Self {
        self.options.uncommon().routing_key = Some(key.into());
        self
    }

    /// Sets the format of the body. As [`Format::Json`] it is the payload alone, and the id, the type, the time and the first
    /// parent of the event are properties of the message; our subscribers read it with `format = "json"`.
    pub fn format(mut self, format: Format) -> Self {
        self.options.uncommon().format = format;
        self
    }

    /// Sets the priority, 0 to 9: queues that have priorities deliver events of a higher one first, and others do not look at
    /// it.
    pub fn priority(mut self, priority: u8) -> Self {
        self.options.uncommon().priority = Some(priority);
        self
    }

    /// Makes the publish an error ([`crate::ErrorKind::Unrouted`]) when no queue receives the event.
    pub fn mandatory(mut self) -> Self {
        self.options.mandatory = true;
        self
    }

    pub(super) fn parts(&mut self) -> (&'a Bus, &mut P, &mut PublishOptions) {
        (self.bus, &mut self.payload, &mut self.options)
    }
}

impl<P, To> Publish<'_, P, To> {
    /// Checks and serialises the event without publishing it: returns the message as it would be sent.
    /// [`Bus::publish_prepared`] sends it.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidPayload`], [`crate::ErrorKind::InvalidKey`], [`crate::ErrorKind::InvalidHeader`],
    /// [`crate::ErrorKind::InvalidEnvelope`], [`crate::ErrorKind::TooLarge`]; for a value also
    /// [`crate::ErrorKind::UnknownEvent`].
    pub fn prepare(self) -> Result<Prepared> {
        (self.write)(self.payload, self.bus, self.options)
    }
}

impl<'a, P: Send + 'a, To: Destination<'a>> IntoFuture for Publish<'a, P, To> {
    type Output = Result<To::Receipt>;
    type IntoFuture = BoxFuture<'a, Result<To::Receipt>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { bus, payload, options, write, destination } = self;
        Box::pin(async move { destination.send(bus, write(payload, bus, options)?).await })
    }
}
