//! Commands: executed by exactly one handler, answered, rolled back.

mod command;
mod context;
mod execute;
mod manager;

pub use command::Command;
pub use context::CommandContext;
pub use execute::Executor;
pub use manager::CommandManager;
