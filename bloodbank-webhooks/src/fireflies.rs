//! The webhook of Fireflies: notifications, and whole transcripts as n8n forwards them.

use bloodbank_core::{Event, correlation::CorrelationTracker, event_id};
use bloodbank_domains::fireflies::{
    FirefliesTranscriptAvailable, FirefliesTranscriptFetch, FirefliesTranscriptReady, FirefliesTranscriptUpload,
    Notification, Webhook,
};
use bloodbank_gateway::{Gateway, Problem, parse_json};
use serde_json::Value;
use uuid::Uuid;

use crate::outcome::{Outcome, publish};

const APP: &str = "fireflies";

/// Handles a webhook of Fireflies.
///
/// A notification that a meeting is transcribed makes the command that fetches the transcript, where `fetches` says that
/// this program can, and an event with the ids elsewhere. A transcript is published as a child of the upload of its
/// recording.
pub(crate) async fn handle(gateway: &Gateway, fetches: bool, body: &[u8]) -> Result<Outcome, Problem> {
    let value: Value = parse_json(body, gateway.limits())?;
    if let Some(notification) = Notification::read(&value) {
        return notified(gateway, fetches, notification).await;
    }
    let references = client_references(&value);
    let delivered = Webhook::read(body).map_err(|error| Problem::invalid(error.to_string(), Vec::new()))?;
    let mut receipts = Vec::with_capacity(delivered.len());
    for (webhook, reference) in delivered.into_iter().zip(references) {
        let ready = FirefliesTranscriptReady::try_from(webhook)
            .map_err(|error| Problem::invalid(error.to_string(), Vec::new()))?;
        let causes = match reference {
            Some(upload) => vec![upload],
            None => known_uploads(gateway.bus().correlation(), &ready).await,
        };
        receipts.push(publish(gateway, APP, ready, None, causes).await?);
    }
    Ok(if receipts.is_empty() {
        Outcome::Ignored("the request contains no transcript".to_owned())
    } else {
        Outcome::Published(receipts)
    })
}

async fn notified(gateway: &Gateway, fetches: bool, notification: Notification) -> Result<Outcome, Problem> {
    if !notification.is_transcribed() {
        return Ok(Outcome::Ignored("only the notification that a meeting is transcribed makes an event".to_owned()));
    }
    let Notification { meeting_id, client_reference_id, .. } = notification;
    let upload = client_reference_id.as_deref().and_then(event_id_of);
    let causes: Vec<_> = upload.into_iter().collect();
    let receipt = if fetches {
        publish(gateway, APP, FirefliesTranscriptFetch { meeting_id }, None, causes).await?
    } else {
        publish(gateway, APP, FirefliesTranscriptAvailable { meeting_id, client_reference_id }, None, causes).await?
    };
    Ok(Outcome::Published(vec![receipt]))
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
            event_id_of(text.as_str()?)
        })
    };
    items.iter().map(reference).collect()
}

fn event_id_of(reference: &str) -> Option<Uuid> {
    Uuid::parse_str(reference).ok().filter(|id| !id.is_nil())
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
