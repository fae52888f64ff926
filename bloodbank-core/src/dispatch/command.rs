//! The contract of whoever executes a command.

use std::future::Future;

use crate::{
    dispatch::CommandContext,
    event::{CommandEvent, EventCollector, FailureEvent},
};

/// How a command is executed: by exactly one handler in the system. Annotate the implementation with `#[command]`.
///
/// ```text
/// #[command]
/// impl Command for AgentThreadPrompt {
///     type State = LlmClient;
///     type Failure = AgentThreadError;
///
///     async fn execute(&self, ctx: &CommandContext<LlmClient>, events: &mut EventCollector)
///         -> Result<AgentThreadResponse, AgentThreadError> { … }
/// }
/// ```
///
/// `Executor` is filled in by the attribute: a type of the crate that executes, without which only the crate that
/// declares a command could implement this trait for it.
pub trait Command<Executor = ()>: CommandEvent {
    /// What it works with; the app provides it. `()` is always there.
    type State: Clone + Send + Sync + 'static;

    /// The event that says why it failed.
    type Failure: FailureEvent;

    /// Does it. What is collected is published after success, before the reply, in order; after a failure nothing of it is.
    fn execute(
        &self,
        context: &CommandContext<Self::State>,
        events: &mut EventCollector,
    ) -> impl Future<Output = Result<Self::Reply, Self::Failure>> + Send;

    /// Takes back what was done outside the bus; runs after every attempt that failed, panicked or took too long.
    fn rollback(&self, _context: &CommandContext<Self::State>) -> impl Future<Output = ()> + Send {
        async {}
    }
}
