//! The reference that travels in place of a payload.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::settings::ClaimStoreKind;

/// A reference to a payload in a store: the kind of store, and the key there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Claim {
    /// The key of the payload in the store.
    pub cache_key: String,
    /// The kind of store.
    pub cache_type: ClaimStoreKind,
}
