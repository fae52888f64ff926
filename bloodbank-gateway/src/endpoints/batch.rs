//! `POST /events/batch`: publishes the envelopes in the lines of a body, and answers with a result for each line.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::{
    auth::Caller,
    body,
    gateway::Gateway,
    operation::{Operation, component},
    problem::Problem,
    publish::{PublishRequest, cloud_event},
};

/// The media types of NDJSON.
const NDJSON: [&str; 3] = ["application/x-ndjson", "application/ndjson", "application/jsonl"];

/// Headers that say something about one event.
const OF_ONE_EVENT: [&str; 3] = ["idempotency-key", "event-id", "correlation-ids"];

/// An event of a batch.
struct BatchItem {
    /// The number of the line, from 1.
    line: usize,
    publish: Result<PublishRequest, Problem>,
}

/// Publishes a batch. Results come in the order of the lines, as soon as they are known; a failure stops no other event.
pub(super) async fn batch(
    State(gateway): State<Gateway>,
    caller: Caller,
    headers: HeaderMap,
    request_body: Body,
) -> Result<Response, Problem> {
    let media_type = body::media_type(&headers).unwrap_or_default();
    let is_cloud_events = media_type == cloud_event::BATCH;
    if !is_cloud_events && !NDJSON.contains(&&*media_type) {
        return Err(Problem::media_type("send envelopes as `application/x-ndjson`, one in each line"));
    }
    if let Some(name) = OF_ONE_EVENT.into_iter().find(|name| headers.contains_key(*name)) {
        return Err(Problem::bad_request(format!(
            "the header `{name}` is for one event; give each event of a batch its `event_id` and `correlation_ids`"
        )));
    }
    let body = body::read_body(request_body, gateway.limits().batch_bytes).await?;
    let items = if is_cloud_events { cloud_events(&body, &gateway)? } else { lines(&body, &gateway) };
    let most = gateway.limits().batch_events;
    if items.len() > most {
        return Err(Problem::too_large(format!("a batch may have at most {most} events; send several batches")));
    }
    let window = gateway.bus().settings().publish_window;
    let results = stream::iter(items)
        .map(move |item| {
            let (gateway, caller) = (gateway.clone(), caller.clone());
            async move { publish(item, &gateway, &caller).await }
        })
        .buffered(window.max(1))
        .map(|result| Ok::<_, std::convert::Infallible>(Bytes::from(format!("{result}\n"))));
    Ok(([(header::CONTENT_TYPE, NDJSON[0])], Body::from_stream(results)).into_response())
}

fn lines(body: &[u8], gateway: &Gateway) -> Vec<BatchItem> {
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).enumerate();
    lines
        .filter(|(_, line)| !line.is_empty())
        .map(|(index, line)| {
            let publish = if line.len() > gateway.limits().body_bytes {
                Err(Problem::too_large(format!(
                    "a line is longer than {} bytes; send less, or a reference to the data",
                    gateway.limits().body_bytes
                )))
            } else {
                let parsed = body::parse_json(line, gateway.limits()).map_err(|mut problem| {
                    problem.detail = problem.detail.replacen("the body", "the line", 1);
                    problem
                });
                parsed.and_then(PublishRequest::envelope)
            };
            BatchItem { line: index + 1, publish }
        })
        .collect()
}

fn cloud_events(body: &[u8], gateway: &Gateway) -> Result<Vec<BatchItem>, Problem> {
    let Value::Array(events) = body::parse_json(body, gateway.limits())? else {
        return Err(Problem::bad_request("a batch of CloudEvents must be a JSON array"));
    };
    let numbered = events.into_iter().enumerate();
    let item =
        |(index, event)| BatchItem { line: index + 1, publish: cloud_event::structured(event, gateway.limits()) };
    Ok(numbered.map(item).collect())
}

async fn publish(item: BatchItem, gateway: &Gateway, caller: &Caller) -> Value {
    let published = match item.publish {
        Ok(publish) => publish.publish(gateway, caller).await,
        Err(problem) => Err(problem),
    };
    match published {
        Ok((receipt, _)) => json!({
            "line": item.line,
            "status": 202,
            "event_id": receipt.event_id,
            "event_type": receipt.event_type,
            "unrouted": receipt.unrouted,
        }),
        Err(problem) => json!({ "line": item.line, "status": problem.status, "problem": problem }),
    }
}

pub(super) fn operation() -> Operation {
    let body = json!({
        "application/x-ndjson": { "schema": { "type": "string" } },
        "application/cloudevents-batch+json": {
            "schema": { "type": "array", "items": component("schemas", "CloudEvent") },
        },
    });
    let results = json!({ "application/x-ndjson": { "schema": { "type": "string" } } });
    Operation::new("publish_batch", "Publishes many envelopes, one in each line")
        .body(body)
        .response(
            200,
            json!({ "description": "A result for each line, in the order of the lines.", "content": results }),
        )
        .problems([400, 413, 415])
}
