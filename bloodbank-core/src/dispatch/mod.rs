//! Commands: executed by exactly one handler, answered, rolled back.

mod context;
mod manager;
mod reply;
mod request;

pub use context::CommandContext;
pub use manager::{CommandDescriptor, CommandManager};
pub(crate) use reply::{Answer, Replies, answer};
pub(crate) use request::read_value;
pub use request::{Execute, ExecuteError};
