//! A layer of an app that tells the gateway which commands have begun.

use std::{
    fmt,
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use bloodbank_core::{Context, EventCollector};
use tower::{Layer, Service};

use super::tracker::CommandTracker;

/// A layer that tells a gateway which commands its process has begun to execute:
/// `app.commands(…).layer(gateway.watch_commands())`.
#[derive(Clone)]
pub struct WatchCommands(pub(crate) Arc<CommandTracker>);

/// A service behind the layer [`WatchCommands`].
#[derive(Clone)]
pub struct WatchedCommands<S> {
    inner: S,
    commands: Arc<CommandTracker>,
}

impl fmt::Debug for WatchCommands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchCommands").finish_non_exhaustive()
    }
}

impl<S: fmt::Debug> fmt::Debug for WatchedCommands<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchedCommands").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S> Layer<S> for WatchCommands {
    type Service = WatchedCommands<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WatchedCommands { inner, commands: Arc::clone(&self.0) }
    }
}

impl<S: Service<Context, Response = EventCollector>> Service<Context> for WatchedCommands<S> {
    type Response = EventCollector;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut TaskContext<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, context: Context) -> S::Future {
        self.commands.started(context.event_id());
        self.inner.call(context)
    }
}
