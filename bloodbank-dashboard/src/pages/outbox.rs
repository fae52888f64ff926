//! The outbox: the events that were written with a transaction, and wait to be published.

use axum::response::Response;
use chrono::TimeDelta;
use maud::{Markup, html};

use crate::{
    data::Outbox,
    html::{self, Section, count, duration},
    refusal::Refusal,
    visit::Visit,
};

/// The age of an event at which something is wrong: the relay publishes within moments.
const LATE: TimeDelta = TimeDelta::seconds(60);
/// What a person does with the events of the outbox.
const COMMANDS: [(&str, &str); 5] = [
    ("bb outbox list --parked", "lists what cannot be published, and why"),
    ("bb outbox show ID", "shows one event with its error"),
    ("bb outbox retry ID", "publishes it again"),
    ("bb outbox discard ID", "deletes it"),
    ("bb outbox relay --once", "publishes what waits, and ends"),
];

pub(crate) async fn page(visit: Visit) -> Result<Response, Refusal> {
    let outbox = Outbox::of_process();
    let health = visit.gateway.health();
    let troubles: Vec<_> = health.reasons.iter().filter(|reason| reason.contains("outbox")).collect();
    let body = html! {
        div #outbox data-refresh="5" {
            h1 { "Outbox" }
            @for trouble in troubles { p.note.bad { span aria-hidden="true" { "✕ " } (trouble) } }
            @match outbox {
                Some(outbox) => { (state(outbox)) }
                None => { (without_relay()) }
            }
        }
        section {
            h2 { "On the command line" }
            p.lead { "The events themselves are in the database of the services that write them. With " code { "DATABASE_URL" } " set to it:" }
            dl.commands { @for (command, does) in COMMANDS { div { dt { code { (command) } } dd { (does) } } } }
        }
    };
    Ok(html::page(&visit, "Outbox", Section::Outbox, &body))
}

fn state(outbox: Outbox) -> Markup {
    let Outbox { waiting, oldest, published, parked } = outbox;
    html! {
        section.attention aria-label="What needs you" {
            @if parked > 0 {
                p.note.warn { span aria-hidden="true" { "▲ " } (count(parked)) @if parked == 1 { " event" } @else { " events" } " could not be published since this process began, and wait for a person." }
            }
            @if waiting > 0 && oldest >= LATE {
                p.note.warn { span aria-hidden="true" { "▲ " } "The oldest event has waited for " (duration(oldest)) ": the broker may be away, or refuse it." }
            } @else if parked == 0 {
                p.note.good { span aria-hidden="true" { "● " } "Nothing needs you." }
            }
        }
        section.tiles aria-label="The outbox" {
            (tile("Waiting", &count(waiting), "events, counted within the last seconds"))
            (tile("Oldest", &if waiting == 0 { "–".to_owned() } else { duration(oldest) }, "for which it has waited"))
            (tile("Published", &count(published), "since this process began"))
            (tile("Parked", &count(parked), "since this process began"))
        }
    }
}

fn tile(name: &str, figure: &str, of: &str) -> Markup {
    html! {
        div.tile {
            h2 { (name) }
            p.figure { b { (figure) } }
            p.muted { (of) }
        }
    }
}

fn without_relay() -> Markup {
    html! {
        p.lead {
            "This process runs no relay of an outbox, so it knows nothing of the events in one. A service runs a relay with "
            code { "App::outbox(pool)" } ", and its own " code { "/metrics" } " tell how many events wait."
        }
    }
}
