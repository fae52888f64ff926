//! The endpoints of the webhooks.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use bloodbank_core::claim_check::{Claim, ClaimError};
use bloodbank_gateway::{Access, Endpoint, Gateway, Operation, Problem};
use bytes::Bytes;
use chrono::Utc;
use metrics::counter;
use serde_json::json;
use uuid::Uuid;

use crate::{
    Webhooks,
    deliveries::{Deliveries, Delivery},
    outcome::Outcome,
    receive::Receiver,
};

/// What the handlers share.
#[derive(Debug)]
struct Shared {
    webhooks: Webhooks,
    receiver: Receiver,
    deliveries: Deliveries,
}

pub(crate) fn endpoints(webhooks: Webhooks) -> Vec<Endpoint<Gateway>> {
    let receiver = Receiver::new(webhooks.body_bytes);
    let shared = Arc::new(Shared { webhooks, receiver, deliveries: Deliveries::default() });
    let take = {
        let shared = Arc::clone(&shared);
        move |State(gateway): State<Gateway>, Path(name): Path<String>, headers: HeaderMap, body: Body| async move {
            shared.take(&gateway, &name, headers, body).await
        }
    };
    let list = {
        let shared = Arc::clone(&shared);
        move || async move { Json(json!({ "deliveries": shared.deliveries.shown() })) }
    };
    let redeliver = {
        let shared = Arc::clone(&shared);
        move |State(gateway): State<Gateway>, Path(id): Path<String>| async move { shared.redeliver(&gateway, &id).await }
    };
    let claim =
        move |State(gateway): State<Gateway>, Path(key): Path<String>| async move { shared.claim(&gateway, key).await };
    vec![
        Endpoint::post("/webhooks/{name}", Access::Public, take, take_operation()),
        Endpoint::get("/webhooks", Access::ReadAll, list, list_operation()),
        Endpoint::post(
            "/webhooks/deliveries/{id}/redeliver",
            Access::ReadAndPublishAll,
            redeliver,
            redeliver_operation(),
        ),
        Endpoint::get("/claims/{key}", Access::ReadAll, claim, claim_operation()),
    ]
}

impl Shared {
    /// Handles the request of a sender. One that is switched off is refused before its body is read.
    async fn take(&self, gateway: &Gateway, name: &str, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
        let Some((_, scheme)) = self.webhooks.sender(name) else {
            let detail = "there is no webhook of this name, or it is switched off: give the gateway its secret";
            return Err(Problem::not_found(detail));
        };
        let body = self.receiver.read(body).await?;
        scheme.verify(&headers, &body).inspect_err(|_| count(name, "unsigned"))?;
        self.handle(gateway, name.to_owned(), headers, body).await
    }

    async fn handle(
        &self,
        gateway: &Gateway,
        webhook: String,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response, Problem> {
        let Some((sender, _)) = self.webhooks.sender(&webhook) else {
            return Err(Problem::not_found("this webhook is switched off; give the gateway its secret"));
        };
        let outcome = self.webhooks.handle(gateway, sender, &headers, &body).await;
        let result = outcome.as_ref().map_or("refused", Outcome::name);
        count(&webhook, result);
        let detail = match &outcome {
            Ok(Outcome::Published(_)) => None,
            Ok(Outcome::Ignored(why)) => Some(why.clone()),
            Err(problem) => Some(problem.detail.clone()),
        };
        let event_ids = outcome.as_ref().map(Outcome::event_ids).unwrap_or_default();
        let (id, received_at) = (Uuid::new_v4(), Utc::now());
        self.deliveries.add(Delivery { id, webhook, received_at, result, detail, event_ids, headers, body });
        Ok(outcome?.into_response())
    }

    async fn redeliver(&self, gateway: &Gateway, id: &str) -> Result<Response, Problem> {
        let delivery = Uuid::parse_str(id).ok().and_then(|id| self.deliveries.get(id));
        let Delivery { webhook, headers, body, .. } = delivery.ok_or_else(|| {
            Problem::not_found("no delivery has this id any more; `GET /webhooks` lists the last ones")
        })?;
        self.handle(gateway, webhook, headers, body).await
    }

    async fn claim(&self, gateway: &Gateway, key: String) -> Result<Response, Problem> {
        let cache = self.webhooks.cache_of(gateway.bus())?;
        let claim = Claim { cache_key: key, cache_type: cache.kind() };
        match cache.get(&claim).await {
            Ok(payload) => Ok(([(header::CONTENT_TYPE, "application/octet-stream")], payload).into_response()),
            Err(error @ (ClaimError::Missing { .. } | ClaimError::Expired { .. })) => {
                Err(Problem::not_found(error.to_string()))
            }
            Err(error @ ClaimError::BadKey { .. }) => Err(Problem::bad_request(error.to_string())),
            Err(error) => {
                tracing::error!(%error, "a claim cannot be read");
                Err(Problem::unavailable("the store of claims does not answer; try again"))
            }
        }
    }
}

/// Counts a webhook by its result. Names are those of the configuration, so they are few.
fn count(webhook: &str, result: &'static str) {
    counter!("bloodbank_webhooks_total", "webhook" => webhook.to_owned(), "result" => result).increment(1);
}

fn path_parameter(name: &str, description: &str) -> serde_json::Value {
    json!({ "name": name, "in": "path", "required": true, "description": description, "schema": { "type": "string" } })
}

fn take_operation() -> Operation {
    let object = || json!({ "type": "object" });
    Operation::new("take_webhook", "Takes a webhook of Fireflies, GitHub or a configured sender")
        .description("The sender signs the body in the way that its webhook is configured for.")
        .parameter(path_parameter(
            "name",
            "The name of the webhook: `fireflies`, `github` or one of the configuration.",
        ))
        .body(json!({ "application/json": { "schema": {} }, "application/x-www-form-urlencoded": { "schema": {} } }))
        .json(200, "The webhook makes no event.", object())
        .json(202, "The event is on the bus.", object())
        .problems([400, 401, 404, 413, 422])
}

fn list_operation() -> Operation {
    let deliveries = json!({
        "type": "object",
        "required": ["deliveries"],
        "properties": { "deliveries": { "type": "array", "items": { "type": "object" } } },
    });
    Operation::new("list_webhook_deliveries", "Lists the last deliveries of webhooks, the newest first").json(
        200,
        "The deliveries, without their bodies.",
        deliveries,
    )
}

fn redeliver_operation() -> Operation {
    let object = || json!({ "type": "object" });
    Operation::new("redeliver_webhook", "Handles a delivery of a webhook again")
        .parameter(path_parameter("id", "The id of the delivery."))
        .json(200, "The webhook makes no event.", object())
        .json(202, "The event is on the bus.", object())
        .problems([400, 404, 422])
}

fn claim_operation() -> Operation {
    Operation::new("read_claim", "Returns a payload that an event refers to")
        .parameter(path_parameter("key", "The key of the payload, percent-encoded: `acme%2Ftrinote%7C423`."))
        .response(200, json!({ "description": "The payload.", "content": { "application/octet-stream": {} } }))
        .problems([400, 404])
}
