//! Events that are published once their cause has been handled.

use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{
    error::{Error, ErrorKind, Result},
    event::{Declaration, Event},
    event_id,
    routing::RoutingKey,
};

/// An event that is validated and written, and waits to be published.
#[derive(Debug)]
pub struct PendingEvent {
    pub(crate) declaration: &'static Declaration,
    pub(crate) routing_key: RoutingKey,
    pub(crate) payload: Box<RawValue>,
    /// The id its declared fields give it.
    pub(crate) event_id: Option<Uuid>,
}

impl PendingEvent {
    pub(crate) fn new<E: Event>(event: E) -> Result<Self> {
        event.validate()?;
        let routing_key = event.routing_key()?;
        let payload = serde_json::value::to_raw_value(&event).map_err(|error| {
            Error::new(ErrorKind::InvalidPayload, format!("`{routing_key}` cannot be written as JSON"))
                .with_source(error)
        })?;
        let event_id = event.unique_key().map(|key| event_id::deterministic(&routing_key, &key));
        Ok(Self { declaration: const { &E::DECLARATION }, routing_key, payload, event_id })
    }

    /// The key it will be published under.
    #[must_use]
    pub fn routing_key(&self) -> &str {
        &self.routing_key
    }

    /// Its declaration.
    #[must_use]
    pub fn declaration(&self) -> &'static Declaration {
        self.declaration
    }

    /// Its payload.
    #[must_use]
    pub fn payload(&self) -> &RawValue {
        &self.payload
    }
}

/// Collects the events that follow from another one. They are published, in order and correlated to it, when the
/// handler has succeeded; if it fails, none of them is.
#[derive(Debug, Default)]
pub struct EventCollector {
    events: Vec<PendingEvent>,
    /// Which of them answers a requester.
    reply: Option<usize>,
    fault: Option<Error>,
}

impl EventCollector {
    /// Adds an event. One that breaks its own rules makes the handler fail, with the fault.
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

    /// Whether nothing was collected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// What was collected so far.
    #[must_use]
    pub fn events(&self) -> &[PendingEvent] {
        &self.events
    }

    /// Itself, unless one of its events broke its own rules.
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
