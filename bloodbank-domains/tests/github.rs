//! A pull request travels as a reference to its text.

use bloodbank_core::{
    claim_check::{ClaimCheck, ClaimError},
    settings::ClaimStoreKind,
};
use bloodbank_domains::github::{GithubPrCreated, GithubWebhook, OpenedPullRequest};
use serde_json::{Value, json};

fn webhook(action: &str, body: Value) -> Vec<u8> {
    json!({
        "action": action,
        "number": 423,
        "pull_request": {"id": 1, "number": 423, "title": "Ship it", "body": body, "user": {"login": "octocat"}},
        "repository": {"id": 2, "name": "trinote", "full_name": "acme/trinote"},
        "sender": {"login": "octocat"},
    })
    .to_string()
    .into_bytes()
}

fn opened(body: &[u8]) -> OpenedPullRequest {
    match GithubWebhook::read("pull_request", body).expect("a webhook").expect("an event") {
        GithubWebhook::PrOpened(opened) => opened,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_opened_pull_request_becomes_an_event_and_its_text_is_in_the_cache() {
    let cache = ClaimCheck::memory();
    let event = opened(&webhook("opened", json!("It ships."))).into_event(&cache).await.expect("a cache");
    assert_eq!(event, GithubPrCreated { cache_key: "acme/trinote|423".into(), cache_type: ClaimStoreKind::Memory });
    assert_eq!(event.resolve(&cache).await.expect("the text"), "It ships.");

    let event = opened(&webhook("opened", Value::Null)).into_event(&cache).await.expect("a cache");
    assert_eq!(event.resolve(&cache).await.expect("the text"), "");
}

#[test]
fn repositories_of_one_name_have_events_of_their_own() {
    let of = |owner: &str| {
        let mut body: Value = serde_json::from_slice(&webhook("opened", json!("text"))).expect("JSON");
        body["repository"]["full_name"] = json!(format!("{owner}/trinote"));
        GithubWebhook::read("pull_request", body.to_string().as_bytes())
            .expect("a webhook")
            .expect("an event")
            .event_id()
    };
    assert!(of("alice").is_some() && of("alice") == of("alice") && of("alice") != of("bob"));
}

#[test]
fn closed_and_merged_pull_requests_issues_pushes_and_releases_are_events() {
    let repository = json!({ "name": "trinote", "full_name": "acme/trinote", "pushed_at": 1_751_000_000 });
    let octocat = json!({ "login": "octocat" });
    let pr = |merged: Value| {
        json!({
            "action": "closed", "number": 7, "repository": repository,
            "pull_request": {
                "title": "Ship it", "user": octocat, "html_url": "https://example.org/7", "closed_at": "2026-01-01T00:00:00Z",
                "merged_at": merged, "merged_by": octocat, "merge_commit_sha": "abc", "base": { "ref": "main" },
            },
        })
    };
    let issue = |action: &str| {
        json!({
            "action": action, "repository": repository,
            "issue": {
                "number": 8, "title": "It burns", "user": octocat, "labels": [{ "name": "bug" }],
                "created_at": "2026-01-01T00:00:00Z", "closed_at": "2026-01-02T00:00:00Z", "state_reason": "completed",
            },
        })
    };
    let push = json!({
        "ref": "refs/heads/main", "before": "a", "after": "b", "repository": repository, "commits": [{ "message": "One" }],
        "head_commit": { "message": "One\n\nmore" }, "pusher": { "name": "octocat" },
    });
    let release = json!({
        "action": "published", "repository": repository,
        "release": { "tag_name": "v1", "published_at": "2026-01-01T00:00:00Z", "author": octocat },
    });
    let read = |kind: &str, body: &Value| GithubWebhook::read(kind, body.to_string().as_bytes()).expect("a webhook");
    assert!(matches!(read("pull_request", &pr(Value::Null)), Some(GithubWebhook::PrClosed(pr)) if pr.number == 7));
    let merged = read("pull_request", &pr(json!("2026-01-01T00:00:00Z")));
    assert!(matches!(merged, Some(GithubWebhook::PrMerged(pr)) if pr.base.as_deref() == Some("main")));
    assert!(
        matches!(read("issues", &issue("opened")), Some(GithubWebhook::IssueOpened(issue)) if issue.labels == ["bug"])
    );
    assert!(matches!(read("issues", &issue("closed")), Some(GithubWebhook::IssueClosed(_))));
    assert!(read("issues", &issue("labeled")).is_none());
    let Some(GithubWebhook::Pushed(pushed)) = read("push", &push) else { panic!("a push") };
    assert_eq!((pushed.commit_count, pushed.subject.as_deref()), (1, Some("One")));
    assert!(matches!(read("release", &release), Some(GithubWebhook::Released(release)) if release.tag == "v1"));
    assert!(read("star", &push).is_none());
}

#[test]
fn other_actions_are_no_event_and_other_webhooks_are_an_error() {
    let edited = GithubWebhook::read("pull_request", &webhook("edited", json!("It ships.")));
    assert!(edited.expect("a webhook").is_none());
    let error = GithubWebhook::read("pull_request", br#"{"zen": "Keep it logically awesome."}"#).expect_err("a ping");
    assert!(error.to_string().contains("`action`"), "{error}");
}

#[tokio::test]
async fn a_reference_to_nothing_or_to_another_cache_is_a_typed_error() {
    let cache = ClaimCheck::memory();
    let missing = GithubPrCreated { cache_key: "trinote|424".into(), cache_type: ClaimStoreKind::Memory };
    assert!(matches!(missing.resolve(&cache).await, Err(ClaimError::Missing { .. })));
    let elsewhere = GithubPrCreated { cache_key: "trinote|423".into(), cache_type: ClaimStoreKind::Redis };
    assert!(matches!(elsewhere.resolve(&cache).await, Err(ClaimError::OtherStore { .. })));
}
