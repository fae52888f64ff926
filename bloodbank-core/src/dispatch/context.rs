//! The context in which a command is executed.

use std::{fmt, ops::Deref};

use crate::handler::Context;

/// The context in which a command is executed: its state, and everything in [`Context`].
#[derive(Clone)]
pub struct CommandContext<S> {
    state: S,
    context: Context,
}

impl<S> CommandContext<S> {
    pub(crate) fn new(state: S, context: Context) -> Self {
        Self { state, context }
    }

    /// The state that the app provides.
    pub fn state(&self) -> &S {
        &self.state
    }
}

impl<S> Deref for CommandContext<S> {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}

impl<S> fmt::Debug for CommandContext<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandContext").field("context", &self.context).finish_non_exhaustive()
    }
}
