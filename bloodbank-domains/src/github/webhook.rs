//! What GitHub sends about pull requests.

use std::fmt;

use bloodbank_core::claim_check::{ClaimCheck, ClaimError};
use serde::Deserialize;

use super::GithubPrCreated;

/// A `pull_request` webhook. Whether GitHub sent it (`X-Hub-Signature-256`), the receiver of the request checks.
#[derive(Debug, Clone, Deserialize)]
pub struct PullRequestWebhook {
    action: String,
    number: u64,
    pull_request: PullRequest,
    repository: Repository,
}

#[derive(Debug, Clone, Deserialize)]
struct PullRequest {
    /// `null` where nobody wrote anything.
    #[serde(default)]
    body: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Repository {
    name: String,
}

impl PullRequestWebhook {
    /// Reads what was posted.
    ///
    /// # Errors
    /// [`WebhookError`] naming the place.
    pub fn read(body: &[u8]) -> Result<Self, WebhookError> {
        serde_json::from_slice(body).map_err(|error| WebhookError(error.to_string()))
    }

    /// Whether it says that a pull request was opened. Others (`edited`, `closed`, …) are no event here.
    #[must_use]
    pub fn is_opened(&self) -> bool {
        self.action == "opened"
    }

    /// Its place in the cache: `trinote|423`.
    #[must_use]
    pub fn cache_key(&self) -> String {
        format!("{}|{}", self.repository.name, self.number)
    }

    /// Puts the text of the pull request into the cache; what is returned refers to it. `None`: none was opened.
    ///
    /// # Errors
    /// [`ClaimError`] when the cache does not take it.
    pub async fn into_event(self, cache: &ClaimCheck) -> Result<Option<GithubPrCreated>, ClaimError> {
        if !self.is_opened() {
            return Ok(None);
        }
        let key = self.cache_key();
        let claim = cache.put(key, self.pull_request.body.unwrap_or_default()).await?;
        Ok(Some(claim.into()))
    }
}

/// Why a webhook is none about a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookError(String);

impl fmt::Display for WebhookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no `pull_request` webhook of GitHub: {}", self.0)
    }
}

impl std::error::Error for WebhookError {}
