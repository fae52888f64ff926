//! Consuming: the app, the runtime of each subscriber, settling.

mod app;
mod context;

pub use app::{App, RunningApp};
pub use context::Context;
pub(crate) use context::{Delivered, Target};
