//! What became of commands: `GET /commands/{event_id}`.

mod watch;

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{Json, extract::State};
use bloodbank_core::{Bus, EventEnvelope, Registry, event::EventKind, routing::template_to_pattern};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

pub use self::watch::{WatchCommands, WatchedCommands};
use crate::{
    Gateway,
    auth::Caller,
    correlation::parse_id,
    params::Segment,
    problem::Problem,
    stream::{Hub, Recent, Seen},
};

/// So many commands are remembered.
const REMEMBERED: usize = 10_000;

/// Where a command is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// It is on the bus.
    Accepted,
    /// An executor in this process has begun, or an attempt failed and another follows.
    Running,
    /// Its reply was published.
    Succeeded,
    /// It failed for good.
    Failed,
}

/// What is known about a command.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CommandState {
    event_id: Uuid,
    event_type: Option<String>,
    status: Status,
    /// How many attempts failed.
    failures: u32,
    reply: Option<Box<EventEnvelope<Value>>>,
    failure: Option<Box<EventEnvelope<Value>>>,
}

impl CommandState {
    fn accepted(event_id: Uuid, event_type: Option<String>) -> Self {
        Self { event_id, event_type, status: Status::Accepted, failures: 0, reply: None, failure: None }
    }

    fn see(&mut self, envelope: EventEnvelope<Value>, kind: EventKind, is_final: bool) {
        if kind == EventKind::Failure {
            self.failures += 1;
            if self.status != Status::Succeeded {
                self.status = if is_final { Status::Failed } else { Status::Running };
            }
            self.failure = Some(Box::new(envelope));
        } else {
            self.status = Status::Succeeded;
            self.reply = Some(Box::new(envelope));
        }
    }
}

/// Remembers what became of the last commands.
pub(crate) struct Commands {
    /// Of answers only: bound to more, it would hide that nobody executes a command.
    answers: Hub,
    known: Arc<Mutex<Known>>,
    listening: tokio::sync::Mutex<Option<tokio::task::JoinHandle<()>>>,
}

#[derive(Default)]
struct Known {
    states: HashMap<Uuid, CommandState>,
    order: VecDeque<Uuid>,
}

impl Known {
    fn entry(&mut self, id: Uuid, event_type: Option<&str>) -> &mut CommandState {
        if !self.states.contains_key(&id) {
            self.order.push_back(id);
            if self.order.len() > REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.states.remove(&oldest);
            }
        }
        let state = self.states.entry(id).or_insert_with(|| CommandState::accepted(id, None));
        if let Some(event_type) = event_type {
            state.event_type = Some(event_type.to_owned());
        }
        state
    }
}

impl Commands {
    pub(crate) fn new(bus: &Bus) -> Self {
        let registry = Registry::global();
        let replies = registry.commands().filter_map(|command| command.declaration().reply);
        let failures = registry.events().iter().filter(|event| event.kind() == EventKind::Failure);
        let keys = replies.chain(failures.map(|event| event.routing_key()));
        let answers = Hub::new(bus, keys.map(template_to_pattern), Recent::new(0, 0));
        Self { answers, known: Arc::default(), listening: tokio::sync::Mutex::default() }
    }

    /// Listens for answers from now on; called before the first command is published.
    pub(crate) async fn listen(&self) -> Result<(), Problem> {
        let mut listening = self.listening.lock().await;
        if listening.as_ref().is_some_and(|listening| !listening.is_finished()) {
            return Ok(());
        }
        let mut live = self.answers.subscribe(&["#".to_owned()], None).await?.1;
        let known = Arc::clone(&self.known);
        *listening = Some(tokio::spawn(async move {
            while let Some(seen) = live.next().await {
                see(&known, &seen);
            }
        }));
        Ok(())
    }

    pub(crate) fn accepted(&self, id: Uuid, event_type: &str) {
        lock(&self.known).entry(id, Some(event_type));
    }

    /// An executor of this process has begun with it.
    fn started(&self, id: Uuid) {
        // It may begin before the gateway knows that it was accepted.
        let mut known = lock(&self.known);
        let state = known.entry(id, None);
        if state.status == Status::Accepted {
            state.status = Status::Running;
        }
    }

    fn get(&self, id: Uuid) -> Option<CommandState> {
        lock(&self.known).states.get(&id).filter(|state| state.event_type.is_some()).cloned()
    }
}

fn see(known: &Mutex<Known>, seen: &Seen) {
    let (Some(envelope), Some(event)) = (seen.envelope(), Registry::global().event(&seen.key)) else { return };
    for parent in envelope.correlation_ids.clone() {
        lock(known).entry(parent, None).see(envelope.clone(), event.kind(), seen.is_final);
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `GET /commands/{event_id}`: accepted, running, succeeded with its reply, or failed with its failure event.
pub(crate) async fn command(
    State(gateway): State<Gateway>,
    caller: Caller,
    Segment(id): Segment,
) -> Result<Json<CommandState>, Problem> {
    let id = parse_id(&id)?;
    let unknown = || Problem::not_found(format!("nothing is known about a command {id}"));
    let state = match gateway.commands().get(id) {
        Some(state) => state,
        None => from_index(&gateway, id).await?.ok_or_else(unknown)?,
    };
    let answers = [&state.reply, &state.failure].into_iter().flatten().map(|answer| answer.event_type.as_str());
    let is_readable = state.event_type.as_deref().into_iter().chain(answers).all(|key| caller.read.allow(key));
    // To whom may not read it, it is not there.
    if is_readable { Ok(Json(state)) } else { Err(unknown()) }
}

/// What the correlation index and the history know about a command that this gateway has forgotten or never saw.
async fn from_index(gateway: &Gateway, id: Uuid) -> Result<Option<CommandState>, Problem> {
    let registry = Registry::global();
    let bus = gateway.bus();
    let Some(tracker) = bus.correlation() else { return Ok(None) };
    let Some(event_type) = tracker.entry(id).await?.and_then(|entry| entry.event_type().map(str::to_owned)) else {
        return Ok(None);
    };
    let Some(command) = registry.event(&event_type).filter(|event| event.kind() == EventKind::Command) else {
        return Ok(None);
    };
    let mut state = CommandState::accepted(id, Some(event_type));
    for child in tracker.children(id).await? {
        let Some(key) = tracker.entry(child).await?.and_then(|entry| entry.event_type().map(str::to_owned)) else {
            continue;
        };
        let Some(event) = registry.event(&key) else { continue };
        let is_reply = command.declaration().reply == Some(event.routing_key());
        if !is_reply && event.kind() != EventKind::Failure {
            continue;
        }
        let recorded = match bus.stores().journal {
            Some(journal) => journal.get(child).await?.map(|entry| Seen::of(&entry.message)),
            None => None,
        };
        match recorded.as_ref().and_then(|seen| Some((seen.envelope()?, seen.is_final))) {
            Some((envelope, is_final)) => state.see(envelope, event.kind(), is_final),
            // The index keeps ids, not events.
            None if is_reply => state.status = Status::Succeeded,
            None if state.status != Status::Succeeded => state.status = Status::Failed,
            None => {}
        }
    }
    Ok(Some(state))
}
