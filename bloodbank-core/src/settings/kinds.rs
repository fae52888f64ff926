//! The kinds of things that settings choose between.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the broker keeps a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum QueueKind {
    /// Replicated, survives the loss of a node.
    #[default]
    Quorum,
    /// On one node.
    Classic,
    /// Of this connection alone and gone with it: answers to requests.
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
}

impl fmt::Display for ClaimStoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redis => "redis",
            Self::Memory => "memory",
            Self::File => "file",
        })
    }
}
