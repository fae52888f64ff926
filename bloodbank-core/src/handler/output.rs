//! Return values of subscribers: nothing, events, or an error.

use crate::{
    event::{Declaration, Event, EventCollector},
    handler::{Context, HandlerError, HandlerFailure},
};

/// Events that a handler returns: `()`, an event, and `Option`, `Vec` and tuples of those. Published in order.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be published",
    label = "a handler cannot return this",
    note = "return `()`, a type that derives `Event`, an `Option`, `Vec` or tuple of those, or a `Result` of those"
)]
pub trait Output {
    /// Adds the events to the collected ones.
    fn collect(self, events: &mut EventCollector);

    /// Adds the declarations of the events that may be returned.
    fn declarations(list: &mut Vec<&'static Declaration>);
}

impl Output for () {
    fn collect(self, _events: &mut EventCollector) {}

    fn declarations(_list: &mut Vec<&'static Declaration>) {}
}

impl<E: Event> Output for E {
    fn collect(self, events: &mut EventCollector) {
        events.add(self);
    }

    fn declarations(list: &mut Vec<&'static Declaration>) {
        list.push(const { &E::DECLARATION });
    }
}

impl<O: Output> Output for Option<O> {
    fn collect(self, events: &mut EventCollector) {
        if let Some(output) = self {
            output.collect(events);
        }
    }

    fn declarations(list: &mut Vec<&'static Declaration>) {
        O::declarations(list);
    }
}

impl<O: Output> Output for Vec<O> {
    fn collect(self, events: &mut EventCollector) {
        for output in self {
            output.collect(events);
        }
    }

    fn declarations(list: &mut Vec<&'static Declaration>) {
        O::declarations(list);
    }
}

macro_rules! tuples {
    ($(($($output:ident $index:tt),+))*) => {$(
        impl<$($output: Output),+> Output for ($($output,)+) {
            fn collect(self, events: &mut EventCollector) {
                $(self.$index.collect(events);)+
            }

            fn declarations(list: &mut Vec<&'static Declaration>) {
                $($output::declarations(list);)+
            }
        }
    )*};
}
tuples! {
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
}

/// The return type of a subscriber: an [`Output`], or a `Result` of one (`RESULT`).
///
/// With the parameter exactly one implementation can be meant, so that the compiler reports what is missing for that one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be published",
    label = "a subscriber cannot return this",
    note = "return `()`, a type that derives `Event`, an `Option`, `Vec` or tuple of those, or a `Result` of those"
)]
pub trait HandlerReturn<const RESULT: bool> {
    /// Collects the events to publish, or returns the error of the handler.
    ///
    /// # Errors
    /// What the handler returned as `Err`.
    fn finish(self, context: &Context) -> Result<EventCollector, HandlerError>;

    /// The declarations of the events that may be published by returning them.
    fn declarations() -> Vec<&'static Declaration>;
}

impl<O: Output> HandlerReturn<false> for O {
    fn finish(self, _context: &Context) -> Result<EventCollector, HandlerError> {
        collect(self)
    }

    fn declarations() -> Vec<&'static Declaration> {
        let mut list = Vec::new();
        O::declarations(&mut list);
        list
    }
}

impl<O: Output, E: HandlerFailure> HandlerReturn<true> for Result<O, E> {
    fn finish(self, context: &Context) -> Result<EventCollector, HandlerError> {
        match self {
            Ok(output) => collect(output),
            Err(failure) => Err(failure.into_handler_error(context.attempt())),
        }
    }

    fn declarations() -> Vec<&'static Declaration> {
        let mut list = Vec::new();
        O::declarations(&mut list);
        E::declarations(&mut list);
        list
    }
}

fn collect(output: impl Output) -> Result<EventCollector, HandlerError> {
    let mut events = EventCollector::default();
    output.collect(&mut events);
    events.checked().map_err(|error| HandlerError::invalid_follow_up(&error))
}
