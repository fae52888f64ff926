//! The overview: what needs a person, what happens, and what waits where.

use axum::response::Response;
use bloodbank_client::QueueEntry;
use bloodbank_core::app::{Health, HealthState};
use bloodbank_gateway::Access;
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use crate::{
    data::{BUCKET_SECONDS, Outbox, Queues, Series},
    html::{self, Section, ago, count, rate, sparkline, state_mark},
    refusal::Refusal,
    visit::Visit,
};

/// The number of queues on the page: the ones with something to say come first.
const MOST_QUEUES: usize = 100;

pub(crate) async fn page(visit: Visit) -> Result<Response, Refusal> {
    let health = visit.gateway.health();
    let series = visit.dashboard.activity.look(&visit.gateway);
    // The queues tell of events that a token with patterns may not read.
    let queues = if visit.may(Access::ReadAll) {
        Some(visit.dashboard.queues.get(&visit.gateway).await.map_err(|refusal| refusal.detail))
    } else {
        None
    };
    let known = queues.as_ref().and_then(|queues| queues.as_ref().ok());
    let body = html! {
        div #overview data-refresh="5" {
            div.title { h1 { "Overview" } (state_mark(health.state)) }
            (attention(&health, known, visit.now))
            (tiles(&series, known))
            @match &queues {
                Some(Ok(queues)) => { (table(queues, visit.now)) }
                Some(Err(why)) => { section { h2 { "Queues" } p.note.bad { (why) } } }
                None => { section { h2 { "Queues" } p.muted { "Your token does not read every event, so queues are not shown." } } }
            }
        }
    };
    Ok(html::page(&visit, "Overview", Section::Overview, &body))
}

/// Something that needs a person.
struct Concern {
    class: &'static str,
    sign: &'static str,
    what: String,
}

/// What needs a person, the worst first.
fn concerns(health: &Health, queues: Option<&Queues>, now: DateTime<Utc>) -> Vec<Concern> {
    let bad = |what| Concern { class: "bad", sign: "✕", what };
    let warn = |what| Concern { class: "warn", sign: "▲", what };
    let mut found = Vec::new();
    for reason in &health.reasons {
        let is_bad = health.state == HealthState::Unhealthy;
        found.push(if is_bad { bad(sentence(reason)) } else { warn(sentence(reason)) });
    }
    for subscriber in health.subscribers.iter().filter(|subscriber| !subscriber.running) {
        found.push(bad(format!("The subscriber of {} has stopped.", subscriber.queue)));
    }
    for row in queues.into_iter().flat_map(|queues| &queues.rows) {
        let QueueEntry { status, dead_letters, .. } = row;
        if let Some(letters) = dead_letters.filter(|letters| *letters > 0) {
            let what = if letters == 1 { "dead letter waits" } else { "dead letters wait" };
            found.push(warn(format!("{} {what} in {}.", count(letters), status.name)));
        }
        if status.waiting > 0 && status.consumers == 0 {
            let since = status.oldest.map(|oldest| format!(", the oldest for {}", html::duration(now - oldest)));
            let waiting = count(status.waiting);
            let verb = if status.waiting == 1 { "message waits" } else { "messages wait" };
            found.push(warn(format!(
                "{waiting} {verb} in {}{}, and nobody takes them.",
                status.name,
                since.unwrap_or_default()
            )));
        }
    }
    found
}

