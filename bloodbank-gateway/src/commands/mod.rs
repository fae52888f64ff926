//! The tracking of commands.

mod tracker;
mod watch;

pub(crate) use tracker::{CommandState, CommandStatus, CommandTracker};
pub use watch::{WatchCommands, WatchedCommands};
