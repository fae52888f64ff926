//! The reference that travels in place of a payload.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a payload is kept: the kind of store, and its key there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Claim {
    /// Its place in the store.
    pub cache_key: String,
    /// Which store.
    pub cache_type: CacheType,
}

/// A kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CacheType {
    /// In Redis.
    Redis,
    /// In the memory of the publisher.
    Memory,
    /// In a file.
    File,
}

impl fmt::Display for CacheType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redis => "redis",
            Self::Memory => "memory",
            Self::File => "file",
        })
    }
}
