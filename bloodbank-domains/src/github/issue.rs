//! Events of issues.

use bloodbank_core::envelope::read_time;
use bloodbank_macros::Event;
use chrono::{DateTime, Utc};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An issue was opened on GitHub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "github.issue.opened", id(repository, number), validate, example = Self::sample())]
#[garde(allow_unvalidated)]
pub struct GithubIssueOpened {
    /// The whole name of the repository, such as `acme/trinote`.
    #[garde(length(min = 1))]
    pub repository: String,
    /// The number of the issue.
    pub number: u64,
    /// The title of the issue.
    pub title: String,
    /// The login of its author.
    #[serde(default)]
    pub author: Option<String>,
    /// The names of its labels.
    #[serde(default)]
    pub labels: Vec<String>,
    /// The web page of the issue.
    #[serde(default)]
    pub url: Option<String>,
    /// The time at which it was opened.
    #[serde(deserialize_with = "read_time")]
    pub opened_at: DateTime<Utc>,
}

/// An issue was closed on GitHub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "github.issue.closed", validate, example = Self::sample())]
#[garde(allow_unvalidated)]
pub struct GithubIssueClosed {
    /// The whole name of the repository, such as `acme/trinote`.
    #[garde(length(min = 1))]
    pub repository: String,
    /// The number of the issue.
    pub number: u64,
    /// The title of the issue.
    pub title: String,
    /// The login of its author.
    #[serde(default)]
    pub author: Option<String>,
    /// The reason, such as `completed` or `not_planned`.
    #[serde(default)]
    pub reason: Option<String>,
    /// The names of its labels.
    #[serde(default)]
    pub labels: Vec<String>,
    /// The web page of the issue.
    #[serde(default)]
    pub url: Option<String>,
    /// The time at which it was closed.
    #[serde(deserialize_with = "read_time")]
    pub closed_at: DateTime<Utc>,
}
