//! Publishing events that are known only at run time.

use serde_json::Value;

use crate::{
    error::{Error, ErrorKind, Result},
    publish::{Bus, PublishOptions, Receipt},
    registry::Registry,
    routing,
};

impl Bus {
    /// Publishes a JSON payload under a key that is known only at run time. The event must be registered in this
    /// program; the payload is checked against its schema and its type.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownEvent`] naming the key and the nearest one; [`ErrorKind::InvalidPayload`] naming the JSON
    /// pointer of every fault.
    pub async fn publish_value(&self, key: &str, payload: &Value) -> Result<Receipt> {
        routing::check_wire_key(key)
            .map_err(|fault| Error::new(ErrorKind::InvalidKey, routing::explain(key, &fault)))?;
        let registry = Registry::global();
        let descriptor = registry.event(key).ok_or_else(|| registry.unknown(key))?;
        let event = descriptor.read(key, payload)?;
        let options = PublishOptions { event_id: event.event_id(key), ..PublishOptions::default() };
        self.send(self.draft(key, &event.to_value()?, options)?).await
    }
}
