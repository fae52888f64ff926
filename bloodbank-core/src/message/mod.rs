//! Messages between a transport and the rest of the engine, with their properties and headers.

mod format;
mod header_value;
mod headers;
pub mod names;
mod properties;

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;

pub use format::Format;
pub use header_value::HeaderValue;
pub(crate) use header_value::hex::digits as hex_digits;
pub use headers::Headers;
pub use properties::{ForeignProperties, Properties};

/// Text that costs no allocation where it is a literal.
pub type Text = Cow<'static, str>;

/// A message on its way to an exchange.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Outgoing {
    /// The exchange; the empty name is the default exchange, which routes to the queue named by the key.
    pub exchange: Arc<str>,
    /// The routing key.
    pub routing_key: Arc<str>,
    /// The properties.
    pub properties: Properties,
    /// The body.
    pub body: Bytes,
    /// Whether the broker is asked to report a message that no queue receives, as [`Published::unrouted`]; with
    /// `false`, that field is always `None`.
    pub mandatory: bool,
}

impl Outgoing {
    /// Creates a message without properties that is not mandatory.
    ///
    /// ```
    /// use bloodbank_core::message::{Outgoing, Properties};
    ///
    /// // To the queue `jobs`, by way of the default exchange.
    /// let message = Outgoing::new("", "jobs", "{}").properties(Properties::default().header("priority", "high")).mandatory();
    /// assert!(message.mandatory);
    /// ```
    #[must_use]
    pub fn new(exchange: impl Into<Arc<str>>, routing_key: impl Into<Arc<str>>, body: impl Into<Bytes>) -> Self {
        Self {
            exchange: exchange.into(),
            routing_key: routing_key.into(),
            properties: Properties::default(),
            body: body.into(),
            mandatory: false,
        }
    }

    /// Replaces the properties.
    #[must_use]
    pub fn properties(mut self, properties: Properties) -> Self {
        self.properties = properties;
        self
    }

    /// Replaces the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Asks the broker to report a message that no queue receives.
    #[must_use]
    pub fn mandatory(mut self) -> Self {
        self.mandatory = true;
        self
    }
}

/// The broker's confirm of a published message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Whether the message was unrouted: no queue received it. `None`: the broker cannot tell, because a journal receives
    /// every message, or was not asked.
    pub unrouted: Option<bool>,
}

/// A message as it arrived in a queue.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The exchange that the message came through.
    pub exchange: Arc<str>,
    /// The routing key that the message came with; the name of the queue for a message that comes back from a delay, whose
    /// first key is the header [`names::ROUTING_KEY`].
    pub routing_key: Arc<str>,
    /// The properties.
    pub properties: Properties,
    /// The body.
    pub body: Bytes,
}

impl Incoming {
    /// Notes the exchange and the keys in the headers of a copy, which comes through another exchange with another key.
    pub(crate) fn note_origin(&self, headers: &mut Headers) {
        headers.set(names::EXCHANGE, &*self.exchange);
        headers.set(names::ROUTING_KEY, &*self.routing_key);
        // The broker would send the copy there too.
        headers.rename(names::FOREIGN_CC, names::CC);
    }

    /// Gives a copy, which came back from a delay or a dead-letter queue, the exchange and the keys of its original.
    pub(crate) fn restore_origin(&mut self) {
        let headers = &self.properties.headers;
        if headers.is_empty() {
            return;
        }
        if let Some(exchange) = headers.text(names::EXCHANGE) {
            self.exchange = exchange.into();
        }
        if let Some(key) = headers.text(names::ROUTING_KEY) {
            self.routing_key = key.into();
        }
        self.properties.headers.rename(names::CC, names::FOREIGN_CC);
    }
}