/// A reason as a sentence of its own.
fn sentence(reason: &str) -> String {
    let mut letters = reason.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

fn attention(health: &Health, queues: Option<&Queues>, now: DateTime<Utc>) -> Markup {
    let concerns = concerns(health, queues, now);
    html! {
        section.attention aria-label="What needs you" {
            @if concerns.is_empty() {
                p.note.good { span aria-hidden="true" { "● " } "Nothing needs you." }
            } @else {
                ul {
                    @for Concern { class, sign, what } in concerns {
                        li class=(format!("note {class}")) { span aria-hidden="true" { (sign) " " } (what) }
                    }
                }
            }
        }
    }
}

fn tiles(series: &Series, queues: Option<&Queues>) -> Markup {
    // The last bucket still grows.
    let now = |values: &[u64]| values.iter().rev().take(2).max().copied().unwrap_or(0);
    let tile = |name: &str, of: &str, values: &[u64]| {
        html! {
            div.tile {
                h2 { (name) }
                p.figure { b { (rate(now(values), BUCKET_SECONDS)) } " /s" }
                (sparkline(values, BUCKET_SECONDS, name))
                p.muted { (of) }
            }
        }
    };
    html! {
        section.tiles aria-label="The last 15 minutes" {
            (tile("Published", "on the whole bus", &series.published))
            (tile("Handled", "by this process", &series.handled))
            (tile("Failed attempts", "in this process", &series.failed))
            @if let Some(queues) = queues {
                div.tile {
                    h2 { "Waiting" }
                    p.figure { b { (count(queues.rows.iter().map(|row| row.status.waiting).sum())) } }
                    dl.pairs {
                        div { dt { "for another attempt" } dd { (count(queues.delayed)) } }
                        div { dt { "dead letters" } dd { (count(queues.dead_letters())) } }
                        @if let Some(outbox) = Outbox::of_process() { div { dt { "in the outbox" } dd { (count(outbox.waiting)) } } }
                    }
                }
            }
        }
    }
}

fn table(queues: &Queues, now: DateTime<Utc>) -> Markup {
    let mut rows: Vec<&QueueEntry> = queues.rows.iter().collect();
    let trouble = |row: &QueueEntry| {
        let is_stuck = row.status.waiting > 0 && row.status.consumers == 0;
        (row.dead_letters.is_some_and(|letters| letters > 0), is_stuck, row.status.waiting)
    };
    rows.sort_by_key(|row| std::cmp::Reverse(trouble(row)));
    html! {
        section {
            h2 { "Queues" }
            @if let Some(why) = &queues.incomplete { p.note.warn { span aria-hidden="true" { "▲ " } (why) } }
            @if rows.is_empty() {
                p.muted { "There are no queues yet. A subscriber declares its queue when it starts." }
            } @else {
                div.scroll tabindex="0" role="region" aria-label="Queues" {
                    table {
                        thead {
                            tr {
                                th scope="col" { "Queue" }
                                th.number scope="col" { "Waiting" }
                                th.number scope="col" { "Oldest" }
                                th.number scope="col" { "In hand" }
                                th.number scope="col" { "Consumers" }
                                th.number scope="col" { "Dead letters" }
                            }
                        }
                        tbody { @for row in rows.iter().take(MOST_QUEUES) { (queue(row, now)) } }
                    }
                }
                @if rows.len() > MOST_QUEUES {
                    p.muted { "These are the " (MOST_QUEUES) " queues with the most to do, of " (count(rows.len() as u64)) "." }
                }
            }
        }
    }
}

fn queue(row: &QueueEntry, now: DateTime<Utc>) -> Markup {
    let QueueEntry { status, dead_letters, .. } = row;
    let is_stuck = status.waiting > 0 && status.consumers == 0;
    html! {
        tr {
            th scope="row" { code { (status.name) } }
            td.number { (count(status.waiting)) }
            td.number { @match status.oldest { Some(oldest) => { (ago(oldest, now)) } None => { span.muted { "–" } } } }
            td.number { @match status.unsettled { Some(unsettled) => { (count(unsettled)) } None => { span.muted { "–" } } } }
            td.number {
                @if is_stuck { span.mark.warn { span aria-hidden="true" { "▲ " } "none" } }
                @else { (count(status.consumers)) }
            }
            td.number {
                @match dead_letters {
                    Some(0) => { "0" }
                    Some(letters) => { span.mark.warn { span aria-hidden="true" { "▲ " } (count(*letters)) } }
                    None => { span.muted { "–" } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bloodbank_core::{Bus, transport::QueueStatus};
    use bloodbank_embedded as _;

    use super::*;

    #[test]
    fn what_needs_a_person_is_named_with_its_place() {
        let health = Bus::embedded().health();
        assert_eq!(concerns(&health, Some(&Queues::default()), Utc::now()).len(), 0);
        let states = [("a.well", 7, 1), ("b.dead", 0, 1), ("b.dead.dlq", 2, 0), ("c.stuck", 1, 0)];
        let states = states.map(|(name, waiting, consumers)| QueueStatus::new(name, waiting, consumers));
        let rows = QueueEntry::of(states.into(), Utc::now());
        let queues = Queues { rows, ..Queues::default() };
        let said: Vec<_> =
            concerns(&health, Some(&queues), Utc::now()).into_iter().map(|concern| concern.what).collect();
        assert_eq!(said, ["2 dead letters wait in b.dead.", "1 message waits in c.stuck, and nobody takes them."]);
    }
}
