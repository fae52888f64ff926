//! Redriving and discarding, and how far it is.

use std::time::Duration;

use axum::response::{IntoResponse, Redirect, Response};
use bloodbank_core::dead_letter::{Fingerprint, Handle};
use maud::{Markup, html};
use tokio::time::timeout;
use uuid::Uuid;

use super::queue_letters::place;
use crate::{
    data::{Action, Sweep},
    html::{self, Section, count, csrf_field},
    refusal::Refusal,
    visit::Visit,
};

/// The time for which an answer waits for the end: most sweeps are over sooner.
const WAIT: Duration = Duration::from_millis(1500);

pub(crate) async fn redrive(visit: Visit) -> Result<Response, Refusal> {
    let handles = selected(&visit).await?;
    begin(&visit, Action::Redrive, handles).await
}

/// Discards what was selected, once somebody has said that they mean it.
pub(crate) async fn discard(visit: Visit) -> Result<Response, Refusal> {
    let handles = selected(&visit).await?;
    if visit.field("confirmed") == Some("yes") {
        return begin(&visit, Action::Discard, handles).await;
    }
    let queue = visit.segment("queue");
    let what = letters(handles.len());
    let body = html! {
        p.path { a href=(visit.link("/dashboard/dead-letters")) { "Dead letters" } " / " a href=(visit.link(&place(queue))) { (queue) } }
        h1 { "Discard " (what) "?" }
        p.lead { "The " @if handles.len() == 1 { "letter is" } @else { "letters are" } " deleted for good. Nothing brings " @if handles.len() == 1 { "it" } @else { "them" } " back." }
        form.actions method="post" action=(visit.link(&format!("{}/discard", place(queue)))) {
            (csrf_field(&visit))
            input type="hidden" name="confirmed" value="yes";
            // What was seen is what is discarded, whatever has come since.
            input type="hidden" name="ids" value=(handles.iter().map(Handle::to_string).collect::<Vec<_>>().join(" "));
            button.danger type="submit" { "Discard " (what) }
            a.button href=(visit.link(&place(queue))) { "Keep " @if handles.len() == 1 { "it" } @else { "them" } }
        }
    };
    Ok(html::page(&visit, "Discard", Section::DeadLetters, &body))
}

pub(crate) async fn page(visit: Visit) -> Result<Response, Refusal> {
    let id = Uuid::parse_str(visit.segment("id")).ok();
    let sweep = id.and_then(|id| visit.dashboard.sweeps.find(id));
    let sweep = sweep.ok_or_else(|| Refusal::not_found("The result of this action is no longer kept here."))?;
    let title = match sweep.action {
        Action::Redrive => "Redrive",
        Action::Discard => "Discard",
    };
    let body = html! {
        p.path { a href=(visit.link("/dashboard/dead-letters")) { "Dead letters" } " / " a href=(visit.link(&place(&sweep.queue))) { (sweep.queue) } }
        // A part that has ended is not fetched again.
        div #sweep data-refresh=[sweep.end().is_none().then_some("1")] aria-live="polite" { (progress(&visit, &sweep)) }
        p { a href=(visit.link(&place(&sweep.queue))) { "To the dead letters of " (sweep.queue) } }
    };
    Ok(html::page(&visit, title, Section::DeadLetters, &body))
}

fn progress(visit: &Visit, sweep: &Sweep) -> Markup {
    let (total, done, failed) = (sweep.total(), sweep.done(), sweep.failed());
    let (doing, has) = match sweep.action {
        Action::Redrive => ("Redriving", "redriven"),
        Action::Discard => ("Discarding", "discarded"),
    };
    let end = sweep.end();
    html! {
        @match &end {
            None => {
                h1 { (doing) " " (letters(total)) "…" }
                progress max=(total) value=(done + failed) aria-label="Progress" { (done + failed) " of " (total) }
                p.muted { (count((done + failed) as u64)) " of " (count(total as u64)) " · began " (html::ago(sweep.started, visit.now)) }
                noscript { p { a href="" { "Reload" } } }
            }
            Some(_) => { h1 { (letters(done)) " " @if done == 1 { "was " } @else { "were " } (has) } }
        }
        @if let Some(why) = end.as_ref().and_then(|end| end.interrupted.as_ref()) {
            p.note.bad { span aria-hidden="true" { "✕ " } "It ended early: " (why) }
        }
        @if end.is_some() && done + failed < total {
            p.note.warn { span aria-hidden="true" { "▲ " } (letters(total - done - failed)) " of those selected " @if total - done - failed == 1 { "is" } @else { "are" } " not here any more, or somebody works on them now." }
        }
        @if failed > 0 {
            section {
                h2 { (letters(failed)) " stayed" }
                ul.faults { @for (handle, fault) in sweep.faults() { li { code { (handle) } " " (fault) } } }
            }
        }
    }
}

fn letters(number: usize) -> String {
    let noun = if number == 1 { "dead letter" } else { "dead letters" };
    format!("{} {noun}", count(number as u64))
}

/// The handles of what a form selects: some letters, a group, or all of a queue.
async fn selected(visit: &Visit) -> Result<Vec<Handle>, Refusal> {
    let unknown = |fault| Refusal::bad_request(format!("The form names no letter: {fault}."));
    let queue = visit.segment("queue");
    let listed = visit.fields("id").chain(visit.fields("ids").flat_map(str::split_whitespace));
    let mut handles: Vec<Handle> = listed.map(str::parse).collect::<Result<_, _>>().map_err(unknown)?;
    if handles.is_empty() {
        if let Some(group) = visit.field("group") {
            let group: Fingerprint =
                group.parse().map_err(|fault| Refusal::bad_request(format!("The form names no group: {fault}.")))?;
            handles = visit.dashboard.letters.get(visit.bus(), queue).await?.of_group(group);
        } else if visit.field("all") == Some("yes") {
            let letters = visit.dashboard.letters.get(visit.bus(), queue).await?;
            handles = letters.letters.iter().map(|letter| letter.handle).collect();
        }
    }
    if handles.is_empty() {
        return Err(Refusal::bad_request("No dead letter is selected. Go back, and select some."));
    }
    Ok(handles)
}

async fn begin(visit: &Visit, action: Action, handles: Vec<Handle>) -> Result<Response, Refusal> {
    let who = visit.caller().and_then(|caller| caller.name.as_deref()).map(str::to_owned);
    let dashboard = &visit.dashboard;
    let sweep = dashboard.sweeps.begin(visit.bus(), &dashboard.letters, action, visit.segment("queue"), handles, who);
    let _ = timeout(WAIT, sweep.finished()).await;
    dashboard.queues.forget().await;
    Ok(Redirect::to(&visit.link(&format!("/dashboard/sweeps/{}", sweep.id))).into_response())
}
