//! What other services post when something happens there: Fireflies and GitHub, as routes of a gateway.
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
//! A crate of its own, because it links the events of those domains, which not every gateway has.
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

impl Webhooks {
    /// `POST /webhooks/fireflies` and `POST /webhooks/github`; whoever signs needs no token.
    #[must_use]
    pub fn routes(self) -> OpenRoutes {
        let router = Router::new()
            .route("/webhooks/fireflies", post(fireflies::fireflies))
            .route("/webhooks/github", post(github::github))
            .layer(Extension(Arc::new(self)));
        let paths = [("fireflies", "X-Hub-Signature"), ("github", "X-Hub-Signature-256")];
        let paths = paths
            .map(|(service, header)| (format!("/webhooks/{service}"), json!({ "post": document(service, header) })));
        OpenRoutes { router, paths: paths.into_iter().collect() }
    }
}

/// The operation in the OpenAPI document.
fn document(service: &str, header: &str) -> Value {
    let problem = json!({ "$ref": "#/components/responses/Problem" });
    let answer = |what: &str| json!({ "description": what, "content": { "application/json": { "schema": { "type": "object" } } } });
    json!({
        "operationId": format!("webhook_{service}"),
        "summary": format!("What {service} posts"),
        "security": [],
        "parameters": [{ "name": header, "in": "header", "required": true, "schema": { "type": "string" },
                         "description": "HMAC-SHA256 of the body, in hexadecimal digits." }],
        "requestBody": { "required": true, "content": { "application/json": { "schema": {} } } },
        "responses": {
            "200": answer("Nothing in it is an event."),
            "202": answer("It is on the bus."),
            "400": problem, "401": problem, "404": problem, "408": problem, "413": problem, "422": problem, "503": problem,
            "414": { "description": "The address is too long." },
            "431": { "description": "The headers are too large." },
        },
    })
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
