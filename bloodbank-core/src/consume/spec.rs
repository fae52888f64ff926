//! A subscriber as the runtime sees it: a queue, patterns, options, and a tower service.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use tower::{Layer, Service, ServiceExt, service_fn, util::BoxCloneSyncService};

use crate::{
    consume::Context,
    dispatch::CommandDescriptor,
    error::BoxError,
    handler::{HandlerError, HandlerErrorKind, Subscriber, SubscriberOptions},
    publish::EventCollector,
};

/// A subscriber as a tower service: any `tower::Layer` can be put around it.
pub type HandlerService = BoxCloneSyncService<Context, EventCollector, HandlerError>;

type Lane = Arc<dyn Fn(&Context) -> Option<u64> + Send + Sync>;

/// A subscriber as the runtime sees it.
pub(crate) struct SubscriberSpec {
    /// Takes part in the ids of follow-ups: the same after a restart.
    pub(crate) name: Arc<str>,
    pub(crate) queue: Arc<str>,
    pub(crate) patterns: Vec<Arc<str>>,
    pub(crate) options: SubscriberOptions,
    pub(crate) service: HandlerService,
    /// Which events are handled one after the other (`ordered_by`).
    pub(crate) lane: Option<Lane>,
    command: Option<&'static CommandDescriptor>,
}

impl SubscriberSpec {
    pub(crate) fn of_subscriber<S, P, I>(service: &str, subscriber: S) -> Self
    where
        S: Subscriber<P, I>,
        P: 'static,
        I: 'static,
    {
        let descriptor = subscriber.descriptor();
        let options = descriptor.options;
        let queue = descriptor.queue(service);
        let subscriber = Arc::new(subscriber);
        let lane = options.ordered_by.map(|_| {
            let subscriber = Arc::clone(&subscriber);
            Arc::new(move |context: &Context| subscriber.lane(context)) as Lane
        });
        let handler = service_fn(move |context: Context| isolated(subscriber.call(context), options.timeout));
        Self {
            name: descriptor.name.into(),
            queue,
            patterns: descriptor.patterns(),
            options,
            service: BoxCloneSyncService::new(handler),
            lane,
            command: None,
        }
    }

    /// The executor of a command: all services that link it share one queue, so one of them executes each command.
    pub(crate) fn of_command(exchange: &str, command: &'static CommandDescriptor) -> Self {
        let key = command.declaration().routing_key;
        // The command itself watches the time and the panics, because it rolls back after both.
        let handler = service_fn(move |context: Context| command.run(context));
        Self {
            name: format!("command {key}").into(),
            queue: command.queue(exchange),
            patterns: vec![command.pattern()],
            options: *command.options(),
            service: BoxCloneSyncService::new(handler),
            lane: None,
            command: Some(command),
        }
    }

    /// Whether it executes that command.
    pub(crate) fn is_of(&self, command: &'static CommandDescriptor) -> bool {
        self.command.is_some_and(|own| std::ptr::eq(own, command))
    }

    /// Puts a layer around the handler.
    pub(crate) fn layer<L>(&mut self, layer: &L)
    where
        L: Layer<HandlerService>,
        L::Service: Service<Context, Response = EventCollector> + Clone + Send + Sync + 'static,
        <L::Service as Service<Context>>::Error: Into<BoxError>,
        <L::Service as Service<Context>>::Future: Send,
    {
        let layered = layer.layer(self.service.clone()).map_err(|error| HandlerError::from_layer(error.into()));
        self.service = BoxCloneSyncService::new(layered);
    }
}

/// Runs a handler within its time; a panic becomes an error.
async fn isolated(
    handler: BoxFuture<'static, Result<EventCollector, HandlerError>>,
    timeout: Duration,
) -> Result<EventCollector, HandlerError> {
    match tokio::time::timeout(timeout, AssertUnwindSafe(handler).catch_unwind()).await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => Err(panicked(&*panic)),
        Err(_) => Err(timed_out(timeout)),
    }
}

/// The error for a handler that panicked.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> HandlerError {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    HandlerError::new(HandlerErrorKind::Panicked, format!("the handler panicked: {}", text.unwrap_or("no message")))
}

/// The error for a handler that took too long.
pub(crate) fn timed_out(timeout: Duration) -> HandlerError {
    HandlerError::new(HandlerErrorKind::TimedOut, format!("the handler took longer than {timeout:?}"))
}
