//! Events of GitHub repositories.

mod webhook;

use bloodbank_core::claim_check::{Claim, ClaimCheck, ClaimError};
use bloodbank_macros::Event;
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use bloodbank_core::settings::ClaimStoreKind;
pub use webhook::{PullRequestWebhook, WebhookError};

/// A pull request was opened on GitHub; its text is kept in a cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "github.pr.created", validate)]
#[garde(allow_unvalidated)]
pub struct GithubPrCreated {
    /// The key of the text in the cache: the repository's name and the number of the pull request, as in `trinote|423`.
    #[garde(length(min = 1))]
    pub cache_key: String,
    /// The kind of cache that keeps the text.
    pub cache_type: ClaimStoreKind,
}

impl GithubPrCreated {
    /// Fetches the text of the pull request from the cache.
    ///
    /// # Errors
    /// [`ClaimError`] when the text is missing, expired or in another cache, or when the cache fails.
    pub async fn resolve(&self, cache: &ClaimCheck) -> Result<String, ClaimError> {
        cache.get_text(&Claim { cache_key: self.cache_key.clone(), cache_type: self.cache_type }).await
    }
}

impl From<Claim> for GithubPrCreated {
    fn from(claim: Claim) -> Self {
        Self { cache_key: claim.cache_key, cache_type: claim.cache_type }
    }
}
