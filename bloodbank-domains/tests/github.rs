//! A pull request travels as a reference to its text.

use bloodbank_core::{
    claim_check::{ClaimCheck, ClaimError},
    settings::ClaimStoreKind,
};
use bloodbank_domains::github::{GithubPrCreated, PullRequestWebhook};
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

#[tokio::test]
async fn an_opened_pull_request_becomes_an_event_and_its_text_is_in_the_cache() {
    let cache = ClaimCheck::memory();
    let opened = PullRequestWebhook::read(&webhook("opened", json!("It ships."))).expect("a webhook");
    let event = opened.into_event(&cache).await.expect("a cache").expect("an event");
    assert_eq!(event, GithubPrCreated { cache_key: "trinote|423".into(), cache_type: ClaimStoreKind::Memory });
    assert_eq!(event.resolve(&cache).await.expect("the text"), "It ships.");

    let without_text = PullRequestWebhook::read(&webhook("opened", Value::Null)).expect("a webhook");
    let event = without_text.into_event(&cache).await.expect("a cache").expect("an event");
    assert_eq!(event.resolve(&cache).await.expect("the text"), "");
}

#[tokio::test]
async fn other_actions_are_no_event_and_other_webhooks_are_an_error() {
    let cache = ClaimCheck::memory();
    let closed = PullRequestWebhook::read(&webhook("closed", json!("It ships."))).expect("a webhook");
    assert_eq!(closed.into_event(&cache).await.expect("no use of the cache"), None);
    let error = PullRequestWebhook::read(br#"{"zen": "Keep it logically awesome."}"#).expect_err("a ping");
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
