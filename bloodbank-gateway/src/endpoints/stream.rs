//! `GET /events/stream`: streams live events as server-sent events.

use std::{collections::HashSet, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use bloodbank_core::{
    Bus,
    routing::{BindingPattern, matches},
    store::{JournalEntry, JournalQuery, Position},
};
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::json;
use uuid::Uuid;

use crate::{
    auth::{Caller, Patterns},
    gateway::Gateway,
    operation::Operation,
    params::QueryParams,
    problem::Problem,
    stream::StreamEvent,
};

/// The number of past events that a client gets.
const MOST_PAST_EVENTS: usize = 10_000;

/// The form in which a stream sends events.
#[derive(Clone, Copy)]
enum StreamFormat {
    Envelope,
    CloudEvent,
}

/// Streams the events that match `pattern` (several may be given; default `#`) and that the caller may read.
///
/// With `Last-Event-ID`, the events after that one come first, where it is known: from the history of the bus, or from the
/// last events of this gateway. The header `bloodbank-resumed` of the answer says whether it was. With `since`, the events
/// published since then come first, which a bus without history refuses.
pub(super) async fn stream(
    State(gateway): State<Gateway>,
    caller: Caller,
    params: QueryParams,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let patterns = patterns(&params, &caller.read)?;
    let format = match params.one("format")?.unwrap_or("envelope") {
        "envelope" => StreamFormat::Envelope,
        "cloudevents" => StreamFormat::CloudEvent,
        _ => return Err(Problem::bad_request("`format` must be `envelope` or `cloudevents`")),
    };
    let last = match headers.get("last-event-id").map(|id| id.to_str().unwrap_or_default()) {
        Some("") | None => None,
        Some(id) => {
            let id = Uuid::parse_str(id)
                .map_err(|_| Problem::bad_request("`Last-Event-ID` is not an event id; send the UUID of an event"))?;
            Some(id)
        }
    };
    let since = since(&params, gateway.bus())?;
    let permit = Arc::clone(gateway.stream_permits())
        .try_acquire_owned()
        .map_err(|_| Problem::unavailable("as many streams are open as the gateway allows; try again"))?;
    // Live events are subscribed to before the past is read, so that nothing falls between the two.
    let (missed, live) = gateway.hub().subscribe(&patterns, last).await?;
    let missed = match (last, since) {
        (Some(last), _) => after(gateway.bus(), last, &patterns).await?.or(missed),
        (None, Some(since)) => Some(past(gateway.bus(), since, &patterns).await?),
        (None, None) => None,
    };
    let resumed = last.map(|_| missed.is_some());
    let past = missed.unwrap_or_default();
    let sent: HashSet<_> = past.iter().filter_map(|event| event.event_id).collect();
    let closing = gateway.closing().clone();
    let live = stream::unfold((live, permit), |(mut live, permit)| async move {
        let event = live.next().await?;
        Some((event, (live, permit)))
    });
    let live = live.filter(move |event| {
        let is_new = event.event_id.is_none_or(|id| !sent.contains(&id));
        async move { is_new }
    });
    let read = caller.read;
    let events = stream::iter(past)
        .chain(live)
        .filter_map(move |event| {
            let event = read.allow(&event.key).then(|| sse_event(&event, format)).flatten();
            async move { event.map(Ok::<_, Infallible>) }
        })
        .take_until(async move { closing.cancelled().await });
    // The first byte tells the client that it is subscribed.
    let begin = stream::iter([Ok(Event::default().comment("subscribed"))]);
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15));
    let mut response = Sse::new(begin.chain(events)).keep_alive(keep_alive).into_response();
    if let Some(resumed) = resumed {
        let resumed = HeaderValue::from_static(if resumed { "true" } else { "false" });
        response.headers_mut().insert("bloodbank-resumed", resumed);
    }
    Ok(response)
}

fn patterns(params: &QueryParams, read: &Patterns) -> Result<Vec<String>, Problem> {
    let mut patterns: Vec<String> = params.all("pattern").map(str::to_owned).collect();
    if patterns.is_empty() {
        patterns.push("#".to_owned());
    }
    if patterns.len() > 100 {
        return Err(Problem::bad_request("the query has more than 100 patterns; send fewer"));
    }
    for pattern in &patterns {
        BindingPattern::parse_wire(pattern.as_str())
            .map_err(|fault| Problem::bad_request(format!("`pattern` is not valid: {fault}")))?;
        if !read.overlap(pattern) {
            return Err(Problem::forbidden(format!("this token may read nothing that matches `{pattern}`")));
        }
    }
    Ok(patterns)
}

