//! Live events.

use std::{convert::Infallible, time::Duration};

use axum::response::{
    IntoResponse, Response, Sse,
    sse::{Event, KeepAlive},
};
use bloodbank_core::{
    envelope::RawEnvelope,
    routing::{BindingPattern, matches},
};
use bloodbank_gateway::{Access, Gateway, LiveEvent, LiveEvents, Patterns};
use chrono::SecondsFormat;
use futures_util::stream;
use maud::{Markup, html};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout, timeout_at};

use crate::{
    html::{self, Section},
    refusal::Refusal,
    visit::{Visit, encoded},
};

/// The time between two batches of events.
const BATCH_TIME: Duration = Duration::from_millis(250);
/// The time without an event after which one looks whether the broker is away.
const LOOK: Duration = Duration::from_secs(1);
/// The number of events in a batch; the others are counted.
const BATCH: usize = 50;
/// The number of events that the page begins with.
const RECENT: usize = 50;
/// The letters of a payload that are shown.
const PREVIEW: usize = 200;

/// Which events somebody looks at.
struct Selection {
    pattern: String,
    source: Option<String>,
    read: Patterns,
}

/// An event in the list.
struct Row {
    id: Option<String>,
    event_type: String,
    time: String,
    source: String,
    text: String,
}

pub(crate) async fn page(visit: Visit) -> Result<Response, Refusal> {
    // Events are kept from the first visit on.
    drop(visit.dashboard.activity.look(&visit.gateway));
    let selection = Selection::of(&visit);
    let (pattern, source) = (visit.query("pattern").unwrap_or("#"), visit.query("source").unwrap_or_default());
    let fault = selection.as_ref().err().map(|refusal| refusal.detail.clone());
    let rows: Vec<Row> = match &selection {
        Ok(selection) => {
            let recent = visit.gateway.recent_events();
            recent.iter().rev().filter_map(|event| selection.row(event)).take(RECENT).collect()
        }
        Err(_) => Vec::new(),
    };
    let stream = format!("/dashboard/live/events?pattern={}&source={}", encoded(pattern), encoded(source));
    let traces = visit.may(Access::ReadAll).then(|| visit.link("/dashboard/trace/"));
    let body = html! {
        div.title {
            h1 { "Live" }
            form.search method="get" role="search" {
                label.hidden for="search" { "Pattern" }
                input #search type="text" name="pattern" value=(pattern) placeholder="Pattern: orders.#" autocomplete="off" spellcheck="false"
                    aria-invalid=[fault.as_ref().map(|_| "true")] aria-describedby=[fault.as_ref().map(|_| "fault")];
                label.hidden for="source" { "Source" }
                input #source type="text" name="source" value=(source) placeholder="Source: any program" autocomplete="off" spellcheck="false";
                button type="submit" { "Show" }
            }
        }
        @if let Some(fault) = &fault { p.note.bad #fault role="alert" { span aria-hidden="true" { "✕ " } (fault) } }
        @else {
            div.bar #live data-stream=(visit.link(&stream)) data-trace=[&traces] {
                p.muted role="status" { span data-state { "The last events. With JavaScript, the next ones come by themselves." } " " span data-dropped {} }
                button type="button" hidden data-pause aria-pressed="false" { "Pause" }
            }
            (table(&rows, traces.as_deref()))
        }
    };
    Ok(html::page(&visit, "Live", Section::Live, &body))
}

/// Streams the events in batches, so that neither browser nor gateway has more to do on a busy bus.
pub(crate) async fn events(visit: Visit) -> Result<Response, Refusal> {
    let selection = Selection::of(&visit)?;
    let live = visit.gateway.live(std::slice::from_ref(&selection.pattern)).await?;
    let watched = Watched { live, selection, gateway: visit.gateway, was_ready: true };
    let batches = stream::unfold(watched, |mut watched| async move {
        let batch = watched.next().await?;
        Some((Ok::<_, Infallible>(Event::default().data(batch.to_string())), watched))
    });
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15));
    Ok(Sse::new(batches).keep_alive(keep_alive).into_response())
}

/// The events that somebody looks at, and whether more can come.
struct Watched {
    live: LiveEvents,
    selection: Selection,
    gateway: Gateway,
    was_ready: bool,
}

/// Events that are shown at once.
#[derive(Default)]
struct Batch {
    rows: Vec<Value>,
    dropped: usize,
    end: Option<Instant>,
}

