#![doc = include_str!("docs/overview.md")]
#![forbid(unsafe_code)]

#[doc(hidden)]
pub use bloodbank_core::__private;
pub use bloodbank_core::{
    App, BoxError, Bus, Command, CommandContext, CommandEvent, CommandManager, Context, DeadLetters, Error, ErrorKind,
    Event, EventCollector, EventEnvelope, EventKind, ExecuteError, FailureEvent, HandlerError, PayloadFault, Publisher,
    Receipt, Registry, Result, RoutingSegment, RunningApp, Settings, State, Subscriber,
};
pub use bloodbank_core::{
    app, claim_check, consume, correlation, dead_letter, dedupe, dispatch, envelope, event, event_id, handler, message,
    publish, registry, routing, settings, store, transport,
};
pub use bloodbank_macros::{Event, EventSet, RoutingSegment, command, pattern, routing_key, subscriber};

/// RabbitMQ.
#[cfg(feature = "amqp")]
pub use bloodbank_amqp as amqp;
/// The embedded bus.
#[cfg(feature = "embedded")]
pub use bloodbank_embedded as embedded;
/// `TestBus`, and the conformance suites for transports and stores.
#[cfg(feature = "testing")]
pub use bloodbank_testing as testing;

/// What most services need.
pub mod prelude {
    pub use bloodbank_core::{
        App, Bus, Command, CommandContext, Context, Event, EventCollector, EventEnvelope, FailureEvent, HandlerError,
        Publisher, RoutingSegment, State,
    };
    pub use bloodbank_macros::{Event, EventSet, RoutingSegment, command, pattern, routing_key, subscriber};
    pub use schemars::JsonSchema;
    pub use serde::{Deserialize, Serialize};
}

/// The examples of the macros, which their own crate cannot run.
#[cfg(doctest)]
mod macro_docs {
    macro_rules! run {
        ($($name:ident $path:literal)*) => {$(
            #[doc = include_str!($path)]
            struct $name;
        )*};
    }
    run! {
        Event "../bloodbank-macros/src/docs/event.md"
        EventSet "../bloodbank-macros/src/docs/event_set.md"
        RoutingSegment "../bloodbank-macros/src/docs/routing_segment.md"
        Subscriber "../bloodbank-macros/src/docs/subscriber.md"
        Command "../bloodbank-macros/src/docs/command.md"
        RoutingKey "../bloodbank-macros/src/docs/routing_key.md"
        Pattern "../bloodbank-macros/src/docs/pattern.md"
    }
}

/// The examples of the book's page about testing.
#[cfg(all(doctest, feature = "testing"))]
#[doc = include_str!("../docs/src/testing.md")]
mod testing_docs {}
