//! The execution of commands.

use std::any::{TypeId, type_name};

use futures_util::future::BoxFuture;
use tower::{service_fn, util::BoxCloneSyncService};
use tracing::error;

use super::{Command, CommandContext};
use crate::{
    consume::SubscriberSpec,
    event::{Declaration, Event, EventCollector, Location, Reply},
    event_id,
    handler::{
        self, Context, Extractor, HandlerError, HandlerFunction, Input, OpenTransaction, Requirement, in_transaction,
        limited,
    },
    registry::{CommandDescriptor, SubscriberOptions},
};

/// An executor that is linked into this program; `#[command]` registers it.
#[derive(Debug, Clone, Copy)]
pub struct Executor {
    descriptor: CommandDescriptor,
    run: HandlerFunction,
    /// Opens the transaction that the command is executed in.
    open: Option<OpenTransaction>,
}

inventory::collect!(Executor);

impl Executor {
    /// The executor of a command.
    #[must_use]
    pub const fn of<C: Command<Crate>, Crate: 'static>(location: Location, options: SubscriberOptions) -> Self {
        Self {
            descriptor: CommandDescriptor::new(
                const { &C::DECLARATION },
                location,
                options,
                (TypeId::of::<C::State>(), type_name::<C::State>),
                outputs::<C, Crate>,
            ),
            run: |context| Box::pin(run::<C, Crate>(context)),
            open: None,
        }
    }

    /// The same executor, in the transaction that `T` stands for: the mark of the command, what it writes, its events and its
    /// reply are one commit.
    #[must_use]
    #[track_caller]
    pub const fn in_transaction<T: Extractor<Requires: Requirement>>(mut self) -> Self {
        match T::TRANSACTION {
            Some(open) => self.open = Some(open),
            None => {
                panic!("this is no transaction; write `transactional(Tx<Postgres>)` or `transactional(Tx<Sqlite>)`")
            }
        }
        if let Some(state) = T::Requires::STATE {
            self.descriptor = self.descriptor.also_needs(state);
        }
        self
    }

    fn execute(&self, context: Context) -> BoxFuture<'static, Result<EventCollector, HandlerError>> {
        match self.open {
            Some(open) => in_transaction(context, open, self.run),
            None => (self.run)(context),
        }
    }

    /// The descriptor of the executor: the command, its location and its options, as the registry lists them.
    #[must_use]
    pub const fn descriptor(&self) -> &CommandDescriptor {
        &self.descriptor
    }

    /// The executor as a subscriber: all services that link it share one queue, so each command is executed by one of
    /// them.
    pub(crate) fn spec(&'static self, command_queues: &str) -> SubscriberSpec {
        let command = &self.descriptor;
        SubscriberSpec {
            name: format!("command {}", command.declaration().routing_key).into(),
            queue: command.queue(command_queues),
            owner: event_id::executor(command.declaration().routing_key).into(),
            patterns: vec![command.pattern()],
            options: *command.options(),
            dedupe_within: Some(command.options().dedupe_within.unwrap_or(SubscriberOptions::COMMAND_DEDUPE))
                .filter(|within| !within.is_zero() && !command.options().transactional),
            // The command itself watches the time and the panics, because it rolls back after both.
            service: BoxCloneSyncService::new(service_fn(move |context: Context| self.execute(context))),
            plain: None,
            lane: None,
            key_of: None,
            location: *command.location(),
            command: Some(command),
        }
    }
}

fn outputs<C: Command<Crate>, Crate>() -> Vec<&'static Declaration> {
    let mut outputs: Vec<_> = C::Reply::declaration().into_iter().collect();
    outputs.push(const { &<C::Failure as Event>::DECLARATION });
    outputs
}

/// Executes a command; returns the collected events and the reply, or, after a rollback, the failure.
async fn run<C: Command<Crate>, Crate>(context: Context) -> Result<EventCollector, HandlerError> {
    let command = C::receive(&context)?;
    let state = context.states().get::<C::State>().ok_or_else(|| {
        HandlerError::permanent(format!("the app provides no state of type `{}`", type_name::<C::State>()))
    })?;
    let attempt = context.attempt();
    let context = CommandContext::new(state, context);
    let mut events = EventCollector::default();
    let failure = match limited("the command", &context, command.execute(&context, &mut events)).await {
        Ok(Ok(reply)) => {
            reply.collect(&mut events);
            match events.checked() {
                Ok(events) => return Ok(events),
                Err(error) => HandlerError::invalid_follow_up(&error),
            }
        }
        Ok(Err(failure)) => handler::failure(failure, attempt),
        Err(error) => error,
    };
    if let Err(error) = limited("the rollback", &context, command.rollback(&context)).await {
        error!(queue = context.queue(), event_id = %context.event_id(), key = context.key(), attempt, "{error}; what the command has done stays done");
    }
    Err(failure)
}
