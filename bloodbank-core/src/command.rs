//! The contract of a command.

use std::future::Future;

use crate::{
    dispatch::CommandContext,
    event::{Declaration, Event},
    failure::FailureEvent,
    publish::EventCollector,
};

/// An event that asks for something: `#[event(…, command, reply = T)]`. The derive implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a command",
    label = "not a command",
    note = "give its `#[event(…)]` the attribute `command`, and `reply = T` where it has an answer"
)]
pub trait CommandEvent: Event {
    /// The event that answers it; `()` where none does.
    type Reply: Reply;

    /// The key of the event that answers it.
    const REPLY_KEY: Option<&'static str> = match <Self::Reply as Reply>::DECLARATION {
        Some(declaration) => Some(declaration.routing_key),
        None => None,
    };
}

/// What can answer a command: an event, or nothing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot answer a command",
    label = "not a reply",
    note = "a reply is an event (`#[derive(Event)]`) or `()`"
)]
pub trait Reply: Sized + Send + 'static {
    /// What it declares; `None` for `()`.
    const DECLARATION: Option<&'static Declaration>;

    /// What it declares; `None` for `()`.
    fn declaration() -> Option<&'static Declaration> {
        Self::DECLARATION
    }

    /// Puts it where it is published from.
    fn collect(self, events: &mut EventCollector);

    /// Reads it from the envelope that answers a request.
    ///
    /// # Errors
    /// When the answer is another event.
    fn read(body: &[u8]) -> crate::Result<Self>;
}

impl Reply for () {
    const DECLARATION: Option<&'static Declaration> = None;

    fn collect(self, _events: &mut EventCollector) {}

    fn read(_body: &[u8]) -> crate::Result<Self> {
        Ok(())
    }
}

impl<E: Event> Reply for E {
    const DECLARATION: Option<&'static Declaration> = Some(&E::DECLARATION);

    fn collect(self, events: &mut EventCollector) {
        events.add_reply(self);
    }

    fn read(body: &[u8]) -> crate::Result<Self> {
        Ok(<E as crate::handler::Payload>::decode(body)?.payload)
    }
}

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
