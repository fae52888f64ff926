//! The events that were published, from the journal of the bus.

use axum::response::Response;
use bloodbank_core::{
    envelope::RawEnvelope,
    store::{JournalEntry, Position},
};
use bloodbank_gateway::Access;
use chrono::SecondsFormat;
use futures_util::TryStreamExt;
use maud::{Markup, html};

use super::{live::preview, replay, selection, trace::trace_place};
use crate::{
    html::{self, Section, count},
    refusal::Refusal,
    visit::Visit,
};

/// The number of events on a page.
const SIZE: usize = 100;
/// The number of replays that are listed.
const MOST_REPLAYS: usize = 20;

pub(crate) async fn page(visit: Visit) -> Result<Response, Refusal> {
    let Some(journal) = visit.bus().stores().journal else { return Ok(without_journal(&visit)) };
    let (entries, fault) = match selection::query(&visit) {
        Ok(mut query) => {
            if let Some(before) = visit.query("before").and_then(|text| text.parse().ok()) {
                query = query.before(before);
            }
            let entries = journal.read(query, Position::Last(SIZE + 1)).try_collect::<Vec<_>>().await?;
            (entries, None)
        }
        Err(fault) => (Vec::new(), Some(fault)),
    };
    // One more than is shown tells whether there are older ones.
    let has_older = entries.len() > SIZE;
    let shown: Vec<_> = entries.iter().rev().take(SIZE).collect();
    let body = html! {
        div.title { h1 { "History" } p.muted { (journal.describe()) } }
        (search(&visit, fault.as_deref()))
        @if fault.is_none() && shown.is_empty() { p.lead { "No event of the journal fits." } }
        @else if fault.is_none() {
            @if visit.may(Access::ReadAndPublishAll) {
                p.actions { a.button href=(visit.link(&format!("/dashboard/replays/new{}", link(&visit, None)))) { "Replay these events…" } }
            }
            (table(&visit, &shown))
        }
        nav.pages aria-label="Pages" {
            @if visit.query("before").is_some() { a href=(link(&visit, None)) { "← Newest" } }
            @if let Some(oldest) = shown.last().filter(|_| has_older) { a rel="next" href=(link(&visit, Some(oldest.offset))) { "Older →" } }
        }
        (replays(&visit))
    };
    Ok(html::page(&visit, "History", Section::History, &body))
}

fn without_journal(visit: &Visit) -> Response {
    let body = html! {
        h1 { "History" }
        p.note.warn { span aria-hidden="true" { "▲ " } "This bus keeps no journal, so events that were consumed are gone." }
        p.lead {
            "On RabbitMQ, " code { "bb topology journal enable" } " switches one on. The embedded bus has one in its file: set " code { "BLOODBANK_EMBEDDED_PATH" } ". "
            "Until then, " a href=(visit.link("/dashboard/live")) { "Live" } " shows the last events that this gateway has seen."
        }
    };
    html::page(visit, "History", Section::History, &body)
}

fn search(visit: &Visit, fault: Option<&str>) -> Markup {
    html! {
        form.filters method="get" role="search" {
            (selection::inputs(visit))
            button.primary type="submit" { "Search" }
        }
        @if let Some(fault) = fault { p.note.bad role="alert" { span aria-hidden="true" { "✕ " } (fault) } }
    }
}

fn link(visit: &Visit, before: Option<u64>) -> String {
    let before = before.map(|offset| format!("before={offset}"));
    format!("?{}", selection::parameters(visit).chain(before).collect::<Vec<_>>().join("&"))
}

/// The replays of this gateway, the newest first.
fn replays(visit: &Visit) -> Markup {
    let replays = visit.gateway.replays().all();
    html! {
        @if !replays.is_empty() {
            section {
                h2 { "Replays" }
                div.scroll tabindex="0" role="region" aria-label="Replays" {
                    table {
                        thead {
                            tr {
                                th scope="col" { "Subscriber" }
                                th scope="col" { "State" }
                                th.number scope="col" { "Events sent" }
                                th.number scope="col" { "Of the journal" }
                            }
                        }
                        tbody {
                            @for progress in replays.iter().rev().take(MOST_REPLAYS) {
                                tr {
                                    th scope="row" { a href=(visit.link(&replay::place(progress.id))) { code { (progress.queue) } } }
                                    td { (replay::state(progress)) }
                                    td.number { (count(progress.sent)) }
                                    td.number { (replay::percent(progress)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn table(visit: &Visit, entries: &[&JournalEntry]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Events" {
            table.live {
                thead {
                    tr {
                        th scope="col" { "Published (UTC)" }
                        th scope="col" { "Event" }
                        th scope="col" { "Source" }
                        th scope="col" { "Payload" }
                    }
                }
                tbody { @for entry in entries { (row(visit, entry)) } }
            }
        }
    }
}

fn row(visit: &Visit, entry: &JournalEntry) -> Markup {
    let envelope = RawEnvelope::read(&entry.message.body).ok();
    let source =
        envelope.as_ref().map(|envelope| envelope.source.app.clone().unwrap_or_else(|| envelope.source.host.clone()));
    let text = match &envelope {
        Some(envelope) => preview(envelope.payload.get()),
        None => preview(&String::from_utf8_lossy(&entry.message.body)),
    };
    html! {
        tr {
            td.time { (entry.published_at.to_rfc3339_opts(SecondsFormat::Millis, true).replace('T', " ").trim_end_matches('Z')) }
            th scope="row" {
                @match entry.event_id() {
                    Some(id) => { a href=(visit.link(&trace_place(id))) { code { (entry.event_type()) } } }
                    None => { code { (entry.event_type()) } }
                }
            }
            td { (source.unwrap_or_default()) }
            td.preview { code { (text) } }
        }
    }
}
