//! How the connections of a transport are.

use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

/// How a connection to the broker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    /// It is being made, for the first time or right after it was lost.
    Connecting,
    /// It works.
    Up,
    /// The broker is short of memory or disk and accepts no messages for now.
    Blocked,
    /// It is lost, and the broker does not answer; it is tried again and again.
    Down,
}

/// A connection to the broker.
#[derive(Debug, Clone)]
pub struct Connection {
    /// `publish` or `consume`.
    pub name: &'static str,
    /// How it is, and how it changes.
    pub state: watch::Receiver<ConnectionState>,
    /// How long ago it was lost and made again; `None`: never.
    pub reconnected: Option<Duration>,
}
