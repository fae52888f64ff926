//! The tracker of commands: which were accepted, are running, succeeded or failed.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use bloodbank_core::{Bus, EventEnvelope, Registry, Result, event::EventKind, event_id, routing::template_to_pattern};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::stream::{Hub, ReplayBuffer, StreamEvent};

/// The number of commands that are remembered.
const MOST_COMMANDS: usize = 10_000;

/// The attempts among which that of a failure is looked for, where the failure itself is not kept.
const MOST_ATTEMPTS: u32 = 1000;

/// The stage that a command has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CommandStatus {
    /// The command is on the bus.
    Accepted,
    /// An executor in this process has begun, or an attempt failed and another follows.
    Running,
    /// The reply was published.
    Succeeded,
    /// The command failed for good.
    Failed,
}

/// The state of a command.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CommandState {
    pub(crate) event_id: Uuid,
    pub(crate) event_type: Option<String>,
    pub(crate) status: CommandStatus,
    /// The number of failed attempts.
    pub(crate) failures: u32,
    pub(crate) reply: Option<Box<EventEnvelope<Value>>>,
    pub(crate) failure: Option<Box<EventEnvelope<Value>>>,
}

impl CommandState {
    pub(crate) fn accepted(event_id: Uuid, event_type: Option<String>) -> Self {
        Self { event_id, event_type, status: CommandStatus::Accepted, failures: 0, reply: None, failure: None }
    }

    /// Whether the command has succeeded or failed for good.
    #[cfg(feature = "mcp")]
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.status, CommandStatus::Succeeded | CommandStatus::Failed)
    }

    /// Adds an answer: the reply, or a failure event.
    pub(super) fn add_answer(&mut self, envelope: EventEnvelope<Value>, kind: AnswerKind, is_final: bool) {
        if kind != AnswerKind::Reply {
            let is_final = is_final || kind == AnswerKind::ForeignFailure;
            self.failures += 1;
            if self.status != CommandStatus::Succeeded {
                self.status = if is_final { CommandStatus::Failed } else { CommandStatus::Running };
            }
            self.failure = Some(Box::new(envelope));
        } else {
            self.status = CommandStatus::Succeeded;
            self.reply = Some(Box::new(envelope));
        }
    }
}

/// A tracker that remembers what became of the last commands.
pub(crate) struct CommandTracker {
    /// A hub of answers only: bound to more, it would hide that nobody executes a command.
    answers: Hub,
    tracked: Arc<Mutex<TrackedCommands>>,
    listening: tokio::sync::Mutex<Option<tokio::task::JoinHandle<()>>>,
}

#[derive(Default)]
struct TrackedCommands {
    states: HashMap<Uuid, CommandState>,
    order: VecDeque<Uuid>,
}

