//! Replays: events of the journal go to the queue of one subscriber again.

use axum::response::{IntoResponse, Redirect, Response};
use bloodbank_core::replay::{ReplayPlan, ReplayProgress, ReplayRequest, ReplayState};
use bloodbank_gateway::Access;
use maud::{Markup, html};
use uuid::Uuid;

use super::selection;
use crate::{
    data::audit,
    html::{self, Section, count, csrf_field},
    refusal::Refusal,
    visit::Visit,
};

/// The path of a replay.
pub(super) fn place(id: Uuid) -> String {
    format!("/dashboard/replays/{id}")
}

/// Asks which events go to which subscriber, and says how many they are before anything is sent.
pub(crate) async fn ask(visit: Visit) -> Result<Response, Refusal> {
    let queues = visit.dashboard.queues.get(&visit.gateway).await?;
    let chosen = visit.query("queue").unwrap_or_default();
    let plan = match (chosen, request(&visit, chosen, visit.query("rate"))) {
        ("", _) => None,
        (_, Ok(request)) => Some(request.on(visit.bus()).plan().await.map_err(|error| error.to_string())),
        (_, Err(fault)) => Some(Err(fault)),
    };
    let body = html! {
        (path(&visit))
        h1 { "Replay events" }
        p.lead {
            "The events go to the queue of one subscriber again, with the ids that they have, and to nobody else. Its handler runs for each "
            "of them, once per replay, and what the handler publishes is published again."
        }
        form.filters method="get" {
            (selection::inputs(&visit))
            div.field {
                label for="queue" { "Subscriber" }
                select id="queue" name="queue" required {
                    option value="" { "Choose one" }
                    @for row in &queues.rows { option value=(row.status.name) selected[row.status.name == chosen] { (row.status.name) } }
                }
            }
            div.field {
                label for="rate" { "Events per second" }
                input id="rate" type="number" name="rate" min="1" value=[visit.query("rate")] placeholder="as many as it takes" autocomplete="off";
            }
            button type="submit" { "Count them" }
        }
        @match &plan {
            None => {}
            Some(Err(fault)) => { p.note.bad role="alert" { span aria-hidden="true" { "✕ " } (fault) } }
            Some(Ok(plan)) => { (planned(&visit, chosen, plan)) }
        }
    };
    Ok(html::page(&visit, "Replay", Section::History, &body))
}

fn planned(visit: &Visit, queue: &str, plan: &ReplayPlan) -> Markup {
    html! {
        section role="status" {
            h2 { (events(plan.events)) " would go to " code { (queue) } }
            p.muted { "Selected: " (selection::words(visit)) }
            @if plan.events > 0 {
                table {
                    thead { tr { th scope="col" { "Event" } th.number scope="col" { "Number" } } }
                    tbody { @for (kind, number) in &plan.types { tr { th scope="row" { code { (kind) } } td.number { (count(*number)) } } } }
                }
                form.actions method="post" action=(visit.link("/dashboard/replays")) {
                    (csrf_field(visit))
                    (selection::hidden_inputs(visit))
                    input type="hidden" name="queue" value=(queue);
                    @if let Some(rate) = visit.query("rate") { input type="hidden" name="rate" value=(rate); }
                    button.primary type="submit" { "Replay " (events(plan.events)) }
                }
            }
        }
    }
}

/// Starts a replay.
pub(crate) async fn start(visit: Visit) -> Result<Response, Refusal> {
    let queue = visit.field("queue").unwrap_or_default();
    let request = request(&visit, queue, visit.field("rate")).map_err(Refusal::bad_request)?;
    // What cannot begin is said at once.
    request.on(visit.bus()).plan().await?;
    begin(&visit, request).await
}

/// Goes on with a replay that has ended early.
pub(crate) async fn resume(visit: Visit) -> Result<Response, Refusal> {
    let progress = progress(&visit)?;
    let request = visit.gateway.replays().request(progress.id).ok_or_else(unknown)?;
    begin(&visit, request.resume(progress)).await
}

