//! The commands of the program: what they answer, and who executes them.

use axum::response::Response;
use bloodbank_client::summary_line;
use bloodbank_core::{
    Registry,
    registry::{CommandDescriptor, EventDescriptor},
};
use bloodbank_gateway::Access;
use maud::{Markup, html};

use super::{
    event::event_place,
    publish::{may_publish, publish_place},
};
use crate::{
    data::Queues,
    html::{self, Section, count},
    refusal::Refusal,
    visit::Visit,
};

pub(crate) async fn page(visit: Visit) -> Result<Response, Refusal> {
    let registry = Registry::global();
    let queues = if visit.may(Access::ReadAll) { visit.dashboard.queues.get(&visit.gateway).await.ok() } else { None };
    let commands: Vec<_> = registry.commands().collect();
    let body = html! {
        h1 { "Commands" }
        @if commands.is_empty() { p.lead { "This program links no commands. A command is an event that asks one executor to do something, and may be answered." } }
        @else {
            div.scroll tabindex="0" role="region" aria-label="Commands" {
                table {
                    thead {
                        tr {
                            th scope="col" { "Command" }
                            th scope="col" { "Answer" }
                            th scope="col" { "Executor" }
                            th.number scope="col" { "Waiting" }
                            th scope="col" { span.hidden { "Action" } }
                        }
                    }
                    tbody { @for command in commands { (row(&visit, registry, command, queues.as_ref())) } }
                }
            }
        }
    };
    Ok(html::page(&visit, "Commands", Section::Commands, &body))
}

fn row(visit: &Visit, registry: &Registry, command: &EventDescriptor, queues: Option<&Queues>) -> Markup {
    let key = command.routing_key();
    let executors: Vec<&CommandDescriptor> =
        registry.executors().iter().copied().filter(|executor| executor.declaration().routing_key == key).collect();
    let link = |key: &str| html! { a href=(visit.link(&event_place(key))) { code { (key) } } };
    html! {
        tr {
            th scope="row" {
                (link(key))
                p.muted { small { (summary_line(command.declaration().docs)) } }
            }
            td { @match command.declaration().reply { Some(reply) => { (link(reply)) } None => { span.muted { "none" } } } }
            td {
                @if executors.is_empty() { span.mark.warn { span aria-hidden="true" { "▲ " } "none in this program" } }
                @for executor in &executors { small { code { (executor.location()) } } }
            }
            td.number { (waiting(visit, &executors, queues)) }
            td.number { @if may_publish(visit, command) { a.button href=(visit.link(&publish_place(command))) { "Publish" } } }
        }
    }
}

/// What waits in the queue of a command, and whether somebody takes it.
fn waiting(visit: &Visit, executors: &[&CommandDescriptor], queues: Option<&Queues>) -> Markup {
    let command_queues = visit.bus().settings().command_queues();
    let states = executors.iter().filter_map(|executor| {
        let queue = executor.queue(command_queues);
        queues?.rows.iter().find(|row| *row.status.name == *queue)
    });
    let states: Vec<_> = states.collect();
    html! {
        @if states.is_empty() { span.muted { "–" } }
        @for row in states {
            @if row.status.consumers == 0 { span.mark.warn { span aria-hidden="true" { "▲ " } (count(row.status.waiting)) ", nobody takes them" } }
            @else { (count(row.status.waiting)) }
        }
    }
}
