//! Dead letters in groups of the same failure, over all queues.

use axum::response::Response;
use bloodbank_core::dead_letter::FailureGroup;
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use crate::{
    data::letters_of_all,
    html::{self, Section, ago, count, pages, search_form},
    refusal::Refusal,
    visit::{Visit, encoded},
};

/// The number of groups on a page.
const SIZE: usize = 50;

pub(crate) async fn page(visit: Visit) -> Result<Response, Refusal> {
    let dashboard = &visit.dashboard;
    let found = letters_of_all(&dashboard.queues, &dashboard.letters, &visit.gateway).await?;
    let query = visit.query("q").unwrap_or_default().to_lowercase();
    let mut groups: Vec<_> = found.queues.iter().flat_map(|letters| FailureGroup::all(&letters.letters)).collect();
    groups.retain(|group| query.split_whitespace().all(|word| has_word(group, word)));
    groups.sort_by_key(|group| std::cmp::Reverse(group.last.time()));
    let total: usize = groups.iter().map(|group| group.handles.len()).sum();
    let last = groups.len().div_ceil(SIZE).max(1);
    let first = (visit.page_number().min(last) - 1) * SIZE;
    let body = html! {
        div.title { h1 { "Dead letters" } (search_form(&visit, "Search dead letters")) }
        div #results data-refresh=(if found.is_looking { "1" } else { "10" }) aria-live="polite" {
            @for why in &found.incomplete { p.note.warn { span aria-hidden="true" { "▲ " } (why) } }
            @if groups.is_empty() && found.is_looking {
                noscript { p { a href="" { "Reload" } } }
            } @else if groups.is_empty() && query.is_empty() {
                p.note.good { span aria-hidden="true" { "● " } "No subscriber has given anything up." }
            } @else if groups.is_empty() {
                p.lead { "No dead letter has “" (query) "” in its event, its subscriber or its error." }
            } @else {
                p.muted { (count(total as u64)) @if total == 1 { " dead letter" } @else { " dead letters" } ", in groups of the same failure" }
                (table(&visit, groups.iter().skip(first).take(SIZE)))
            }
            (pages(&visit, groups.len(), SIZE))
        }
    };
    Ok(html::page(&visit, "Dead letters", Section::DeadLetters, &body))
}

fn has_word(group: &FailureGroup, word: &str) -> bool {
    let letter = &group.last;
    let texts = [&*letter.queue, &letter.event_type, &letter.reason, letter.error.as_deref().unwrap_or_default()];
    texts.iter().any(|text| text.to_lowercase().contains(word))
}

fn table<'a>(visit: &Visit, groups: impl Iterator<Item = &'a FailureGroup>) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Groups of dead letters" {
            table.groups {
                thead {
                    tr {
                        th.number scope="col" { "Letters" }
                        th scope="col" { "Failure" }
                        th scope="col" { "Event" }
                        th scope="col" { "Subscriber" }
                        th.number scope="col" { "First" }
                        th.number scope="col" { "Last" }
                    }
                }
                tbody { @for group in groups { (row(visit, group)) } }
            }
        }
    }
}

fn row(visit: &Visit, group: &FailureGroup) -> Markup {
    let letter = &group.last;
    let link = format!("/dashboard/dead-letters/{}?group={}", encoded(&letter.queue), group.fingerprint);
    html! {
        tr {
            td.number { b { (count(group.handles.len() as u64)) } }
            th.wide scope="row" {
                a href=(visit.link(&link)) { (headline(letter.error.as_deref(), &letter.reason)) }
                " " span.kind { (letter.reason) }
            }
            td { code { (letter.event_type) } }
            td { code { (letter.queue) } }
            td.number { (time(group.first_seen, visit.now)) }
            td.number { (time(letter.time(), visit.now)) }
        }
    }
}

/// The first line of an error, as far as it fits; the reason where there is none.
pub(super) fn headline(error: Option<&str>, reason: &str) -> String {
    const LONGEST: usize = 160;
    let line = error.and_then(|error| error.lines().next()).filter(|line| !line.trim().is_empty());
    let Some(line) = line else { return format!("Given up: {reason}") };
    if line.chars().count() <= LONGEST {
        return line.to_owned();
    }
    line.chars().take(LONGEST).chain(['…']).collect()
}

pub(super) fn time(time: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Markup {
    html! { @match time { Some(time) => { (ago(time, now)) } None => { span.muted { "–" } } } }
}
