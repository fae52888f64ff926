//! The reference that travels in place of a payload.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::settings::ClaimStoreKind;

/// Where a payload is kept: the kind of store, and its key there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Claim {
    /// Its place in the store.
    pub cache_key: String,
    /// Which store.
    pub cache_type: ClaimStoreKind,
}
