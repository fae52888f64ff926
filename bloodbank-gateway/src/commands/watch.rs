//! A layer that tells the gateway which commands have begun.

use std::task::{Context as TaskContext, Poll};

use bloodbank_core::{Context, EventCollector};
use tower::{Layer, Service};

use crate::Gateway;

/// Tells a gateway which commands its process has begun to execute: `app.commands(…).layer(gateway.watch_commands())`.
#[derive(Debug, Clone)]
pub struct WatchCommands(pub(crate) Gateway);

/// What [`WatchCommands`] makes of a service.
#[derive(Debug, Clone)]
pub struct WatchedCommands<S> {
    inner: S,
    gateway: Gateway,
}

impl<S> Layer<S> for WatchCommands {
    type Service = WatchedCommands<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WatchedCommands { inner, gateway: self.0.clone() }
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
        self.gateway.commands().started(context.event_id());
        self.inner.call(context)
    }
}
