//! What becomes of a webhook.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use bloodbank_core::{
    Event, Receipt,
    envelope::{Source, TriggerType},
};
use bloodbank_gateway::{Gateway, Problem};
use serde_json::json;
use uuid::Uuid;

/// What became of a webhook that is right.
#[derive(Debug)]
pub(crate) enum Outcome {
    Published(Vec<Receipt>),
    /// It makes no event; holds the reason.
    Ignored(String),
}

impl Outcome {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Published(_) => "published",
            Self::Ignored(_) => "ignored",
        }
    }

    pub(crate) fn event_ids(&self) -> Vec<Uuid> {
        match self {
            Self::Published(receipts) => receipts.iter().map(|receipt| receipt.event_id).collect(),
            Self::Ignored(_) => Vec::new(),
        }
    }
}

impl IntoResponse for Outcome {
    fn into_response(self) -> Response {
        let ids = self.event_ids();
        match self {
            Self::Published(_) => {
                let body = json!({ "status": "published", "event_id": ids.first(), "event_ids": ids });
                (StatusCode::ACCEPTED, Json(body)).into_response()
            }
            Self::Ignored(why) => Json(json!({ "status": "ignored", "detail": why })).into_response(),
        }
    }
}

/// Publishes the event of a webhook. A webhook that is delivered twice makes one event.
pub(crate) async fn publish<E: Event>(
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
