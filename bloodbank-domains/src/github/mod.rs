//! GitHub.

use bloodbank_macros::Event;
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A pull request was opened; its text lies in a cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "github.pr.created", validate)]
#[garde(allow_unvalidated)]
pub struct GithubPrCreated {
    /// Its place in the cache.
    #[garde(length(min = 1))]
    pub cache_key: String,
    /// Which cache.
    pub cache_type: CacheType,
}

/// Where the text of a pull request lies.
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
