//! Events of GitHub repositories: pull requests, issues, pushes and releases.

mod issue;
mod pull_request;
mod repository;
mod webhook;

pub use bloodbank_core::settings::ClaimStoreKind;
pub use issue::{GithubIssueClosed, GithubIssueOpened};
pub use pull_request::{GithubPrClosed, GithubPrCreated, GithubPrMerged};
pub use repository::{GithubBranchPushed, GithubReleasePublished};
pub use webhook::{GithubWebhook, OpenedPullRequest, WebhookError};
