//! Questions about the types in the signature of a subscriber, whose answers are constants. Traits take them as parameters, so
//! that one mistake is reported once and in the words of the mistake: an extractor before the event, an error that is none.

use std::marker::PhantomData;

use crate::{
    error::Result,
    handler::{Context, Extractor, HandlerError, Input, OpenTransaction},
};

/// Questions about a type. An answer of yes is a constant of this type, found before that of [`IsNot`].
pub struct Is<T>(PhantomData<T>);

impl<T: Input> Is<T> {
    /// Whether a subscriber can receive it as its first argument.
    pub const AN_INPUT: bool = true;
    /// Whether it is a batch; `None` where it is no argument at all, which is reported.
    pub const A_BATCH: Option<bool> = Some(T::BATCH);
}

impl<T: Extractor> Is<T> {
    /// Whether a subscriber can take it after the event.
    pub const AN_EXTRACTOR: bool = true;
    /// The transaction that it takes.
    pub const TRANSACTION: Option<OpenTransaction> = T::TRANSACTION;
}

impl<T, E> Is<Result<T, E>> {
    /// Whether it is a `Result`.
    pub const A_RESULT: bool = true;
}

/// The answers of no to the questions of [`Is`].
pub trait IsNot {
    /// Whether a subscriber can receive it as its first argument.
    const AN_INPUT: bool = false;
    /// Whether it is a batch; `None` where it is no argument at all, which is reported.
    const A_BATCH: Option<bool> = None;
    /// Whether a subscriber can take it after the event.
    const AN_EXTRACTOR: bool = false;
    /// The transaction that it takes; none, so that what is no extractor is reported once.
    const TRANSACTION: Option<OpenTransaction> = None;
    /// Whether it is a `Result`.
    const A_RESULT: bool = false;
}

impl<T> IsNot for Is<T> {}

/// The first argument of a subscriber; no type with `MISPLACED`, which stands for an extractor before the event.
#[diagnostic::on_unimplemented(
    message = "`{Self}` comes before the event",
    label = "put the event first",
    note = "the first argument of a subscriber is the event it receives: `async fn ship(order: OrderPlaced, carrier: State<Carrier>)`"
)]
pub trait ReceivedFirst<const MISPLACED: bool>: Sized {
    /// The argument itself.
    type This: Input;
}

impl<T: Input> ReceivedFirst<false> for T {
    type This = T;
}

/// The first argument, as the handler takes it; any type without `AN_INPUT`, which stands for one that was reported.
pub trait TakenFirst<const AN_INPUT: bool>: Sized {
    /// Reads the argument from a message.
    ///
    /// # Errors
    /// The message is then parked.
    fn receive(context: &Context) -> Result<Self, HandlerError>;
}

impl<T: Input> TakenFirst<true> for T {
    fn receive(context: &Context) -> Result<Self, HandlerError> {
        <T as Input>::receive(context)
    }
}

impl<T> TakenFirst<false> for T {
    fn receive(_context: &Context) -> Result<Self, HandlerError> {
        Err(mistaken())
    }
}

/// An argument after the event; any type without `EVENT_FIRST`, which stands for a first argument that was reported.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an extractor",
    label = "a subscriber cannot take this argument",
    note = "after the event come `State<S>`, `Context`, `Publisher`, or a type that implements `Extractor`"
)]
pub trait TakenAfter<const EVENT_FIRST: bool>: Sized {
    /// Extracts the argument from the context of the event.
    ///
    /// # Errors
    /// The event is then handled as if the subscriber had returned that error.
    fn extract(context: &Context) -> Result<Self, HandlerError>;
}

impl<T: Extractor> TakenAfter<true> for T {
    fn extract(context: &Context) -> Result<Self, HandlerError> {
        <T as Extractor>::extract(context)
    }
}

impl<T> TakenAfter<false> for T {
    fn extract(_context: &Context) -> Result<Self, HandlerError> {
        Err(mistaken())
    }
}

fn mistaken() -> HandlerError {
    HandlerError::permanent("the signature of the subscriber has a mistake, which the compiler reported")
}
