//! Messages without an envelope: which event they are.

use bytes::Bytes;
use uuid::Uuid;

use crate::{
    envelope::{plain_id, plain_identity, wrap_plain},
    error::Error,
    event::Declaration,
    message::Incoming,
    registry::Registry,
};

/// The event in a message that is plain JSON.
pub(super) struct PlainEvent {
    pub(super) event_id: Uuid,
    pub(super) event_type: String,
    /// The envelope around the body; `Err`: the body is no JSON.
    pub(super) envelope: Result<Bytes, Error>,
}

impl PlainEvent {
    /// The event that a subscriber of `declaration` takes a message for.
    ///
    /// Its id is the message id, where that is a UUID; else what the event declares with `id(…)`, as its publishers would
    /// compute it; else what [`plain_id`] makes of the message.
    pub(super) fn new(message: &Incoming, declaration: &Declaration) -> Self {
        let (event_id, event_type) = match plain_identity(message) {
            Some((id, event_type)) => (id, event_type.to_owned()),
            None => {
                let declared = declared_identity(message, declaration);
                let (event_type, own_id) = declared.unwrap_or_else(|| (declaration.routing_key.to_owned(), None));
                let id = message.properties.message_id.or(own_id).unwrap_or_else(|| plain_id(message));
                (id, event_type)
            }
        };
        let envelope = wrap_plain(message, event_id, &event_type).map(Bytes::from);
        Self { event_id, event_type, envelope }
    }
}

/// The key and the id of an event whose fields decide them; `None`: they do not, or the payload cannot be read.
fn declared_identity(message: &Incoming, declaration: &Declaration) -> Option<(String, Option<Uuid>)> {
    let is_template = crate::routing::is_template(declaration.routing_key);
    if !is_template && declaration.id_fields.is_empty() {
        return None;
    }
    let descriptor = Registry::global().event(declaration.routing_key)?;
    let event = descriptor.read_text(declaration.routing_key, std::str::from_utf8(&message.body).ok()?).ok()?;
    let key = event.routing_key().ok()?;
    Some((key.to_string(), event.event_id(&key)))
}
