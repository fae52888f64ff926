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
    store::{Journal, JournalEntry, JournalQuery, Position},
};
use chrono::{DateTime, Utc};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use serde_json::json;
use tracing::warn;
use uuid::Uuid;

use crate::{
    auth::{Caller, Patterns},
    gateway::Gateway,
    operation::Operation,
    params::QueryParams,
    problem::Problem,
    stream::{StreamEvent, Subscription},
};

/// The form in which a stream sends events.
#[derive(Clone, Copy)]
enum StreamFormat {
    Envelope,
    CloudEvent,
}

/// Streams the events that match `pattern` (several may be given; default `#`) and that the caller may read.
///
/// With `Last-Event-ID`, the events after that one come first, where it is known: from the last events of this gateway, or from
/// the journal of the bus. The header `bloodbank-resumed` of the answer says whether it was. With `since`, the events published
/// since then come first, which a bus without a journal refuses.
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
    let is_named = params.flag("named")?;
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
    let (feed, resumed) = feed(&gateway, &patterns, last, since).await?;
    let closing = gateway.closing().clone();
    // A stream has its place until it ends.
    let feed = feed.inspect(move |_| {
        let _ = &permit;
    });
    let read = caller.read;
    let events = feed
        .filter_map(move |event| {
            let event = read.allow(&event.key).then(|| sse_event(&event, format, is_named)).flatten();
            async move { event.map(Ok::<_, Infallible>) }
        })
        .take_until(async move { closing.cancelled().await });
    // The first byte tells the client that it is subscribed.
    let begin = stream::iter([Ok(Event::default().comment("subscribed"))]);
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15));
    let mut response = Sse::new(begin.chain(events)).keep_alive(keep_alive).into_response();
    // A proxy must not gather events before it passes them on.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    if let Some(resumed) = resumed {
        let resumed = HeaderValue::from_static(if resumed { "true" } else { "false" });
        response.headers_mut().insert("bloodbank-resumed", resumed);
    }
    Ok(response)
}

/// The events of a stream, and, where it is resumed, whether it has all since the last one.
type Feed = BoxStream<'static, Arc<StreamEvent>>;

/// Begins a stream: from now on, after an event, or at a time in the past.
///
/// The journal goes from the past into what is published from now on. A client that was away for a moment gets what the gateway
/// still has in memory.
async fn feed(
    gateway: &Gateway,
    patterns: &[String],
    last: Option<Uuid>,
    since: Option<DateTime<Utc>>,
) -> Result<(Feed, Option<bool>), Problem> {
    let journal = gateway.bus().stores().journal;
    if let (None, Some(since), Some(journal)) = (last, since, &journal) {
        return Ok((follow(&**journal, gateway.bus(), patterns, Position::Time(since)), None));
    }
    // Live events are subscribed to before it is known whether they are all, so that nothing is missed between the two.
    let (missed, live) = gateway.hub().subscribe(patterns, last).await?;
    let Some(last) = last else { return Ok((from_now_on(live), None)) };
    if let Some(missed) = missed {
        let sent: HashSet<_> = missed.iter().filter_map(|event| event.event_id).collect();
        let live = from_now_on(live).filter(move |event| {
            let is_new = event.event_id.is_none_or(|id| !sent.contains(&id));
            async move { is_new }
        });
        return Ok((stream::iter(missed).chain(live).boxed(), Some(true)));
    }
    if let Some(journal) = journal
        && let Some(entry) = journal.get(last).await?
    {
        let from = Position::Offset(entry.offset + 1);
        return Ok((follow(&*journal, gateway.bus(), patterns, from), Some(true)));
    }
    Ok((from_now_on(live), Some(false)))
}

fn from_now_on(live: Subscription) -> Feed {
    stream::unfold(live, |mut live| async move {
        let event = live.next().await?;
        Some((event, live))
    })
    .boxed()
}

/// The events of the journal from a position on, and those that are published from now on.
fn follow(journal: &dyn Journal, bus: &Bus, patterns: &[String], from: Position) -> Feed {
    let mut query = JournalQuery::all().exchange(&**bus.exchange());
    if let Position::Time(since) = from {
        query = query.since(since);
    }
    let patterns = patterns.to_vec();
    let entries = journal.follow(query, from).scan((), |(), entry| {
        // The client resumes after the last event that it has.
        let entry = entry.inspect_err(|error| warn!(%error, "a stream is ended: the journal cannot be read")).ok();
        async move { entry }
    });
    entries
        .filter_map(move |entry: JournalEntry| {
            let event = StreamEvent::from_message(&entry.message);
            let is_wanted = patterns.iter().any(|pattern| matches(pattern, &event.key));
            async move { is_wanted.then(|| Arc::new(event)) }
        })
        .boxed()
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
    let time: DateTime<Utc> =
        text.parse().map_err(|_| Problem::bad_request("`since` is not a time in the form of RFC 3339"))?;
    if bus.stores().journal.is_none() {
        return Err(Problem::bad_request("this bus keeps no history; leave out `since`"));
    }
    // What is live comes in any case.
    Ok(Some(time.min(Utc::now())))
}

fn sse_event(event: &StreamEvent, format: StreamFormat, is_named: bool) -> Option<Event> {
    let data = match format {
        // The data of server-sent events is one line.
        StreamFormat::Envelope if !event.body.contains(&b'\n') && !event.body.contains(&b'\r') => {
            String::from_utf8(event.body.to_vec()).ok()?
        }
        StreamFormat::Envelope => serde_json::to_string(&event.envelope()?).ok()?,
        StreamFormat::CloudEvent => event.cloud_event()?.to_string(),
    };
    let mut sent = Event::default().data(data);
    if is_named {
        // The key of a foreign program may have characters that would end the line.
        sent = sent.event(event.key.replace(['\r', '\n'], " "));
    }
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
            "name": "named", "in": "query", "schema": { "type": "boolean" },
            "description": "Whether each event is named by its routing key. A browser hands only events without a name to `onmessage`.",
        }))
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
