//! Events that are collected while their cause is handled, and published afterwards.

use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{
    error::{Error, ErrorKind, Result},
    event::{Declaration, Event},
    event_id,
    json::check_finite,
    routing::RoutingKey,
};

/// An event that is validated and serialised, and waits to be published.
#[derive(Debug)]
pub struct PendingEvent {
    pub(crate) declaration: &'static Declaration,
    pub(crate) routing_key: RoutingKey,
    pub(crate) payload: Box<RawValue>,
    /// The deterministic id from the declared fields, if any.
    pub(crate) event_id: Option<Uuid>,
    /// The causes that its fields name.
    pub(crate) parents: Vec<Uuid>,
}

impl PendingEvent {
    pub(crate) fn new<E: Event>(event: E) -> Result<Self> {
        event.validate()?;
        let routing_key = event.routing_key()?;
        check_finite(&routing_key, &event)?;
        let payload = serde_json::value::to_raw_value(&event).map_err(|error| {
            Error::new(ErrorKind::InvalidPayload, format!("`{routing_key}` cannot be written as JSON"))
                .with_source(error)
        })?;
        let event_id = event.unique_key().map(|key| event_id::deterministic(&routing_key, &key));
        let parents = event.parents();
        Ok(Self { declaration: const { &E::DECLARATION }, routing_key, payload, event_id, parents })
    }

    /// The routing key that the event will be published under.
    #[must_use]
    pub fn routing_key(&self) -> &str {
        &self.routing_key
    }

    /// The declaration of the event.
    #[must_use]
    pub fn declaration(&self) -> &'static Declaration {
        self.declaration
    }

    /// The payload of the event as JSON.
    #[must_use]
    pub fn payload(&self) -> &RawValue {
        &self.payload
    }
}

/// Collects follow-up events. They are published, in order and correlated to their cause, when the handler has
/// succeeded; if it fails, none of them is.
#[derive(Debug, Default)]
pub struct EventCollector {
    events: Vec<PendingEvent>,
    /// The index of the event that answers the requester.
    reply: Option<usize>,
    fault: Option<Error>,
}

impl EventCollector {
    /// Adds an event. An invalid event makes the handler fail, with the fault.
    pub fn add<E: Event>(&mut self, event: E) -> &mut Self {
        match PendingEvent::new(event) {
            Ok(event) => self.events.push(event),
            Err(error) => self.fault = self.fault.take().or(Some(error)),
        }
        self
    }

    /// Adds the event that answers the requester of a command.
    pub(crate) fn add_reply<E: Event>(&mut self, event: E) {
        self.reply = Some(self.events.len());
        self.add(event);
    }

    /// Whether no event was collected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The events collected so far.
    #[must_use]
    pub fn events(&self) -> &[PendingEvent] {
        &self.events
    }

    /// Returns the collector, unless one of its events is invalid.
    ///
    /// # Errors
    /// What is wrong with the first of them.
    pub(crate) fn checked(mut self) -> Result<Self> {
        match self.fault.take() {
            None => Ok(self),
            Some(error) => Err(error),
        }
    }

    pub(crate) fn into_parts(self) -> (Vec<PendingEvent>, Option<usize>) {
        (self.events, self.reply)
    }
}
