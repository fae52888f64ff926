//! GitHub.

mod webhook;

use bloodbank_core::claim_check::{Claim, ClaimCheck, ClaimError};
use bloodbank_macros::Event;
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use bloodbank_core::settings::ClaimStoreKind;
pub use webhook::{PullRequestWebhook, WebhookError};

/// A pull request was opened; its text lies in a cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "github.pr.created", validate)]
#[garde(allow_unvalidated)]
pub struct GithubPrCreated {
    /// Its place in the cache: repository and number, as in `trinote|423`.
    #[garde(length(min = 1))]
    pub cache_key: String,
    /// Which cache.
    pub cache_type: ClaimStoreKind,
}

impl GithubPrCreated {
    /// The text of the pull request.
    ///
    /// # Errors
    /// [`ClaimError`]: missing, expired, in another cache, or the cache failed.
    pub async fn resolve(&self, cache: &ClaimCheck) -> Result<String, ClaimError> {
        cache.get_text(&Claim { cache_key: self.cache_key.clone(), cache_type: self.cache_type }).await
    }
}

impl From<Claim> for GithubPrCreated {
    fn from(claim: Claim) -> Self {
        Self { cache_key: claim.cache_key, cache_type: claim.cache_type }
    }
}
