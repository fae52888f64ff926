//! What other services post when something happens there.

mod fireflies;
mod github;
mod signature;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use bloodbank_core::{
    Event, Receipt,
    claim_check::ClaimCheck,
    envelope::{Source, TriggerType},
};
pub(crate) use fireflies::fireflies;
pub(crate) use github::github;
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use crate::{Gateway, problem::Problem};

/// The secrets that webhooks are signed with. One without a secret is switched off.
#[derive(Debug, Clone, Default)]
pub struct Webhooks {
    /// Of Fireflies: `FIREFLIES_WEBHOOK_SECRET`.
    pub fireflies: Option<SecretString>,
    /// Of GitHub: `GITHUB_WEBHOOK_SECRET`.
    pub github: Option<SecretString>,
    /// Where the texts of pull requests are put; default: as the settings of the bus say.
    pub cache: Option<ClaimCheck>,
}

impl Webhooks {
    /// The secrets in the environment.
    #[must_use]
    pub fn from_env() -> Self {
        let secret = |name| std::env::var(name).ok().filter(|secret| !secret.is_empty()).map(SecretString::from);
        Self { fireflies: secret("FIREFLIES_WEBHOOK_SECRET"), github: secret("GITHUB_WEBHOOK_SECRET"), cache: None }
    }
}

/// Publishes what a webhook says; one that is delivered twice is one event.
async fn publish<E: Event>(
    gateway: &Gateway,
    app: &str,
    event: E,
    event_id: Option<Uuid>,
    causes: Vec<Uuid>,
) -> Result<Receipt, Problem> {
    let publish = gateway.bus().publish(event).source(Source::new(TriggerType::Hook, app)).causes(causes);
    let publish = match event_id {
        Some(event_id) => publish.event_id(event_id),
        None => publish,
    };
    Ok(publish.await?)
}

fn published(receipts: &[Receipt]) -> Response {
    let ids: Vec<_> = receipts.iter().map(|receipt| receipt.event_id).collect();
    let body = json!({ "status": "published", "event_id": ids.first(), "event_ids": ids });
    (StatusCode::ACCEPTED, Json(body)).into_response()
}

fn ignored(why: &str) -> Response {
    Json(json!({ "status": "ignored", "detail": why })).into_response()
}
