//! The tracking of commands.

mod lookup;
mod tracker;
mod watch;

pub(crate) use lookup::find;
#[cfg(feature = "mcp")]
pub(crate) use tracker::CommandStatus;
pub(crate) use tracker::{CommandState, CommandTracker};
pub use watch::{WatchCommands, WatchedCommands};
