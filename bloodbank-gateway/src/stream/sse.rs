//! `GET /events/stream`: server-sent events.

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
use uuid::Uuid;

use super::seen::Seen;
use crate::{
    Gateway,
    auth::{Caller, Patterns},
    params::Params,
    problem::Problem,
};

/// So many events of the past are sent to a client that resumes.
const MOST_OF_THE_PAST: usize = 10_000;

#[derive(Clone, Copy)]
enum Format {
    Envelope,
    CloudEvent,
}

/// Streams the events that match `pattern` (several may be given; default `#`) and that the caller may read. With
/// `Last-Event-ID`, those after that one come first, where it is known: from the history of the bus, or among the recent
/// events of this gateway. `bloodbank-resumed` in the answer says whether it was. With `since`, those published since then
/// come first, which a bus without history refuses.
pub(crate) async fn stream(
    State(gateway): State<Gateway>,
    caller: Caller,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let patterns = patterns(&params, &caller.read)?;
    let format = match params.one("format")?.unwrap_or("envelope") {
        "envelope" => Format::Envelope,
        "cloudevents" => Format::CloudEvent,
        _ => return Err(Problem::bad_request("`format` is neither `envelope` nor `cloudevents`")),
    };
    let last = match headers.get("last-event-id").map(|id| id.to_str().unwrap_or_default()) {
        Some("") | None => None,
        Some(id) => {
            let id = Uuid::parse_str(id).map_err(|_| Problem::bad_request("`Last-Event-ID` is no event id"))?;
            Some(id)
        }
    };
    let since = since(&params, gateway.bus())?;
    let permit = Arc::clone(gateway.stream_permits())
        .try_acquire_owned()
        .map_err(|_| Problem::unavailable("as many streams are open as the gateway takes; try again"))?;
    // First the live events, then the past: nothing falls between the two.
    let (missed, live) = gateway.hub().subscribe(&patterns, last).await?;
    let missed = match (last, since) {
        (Some(last), _) => after(gateway.bus(), last, &patterns).await?.or(missed),
        (None, Some(since)) => Some(past(gateway.bus(), since, &patterns).await?),
        (None, None) => None,
    };
    let resumed = last.map(|_| missed.is_some());
    let past = missed.unwrap_or_default();
    let sent: HashSet<_> = past.iter().filter_map(|seen| seen.event_id).collect();
    let closing = gateway.closing().clone();
    let live = stream::unfold((live, permit), |(mut live, permit)| async move {
        let seen = live.next().await?;
        Some((seen, (live, permit)))
    });
    let live = live.filter(move |seen| {
        let is_new = seen.event_id.is_none_or(|id| !sent.contains(&id));
        async move { is_new }
    });
    let read = caller.read;
    let events = stream::iter(past)
        .chain(live)
        .filter_map(move |seen| {
            let event = read.allow(&seen.key).then(|| event_of(&seen, format)).flatten();
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

fn patterns(params: &Params, read: &Patterns) -> Result<Vec<String>, Problem> {
    let mut patterns: Vec<String> = params.all("pattern").map(str::to_owned).collect();
    if patterns.is_empty() {
        patterns.push("#".to_owned());
    }
    if patterns.len() > 100 {
        return Err(Problem::bad_request("there are more than 100 patterns"));
    }
    for pattern in &patterns {
        BindingPattern::parse_wire(pattern.as_str())
            .map_err(|fault| Problem::bad_request(format!("`pattern` is none: {fault}")))?;
        if !read.overlap(pattern) {
            return Err(Problem::forbidden(format!("this token may read nothing that matches `{pattern}`")));
        }
    }
    Ok(patterns)
}

/// `since=…`.
fn since(params: &Params, bus: &Bus) -> Result<Option<DateTime<Utc>>, Problem> {
    let Some(text) = params.one("since")? else { return Ok(None) };
    let time = text.parse().map_err(|_| Problem::bad_request("`since` is no RFC 3339 time"))?;
    if bus.stores().journal.is_none() {
        return Err(Problem::bad_request("this bus remembers no events; leave out `since`"));
    }
    Ok(Some(time))
}

/// The events after another one, oldest first; `None` where the bus does not know, or they are more than is sent.
async fn after(bus: &Bus, last: Uuid, patterns: &[String]) -> Result<Option<Vec<Arc<Seen>>>, Problem> {
    let Some(journal) = bus.stores().journal else { return Ok(None) };
    let Some(last) = journal.get(last).await? else { return Ok(None) };
    let query = JournalQuery::all().exchange(&**bus.exchange());
    let later = journal.read(query, Position::Offset(last.offset + 1));
    let entries: Vec<_> = later.take(MOST_OF_THE_PAST + 1).try_collect().await?;
    Ok((entries.len() <= MOST_OF_THE_PAST).then(|| matching(&entries, patterns)))
}

/// The newest events since a time, oldest first.
async fn past(bus: &Bus, since: DateTime<Utc>, patterns: &[String]) -> Result<Vec<Arc<Seen>>, Problem> {
    let Some(journal) = bus.stores().journal else { return Ok(Vec::new()) };
    let query = JournalQuery::all().exchange(&**bus.exchange()).since(since);
    let entries: Vec<_> = journal.read(query, Position::Last(MOST_OF_THE_PAST)).try_collect().await?;
    Ok(matching(&entries, patterns))
}

fn matching(entries: &[JournalEntry], patterns: &[String]) -> Vec<Arc<Seen>> {
    let seen = entries.iter().map(|entry| Seen::of(&entry.message));
    seen.filter(|seen| patterns.iter().any(|pattern| matches(pattern, &seen.key))).map(Arc::new).collect()
}

fn event_of(seen: &Seen, format: Format) -> Option<Event> {
    let data = match format {
        // One line, whoever wrote it.
        Format::Envelope if !seen.body.contains(&b'\n') && !seen.body.contains(&b'\r') => {
            String::from_utf8(seen.body.to_vec()).ok()?
        }
        Format::Envelope => serde_json::to_string(&seen.envelope()?).ok()?,
        Format::CloudEvent => seen.cloud_event()?.to_string(),
    };
    // A key of another program may have what would end the line.
    let key = seen.key.replace(['\r', '\n'], " ");
    let event = Event::default().event(key).data(data);
    Some(match seen.event_id {
        Some(id) => event.id(id.to_string()),
        None => event,
    })
}
