//! The webhook that GitHub sends about pull requests.

use std::fmt;

use bloodbank_core::claim_check::{ClaimCheck, ClaimError};
use serde::Deserialize;

use super::GithubPrCreated;

/// A `pull_request` webhook of GitHub. The receiver of the request checks its signature (`X-Hub-Signature-256`).
#[derive(Debug, Clone, Deserialize)]
pub struct PullRequestWebhook {
    action: String,
    number: u64,
    pull_request: PullRequest,
    repository: Repository,
}

#[derive(Debug, Clone, Deserialize)]
struct PullRequest {
    /// The text of the pull request; `null` where it is empty.
    #[serde(default)]
    body: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Repository {
    name: String,
}

impl PullRequestWebhook {
    /// Parses the body of a request.
    ///
    /// # Errors
    /// [`WebhookError`] naming the place in the body.
    pub fn read(body: &[u8]) -> Result<Self, WebhookError> {
        serde_json::from_slice(body).map_err(|error| WebhookError(error.to_string()))
    }

    /// Whether a pull request was opened. Other actions (`edited`, `closed`, …) make no event.
    #[must_use]
    pub fn is_opened(&self) -> bool {
        self.action == "opened"
    }

    /// The key of the text in the cache, such as `trinote|423`.
    #[must_use]
    pub fn cache_key(&self) -> String {
        format!("{}|{}", self.repository.name, self.number)
    }

    /// Stores the text of an opened pull request in the cache and returns the event that refers to it; `None` for another
    /// action.
    ///
    /// # Errors
    /// [`ClaimError`] when the text cannot be stored.
    pub async fn into_event(self, cache: &ClaimCheck) -> Result<Option<GithubPrCreated>, ClaimError> {
        if !self.is_opened() {
            return Ok(None);
        }
        let key = self.cache_key();
        let claim = cache.put(key, self.pull_request.body.unwrap_or_default()).await?;
        Ok(Some(claim.into()))
    }
}

/// A body that is not a `pull_request` webhook of GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookError(String);

impl fmt::Display for WebhookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no `pull_request` webhook of GitHub: {}", self.0)
    }
}

impl std::error::Error for WebhookError {}
