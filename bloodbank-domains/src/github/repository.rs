//! Events of a repository itself: pushes and releases.

use bloodbank_core::envelope::{read_optional_time, read_time};
use bloodbank_macros::Event;
use chrono::{DateTime, Utc};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Commits were pushed to a branch or a tag on GitHub, or it was created or deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "github.branch.pushed", validate, example = Self::sample())]
#[garde(allow_unvalidated)]
pub struct GithubBranchPushed {
    /// The whole name of the repository, such as `acme/trinote`.
    #[garde(length(min = 1))]
    pub repository: String,
    /// The whole name of the branch or tag, such as `refs/heads/main`.
    #[garde(length(min = 1))]
    pub git_ref: String,
    /// The hash of the commit before the push; zeros for a new branch.
    pub before: String,
    /// The hash of the commit after the push; zeros for a deleted branch.
    pub after: String,
    /// The number of commits that were pushed.
    pub commit_count: u32,
    /// The first line of the message of the last commit.
    #[serde(default)]
    pub subject: Option<String>,
    /// The name of the person who pushed.
    #[serde(default)]
    pub pusher: Option<String>,
    /// Whether the push replaced commits.
    #[serde(default)]
    pub forced: bool,
    /// The web page that compares both commits.
    #[serde(default)]
    pub url: Option<String>,
    /// The time of the push, to the second.
    #[serde(default, deserialize_with = "read_optional_time")]
    pub pushed_at: Option<DateTime<Utc>>,
}

/// A release was published on GitHub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "github.release.published", id(repository, tag), validate, example = Self::sample())]
#[garde(allow_unvalidated)]
pub struct GithubReleasePublished {
    /// The whole name of the repository, such as `acme/trinote`.
    #[garde(length(min = 1))]
    pub repository: String,
    /// The tag of the release, such as `v1.2.0`.
    #[garde(length(min = 1))]
    pub tag: String,
    /// The title of the release.
    #[serde(default)]
    pub name: Option<String>,
    /// The login of its author.
    #[serde(default)]
    pub author: Option<String>,
    /// Whether it is a pre-release.
    #[serde(default)]
    pub prerelease: bool,
    /// The web page of the release.
    #[serde(default)]
    pub url: Option<String>,
    /// The time at which it was published.
    #[serde(deserialize_with = "read_time")]
    pub published_at: DateTime<Utc>,
}
