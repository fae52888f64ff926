//! The Model Context Protocol (MCP): the registered events as tools for AI agents.
//!
//! Events that an agent publishes have the source `agent` with the name of its client.
//! [`GatewayBuilder::agents_may_publish`](crate::GatewayBuilder::agents_may_publish) restricts the keys that agents may
//! publish.

mod agent;
mod arguments;
mod call;
mod commands;
mod resources;
mod server;
mod sessions;
mod tools;

pub use server::McpServer;
pub(crate) use sessions::{CallerSessions, Sessions};