impl Watched {
    /// The next batch, or the news that the broker is away or back; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Value> {
        let mut batch = Batch::default();
        loop {
            let next = match batch.end {
                None => timeout(LOOK, self.live.next()).await,
                Some(end) => timeout_at(end, self.live.next()).await,
            };
            match next {
                Ok(Some(event)) => batch.add(&event, &self.selection),
                Ok(None) if batch.end.is_none() => return None,
                Err(_) if batch.end.is_none() => {
                    let is_ready = self.gateway.bus().health().ready;
                    if is_ready != self.was_ready {
                        self.was_ready = is_ready;
                        return Some(json!({ "rows": [], "dropped": 0, "away": !is_ready }));
                    }
                }
                Ok(None) | Err(_) => return Some(json!({ "rows": batch.rows, "dropped": batch.dropped })),
            }
        }
    }
}

impl Batch {
    fn add(&mut self, event: &LiveEvent, selection: &Selection) {
        // Those that are left out are not looked into.
        if self.rows.len() >= BATCH {
            self.dropped += usize::from(selection.read.allow(event.event_type()));
            return;
        }
        let Some(Row { id, event_type, time, source, text }) = selection.row(event) else { return };
        self.end.get_or_insert_with(|| Instant::now() + BATCH_TIME);
        self.rows.push(json!({ "id": id, "type": event_type, "time": time, "source": source, "text": text }));
    }
}

impl Selection {
    fn of(visit: &Visit) -> Result<Self, Refusal> {
        let pattern = visit.query("pattern").unwrap_or("#").trim().to_owned();
        BindingPattern::parse_wire(pattern.as_str())
            .map_err(|fault| Refusal::bad_request(format!("This is no pattern: {fault}.")))?;
        let read = visit.caller().map_or_else(Patterns::nothing, |caller| caller.read.clone());
        if !read.overlap(&pattern) {
            return Err(Refusal::forbidden(format!("Your token may read no event that matches `{pattern}`.")));
        }
        Ok(Self { pattern, source: visit.query("source").map(|source| source.trim().to_lowercase()), read })
    }

    /// The row of an event, if it is selected.
    fn row(&self, event: &LiveEvent) -> Option<Row> {
        let event_type = event.event_type();
        if !self.read.allow(event_type) || !matches(&self.pattern, event_type) {
            return None;
        }
        let id = event.event_id().map(|id| id.to_string());
        let row = match RawEnvelope::read(event.body()) {
            Ok(envelope) => Row {
                id,
                event_type: event_type.to_owned(),
                time: envelope.timestamp.to_rfc3339_opts(SecondsFormat::Millis, true),
                source: envelope.source.app.unwrap_or(envelope.source.host),
                text: preview(envelope.payload.get()),
            },
            Err(_) => Row {
                id,
                event_type: event_type.to_owned(),
                time: String::new(),
                source: String::new(),
                text: preview(&String::from_utf8_lossy(event.body())),
            },
        };
        let is_of_source = |source: &String| row.source.to_lowercase().contains(source.as_str());
        self.source.as_ref().is_none_or(is_of_source).then_some(row)
    }
}

pub(super) fn preview(text: &str) -> String {
    let mut letters = text.chars();
    let start: String =
        letters.by_ref().take(PREVIEW).map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if letters.next().is_some() { format!("{start}…") } else { start }
}

fn table(rows: &[Row], traces: Option<&str>) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Events" {
            table.live {
                thead { tr { th scope="col" { "Time (UTC)" } th scope="col" { "Event" } th scope="col" { "Source" } th scope="col" { "Payload" } } }
                tbody #rows { @for row in rows { (self::row(row, traces)) } }
            }
        }
        @if rows.is_empty() { p.muted #none { "No event yet." } }
    }
}

fn row(row: &Row, traces: Option<&str>) -> Markup {
    let Row { id, event_type, time, source, text } = row;
    html! {
        tr {
            td.time title=(time) { (time.get(11..23).unwrap_or_default()) }
            th scope="row" {
                @match (traces, id) {
                    (Some(traces), Some(id)) => { a href={ (traces) (id) } { code { (event_type) } } }
                    _ => { code { (event_type) } }
                }
            }
            td { (source) }
            td.preview { code { (text) } }
        }
    }
}
