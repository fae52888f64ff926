//! The contracts of a command and of its reply.

use super::{Declaration, Event, EventCollector, Payload};

/// A command: an event that asks for something, declared with `#[event(…, command, reply = T)]`. The derive implements
/// this trait.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a command",
    label = "not a command",
    note = "give its `#[event(…)]` the attribute `command`, and `reply = T` where it has an answer"
)]
pub trait CommandEvent: Event {
    /// The reply event; `()` where the command has none.
    type Reply: Reply;

    /// The routing key of the reply event, if there is one.
    const REPLY_KEY: Option<&'static str> = match <Self::Reply as Reply>::DECLARATION {
        Some(declaration) => Some(declaration.routing_key),
        None => None,
    };
}

/// A reply to a command: an event, or `()` for none.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot answer a command",
    label = "not a reply",
    note = "a reply is an event (`#[derive(Event)]`) or `()`"
)]
pub trait Reply: Sized + Send + 'static {
    /// The declaration of the reply event; `None` for `()`.
    const DECLARATION: Option<&'static Declaration>;

    /// The declaration of the reply event; `None` for `()`.
    fn declaration() -> Option<&'static Declaration> {
        Self::DECLARATION
    }

    /// Adds the reply to the collected events.
    fn collect(self, events: &mut EventCollector);

    /// Reads the reply from the envelope that answers a request.
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
