//! The tools for commands: one executes a command, one tells what became of it.

use std::{pin::pin, time::Duration};

use bloodbank_core::{EventEnvelope, ExecuteError, Registry, event::EventKind};
use rmcp::{
    Peer, RoleServer,
    model::{ProgressNotificationParam, ProgressToken},
    service::RequestContext,
};
use serde_json::{Value, json};
use tokio::time::{Instant, interval, timeout_at};
use uuid::Uuid;

use super::{
    agent::Agent,
    arguments::Arguments,
    call::{causes, request},
    tools::LONGEST_WAIT,
};
use crate::{
    commands::{self, CommandState, CommandStatus},
    gateway::Gateway,
    problem::Problem,
};

/// The time between two notifications of progress; clients give up after a minute without an answer.
const PROGRESS: Duration = Duration::from_secs(5);
/// The time between two looks at a command.
const PAUSE: Duration = Duration::from_millis(200);
/// What an agent is told about a command that has not ended, so that it does not execute it twice.
const ASK_AGAIN: &str = "the command is on the bus and may still be executed; ask again with `command_status` and this `event_id`, and do not execute it again";

/// The client of a call, who may have asked for notifications of progress.
pub(super) struct Progress {
    peer: Peer<RoleServer>,
    token: Option<ProgressToken>,
}

impl Progress {
    pub(super) fn of(context: &RequestContext<RoleServer>) -> Self {
        Self { peer: context.peer.clone(), token: context.meta.get_progress_token() }
    }

    /// Notifies the client of the seconds that have passed, until the work is done.
    async fn during<T>(&self, message: &str, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let (start, mut ticks) = (Instant::now(), interval(PROGRESS));
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = ticks.tick() => {}
            }
            if let Some(token) = &self.token {
                let progress = ProgressNotificationParam::new(token.clone(), start.elapsed().as_secs_f64());
                // A client that does not listen still gets its answer.
                let _ = self.peer.notify_progress(progress.with_message(message)).await;
            }
        }
    }
}

/// Publishes a command and waits for its end; one that takes longer goes on.
pub(super) async fn execute_command(
    gateway: &Gateway,
    agent: &Agent,
    mut arguments: Arguments,
    progress: &Progress,
) -> Result<Value, Problem> {
    let key: String = arguments.required("key")?;
    let payload: Value = arguments.required("payload")?;
    let seconds = arguments.optional::<u64>("timeout_seconds")?.unwrap_or(30).clamp(1, LONGEST_WAIT);
    let (event_id, causes) = (arguments.optional("event_id")?, causes(&mut arguments)?);
    arguments.finish()?;
    if Registry::global().event(&key).is_some_and(|event| event.kind() != EventKind::Command) {
        return Err(Problem::bad_request(format!("`{key}` is not a command; publish it with `publish_event`")));
    }
    let request = request(gateway, agent, key, payload, event_id, causes)?;
    let (event_id, execution) = request.execute(gateway, &agent.caller).await?;
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let ended = async {
        tokio::select! {
            executed = execution => match executed {
                Ok(Ok(reply)) => Ok(json!(reply)),
                Ok(Err(ExecuteError::Failed(failure))) => Err(failed(&failure)),
                Ok(Err(ExecuteError::Bus(error))) => Err(Problem::from(error).with_event_id(event_id)),
                Err(_) => Err(Problem::internal()),
            },
            // An executor of another program does not answer who asks; its reply is only a child of the command.
            state = end(gateway, event_id) => match state.failure {
                Some(failure) if state.status == CommandStatus::Failed => Err(failed(&failure)),
                _ => Ok(json!(state.reply)),
            },
        }
    };
    match progress.during(&being_executed(event_id), timeout_at(deadline, ended)).await {
        Ok(reply) => Ok(json!({ "event_id": event_id, "status": CommandStatus::Succeeded, "reply": reply? })),
        Err(_) => {
            Ok(json!({ "event_id": event_id, "status": CommandStatus::Running, "reply": null, "remedy": ASK_AGAIN }))
        }
    }
}

/// Waits for the end of a command that this gateway has published.
async fn end(gateway: &Gateway, event_id: Uuid) -> CommandState {
    loop {
        if let Some(state) = gateway.commands().get(event_id).filter(CommandState::has_ended) {
            return state;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Tells what became of a command, and waits for its end where the agent asks for it.
pub(super) async fn command_status(
    gateway: &Gateway,
    agent: &Agent,
    mut arguments: Arguments,
    progress: &Progress,
) -> Result<Value, Problem> {
    let event_id: Uuid = arguments.required("event_id")?;
    let seconds = arguments.optional::<u64>("wait_seconds")?.unwrap_or(0).min(LONGEST_WAIT);
    arguments.finish()?;
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let waiting = async {
        loop {
            let state = state(gateway, agent, event_id).await?;
            if state.has_ended() || Instant::now() >= deadline {
                return Ok::<_, Problem>(state);
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    let state = progress.during(&being_executed(event_id), waiting).await?;
    let mut value = json!(state);
    if !state.has_ended() {
        value["remedy"] = ASK_AGAIN.into();
    }
    Ok(value)
}

fn being_executed(event_id: Uuid) -> String {
    format!("the command {event_id} is being executed")
}

async fn state(gateway: &Gateway, agent: &Agent, id: Uuid) -> Result<CommandState, Problem> {
    let found = commands::find(gateway.bus(), gateway.commands(), &agent.caller.read, id).await?;
    found.ok_or_else(|| Problem::not_found(format!("no command with the id {id} is known here")))
}

fn failed(failure: &EventEnvelope<Value>) -> Problem {
    let title = "The command failed";
    let detail = format!("{}: {}", failure.event_type, failure.payload);
    Problem::new(axum::http::StatusCode::CONFLICT, "command-failed", title, detail)
}