async fn begin(visit: &Visit, request: ReplayRequest) -> Result<Response, Refusal> {
    let who = visit.caller().and_then(|caller| caller.name.as_deref());
    let progress = visit.gateway.start_replay(request, who, audit::source(visit.bus(), who)).await?;
    Ok(Redirect::to(&visit.link(&place(progress.id))).into_response())
}

/// Cancels a replay, and shows how far it has come.
pub(crate) async fn cancel(visit: Visit) -> Result<Response, Refusal> {
    let progress = progress(&visit)?;
    visit.gateway.replays().cancel(progress.id).await;
    Ok(Redirect::to(&visit.link(&place(progress.id))).into_response())
}

pub(crate) async fn page(visit: Visit) -> Result<Response, Refusal> {
    let progress = progress(&visit)?;
    let runs = progress.state == ReplayState::Running;
    let body = html! {
        (path(&visit))
        h1 { "Replay to " (progress.queue) }
        // A part that has ended is not fetched again.
        div #replay data-refresh=[runs.then_some("1")] aria-live="polite" {
            p { (state(&progress)) " · " (events(progress.sent)) " sent · " (percent(&progress)) " of the journal read" }
            progress max="1000" value=((progress.fraction() * 1000.0).round()) aria-label="Progress" { (percent(&progress)) }
            @if let Some(trouble) = &progress.trouble {
                p.note.bad { span aria-hidden="true" { "✕ " } (trouble) }
            }
            @if visit.may(Access::ReadAndPublishAll) { (actions(&visit, &progress)) }
        }
        dl.facts {
            div { dt { "Replay" } dd { code { (progress.id) } } }
            @if let Some(end) = progress.end { div { dt { "Last offset" } dd { (count(end)) } } }
        }
    };
    Ok(html::page(&visit, "Replay", Section::History, &body))
}

fn actions(visit: &Visit, progress: &ReplayProgress) -> Markup {
    let (verb, text) = match progress.state {
        ReplayState::Running => ("cancel", "Cancel"),
        ReplayState::Done => return html! {},
        _ => ("resume", "Go on"),
    };
    html! {
        form.actions method="post" action=(visit.link(&format!("{}/{verb}", place(progress.id)))) {
            (csrf_field(visit))
            button type="submit" { (text) }
        }
    }
}

fn path(visit: &Visit) -> Markup {
    html! { p.path { a href=(visit.link("/dashboard/history")) { "History" } " / Replay" } }
}

/// The state of a replay in words.
pub(super) fn state(progress: &ReplayProgress) -> &'static str {
    match progress.state {
        ReplayState::Running if progress.trouble.is_some() => "Waiting",
        ReplayState::Running => "Running",
        ReplayState::Done => "Done",
        ReplayState::Cancelled => "Cancelled",
        _ => "Failed",
    }
}

pub(super) fn percent(progress: &ReplayProgress) -> String {
    format!("{:.0} %", (progress.fraction() * 100.0).floor())
}

fn events(number: u64) -> String {
    format!("{} {}", count(number), if number == 1 { "event" } else { "events" })
}

fn progress(visit: &Visit) -> Result<ReplayProgress, Refusal> {
    let id = Uuid::parse_str(visit.segment("id")).ok();
    id.and_then(|id| visit.gateway.replays().get(id)).ok_or_else(unknown)
}

fn unknown() -> Refusal {
    Refusal::not_found("This gateway knows no such replay.")
}

fn request(visit: &Visit, queue: &str, rate: Option<&str>) -> Result<ReplayRequest, String> {
    if queue.is_empty() {
        return Err("No subscriber is chosen. Go back, and choose one.".to_owned());
    }
    let rate = match rate.map(str::trim).filter(|rate| !rate.is_empty()) {
        None => None,
        Some(text) => match text.parse::<u32>() {
            Ok(rate) if rate > 0 => Some(rate),
            _ => return Err(format!("“{text}” is not a number of events per second from 1.")),
        },
    };
    Ok(ReplayRequest::new(queue).query(selection::query(visit)?).rate(rate))
}
