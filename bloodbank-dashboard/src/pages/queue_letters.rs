//! The dead letters of one queue, or of one group in it.

use axum::response::Response;
use bloodbank_core::dead_letter::{DeadLetter, Fingerprint, Handle};
use bloodbank_gateway::Access;
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use uuid::Uuid;

use super::dead_letters::{headline, time};
use crate::{
    html::{self, Section, ago, count, csrf_field, pages, search_form},
    refusal::Refusal,
    visit::{Visit, encoded},
};

/// The number of letters on a page.
const SIZE: usize = 100;

pub(crate) async fn page(visit: Visit) -> Result<Response, Refusal> {
    let queue = visit.segment("queue");
    let group = group_of(&visit)?;
    let Some(found) = visit.dashboard.letters.soon(visit.bus(), queue).await? else {
        return Ok(still_looking(&visit, queue));
    };
    let query = visit.query("q").unwrap_or_default().to_lowercase();
    let words: Vec<&str> = query.split_whitespace().collect();
    let letters: Vec<&DeadLetter> = found
        .letters
        .iter()
        .filter(|letter| group.is_none_or(|group| Fingerprint::of(letter) == group))
        .filter(|letter| words.iter().all(|word| has_word(letter, word)))
        .collect();
    let last = letters.len().div_ceil(SIZE).max(1);
    let first = (visit.page_number().min(last) - 1) * SIZE;
    let shown: Vec<_> = letters.iter().skip(first).take(SIZE).copied().collect();
    let may_act = visit.may(Access::ReadAndPublishAll);
    let title = match (group, letters.last()) {
        (Some(_), Some(letter)) => headline(letter.error.as_deref(), &letter.reason),
        _ => queue.to_owned(),
    };
    let edited = visit.query("edited").and_then(|id| Uuid::parse_str(id).ok());
    let body = html! {
        p.path {
            a href=(visit.link("/dashboard/dead-letters")) { "Dead letters" } " / "
            @if group.is_some() { a href=(visit.link(&place(queue))) { (queue) } } @else { (queue) }
        }
        div.title { h1 { (title) } (search_form(&visit, "Search letters")) }
        @if let Some(id) = edited {
            p.note.good role="status" {
                span aria-hidden="true" { "● " } "The corrected event " code { (id) } " is on its way to " code { (queue) } ", and the dead letter is closed."
            }
        }
        @if found.is_cut { p.note.warn { span aria-hidden="true" { "▲ " } "The queue holds more: these are the " (count(found.letters.len() as u64)) " oldest." } }
        div #results aria-live="polite" {
            @if letters.is_empty() { p.lead { "There are no dead letters here." } }
            @else {
                (of_all(&visit, queue, group, letters.len(), found.taken, may_act && words.is_empty()))
                form #letters method="post" action=(visit.link(&format!("{}/redrive", place(queue)))) {
                    (csrf_field(&visit))
                    (table(&visit, queue, &shown, may_act))
                    @if may_act {
                        p.actions {
                            button type="submit" { "Redrive the selected" }
                            button type="submit" formaction=(visit.link(&format!("{}/discard", place(queue)))) { "Discard the selected…" }
                        }
                    }
                }
                (pages(&visit, letters.len(), SIZE))
            }
        }
    };
    Ok(html::page(&visit, &title, Section::DeadLetters, &body))
}

fn still_looking(visit: &Visit, queue: &str) -> Response {
    let body = html! {
        p.path { a href=(visit.link("/dashboard/dead-letters")) { "Dead letters" } " / " (queue) }
        h1 { (queue) }
        div #results data-refresh="1" aria-live="polite" {
            p.lead { "There are many dead letters here: one still looks, and they follow." }
            noscript { p { a href="" { "Reload" } } }
        }
    };
    html::page(visit, queue, Section::DeadLetters, &body)
}

/// The path of the letters of a queue.
pub(super) fn place(queue: &str) -> String {
    format!("/dashboard/dead-letters/{}", encoded(queue))
}

/// The path of a letter of a queue.
pub(super) fn place_of_letter(queue: &str, handle: Handle) -> String {
    format!("{}/letters/{handle}", place(queue))
}

fn group_of(visit: &Visit) -> Result<Option<Fingerprint>, Refusal> {
    let group = visit.query("group").map(str::parse).transpose();
    group.map_err(|fault| Refusal::bad_request(format!("The address names no group: {fault}.")))
}

fn has_word(letter: &DeadLetter, word: &str) -> bool {
    let handle = letter.handle.to_string();
    let texts = [&*letter.event_type, &letter.reason, letter.error.as_deref().unwrap_or_default(), &handle];
    texts.iter().any(|text| text.to_lowercase().contains(word))
}

/// What can be done with all of them at once.
fn of_all(
    visit: &Visit,
    queue: &str,
    group: Option<Fingerprint>,
    total: usize,
    taken: DateTime<Utc>,
    may_act: bool,
) -> Markup {
    let all = if total == 1 { "the letter".to_owned() } else { format!("all {}", count(total as u64)) };
    html! {
        div.bar {
            p.muted { (count(total as u64)) @if total == 1 { " dead letter" } @else { " dead letters" } ", as found " (ago(taken, visit.now)) }
            @if may_act {
                form method="post" action=(visit.link(&format!("{}/redrive", place(queue)))) {
                    (csrf_field(visit))
                    @match group {
                        Some(group) => { input type="hidden" name="group" value=(group); }
                        None => { input type="hidden" name="all" value="yes"; }
                    }
                    button.primary type="submit" { "Redrive " (all) }
                    " "
                    button type="submit" formaction=(visit.link(&format!("{}/discard", place(queue)))) { "Discard " (all) "…" }
                }
            }
        }
    }
}

fn table(visit: &Visit, queue: &str, letters: &[&DeadLetter], may_act: bool) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Dead letters" {
            table {
                thead {
                    tr {
                        @if may_act { th scope="col" { span.hidden { "Selected" } } }
                        th scope="col" { "Letter" }
                        th scope="col" { "Event" }
                        th scope="col" { "Error" }
                        th.number scope="col" { "Attempts" }
                        th.number scope="col" { "Given up" }
                    }
                }
                tbody { @for letter in letters { (row(visit, queue, letter, may_act)) } }
            }
        }
    }
}

fn row(visit: &Visit, queue: &str, letter: &DeadLetter, may_act: bool) -> Markup {
    let handle = letter.handle.to_string();
    let short = handle.get(..13).unwrap_or(&handle);
    html! {
        tr {
            @if may_act {
                td { input type="checkbox" name="id" value=(handle) aria-label={ "Select " (handle) }; }
            }
            th scope="row" { a href=(visit.link(&place_of_letter(queue, letter.handle))) title=(handle) { code.nowrap { (short) } } }
            td { code { (letter.event_type) } }
            td.wide { (headline(letter.error.as_deref(), &letter.reason)) }
            td.number { (letter.attempts) }
            td.number { (time(letter.time(), visit.now)) }
        }
    }
}
