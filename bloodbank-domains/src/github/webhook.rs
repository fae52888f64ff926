//! The webhooks of GitHub that make an event.

use std::fmt;

use bloodbank_core::{
    Event,
    claim_check::{ClaimCheck, ClaimError},
    event_id,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use uuid::Uuid;

use super::{
    GithubBranchPushed, GithubIssueClosed, GithubIssueOpened, GithubPrClosed, GithubPrCreated, GithubPrMerged,
    GithubReleasePublished,
};

/// A webhook of GitHub as the event that it makes. The receiver of the request checks its signature
/// (`X-Hub-Signature-256`).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum GithubWebhook {
    /// A pull request was opened; its text is not in a cache yet.
    PrOpened(OpenedPullRequest),
    /// A pull request was closed without being merged.
    PrClosed(GithubPrClosed),
    /// A pull request was merged.
    PrMerged(GithubPrMerged),
    /// An issue was opened.
    IssueOpened(GithubIssueOpened),
    /// An issue was closed.
    IssueClosed(GithubIssueClosed),
    /// A branch or a tag was pushed.
    Pushed(GithubBranchPushed),
    /// A release was published.
    Released(GithubReleasePublished),
}

/// An opened pull request, with its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedPullRequest {
    repository: String,
    number: u64,
    text: String,
}

impl OpenedPullRequest {
    /// The key of the text in the cache, such as `acme/trinote|423`.
    #[must_use]
    pub fn cache_key(&self) -> String {
        format!("{}|{}", self.repository, self.number)
    }

    /// Stores the text in the cache and returns the event that refers to it.
    ///
    /// # Errors
    /// [`ClaimError`] when the text cannot be stored.
    pub async fn into_event(self, cache: &ClaimCheck) -> Result<GithubPrCreated, ClaimError> {
        let key = self.cache_key();
        Ok(cache.put(key, self.text).await?.into())
    }
}

