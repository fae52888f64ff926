//! Events of pull requests.

use bloodbank_core::{
    claim_check::{Claim, ClaimCheck, ClaimError},
    envelope::read_time,
    settings::ClaimStoreKind,
};
use bloodbank_macros::Event;
use chrono::{DateTime, Utc};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::defaults::redis;

/// A pull request was opened on GitHub; its text is kept in a cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "github.pr.created", validate, example = Self::sample())]
#[garde(allow_unvalidated)]
pub struct GithubPrCreated {
    /// The key of the text in the cache: the whole name of the repository and the number of the pull request, as in
    /// `acme/trinote|423`. The Python side left out the owner: `trinote|423`.
    #[garde(length(min = 1))]
    pub cache_key: String,
    /// The kind of cache that keeps the text.
    #[serde(default = "redis")]
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

/// A pull request was closed on GitHub without being merged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "github.pr.closed", validate, example = Self::sample())]
#[garde(allow_unvalidated)]
pub struct GithubPrClosed {
    /// The whole name of the repository, such as `acme/trinote`.
    #[garde(length(min = 1))]
    pub repository: String,
    /// The number of the pull request.
    pub number: u64,
    /// The title of the pull request.
    pub title: String,
    /// The login of its author.
    #[serde(default)]
    pub author: Option<String>,
    /// The web page of the pull request.
    #[serde(default)]
    pub url: Option<String>,
    /// The time at which it was closed.
    #[serde(deserialize_with = "read_time")]
    pub closed_at: DateTime<Utc>,
}

/// A pull request was merged on GitHub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "github.pr.merged", id(repository, number), validate, example = Self::sample())]
#[garde(allow_unvalidated)]
pub struct GithubPrMerged {
    /// The whole name of the repository, such as `acme/trinote`.
    #[garde(length(min = 1))]
    pub repository: String,
    /// The number of the pull request.
    pub number: u64,
    /// The title of the pull request.
    pub title: String,
    /// The login of its author.
    #[serde(default)]
    pub author: Option<String>,
    /// The login of the person who merged it.
    #[serde(default)]
    pub merged_by: Option<String>,
    /// The branch that it was merged into, such as `main`.
    #[serde(default)]
    pub base: Option<String>,
    /// The hash of the commit that merged it.
    #[serde(default)]
    pub merge_commit: Option<String>,
    /// The web page of the pull request.
    #[serde(default)]
    pub url: Option<String>,
    /// The time at which it was merged.
    #[serde(deserialize_with = "read_time")]
    pub merged_at: DateTime<Utc>,
}
