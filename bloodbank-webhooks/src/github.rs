//! The endpoint `POST /webhooks/github`, for pull requests that are opened.

use std::sync::Arc;

use axum::{body::Body, http::HeaderMap, response::Response};
use bloodbank_core::{Event, claim_check::ClaimCheck, event_id};
use bloodbank_domains::github::{GithubPrCreated, PullRequestWebhook};
use bloodbank_gateway::{Gateway, Problem, parse_json, read_body};
use tracing::error;

use crate::{Webhooks, ignored, publish, published, signature};

/// Handles a webhook of GitHub: stores the text of an opened pull request in the cache and publishes a reference to it.
pub(crate) async fn github(
    gateway: Gateway,
    webhooks: Arc<Webhooks>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = read_body(body, gateway.limits().batch_bytes).await?;
    signature::verify(webhooks.github.as_ref(), &headers, "x-hub-signature-256", &body)?;
    if headers.get("x-github-event").is_none_or(|event| event != "pull_request") {
        return Ok(ignored("only `pull_request` webhooks make an event"));
    }
    parse_json::<serde_json::Value>(&body, gateway.limits())?;
    let webhook = PullRequestWebhook::read(&body).map_err(|error| Problem::invalid(error.to_string(), Vec::new()))?;
    let id = event_id::deterministic(
        GithubPrCreated::DECLARATION.routing_key,
        &format!("cache_key={}", webhook.cache_key()),
    );
    let cache = match &webhooks.cache {
        Some(cache) => cache,
        None => &default_cache(&gateway)?,
    };
    let event = webhook.into_event(cache).await.map_err(|error| {
        error!(%error, "the text of a pull request cannot be stored");
        Problem::unavailable("the text of the pull request cannot be stored now; deliver the webhook again")
    })?;
    match event {
        None => Ok(ignored("only an opened pull request makes an event")),
        Some(event) => Ok(published(&[publish(&gateway, "github", event, Some(id), Vec::new()).await?])),
    }
}

/// The cache that the settings of the bus choose: one for the process, because a cache in memory would be lost otherwise.
fn default_cache(gateway: &Gateway) -> Result<ClaimCheck, Problem> {
    static CACHE: std::sync::OnceLock<ClaimCheck> = std::sync::OnceLock::new();
    if let Some(cache) = CACHE.get() {
        return Ok(cache.clone());
    }
    let cache = ClaimCheck::from_settings(gateway.bus().settings())?;
    Ok(CACHE.get_or_init(|| cache).clone())
}
