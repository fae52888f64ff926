//! Descriptors of command executors.

use std::{any::TypeId, sync::Arc};

use super::SubscriberOptions;
use crate::{
    event::{Declaration, Location},
    routing,
};

/// The descriptor of an executor that is linked into this program; `#[command]` registers it.
#[derive(Debug, Clone, Copy)]
pub struct CommandDescriptor {
    declaration: &'static Declaration,
    location: Location,
    options: SubscriberOptions,
    state: StateType,
    /// The pool of the transaction that it is executed in.
    pool: Option<StateType>,
    outputs: fn() -> Vec<&'static Declaration>,
}

/// A state by its type, and the name of that.
pub(crate) type StateType = (TypeId, fn() -> &'static str);

inventory::collect!(CommandDescriptor);

/// The queue of a command's executor, unless that has one of its own; its name begins with that of the exchange, or as
/// `BLOODBANK_COMMAND_QUEUES` says.
pub(crate) fn command_queue(beginning: &str, template: &str) -> Arc<str> {
    format!("{beginning}.command.{}", routing::template_to_pattern(template)).into()
}

impl CommandDescriptor {
    /// Creates the descriptor of an executor: its command, its location and options, the type of its state, and the
    /// events that it publishes by itself.
    #[must_use]
    pub const fn new(
        declaration: &'static Declaration,
        location: Location,
        options: SubscriberOptions,
        state: (TypeId, fn() -> &'static str),
        outputs: fn() -> Vec<&'static Declaration>,
    ) -> Self {
        Self { declaration, location, options, state, pool: None, outputs }
    }

    pub(crate) const fn also_needs(mut self, pool: StateType) -> Self {
        self.pool = Some(pool);
        self
    }

    /// The declaration of the command.
    #[must_use]
    pub const fn declaration(&self) -> &'static Declaration {
        self.declaration
    }

    /// The location of the executor in source code.
    #[must_use]
    pub const fn location(&self) -> &Location {
        &self.location
    }

    /// The options of the attribute.
    #[must_use]
    pub const fn options(&self) -> &SubscriberOptions {
        &self.options
    }

    /// The binding pattern of the executor's queue.
    #[must_use]
    pub fn pattern(&self) -> Arc<str> {
        routing::template_to_pattern(self.declaration.routing_key).into()
    }

    /// The queue of the executor; all services that link it share the queue, so that one of them executes each command.
    /// `command_queues` is what the names of such queues begin with: [`Settings::command_queues`](crate::Settings::command_queues).
    #[must_use]
    pub fn queue(&self, command_queues: &str) -> Arc<str> {
        self.options.queue.map_or_else(|| command_queue(command_queues, self.declaration().routing_key), Into::into)
    }

    /// The name of the state type that the executor needs.
    #[must_use]
    pub fn state_type(&self) -> &'static str {
        (self.state.1)()
    }

    /// The states that the app must provide, with their names.
    pub(crate) fn states(&self) -> impl Iterator<Item = (TypeId, &'static str)> {
        [Some(self.state), self.pool].into_iter().flatten().map(|(id, name)| (id, name()))
    }

    /// The events that the executor publishes by itself: the reply and the failure.
    #[must_use]
    pub fn outputs(&self) -> Vec<&'static Declaration> {
        (self.outputs)()
    }
}
