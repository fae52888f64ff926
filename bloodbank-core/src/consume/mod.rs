//! Consuming: the app, the runtime of each subscriber, settling.

mod app;
mod context;
mod follow_ups;
mod linked;
mod once;
mod running;
mod runtime;
mod settle;
mod signals;
mod spec;

pub use app::App;
pub use context::Context;
pub(crate) use context::{Delivered, Target};
pub(crate) use linked::linked_queues;
pub use running::RunningApp;
pub use signals::StopSignals;
pub use spec::HandlerService;
pub(crate) use spec::{panicked, timed_out};
