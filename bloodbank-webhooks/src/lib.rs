//! The webhooks of Fireflies and GitHub, as endpoints of a gateway.
//!
//! ```no_run
//! # use bloodbank_core::Bus;
//! # use bloodbank_gateway::Gateway;
//! # use bloodbank_webhooks::Webhooks;
//! # fn example(bus: Bus) -> Gateway {
//! Gateway::builder(bus).endpoints(Webhooks::from_env().endpoints()).build()
//! # }
//! ```
//!
//! The webhooks are a crate of their own because they link the events of those domains, which not every gateway has.
#![forbid(unsafe_code)]

mod fireflies;
mod github;
mod signature;

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use bloodbank_core::{
    Event, Receipt,
    claim_check::ClaimCheck,
    envelope::{Source, TriggerType},
};
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use bloodbank_gateway::{Access, Endpoint, Gateway, Operation, Problem};

/// The configuration of the webhooks: the secrets that they are signed with. A webhook without a secret is disabled.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Webhooks {
    /// The secret of Fireflies, in the environment `FIREFLIES_WEBHOOK_SECRET`.
    pub fireflies: Option<SecretString>,
    /// The secret of GitHub, in the environment `GITHUB_WEBHOOK_SECRET`.
    pub github: Option<SecretString>,
    /// The cache for the texts of pull requests; by default the one that the settings of the bus choose.
    pub cache: Option<ClaimCheck>,
}

impl Webhooks {
    /// Reads the secrets from the environment.
    #[must_use]
    pub fn from_env() -> Self {
        let secret = |name| std::env::var(name).ok().filter(|secret| !secret.is_empty()).map(SecretString::from);
        Self { fireflies: secret("FIREFLIES_WEBHOOK_SECRET"), github: secret("GITHUB_WEBHOOK_SECRET"), cache: None }
    }

    /// Enables the webhook of Fireflies with this secret.
    #[must_use]
    pub fn fireflies(mut self, secret: impl Into<SecretString>) -> Self {
        self.fireflies = Some(secret.into());
        self
    }

    /// Enables the webhook of GitHub with this secret.
    #[must_use]
    pub fn github(mut self, secret: impl Into<SecretString>) -> Self {
        self.github = Some(secret.into());
        self
    }

    /// Sets the cache for the texts of pull requests.
    #[must_use]
    pub fn cache(mut self, cache: ClaimCheck) -> Self {
        self.cache = Some(cache);
        self
    }

    /// The endpoints `POST /webhooks/fireflies` and `POST /webhooks/github`, which check a signature instead of a token.
    #[must_use]
    pub fn endpoints(self) -> [Endpoint<Gateway>; 2] {
        let webhooks = Arc::new(self);
        let fireflies = {
            let webhooks = Arc::clone(&webhooks);
            move |State(gateway): State<Gateway>, headers: HeaderMap, body: Body| {
                fireflies::fireflies(gateway, webhooks, headers, body)
            }
        };
        let github = move |State(gateway): State<Gateway>, headers: HeaderMap, body: Body| {
            github::github(gateway, webhooks, headers, body)
        };
        [
            Endpoint::post(
                "/webhooks/fireflies",
                Access::Public,
                fireflies,
                operation("fireflies", "Fireflies", "X-Hub-Signature"),
            ),
            Endpoint::post(
                "/webhooks/github",
                Access::Public,
                github,
                operation("github", "GitHub", "X-Hub-Signature-256"),
            ),
        ]
    }
}

/// Describes the webhook of a service, which signs it in this header.
fn operation(id: &str, service: &str, header: &str) -> Operation {
    let object = || json!({ "type": "object" });
    Operation::new(format!("webhook_{id}"), format!("Takes a webhook of {service}"))
        .parameter(json!({
            "name": header, "in": "header", "required": true, "schema": { "type": "string" },
            "description": "The HMAC-SHA256 of the body in hexadecimal digits.",
        }))
        .body(json!({ "application/json": { "schema": {} } }))
        .json(200, "The webhook has no event.", object())
        .json(202, "The event is on the bus.", object())
        .problems([400, 401, 404, 413, 422])
}

/// Publishes the event of a webhook. A webhook that is delivered twice makes one event.
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
