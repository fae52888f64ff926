//! The webhooks of Fireflies and GitHub, as routes of a gateway.
//!
//! ```no_run
//! # use bloodbank_core::Bus;
//! # use bloodbank_gateway::Gateway;
//! # use bloodbank_webhooks::Webhooks;
//! # fn example(bus: Bus) -> Gateway {
//! Gateway::builder(bus).open_routes(Webhooks::from_env().routes()).build()
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
    Extension, Json, Router,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use bloodbank_core::{
    Event, Receipt,
    claim_check::ClaimCheck,
    envelope::{Source, TriggerType},
};
use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

use bloodbank_gateway::{Gateway, OpenRoutes, Problem};

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

    /// The routes `POST /webhooks/fireflies` and `POST /webhooks/github`. Signed requests need no token.
    #[must_use]
    pub fn routes(self) -> OpenRoutes {
        let router = Router::new()
            .route("/webhooks/fireflies", post(fireflies::fireflies))
            .route("/webhooks/github", post(github::github))
            .layer(Extension(Arc::new(self)));
        let services = [("fireflies", "Fireflies", "X-Hub-Signature"), ("github", "GitHub", "X-Hub-Signature-256")];
        let paths = services.map(|(path, service, header)| {
            (format!("/webhooks/{path}"), json!({ "post": operation(path, service, header) }))
        });
        OpenRoutes { router, paths: paths.into_iter().collect() }
    }
}

/// The operation of a webhook in the OpenAPI document.
fn operation(path: &str, service: &str, header: &str) -> Value {
    let problem = json!({ "$ref": "#/components/responses/Problem" });
    let answer = |what: &str| json!({ "description": what, "content": { "application/json": { "schema": { "type": "object" } } } });
    json!({
        "operationId": format!("webhook_{path}"),
        "summary": format!("Receives the webhooks of {service}"),
        "security": [],
        "parameters": [{ "name": header, "in": "header", "required": true, "schema": { "type": "string" },
                         "description": "The HMAC-SHA256 of the body, in hexadecimal digits." }],
        "requestBody": { "required": true, "content": { "application/json": { "schema": {} } } },
        "responses": {
            "200": answer("The request contains no event."),
            "202": answer("The events were published."),
            "400": problem, "401": problem, "404": problem, "408": problem, "413": problem, "422": problem, "503": problem,
            "414": { "description": "The address is too long." },
            "431": { "description": "The headers are too large." },
        },
    })
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
