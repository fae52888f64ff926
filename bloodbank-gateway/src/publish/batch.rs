//! `POST /events/batch`: envelopes as NDJSON in, a result for each line out.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::{cloud_event, submission::Submission};
use crate::{Gateway, auth::Caller, json, problem::Problem};

/// What NDJSON calls itself.
const LINES: [&str; 3] = ["application/x-ndjson", "application/ndjson", "application/jsonl"];

/// One event of a batch, as it came: the number of its line, from 1.
struct Item {
    line: usize,
    submission: Result<Submission, Problem>,
}

/// Publishes a batch. Results come in the order of the lines, as soon as they are known; one that fails stops no other.
pub(crate) async fn batch(
    State(gateway): State<Gateway>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let media_type = json::media_type(&headers).unwrap_or_default();
    let is_cloud_events = media_type == cloud_event::BATCH;
    if !is_cloud_events && !LINES.contains(&&*media_type) {
        return Err(Problem::media_type("send envelopes as `application/x-ndjson`, one in each line"));
    }
    let body = json::read(body, gateway.limits().batch_bytes).await?;
    let items = if is_cloud_events { cloud_events(&body, &gateway)? } else { lines(&body, &gateway) };
    let most = gateway.limits().batch_events;
    if items.len() > most {
        return Err(Problem::too_large(format!("a batch has at most {most} events; send several")));
    }
    let window = gateway.bus().settings().publish_window;
    let results = stream::iter(items)
        .map(move |item| {
            let (gateway, caller) = (gateway.clone(), caller.clone());
            async move { publish(item, &gateway, &caller).await }
        })
        .buffered(window.max(1))
        .map(|result| Ok::<_, std::convert::Infallible>(Bytes::from(format!("{result}\n"))));
    Ok(([(header::CONTENT_TYPE, LINES[0])], Body::from_stream(results)).into_response())
}

fn lines(body: &[u8], gateway: &Gateway) -> Vec<Item> {
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).enumerate();
    lines
        .filter(|(_, line)| !line.is_empty())
        .map(|(index, line)| {
            let submission = if line.len() > gateway.limits().body_bytes {
                Err(Problem::too_large(format!("a line is over the limit of {} bytes", gateway.limits().body_bytes)))
            } else {
                let parsed = json::parse(line, gateway.limits()).map_err(|mut problem| {
                    problem.detail = problem.detail.replacen("the body", "the line", 1);
                    problem
                });
                parsed.and_then(Submission::envelope)
            };
            Item { line: index + 1, submission }
        })
        .collect()
}

fn cloud_events(body: &[u8], gateway: &Gateway) -> Result<Vec<Item>, Problem> {
    let Value::Array(events) = json::parse(body, gateway.limits())? else {
        return Err(Problem::bad_request("a batch of CloudEvents is a JSON array"));
    };
    let numbered = events.into_iter().enumerate();
    Ok(numbered.map(|(index, event)| Item { line: index + 1, submission: cloud_event::structured(event) }).collect())
}

async fn publish(item: Item, gateway: &Gateway, caller: &Caller) -> Value {
    let published = match item.submission {
        Ok(submission) => submission.publish(gateway, caller).await,
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
