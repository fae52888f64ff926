//! The engine of Bloodbank. Services use the facade crate `bloodbank`.
//!
//! Data flows one way: each module uses only the modules before it in the order of `STAGES` in `tests/house/main.rs`, a
//! test that checks this. Transports implement the contracts of [`transport`], and the stores that they bring along those
//! of [`store`], in crates of their own; nothing here knows HTTP, a terminal, a broker's protocol or a concrete domain.
#![forbid(unsafe_code)]

mod error;
pub mod event_id;
pub mod message;
/// Routing keys and binding patterns: one grammar and one matcher.
pub use bloodbank_routing as routing;
pub mod app;
pub mod claim_check;
pub mod consume;
pub mod correlation;
pub mod dead_letter;
pub mod dedupe;
pub mod dispatch;
pub mod envelope;
pub mod event;
pub mod handler;
pub mod json;
#[doc(hidden)]
pub mod private;
pub mod publish;
pub mod registry;
pub mod replay;
pub mod settings;
pub mod store;
pub mod telemetry;
pub mod transport;

pub use app::{App, RunningApp};
pub use dead_letter::DeadLetters;
pub use dispatch::{Command, CommandContext, CommandManager};
pub use envelope::EventEnvelope;
pub use error::{BoxError, Error, ErrorKind, PayloadFault, Result};
pub use event::{CommandEvent, Event, EventCollector, EventKind, FailureEvent, RoutingSegment};
pub use handler::{Context, HandlerError, Publisher, State, Subscriber};
pub use publish::{Bus, ExecuteError, Receipt};
pub use registry::Registry;
pub use replay::Replay;
pub use settings::Settings;

/// The items that expanded macros refer to.
#[doc(hidden)]
pub use private as __private;
