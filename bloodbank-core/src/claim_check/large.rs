//! A field that may be too long for an event.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Claim, ClaimCheck, ClaimError};

/// Text that may be too long for an event: itself, or a reference to it. A field of an event; as JSON it is a string or
/// an object with `cache_key` and `cache_type`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Large {
    /// The text.
    Inline(String),
    /// Where it is kept.
    Claimed(Claim),
}

impl Large {
    /// Text over the threshold goes into the store, under this key; shorter text stays in the event.
    ///
    /// # Errors
    /// Like [`ClaimCheck::put`].
    pub async fn new(cache: &ClaimCheck, key: impl Into<String>, text: impl Into<String>) -> Result<Self, ClaimError> {
        let text = text.into();
        if cache.takes(text.len()) { Ok(Self::Claimed(cache.put(key, text).await?)) } else { Ok(Self::Inline(text)) }
    }

    /// The text.
    ///
    /// # Errors
    /// Like [`ClaimCheck::get_text`].
    pub async fn resolve(&self, cache: &ClaimCheck) -> Result<String, ClaimError> {
        match self {
            Self::Inline(text) => Ok(text.clone()),
            Self::Claimed(claim) => cache.get_text(claim).await,
        }
    }
}
