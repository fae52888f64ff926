//! Payloads that can be published: an event, or a JSON payload under a key that is known only at run time.

use serde_json::{Value, value::RawValue};

use super::{Bus, Prepared, Publish, PublishOptions, PublishValue};
use crate::{
    error::{Error, ErrorKind, PayloadFault, Result},
    event::Event,
    event_id,
    json::check_finite,
    registry::{self, Registry},
    routing,
};

/// A payload that [`Publish`] can check and write.
pub trait Publishable: sealed::Sealed {
    #[doc(hidden)]
    #[allow(private_interfaces, reason = "the trait is sealed: nobody outside calls this")]
    fn prepare(self, bus: &Bus, options: PublishOptions) -> Result<Prepared>;
}

mod sealed {
    pub trait Sealed {}
    impl<E: crate::event::Event> Sealed for E {}
    impl Sealed for super::Untyped<'_> {}
}

impl<E: Event> Publishable for E {
    #[allow(private_interfaces, reason = "the trait is sealed: nobody outside calls this")]
    fn prepare(self, bus: &Bus, mut options: PublishOptions) -> Result<Prepared> {
        self.validate()?;
        let key = self.routing_key()?;
        check_finite(&key, &self)?;
        options.event_id =
            options.event_id.or_else(|| self.unique_key().map(|unique| event_id::deterministic(&key, &unique)));
        options.causes.extend(self.parents());
        bus.prepare(&key, &self, options)
    }
}

impl Bus {
    /// Publishes a JSON payload under a key that is known only at run time: a [`Value`], or the text of one
    /// ([`RawValue`]), which costs less. The event must be registered in this program; the payload is checked against its
    /// schema and its type.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownEvent`] naming the key and the nearest one; [`ErrorKind::InvalidPayload`] naming the JSON
    /// pointer of every fault ([`Error::faults`]).
    pub fn publish_value<'a>(&'a self, key: &'a str, payload: impl Into<JsonPayload<'a>>) -> PublishValue<'a> {
        Publish::new(self, Untyped { key, payload: payload.into(), unregistered: false })
    }
}

/// A payload whose type is known only at run time.
#[derive(Debug, Clone, Copy)]
pub enum JsonPayload<'a> {
    /// The payload as a JSON tree.
    Value(&'a Value),
    /// The payload as JSON text.
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

/// A JSON payload and the routing key that it is published under.
#[derive(Debug, Clone, Copy)]
pub struct Untyped<'a> {
    pub(super) key: &'a str,
    payload: JsonPayload<'a>,
    unregistered: bool,
}

impl<To> Publish<'_, Untyped<'_>, To> {
    /// Also publishes an event that is not registered in this program; its payload is then not checked.
    pub fn allow_unregistered(mut self) -> Self {
        self.parts().1.unregistered = true;
        self
    }
}

impl Publishable for Untyped<'_> {
    #[allow(private_interfaces, reason = "the trait is sealed: nobody outside calls this")]
    fn prepare(self, bus: &Bus, mut options: PublishOptions) -> Result<Prepared> {
        let Self { key, payload, unregistered } = self;
        routing::check_wire_key(key)
            .map_err(|fault| Error::new(ErrorKind::InvalidKey, routing::explain(key, &fault)))?;
        let registry = Registry::global();
        let Some(descriptor) = registry.event(key) else {
            if unregistered {
                return match payload {
                    JsonPayload::Value(payload) => bus.prepare(key, payload, options),
                    // Not every text that looks like JSON can be read as JSON, and nobody else looks at this one.
                    JsonPayload::Text(payload) => bus.prepare(key, &registry::tree(key, payload.get())?, options),
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
        options.causes.extend(event.parents());
        bus.prepare(key, &event.to_text()?, options)
    }
}