impl GithubWebhook {
    /// The kinds of webhooks (`X-GitHub-Event`) of which some make an event.
    pub const KINDS: [&'static str; 4] = ["pull_request", "issues", "push", "release"];

    /// The event id of the webhook, which is the same for each delivery. What may happen twice to one pull request, issue or
    /// branch is told apart by its time.
    #[must_use]
    pub fn event_id(&self) -> Option<Uuid> {
        let id = |key: &str, unique: String| Some(event_id::deterministic(key, &unique));
        match self {
            Self::PrOpened(opened) => {
                id(GithubPrCreated::DECLARATION.routing_key, format!("cache_key={}", opened.cache_key()))
            }
            Self::PrClosed(GithubPrClosed { repository, number, closed_at, .. }) => id(
                GithubPrClosed::DECLARATION.routing_key,
                format!("closed_at={}|number={number}|repository={repository}", closed_at.timestamp()),
            ),
            Self::IssueClosed(GithubIssueClosed { repository, number, closed_at, .. }) => id(
                GithubIssueClosed::DECLARATION.routing_key,
                format!("closed_at={}|number={number}|repository={repository}", closed_at.timestamp()),
            ),
            Self::Pushed(GithubBranchPushed { repository, git_ref, before, after, pushed_at, .. }) => id(
                GithubBranchPushed::DECLARATION.routing_key,
                format!(
                    "after={after}|before={before}|git_ref={git_ref}|pushed_at={}|repository={repository}",
                    pushed_at.map_or(0, |time| time.timestamp())
                ),
            ),
            // Derived from their fields.
            Self::PrMerged(_) | Self::IssueOpened(_) | Self::Released(_) => None,
        }
    }

    /// Parses the body of a request, whose kind is the header `X-GitHub-Event`; `None` for a kind or an action that makes
    /// no event.
    ///
    /// # Errors
    /// [`WebhookError`] naming the place in the body.
    pub fn read(kind: &str, body: &[u8]) -> Result<Option<Self>, WebhookError> {
        Ok(match kind {
            "pull_request" => parse::<PullRequestBody>(kind, body)?.into_event(),
            "issues" => parse::<IssueBody>(kind, body)?.into_event(),
            "push" => Some(Self::Pushed(parse::<PushBody>(kind, body)?.into_event())),
            "release" => parse::<ReleaseBody>(kind, body)?.into_event(),
            _ => None,
        })
    }
}

fn parse<T: DeserializeOwned>(kind: &str, body: &[u8]) -> Result<T, WebhookError> {
    serde_json::from_slice(body).map_err(|error| WebhookError { kind: kind.to_owned(), fault: error.to_string() })
}

#[derive(Deserialize)]
struct Repository {
    name: String,
    #[serde(default)]
    full_name: Option<String>,
    /// Seconds since 1970 in a push, a text elsewhere.
    #[serde(default, deserialize_with = "seconds")]
    pushed_at: Option<DateTime<Utc>>,
}

impl Repository {
    /// Two owners may have repositories of one name.
    fn whole_name(self) -> String {
        self.full_name.unwrap_or(self.name)
    }
}

fn seconds<'de, D: Deserializer<'de>>(input: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Time {
        Seconds(i64),
        Text(DateTime<Utc>),
    }
    Ok(Option::<Time>::deserialize(input)?.and_then(|time| match time {
        Time::Seconds(seconds) => DateTime::from_timestamp(seconds, 0),
        Time::Text(time) => Some(time),
    }))
}

#[derive(Deserialize)]
struct Account {
    login: String,
}

fn login(account: Option<Account>) -> Option<String> {
    account.map(|account| account.login)
}

#[derive(Deserialize)]
struct PullRequestBody {
    action: String,
    number: u64,
    pull_request: PullRequest,
    repository: Repository,
}

#[derive(Deserialize)]
struct PullRequest {
    #[serde(default)]
    title: String,
    /// The text of the pull request; `null` where it is empty.
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    user: Option<Account>,
    #[serde(default)]
    html_url: Option<String>,
    #[serde(default)]
    closed_at: Option<DateTime<Utc>>,
    #[serde(default)]
    merged_at: Option<DateTime<Utc>>,
    #[serde(default)]
    merged_by: Option<Account>,
    #[serde(default)]
    merge_commit_sha: Option<String>,
    #[serde(default)]
    base: Option<Branch>,
}

#[derive(Deserialize)]
struct Branch {
    #[serde(rename = "ref")]
    name: String,
}

impl PullRequestBody {
    fn into_event(self) -> Option<GithubWebhook> {
        let Self { action, number, pull_request, repository } = self;
        let repository = repository.whole_name();
        let PullRequest { title, body, user, html_url, closed_at, merged_at, merged_by, merge_commit_sha, base } =
            pull_request;
        match (&*action, merged_at, closed_at) {
            ("opened", ..) => {
                let text = body.unwrap_or_default();
                Some(GithubWebhook::PrOpened(OpenedPullRequest { repository, number, text }))
            }
            ("closed", Some(merged_at), _) => Some(GithubWebhook::PrMerged(GithubPrMerged {
                repository,
                number,
                title,
                author: login(user),
                merged_by: login(merged_by),
                base: base.map(|base| base.name),
                merge_commit: merge_commit_sha,
                url: html_url,
                merged_at,
            })),
            ("closed", None, Some(closed_at)) => Some(GithubWebhook::PrClosed(GithubPrClosed {
                repository,
                number,
                title,
                author: login(user),
                url: html_url,
                closed_at,
            })),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
struct IssueBody {
    action: String,
    issue: Issue,
    repository: Repository,
}

#[derive(Deserialize)]
struct Issue {
    number: u64,
    #[serde(default)]
    title: String,
    #[serde(default)]
    user: Option<Account>,
    #[serde(default)]
    labels: Vec<Label>,
    #[serde(default)]
    html_url: Option<String>,
    #[serde(default)]
    state_reason: Option<String>,
    created_at: DateTime<Utc>,
    #[serde(default)]
    closed_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

impl IssueBody {
    fn into_event(self) -> Option<GithubWebhook> {
        let Self { action, issue, repository } = self;
        let repository = repository.whole_name();
        let Issue { number, title, user, labels, html_url, state_reason, created_at, closed_at } = issue;
        let (author, labels) = (login(user), labels.into_iter().map(|label| label.name).collect());
        match (&*action, closed_at) {
            ("opened", _) => Some(GithubWebhook::IssueOpened(GithubIssueOpened {
                repository,
                number,
                title,
                author,
                labels,
                url: html_url,
                opened_at: created_at,
            })),
            ("closed", Some(closed_at)) => Some(GithubWebhook::IssueClosed(GithubIssueClosed {
                repository,
                number,
                title,
                author,
                reason: state_reason,
                labels,
                url: html_url,
                closed_at,
            })),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
struct PushBody {
    #[serde(rename = "ref")]
    git_ref: String,
    before: String,
    after: String,
    #[serde(default)]
    forced: bool,
    #[serde(default)]
    compare: Option<String>,
    #[serde(default)]
    commits: Vec<Commit>,
    #[serde(default)]
    head_commit: Option<Commit>,
    #[serde(default)]
    pusher: Option<Pusher>,
    repository: Repository,
}

#[derive(Deserialize)]
struct Commit {
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Pusher {
    name: String,
}

impl PushBody {
    fn into_event(self) -> GithubBranchPushed {
        let pushed_at = self.repository.pushed_at;
        let subject = self.head_commit.map(|commit| commit.message.lines().next().unwrap_or_default().to_owned());
        GithubBranchPushed {
            repository: self.repository.whole_name(),
            git_ref: self.git_ref,
            before: self.before,
            after: self.after,
            commit_count: u32::try_from(self.commits.len()).unwrap_or(u32::MAX),
            subject,
            pusher: self.pusher.map(|pusher| pusher.name),
            forced: self.forced,
            url: self.compare,
            pushed_at,
        }
    }
}

#[derive(Deserialize)]
struct ReleaseBody {
    action: String,
    release: Release,
    repository: Repository,
}

#[derive(Deserialize)]
struct Release {
    tag_name: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    author: Option<Account>,
    #[serde(default)]
    prerelease: bool,
    #[serde(default)]
    html_url: Option<String>,
    #[serde(default)]
    published_at: Option<DateTime<Utc>>,
}

impl ReleaseBody {
    fn into_event(self) -> Option<GithubWebhook> {
        let Self { action, release, repository } = self;
        if action != "published" {
            return None;
        }
        Some(GithubWebhook::Released(GithubReleasePublished {
            repository: repository.whole_name(),
            tag: release.tag_name,
            name: release.name,
            author: login(release.author),
            prerelease: release.prerelease,
            url: release.html_url,
            published_at: release.published_at?,
        }))
    }
}

/// A body that is not a webhook of GitHub of the kind that its header names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookError {
    kind: String,
    fault: String,
}

impl fmt::Display for WebhookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the body is no `{}` webhook of GitHub: {}", self.kind, self.fault)
    }
}

impl std::error::Error for WebhookError {}
