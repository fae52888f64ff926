//! Executing commands.

use std::{
    any::{TypeId, type_name},
    panic::AssertUnwindSafe,
    sync::Arc,
};

use futures_util::{FutureExt, future::BoxFuture};
use tracing::error;

use crate::{
    command::{Command, Reply},
    consume::{Context, panicked, timed_out},
    dispatch::CommandContext,
    event::{Declaration, Event, Location},
    handler::{self, HandlerError, Input, SubscriberOptions},
    publish::EventCollector,
    registry::Registry,
    routing,
};

/// An executor that is linked into this program; `#[command]` registers it.
#[derive(Debug, Clone, Copy)]
pub struct CommandDescriptor {
    declaration: &'static Declaration,
    location: Location,
    options: SubscriberOptions,
    state: (TypeId, fn() -> &'static str),
    outputs: fn() -> Vec<&'static Declaration>,
    run: fn(Context) -> BoxFuture<'static, Result<EventCollector, HandlerError>>,
}

inventory::collect!(CommandDescriptor);

impl CommandDescriptor {
    /// The executor of a command.
    #[must_use]
    pub const fn of<C: Command<Executor>, Executor: 'static>(location: Location, options: SubscriberOptions) -> Self {
        Self {
            declaration: const { &C::DECLARATION },
            location,
            options,
            state: (TypeId::of::<C::State>(), type_name::<C::State>),
            outputs: outputs::<C, Executor>,
            run: |context| Box::pin(run::<C, Executor>(context)),
        }
    }

    /// The declaration of the command.
    #[must_use]
    pub const fn declaration(&self) -> &'static Declaration {
        self.declaration
    }

    /// Where the executor stands.
    #[must_use]
    pub const fn location(&self) -> &Location {
        &self.location
    }

    /// The options of the attribute.
    #[must_use]
    pub const fn options(&self) -> &SubscriberOptions {
        &self.options
    }

    /// What its queue is bound to.
    #[must_use]
    pub fn pattern(&self) -> Arc<str> {
        routing::template_to_pattern(self.declaration.routing_key).into()
    }

    /// Its queue; all services that link it share it, so that one of them executes each command.
    #[must_use]
    pub fn queue(&self, exchange: &str) -> Arc<str> {
        self.options.queue.map_or_else(|| format!("{exchange}.command.{}", self.pattern()).into(), Into::into)
    }

    /// The type of the state it needs.
    #[must_use]
    pub fn state_type(&self) -> &'static str {
        (self.state.1)()
    }

    pub(crate) const fn state_id(&self) -> TypeId {
        self.state.0
    }

    /// The events it publishes by itself: the reply and the failure.
    #[must_use]
    pub fn outputs(&self) -> Vec<&'static Declaration> {
        (self.outputs)()
    }

    pub(crate) fn run(&self, context: Context) -> BoxFuture<'static, Result<EventCollector, HandlerError>> {
        (self.run)(context)
    }
}

/// The commands that an app executes. Every service that executes a command takes from the same queue, so each command
/// is executed once.
#[derive(Debug, Clone)]
pub struct CommandManager {
    executors: Vec<&'static CommandDescriptor>,
}

impl CommandManager {
    /// Every command whose `#[command]` is linked into this program.
    #[must_use]
    pub fn linked() -> Self {
        Self { executors: Registry::global().executors().to_vec() }
    }

    /// Only those whose key matches a pattern, such as `agent.#`.
    #[must_use]
    pub fn matching(pattern: &str) -> Self {
        let mut manager = Self::linked();
        manager.executors.retain(|executor| routing::overlaps(pattern, executor.declaration.routing_key));
        manager
    }

    /// The executors.
    #[must_use]
    pub fn executors(&self) -> &[&'static CommandDescriptor] {
        &self.executors
    }
}

fn outputs<C: Command<Executor>, Executor>() -> Vec<&'static Declaration> {
    let mut outputs: Vec<_> = C::Reply::declaration().into_iter().collect();
    outputs.push(const { &<C::Failure as Event>::DECLARATION });
    outputs
}

/// Executes a command: what it collected and its reply, or, after a rollback, why it failed.
async fn run<C: Command<Executor>, Executor>(context: Context) -> Result<EventCollector, HandlerError> {
    let command = C::receive(&context)?;
    let state = context.states().get::<C::State>().ok_or_else(|| {
        HandlerError::permanent(format!("the app provides no state of type `{}`", type_name::<C::State>()))
    })?;
    let limit = context.timeout();
    let attempt = context.attempt();
    let context = CommandContext::new(state, context);
    let mut events = EventCollector::default();
    let execution = AssertUnwindSafe(command.execute(&context, &mut events)).catch_unwind();
    let failure = match tokio::time::timeout(limit, execution).await {
        Ok(Ok(Ok(reply))) => {
            reply.collect(&mut events);
            match events.checked() {
                Ok(events) => return Ok(events),
                Err(failure) => failure,
            }
        }
        Ok(Ok(Err(failure))) => handler::failure(failure, attempt),
        Ok(Err(panic)) => panicked(&*panic),
        Err(_) => timed_out(limit),
    };
    let rollback = AssertUnwindSafe(command.rollback(&context)).catch_unwind();
    match tokio::time::timeout(limit, rollback).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => {
            error!(command = C::DECLARATION.routing_key, event_id = %context.event_id(), "the rollback panicked")
        }
        Err(_) => {
            error!(command = C::DECLARATION.routing_key, event_id = %context.event_id(), "the rollback took longer than {limit:?}")
        }
    }
    Err(failure)
}