impl TrackedCommands {
    fn entry(&mut self, id: Uuid, event_type: Option<&str>) -> &mut CommandState {
        if !self.states.contains_key(&id) {
            self.order.push_back(id);
            if self.order.len() > MOST_COMMANDS
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

/// An event that answers a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerKind {
    Reply,
    /// The failure of an attempt; a further one may follow.
    Failure,
    /// The failure of an executor of another program, which does not say whether an attempt follows, and is taken for
    /// the last.
    ForeignFailure,
}

/// How an event answers a command that it names as its parent: as its reply, or as a failure of its executor. Events of
/// others who receive the command, and fail, are no answers.
pub(super) fn is_answer(
    command: Uuid,
    command_type: &str,
    event_id: Uuid,
    key: &str,
    retry_count: Option<u64>,
) -> Option<AnswerKind> {
    let registry = Registry::global();
    let (asked, answer) = (registry.event(command_type)?, registry.event(key)?);
    if asked.declaration().reply == Some(answer.routing_key()) {
        return Some(AnswerKind::Reply);
    }
    if answer.kind() != EventKind::Failure {
        return None;
    }
    // An executor of this library derives the id from the command. One of another program cannot be told from its id; it
    // names its failures like its commands.
    if event_id.get_version_num() == 5 {
        let attempts = match retry_count {
            Some(count) => {
                let attempt = u32::try_from(count).unwrap_or(u32::MAX).saturating_add(1);
                attempt..=attempt
            }
            None => 1..=MOST_ATTEMPTS,
        };
        let (asked, key) = (asked.routing_key(), answer.routing_key());
        let is_own =
            attempts.into_iter().any(|attempt| event_id::command_failure(command, asked, attempt, key) == event_id);
        return is_own.then_some(AnswerKind::Failure);
    }
    let family = |key: &str| key.rsplit_once('.').map(|(family, _)| family.to_owned());
    (family(command_type) == family(key)).then_some(AnswerKind::ForeignFailure)
}

impl CommandTracker {
    pub(crate) fn new(bus: &Bus) -> Self {
        let registry = Registry::global();
        let replies = registry.commands().filter_map(|command| command.declaration().reply);
        let failures = registry.events().iter().filter(|event| event.kind() == EventKind::Failure);
        let keys = replies.chain(failures.map(|event| event.routing_key()));
        let answers = Hub::new(bus, keys.map(template_to_pattern), ReplayBuffer::new(0, 0), Duration::MAX);
        Self { answers, tracked: Arc::default(), listening: tokio::sync::Mutex::default() }
    }

    /// Listens for answers from now on. The first call comes before the first command is published.
    pub(crate) async fn listen(&self) -> Result<()> {
        let mut listening = self.listening.lock().await;
        if listening.as_ref().is_some_and(|listening| !listening.is_finished()) {
            return Ok(());
        }
        let mut live = self.answers.subscribe(&["#".to_owned()], None).await?.1;
        let tracked = Arc::clone(&self.tracked);
        *listening = Some(tokio::spawn(async move {
            while let Some(answer) = live.next().await {
                add_answer(&tracked, &answer);
            }
        }));
        Ok(())
    }

    /// Remembers a command that is about to be published, so that no answer comes too early.
    pub(crate) fn accepted(&self, id: Uuid, event_type: &str) {
        self.tracked.lock().entry(id, Some(event_type));
    }

    /// Forgets a command that is not on the bus.
    pub(crate) fn forget(&self, id: Uuid) {
        let mut tracked = self.tracked.lock();
        tracked.states.remove(&id);
        tracked.order.retain(|other| *other != id);
    }

    /// Remembers the end of a command without a reply.
    #[cfg(feature = "mcp")]
    pub(crate) fn succeeded(&self, id: Uuid) {
        if let Some(state) = self.tracked.lock().states.get_mut(&id) {
            state.status = CommandStatus::Succeeded;
        }
    }

    /// Remembers that an executor of this process has begun with a command.
    pub(super) fn started(&self, id: Uuid) {
        // It may begin before the gateway knows that it was accepted.
        let mut tracked = self.tracked.lock();
        let state = tracked.entry(id, None);
        if state.status == CommandStatus::Accepted {
            state.status = CommandStatus::Running;
        }
    }

    /// The state of a command; `None` where it is not known to be one.
    pub(crate) fn get(&self, id: Uuid) -> Option<CommandState> {
        self.tracked.lock().states.get(&id).filter(|state| state.event_type.is_some()).cloned()
    }
}

fn add_answer(tracked: &Mutex<TrackedCommands>, answer: &StreamEvent) {
    let Some(envelope) = answer.envelope() else { return };
    let retry_count = envelope.payload["retry_count"].as_u64();
    for parent in envelope.correlation_ids.clone() {
        let mut tracked = tracked.lock();
        let Some(state) = tracked.states.get_mut(&parent) else { continue };
        let Some(command) = state.event_type.as_deref() else { continue };
        if let Some(kind) = is_answer(parent, command, envelope.event_id, &answer.key, retry_count) {
            state.add_answer(envelope.clone(), kind, answer.is_final);
        }
    }
}
