//! The webhook of GitHub: pull requests, issues, pushes, releases.

use axum::http::HeaderMap;
use bloodbank_core::claim_check::ClaimCheck;
use bloodbank_domains::github::GithubWebhook;
use bloodbank_gateway::{Gateway, Problem, parse_json};
use serde_json::Value;
use tracing::error;

use crate::outcome::{Outcome, publish};

const APP: &str = "github";

/// Handles a webhook of GitHub. The text of an opened pull request goes into the cache, and the event refers to it.
pub(crate) async fn handle(
    gateway: &Gateway,
    cache: &ClaimCheck,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Outcome, Problem> {
    let kind = headers.get("x-github-event").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !GithubWebhook::KINDS.contains(&kind) {
        let kinds = GithubWebhook::KINDS.map(|kind| format!("`{kind}`")).join(", ");
        return Ok(Outcome::Ignored(format!("`{kind}` makes no event; {kinds} do")));
    }
    parse_json::<Value>(body, gateway.limits())?;
    let webhook = GithubWebhook::read(kind, body).map_err(|error| Problem::invalid(error.to_string(), Vec::new()))?;
    let Some(webhook) = webhook else {
        return Ok(Outcome::Ignored(format!("this action of `{kind}` makes no event")));
    };
    let id = webhook.event_id();
    let receipt = match webhook {
        GithubWebhook::PrOpened(opened) => {
            let event = opened.into_event(cache).await.map_err(|error| {
                error!(%error, "the text of a pull request cannot be stored");
                Problem::unavailable("the text of the pull request cannot be stored now; deliver the webhook again")
            })?;
            publish(gateway, APP, event, id, Vec::new()).await
        }
        GithubWebhook::PrClosed(event) => publish(gateway, APP, event, id, Vec::new()).await,
        GithubWebhook::PrMerged(event) => publish(gateway, APP, event, id, Vec::new()).await,
        GithubWebhook::IssueOpened(event) => publish(gateway, APP, event, id, Vec::new()).await,
        GithubWebhook::IssueClosed(event) => publish(gateway, APP, event, id, Vec::new()).await,
        GithubWebhook::Pushed(event) => publish(gateway, APP, event, id, Vec::new()).await,
        GithubWebhook::Released(event) => publish(gateway, APP, event, id, Vec::new()).await,
        _ => return Ok(Outcome::Ignored(format!("this action of `{kind}` makes no event"))),
    };
    Ok(Outcome::Published(vec![receipt?]))
}
