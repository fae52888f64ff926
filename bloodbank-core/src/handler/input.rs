//! The first argument of a subscriber: the event, its envelope, or a set of events.

use crate::{
    envelope::EventEnvelope,
    error::ErrorKind,
    event::{Declaration, Payload},
    handler::{Context, HandlerError},
};

/// The first argument of a subscriber.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an `Event`",
    label = "the first argument of a subscriber is the event it receives",
    note = "it may be `T`, `EventEnvelope<T>`, where `T` derives `Event` or `EventSet`"
)]
pub trait Input: Sized + Send {
    /// The payload: an event, or a set of events.
    type Payload: Payload;

    /// The declarations of the events that the argument can hold.
    const EVENTS: &'static [&'static Declaration] = <Self::Payload as Payload>::DECLARATIONS;

    /// The declarations of the events that the argument can hold.
    fn events() -> Vec<&'static Declaration> {
        Self::EVENTS.to_vec()
    }

    /// Reads only the payload, to find its lane (`ordered_by`).
    fn peek(context: &Context) -> Option<Self::Payload> {
        let envelope = Self::Payload::decode(context.body()).ok()?;
        Some(envelope.payload)
    }

    /// Reads the argument from a message.
    ///
    /// # Errors
    /// The message is then parked.
    fn receive(context: &Context) -> Result<Self, HandlerError>;
}

impl<P: Payload> Input for P {
    type Payload = P;

    fn receive(context: &Context) -> Result<Self, HandlerError> {
        let (head, payload) = read::<P>(context)?.split();
        context.set_head(head);
        Ok(payload)
    }
}

impl<P: Payload> Input for EventEnvelope<P> {
    type Payload = P;

    fn receive(context: &Context) -> Result<Self, HandlerError> {
        let envelope = read::<P>(context)?;
        context.set_head(envelope.head());
        Ok(envelope)
    }
}

fn read<P: Payload>(context: &Context) -> Result<EventEnvelope<P>, HandlerError> {
    P::decode(context.body()).map_err(|error| {
        let reason = if error.kind() == ErrorKind::InvalidPayload { "invalid" } else { "undecodable" };
        HandlerError::unreadable(reason, error.to_string())
    })
}
