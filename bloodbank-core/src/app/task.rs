//! Tasks that run beside the subscribers of an app.

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::{error::Result, publish::Bus};

/// A task that runs beside the subscribers of an app, such as the relay of an outbox; see
/// [`App::task`](crate::App::task).
pub trait AppTask: Send + 'static {
    /// The name of the task, for messages.
    fn name(&self) -> &'static str;

    /// Starts the task, before anything is declared or consumed: checks what it needs, and returns the work. The work ends
    /// soon after `stop` is set.
    ///
    /// # Errors
    /// What is missing; the app then does not start.
    fn start(self: Box<Self>, bus: Bus, stop: CancellationToken) -> BoxFuture<'static, Result<StartedTask>>;
}

/// The work of a task that has started.
pub type StartedTask = BoxFuture<'static, ()>;
