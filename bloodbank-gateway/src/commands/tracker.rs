//! The tracker of commands: which were accepted, are running, succeeded or failed.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use bloodbank_core::{Bus, EventEnvelope, Registry, Result, event::EventKind, routing::template_to_pattern};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::stream::{Hub, ReplayBuffer, StreamEvent};

/// The number of commands that are remembered.
const MOST_COMMANDS: usize = 10_000;

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

    /// Adds an answer: the reply, or a failure event.
    pub(crate) fn add_answer(&mut self, envelope: EventEnvelope<Value>, kind: EventKind, is_final: bool) {
        if kind == EventKind::Failure {
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

impl CommandTracker {
    pub(crate) fn new(bus: &Bus) -> Self {
        let registry = Registry::global();
        let replies = registry.commands().filter_map(|command| command.declaration().reply);
        let failures = registry.events().iter().filter(|event| event.kind() == EventKind::Failure);
        let keys = replies.chain(failures.map(|event| event.routing_key()));
        let answers = Hub::new(bus, keys.map(template_to_pattern), ReplayBuffer::new(0, 0));
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

    /// Remembers a command that was published.
    pub(crate) fn accepted(&self, id: Uuid, event_type: &str) {
        self.tracked.lock().entry(id, Some(event_type));
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
    let (Some(envelope), Some(event)) = (answer.envelope(), Registry::global().event(&answer.key)) else { return };
    for parent in envelope.correlation_ids.clone() {
        tracked.lock().entry(parent, None).add_answer(envelope.clone(), event.kind(), answer.is_final);
    }
}
