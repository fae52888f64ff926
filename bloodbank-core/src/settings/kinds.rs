//! Kinds that settings choose between: of queues, of claim stores and of log lines.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kind of a queue: how the broker keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum QueueKind {
    /// A quorum queue: replicated, survives the loss of a node.
    #[default]
    Quorum,
    /// A classic queue, on one node.
    Classic,
    /// A queue of this connection alone, gone with it: for answers to requests.
    Transient,
}

impl fmt::Display for QueueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quorum => "quorum",
            Self::Classic => "classic",
            Self::Transient => "transient",
        })
    }
}

/// A kind of store for the correlation of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CorrelationStoreKind {
    /// In Redis.
    Redis,
    /// In the database of `DATABASE_URL`.
    Sql,
    /// In the memory of the process.
    Memory,
}

/// A kind of journal. The embedded bus in a file keeps its own, whichever one is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum JournalKind {
    /// The stream, where one is switched on.
    #[default]
    Stream,
    /// The copy in the database of `DATABASE_URL`, which `bb journal write` fills.
    Sql,
    /// None.
    Off,
}

/// What a program does about exchanges, queues and bindings when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TopologyMode {
    /// It declares them.
    #[default]
    Declare,
    /// Somebody else declares them, and a queue that is missing is an error.
    Verify,
    /// Somebody else declares them, and nothing is looked at.
    None,
}

/// A kind of store for large payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClaimStoreKind {
    /// In Redis.
    Redis,
    /// In the memory of the publisher.
    Memory,
    /// In a file.
    File,
    /// In a database.
    Sql,
}

impl fmt::Display for ClaimStoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redis => "redis",
            Self::Memory => "memory",
            Self::File => "file",
            Self::Sql => "sql",
        })
    }
}

/// A format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum LogFormat {
    /// One short line for people; coloured on a terminal.
    #[default]
    Compact,
    /// One JSON object a line, for programs that collect logs.
    Json,
}
