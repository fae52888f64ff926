//! The engine of Bloodbank. Services use the facade crate `bloodbank`.
//!
//! Data flows one way: declare → register → publish → transport → consume → dispatch. Contracts (`event`, `failure`,
//! `command`, `envelope`, `routing`) import no stage; a stage imports contracts and earlier stages. Nothing here knows
//! HTTP, a terminal or a concrete domain.
#![forbid(unsafe_code)]

pub mod claim_check;
pub mod command;
pub mod consume;
pub mod correlation;
pub mod dead_letter;
pub mod dedupe;
pub mod dispatch;
pub mod envelope;
mod error;
pub mod event;
mod failure;
pub mod handler;
pub mod health;
pub mod identity;
#[doc(hidden)]
pub mod private;
pub mod publish;
pub mod registry;
/// Routing keys and binding patterns: one grammar and one matcher.
pub use bloodbank_routing as routing;
pub mod settings;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(any(feature = "amqp", feature = "redis"))]
mod tls;
pub mod transport;

pub use command::{Command, CommandEvent};
pub use consume::{App, Context, RunningApp};
pub use dead_letter::DeadLetters;
pub use dispatch::{CommandContext, CommandManager, ExecuteError};
pub use envelope::EventEnvelope;
pub use error::{BoxError, Error, ErrorKind, PayloadFault, Result};
pub use event::{Event, EventKind, RoutingSegment};
pub use failure::FailureEvent;
pub use handler::{HandlerError, Publisher, State, Subscriber};
pub use publish::{Bus, EventCollector, Receipt};
pub use registry::Registry;
pub use settings::Settings;

/// Where macros look for what they expand to.
#[doc(hidden)]
pub use private as __private;
