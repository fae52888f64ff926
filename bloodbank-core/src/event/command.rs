//! The contracts of a command and of what answers it.

use super::{Declaration, Event, EventCollector, Payload};

/// An event that asks for something: `#[event(…, command, reply = T)]`. The derive implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a command",
    label = "not a command",
    note = "give its `#[event(…)]` the attribute `command`, and `reply = T` where it has an answer"
)]
pub trait CommandEvent: Event {
    /// The event that answers it; `()` where none does.
    type Reply: Reply;

    /// The key of the event that answers it.
    const REPLY_KEY: Option<&'static str> = match <Self::Reply as Reply>::DECLARATION {
        Some(declaration) => Some(declaration.routing_key),
        None => None,
    };
}

/// What can answer a command: an event, or nothing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot answer a command",
    label = "not a reply",
    note = "a reply is an event (`#[derive(Event)]`) or `()`"
)]
pub trait Reply: Sized + Send + 'static {
    /// What it declares; `None` for `()`.
    const DECLARATION: Option<&'static Declaration>;

    /// What it declares; `None` for `()`.
    fn declaration() -> Option<&'static Declaration> {
        Self::DECLARATION
    }

    /// Puts it where it is published from.
    fn collect(self, events: &mut EventCollector);

    /// Reads it from the envelope that answers a request.
    ///
    /// # Errors
    /// When the answer is another event.
    fn read(body: &[u8]) -> crate::Result<Self>;
}

impl Reply for () {
    const DECLARATION: Option<&'static Declaration> = None;

    fn collect(self, _events: &mut EventCollector) {}

    fn read(_body: &[u8]) -> crate::Result<Self> {
        Ok(())
    }
}

impl<E: Event> Reply for E {
    const DECLARATION: Option<&'static Declaration> = Some(&E::DECLARATION);

    fn collect(self, events: &mut EventCollector) {
        events.add_reply(self);
    }

    fn read(body: &[u8]) -> crate::Result<Self> {
        Ok(<E as Payload>::decode(body)?.payload)
    }
}
