//! Publishing events that are known only at run time.

use std::future::IntoFuture;

use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::{
    error::{Error, ErrorKind, Result},
    publish::{Bus, Draft, Publish, Receipt},
    registry::Registry,
    routing,
};

/// An event that is known only at run time: its key and its payload.
#[derive(Debug, Clone, Copy)]
pub struct KeyedValue<'a> {
    key: &'a str,
    payload: &'a Value,
}

impl<'a> KeyedValue<'a> {
    pub(crate) fn key(&self) -> &'a str {
        self.key
    }
}

impl Bus {
    /// Publishes a JSON payload under a key that is known only at run time. The event must be registered in this
    /// program; the payload is checked against its schema and its type.
    ///
    /// Awaiting it fails with [`ErrorKind::UnknownEvent`] naming the key and the nearest one, or
    /// [`ErrorKind::InvalidPayload`] naming the JSON pointer of every fault.
    pub fn publish_value<'a>(&'a self, key: &'a str, payload: &'a Value) -> Publish<'a, KeyedValue<'a>> {
        Publish::new(self, KeyedValue { key, payload })
    }
}

impl Publish<'_, KeyedValue<'_>> {
    pub(crate) fn keyed_draft(self) -> Result<Draft> {
        let (bus, KeyedValue { key, payload }, mut options) = self.into_parts();
        let registry = Registry::global();
        let descriptor = registry.event(key).ok_or_else(|| refused(key, registry))?;
        let event = descriptor.read(key, payload)?;
        let own_key = event.key()?;
        // The key as declared, with its placeholders, leaves the word to the payload.
        if key != own_key.as_str() && key != descriptor.routing_key() {
            return Err(Error::new(
                ErrorKind::InvalidKey,
                format!("the payload belongs under `{own_key}`, not under `{key}`; change one of them"),
            ));
        }
        options.event_id = options.event_id.or_else(|| event.event_id(&own_key));
        bus.draft(&own_key, &event.to_value()?, options)
    }
}

impl<'a> IntoFuture for Publish<'a, KeyedValue<'a>> {
    type Output = Result<Receipt>;
    type IntoFuture = BoxFuture<'a, Result<Receipt>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (bus, draft) = (self.bus(), self.keyed_draft()?);
            bus.send(draft).await
        })
    }
}

/// Why there is no event under a key: it is no key, or nobody declares it.
fn refused(key: &str, registry: &Registry) -> Error {
    match routing::check_wire_key(key) {
        Ok(()) => registry.unknown(key),
        Err(fault) => Error::new(ErrorKind::InvalidKey, routing::explain(key, &fault)),
    }
}
