//! Examples of what happens in a repository.

use bloodbank_core::settings::ClaimStoreKind;

use super::{noon_and, some, texts};
use crate::github::{
    GithubBranchPushed, GithubIssueClosed, GithubIssueOpened, GithubPrClosed, GithubPrCreated, GithubPrMerged,
    GithubReleasePublished,
};

const REPOSITORY: &str = "acme/trinote";

fn page(path: &str) -> Option<String> {
    Some(format!("https://github.com/{REPOSITORY}/{path}"))
}

impl GithubPrCreated {
    pub(crate) fn sample() -> Self {
        Self { cache_key: format!("{REPOSITORY}|423"), cache_type: ClaimStoreKind::Redis }
    }
}

impl GithubPrClosed {
    pub(crate) fn sample() -> Self {
        Self {
            repository: REPOSITORY.to_owned(),
            number: 422,
            title: "Count words in notes".to_owned(),
            author: some("bo"),
            url: page("pull/422"),
            closed_at: noon_and(0),
        }
    }
}

impl GithubPrMerged {
    pub(crate) fn sample() -> Self {
        Self {
            repository: REPOSITORY.to_owned(),
            number: 423,
            title: "Search in notes".to_owned(),
            author: some("ana"),
            merged_by: some("bo"),
            base: some("main"),
            merge_commit: some("1f7a2b9c4d5e6f708192a3b4c5d6e7f8091a2b3c"),
            url: page("pull/423"),
            merged_at: noon_and(30),
        }
    }
}

impl GithubIssueOpened {
    pub(crate) fn sample() -> Self {
        Self {
            repository: REPOSITORY.to_owned(),
            number: 17,
            title: "Notes without a title cannot be found".to_owned(),
            author: some("ana"),
            labels: texts(&["bug"]),
            url: page("issues/17"),
            opened_at: noon_and(0),
        }
    }
}

impl GithubIssueClosed {
    pub(crate) fn sample() -> Self {
        Self {
            repository: REPOSITORY.to_owned(),
            number: 17,
            title: "Notes without a title cannot be found".to_owned(),
            author: some("ana"),
            reason: some("completed"),
            labels: texts(&["bug"]),
            url: page("issues/17"),
            closed_at: noon_and(60),
        }
    }
}

impl GithubBranchPushed {
    pub(crate) fn sample() -> Self {
        Self {
            repository: REPOSITORY.to_owned(),
            git_ref: "refs/heads/main".to_owned(),
            before: "0c9d8e7f6a5b4c3d2e1f00112233445566778899".to_owned(),
            after: "1f7a2b9c4d5e6f708192a3b4c5d6e7f8091a2b3c".to_owned(),
            commit_count: 1,
            subject: some("Search in notes"),
            pusher: some("bo"),
            forced: false,
            url: page("compare/0c9d8e7f6a5b...1f7a2b9c4d5e"),
            pushed_at: Some(noon_and(30)),
        }
    }
}

impl GithubReleasePublished {
    pub(crate) fn sample() -> Self {
        Self {
            repository: REPOSITORY.to_owned(),
            tag: "v1.2.0".to_owned(),
            name: some("Search"),
            author: some("bo"),
            prerelease: false,
            url: page("releases/tag/v1.2.0"),
            published_at: noon_and(45),
        }
    }
}
