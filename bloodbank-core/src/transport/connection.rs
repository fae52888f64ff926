//! The states of a transport's connections.

use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

/// The state of a connection to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    /// The connection is being made, for the first time or right after it was lost.
    Connecting,
    /// The connection works.
    Up,
    /// The broker is short of memory or disk and accepts no messages for now.
    Blocked,
    /// The connection is lost, and the broker does not answer; it is tried again and again.
    Down,
}

/// A connection to the broker.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The name of the connection: `publish` or `consume`.
    pub name: &'static str,
    /// The state now, and its changes.
    pub state: watch::Receiver<ConnectionState>,
    /// The time since the connection was lost and made again; `None`: never.
    pub reconnected: Option<Duration>,
}
