//! The typed event framework for RabbitMQ.
#![forbid(unsafe_code)]

pub use bloodbank_core::*;
pub use bloodbank_macros::*;

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
