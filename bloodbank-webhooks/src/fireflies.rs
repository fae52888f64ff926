//! The endpoint `POST /webhooks/fireflies`, for transcripts that are ready.

use std::sync::Arc;

use axum::{body::Body, http::HeaderMap, response::Response};
use bloodbank_core::{Event, correlation::CorrelationTracker, event_id};
use bloodbank_domains::fireflies::{FirefliesTranscriptReady, FirefliesTranscriptUpload, Webhook};
use bloodbank_gateway::{Gateway, Problem, parse_json, read_body};
use serde_json::Value;
use uuid::Uuid;

use crate::{Webhooks, ignored, publish, published, signature};

/// Handles a webhook of Fireflies: publishes each transcript, as a child of the upload of its recording.
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
    Ok(if receipts.is_empty() { ignored("the request contains no transcript") } else { published(&receipts) })
}

/// The client reference of each transcript, where it is the event id of the upload.
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

/// The upload event of a transcript, found by the ids that uploads have: by meeting, as on the Python side, and by user and
/// file, as here. Only an event that the correlation index knows is a cause.
async fn known_uploads(tracker: Option<&CorrelationTracker>, ready: &FirefliesTranscriptReady) -> Vec<Uuid> {
    let Some(tracker) = tracker else { return Vec::new() };
    let files = [ready.audio_url.as_deref(), ready.video_url.as_deref(), Some(&ready.title)].into_iter().flatten();
    let user = &ready.user.user_id;
    let mut keys = vec![format!("meeting_id={}", ready.id)];
    keys.extend(files.map(|file| format!("media_file={file}|user_id={user}")));
    let upload = FirefliesTranscriptUpload::DECLARATION.routing_key;
    for key in keys {
        let id = event_id::deterministic(upload, &key);
        if matches!(tracker.entry(id).await, Ok(Some(_))) {
            return vec![id];
        }
    }
    Vec::new()
}