/// Reads the time in the parameter `since`.
fn since(params: &QueryParams, bus: &Bus) -> Result<Option<DateTime<Utc>>, Problem> {
    let Some(text) = params.one("since")? else { return Ok(None) };
    let time = text.parse().map_err(|_| Problem::bad_request("`since` is not a time in the form of RFC 3339"))?;
    if bus.stores().journal.is_none() {
        return Err(Problem::bad_request("this bus keeps no history; leave out `since`"));
    }
    Ok(Some(time))
}

/// The events published after another one, oldest first; `None` where the bus does not know that one, or they are too many.
async fn after(bus: &Bus, last: Uuid, patterns: &[String]) -> Result<Option<Vec<Arc<StreamEvent>>>, Problem> {
    let Some(journal) = bus.stores().journal else { return Ok(None) };
    let Some(last) = journal.get(last).await? else { return Ok(None) };
    let query = JournalQuery::all().exchange(&**bus.exchange());
    let later = journal.read(query, Position::Offset(last.offset + 1));
    let entries: Vec<_> = later.take(MOST_PAST_EVENTS + 1).try_collect().await?;
    Ok((entries.len() <= MOST_PAST_EVENTS).then(|| matching(&entries, patterns)))
}

/// The newest events published since a time, oldest first.
async fn past(bus: &Bus, since: DateTime<Utc>, patterns: &[String]) -> Result<Vec<Arc<StreamEvent>>, Problem> {
    let Some(journal) = bus.stores().journal else { return Ok(Vec::new()) };
    let query = JournalQuery::all().exchange(&**bus.exchange()).since(since);
    let entries: Vec<_> = journal.read(query, Position::Last(MOST_PAST_EVENTS)).try_collect().await?;
    Ok(matching(&entries, patterns))
}

fn matching(entries: &[JournalEntry], patterns: &[String]) -> Vec<Arc<StreamEvent>> {
    let events = entries.iter().map(|entry| StreamEvent::from_message(&entry.message));
    events.filter(|event| patterns.iter().any(|pattern| matches(pattern, &event.key))).map(Arc::new).collect()
}

fn sse_event(event: &StreamEvent, format: StreamFormat) -> Option<Event> {
    let data = match format {
        // The data of server-sent events is one line.
        StreamFormat::Envelope if !event.body.contains(&b'\n') && !event.body.contains(&b'\r') => {
            String::from_utf8(event.body.to_vec()).ok()?
        }
        StreamFormat::Envelope => serde_json::to_string(&event.envelope()?).ok()?,
        StreamFormat::CloudEvent => event.cloud_event()?.to_string(),
    };
    // The key of a foreign program may have characters that would end the line.
    let key = event.key.replace(['\r', '\n'], " ");
    let sent = Event::default().event(key).data(data);
    Some(match event.event_id {
        Some(id) => sent.id(id.to_string()),
        None => sent,
    })
}

pub(super) fn operation() -> Operation {
    let resumed = json!({ "bloodbank-resumed": {
        "description": "Answers `Last-Event-ID`: whether the stream has every event since that one.",
        "schema": { "type": "string", "enum": ["true", "false"] },
    } });
    let content = json!({ "text/event-stream": { "schema": { "type": "string" } } });
    Operation::new("stream", "Streams live events as server-sent events")
        .parameter(json!({
            "name": "pattern", "in": "query", "schema": { "type": "array", "items": { "type": "string" } },
            "description": "A pattern of routing keys: `*` stands for one word, `#` for any number of words. May be given several times.",
        }))
        .parameter(json!({ "name": "format", "in": "query", "schema": { "enum": ["envelope", "cloudevents"] } }))
        .parameter(json!({
            "name": "since", "in": "query", "schema": { "type": "string", "format": "date-time" },
            "description": "Begins with the events published since this time. Needs a bus that keeps history.",
        }))
        .parameter(json!({
            "name": "Last-Event-ID", "in": "header", "schema": { "type": "string", "format": "uuid" },
            "description": "Resumes after this event, where the gateway or the bus still has the events that followed.",
        }))
        .response(200, json!({ "description": "The stream of events.", "headers": resumed, "content": content }))
        .problems([400])
}
