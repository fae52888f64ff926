//! A text field that may be too long for an event.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Claim, ClaimCheck, ClaimError};

/// Text that may be too long for an event: the text itself, or a reference to it. As a field of an event, it is in JSON
/// a string or an object with `cache_key` and `cache_type`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Large {
    /// The text itself.
    Inline(String),
    /// A reference to the text in a store.
    Claimed(Claim),
}

impl Large {
    /// Puts text over the threshold into the store, under this key; shorter text stays in the event.
    ///
    /// # Errors
    /// Like [`ClaimCheck::put`].
    pub async fn new(cache: &ClaimCheck, key: impl Into<String>, text: impl Into<String>) -> Result<Self, ClaimError> {
        let text = text.into();
        if cache.takes(text.len()) { Ok(Self::Claimed(cache.put(key, text).await?)) } else { Ok(Self::Inline(text)) }
    }

    /// Returns the text, from the store if it is kept there.
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
