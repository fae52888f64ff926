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
    note = "it may be `T`, `EventEnvelope<T>`, or `Vec` of those for a batch, where `T` derives `Event` or `EventSet`"
)]
pub trait Input: Sized + Send {
    /// The payload: an event, or a set of events.
    type Payload: Payload;

    /// The declarations of the events that the argument can hold.
    const EVENTS: &'static [&'static Declaration] = <Self::Payload as Payload>::DECLARATIONS;

    /// Whether the argument is a batch: a list of events.
    const BATCH: bool = false;

    /// The declarations of the events that the argument can hold.
    fn events() -> Vec<&'static Declaration> {
        Self::EVENTS.to_vec()
    }

    /// Reads only the payload, to find its lane (`ordered_by`).
    fn peek(context: &Context) -> Option<Self::Payload> {
        let envelope = Self::Payload::decode(context.envelope().ok()?).ok()?;
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

/// One event of a batch: the event, or its envelope.
pub trait BatchItem: Input {}

impl<P: Payload> BatchItem for P {}
impl<P: Payload> BatchItem for EventEnvelope<P> {}

impl<I: BatchItem> Input for Vec<I> {
    type Payload = I::Payload;

    const BATCH: bool = true;

    fn receive(context: &Context) -> Result<Self, HandlerError> {
        let mut events = Self::new();
        let mut unreadable = None;
        for context in context.batch() {
            match I::receive(context) {
                Ok(event) => events.push(event),
                // It is settled by itself, and the others are handled.
                Err(error) => {
                    unreadable.get_or_insert_with(|| error.to_string());
                    context.set_unreadable(error);
                }
            }
        }
        match unreadable {
            Some(error) if events.is_empty() => Err(HandlerError::unreadable("undecodable", error)),
            _ => Ok(events),
        }
    }
}

fn read<P: Payload>(context: &Context) -> Result<EventEnvelope<P>, HandlerError> {
    let body = context.envelope().map_err(|error| HandlerError::unreadable("undecodable", error.to_string()))?;
    P::decode(body).map_err(|error| {
        let reason = if error.kind() == ErrorKind::InvalidPayload { "invalid" } else { "undecodable" };
        HandlerError::unreadable(reason, error.to_string())
    })
}
