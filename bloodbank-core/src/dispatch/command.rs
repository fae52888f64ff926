//! The contract of a command's executor.

use std::future::Future;

use crate::{
    dispatch::CommandContext,
    event::{CommandEvent, EventCollector, FailureEvent},
};

/// The implementation of a command, executed by exactly one handler in the system. Annotate it with `#[command]`.
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
/// The attribute fills in `Executor`, a type of the executing crate: without it, only the crate that declares a command
/// could implement this trait for it.
pub trait Command<Executor = ()>: CommandEvent {
    /// The state that the command works with; the app provides it. `()` is always provided.
    type State: Clone + Send + Sync + 'static;

    /// The failure event of the command.
    type Failure: FailureEvent;

    /// Executes the command. Collected events are published after success, before the reply, in order; after a failure
    /// none of them is.
    fn execute(
        &self,
        context: &CommandContext<Self::State>,
        events: &mut EventCollector,
    ) -> impl Future<Output = Result<Self::Reply, Self::Failure>> + Send;

    /// Undoes effects outside the bus; runs after every attempt that failed, panicked or took too long.
    fn rollback(&self, _context: &CommandContext<Self::State>) -> impl Future<Output = ()> + Send {
        async {}
    }
}
