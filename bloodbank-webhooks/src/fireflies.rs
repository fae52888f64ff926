//! `POST /webhooks/fireflies`: a transcript is ready.

use std::sync::Arc;

use axum::{body::Body, http::HeaderMap, response::Response};
use bloodbank_core::{Event, correlation::CorrelationTracker, identity};
use bloodbank_domains::fireflies::{FirefliesTranscriptReady, FirefliesTranscriptUpload, Webhook};
use bloodbank_gateway::{Gateway, Problem, parse_json, read_body};
use serde_json::Value;
use uuid::Uuid;

use crate::{Webhooks, ignored, publish, published, signature};

/// Publishes each transcript, as a child of the upload it came from.
pub(crate) async fn fireflies(
    gateway: Gateway,
    webhooks: Arc<Webhooks>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = read_body(body, gateway.limits().batch_bytes).await?;
    signature::verify(webhooks.fireflies.as_ref(), &headers, "x-hub-signature", &body)?;
    let value = parse_json(&body, gateway.limits())?;
    let references = client_references(&value);
    let delivered = Webhook::read(&body).map_err(|error| Problem::invalid(error.to_string(), Vec::new()))?;
    let mut receipts = Vec::with_capacity(delivered.len());
    for (webhook, reference) in delivered.into_iter().zip(references) {
        let ready = FirefliesTranscriptReady::try_from(webhook)
            .map_err(|error| Problem::invalid(error.to_string(), Vec::new()))?;
        let causes = match reference {
            Some(upload) => vec![upload],
            None => known_uploads(gateway.bus().correlation(), &ready).await,
        };
        receipts.push(publish(&gateway, "fireflies", ready, None, causes).await?);
    }
    Ok(if receipts.is_empty() { ignored("there is no transcript in it") } else { published(&receipts) })
}

/// What the uploader called the upload, where it was the id of its event.
fn client_references(body: &Value) -> Vec<Option<Uuid>> {
    let items = match body {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let reference = |item: &Value| {
        let places = ["", "/data", "/content", "/content/data"].into_iter();
        let mut objects = places.filter_map(|place| item.pointer(place));
        objects.find_map(|object| {
            let text = object.get("clientReferenceId").or_else(|| object.get("client_reference_id"))?;
            Uuid::parse_str(text.as_str()?).ok().filter(|id| !id.is_nil())
        })
    };
    items.iter().map(reference).collect()
}

/// The upload events that this can have come from, by the ids that uploads have: as the Python side gives them (by
/// meeting), and as ours are (by user and file). Only one that the index knows is a cause.
async fn known_uploads(tracker: Option<&CorrelationTracker>, ready: &FirefliesTranscriptReady) -> Vec<Uuid> {
    let Some(tracker) = tracker else { return Vec::new() };
    let files = [ready.audio_url.as_deref(), ready.video_url.as_deref(), Some(&ready.title)].into_iter().flatten();
    let user = &ready.user.user_id;
    let mut keys = vec![format!("meeting_id={}", ready.id)];
    keys.extend(files.map(|file| format!("media_file={file}|user_id={user}")));
    let upload = FirefliesTranscriptUpload::DECLARATION.routing_key;
    for key in keys {
        let id = identity::deterministic(upload, &key);
        if matches!(tracker.entry(id).await, Ok(Some(_))) {
            return vec![id];
        }
    }
    Vec::new()
}
