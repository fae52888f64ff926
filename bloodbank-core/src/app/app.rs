//! The app: a service that consumes events and executes commands.

use std::{collections::HashMap, fmt, marker::PhantomData, sync::Arc, time::Duration};

use tower::{Layer, Service};

use crate::{
    app::{AppTask, RunningApp, StopSignals, running},
    consume::{HandlerService, SubscriberSpec},
    dedupe::Dedupe,
    dispatch::CommandManager,
    error::{BoxError, Error, ErrorKind, Result},
    event::{EventCollector, Location},
    handler::{Context, States, Subscriber, SubscriberFn},
    publish::Bus,
    registry::Registry,
    routing,
    transport::Topology,
};

/// An app: a service that consumes, with its subscribers, its commands, and the states they work with.
///
/// `Provided` lists the types of the states, so that a subscriber whose state is missing does not compile.
#[must_use = "an app does nothing until it is started with `run` or `start`"]
pub struct App<Provided = ()> {
    pub(super) service: Arc<str>,
    pub(super) bus: Bus,
    pub(super) states: States,
    pub(super) subscribers: Vec<SubscriberSpec>,
    pub(super) drain: Duration,
    pub(super) dedupe: Option<Dedupe>,
    pub(super) probes: Option<String>,
    pub(super) tasks: Vec<Box<dyn AppTask>>,
    provided: PhantomData<fn() -> Provided>,
}

impl App {
    /// Creates an app without subscribers. The name is the first part of the names of its queues: two apps of the same
    /// name share the work, two apps of different names each receive every event.
    ///
    /// It is also the name under which the service publishes ([`Bus::service_name`]), unless `SERVICE_NAME` is set or another
    /// app came first.
    pub fn new(service: impl Into<Arc<str>>, bus: Bus) -> Self {
        let service = service.into();
        bus.name_service(&service);
        Self {
            service,
            bus,
            states: States::default(),
            subscribers: Vec::new(),
            drain: Duration::from_secs(30),
            dedupe: None,
            probes: None,
            tasks: Vec::new(),
            provided: PhantomData,
        }
    }
}

impl<Provided: 'static> App<Provided> {
    /// Provides a state to the subscribers and commands that are added after it; each of them gets a clone.
    pub fn state<S: Clone + Send + Sync + 'static>(mut self, state: S) -> App<(S, Provided)> {
        self.states.insert(state);
        let Self { service, bus, states, subscribers, drain, dedupe, probes, tasks, provided: _ } = self;
        App { service, bus, states, subscribers, drain, dedupe, probes, tasks, provided: PhantomData }
    }

    /// Adds a subscriber: a function with `#[subscriber]`.
    pub fn subscribe<F, Arguments, Index>(mut self, function: F) -> Self
    where
        F: SubscriberFn<Arguments>,
        F::Subscriber: Subscriber<Provided, Index>,
        Index: 'static,
    {
        self.subscribers.push(SubscriberSpec::of_subscriber(&self.service, function.subscriber()));
        self
    }

    /// Adds the executors of commands: `app.commands(CommandManager::linked())`.
    pub fn commands(mut self, commands: CommandManager) -> Self {
        self.subscribers
            .extend(commands.executors().iter().map(|executor| executor.spec(self.bus.settings().command_queues())));
        self
    }

    /// The keys of the commands that were added before.
    pub fn executes(&self) -> impl Iterator<Item = &'static str> {
        self.subscribers.iter().filter_map(|subscriber| Some(subscriber.command?.declaration().routing_key))
    }

    /// Keeps, of the commands that were added before, those whose key matches one of these patterns; somebody else executes the
    /// others.
    pub fn execute_only(mut self, patterns: &[impl AsRef<str>]) -> Self {
        self.subscribers.retain(|subscriber| {
            let Some(command) = subscriber.command else { return true };
            let key = command.declaration().routing_key;
            patterns.iter().any(|pattern| routing::overlaps(pattern.as_ref(), key))
        });
        self
    }

    /// Puts a `tower::Layer` around every subscriber and command that was added before it.
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<HandlerService>,
        L::Service: Service<Context, Response = EventCollector> + Clone + Send + Sync + 'static,
        <L::Service as Service<Context>>::Error: Into<BoxError>,
        <L::Service as Service<Context>>::Future: Send,
    {
        for subscriber in &mut self.subscribers {
            subscriber.layer(&layer);
        }
        self
    }

    /// Sets how long handlers may take to finish when the app shuts down; default 30 s.
    pub fn drain_timeout(mut self, drain: Duration) -> Self {
        self.drain = drain;
        self
    }

    /// Sets where subscribers with `dedupe(within = …)` remember the events they have handled; default: the Redis of
    /// the settings, or else the embedded bus.
    pub fn dedupe(mut self, dedupe: Dedupe) -> Self {
        self.dedupe = Some(dedupe);
        self
    }

    /// Answers `/healthz`, `/readyz` and `/metrics` over HTTP at an address, `host:port` or `:port`, unless
    /// `BLOODBANK_PROBES` names another one. Needs the feature `probes`.
    pub fn probes(mut self, address: impl Into<String>) -> Self {
        self.probes = Some(address.into());
        self
    }

    /// Adds a task that runs beside the subscribers from the start of the app to its end.
    pub fn task(mut self, task: impl AppTask) -> Self {
        self.tasks.push(Box::new(task));
        self
    }

    /// The topology that the app needs on the broker: the exchange, its queues with their bindings, their dead-letter
    /// queues and retry delays.
    #[must_use]
    pub fn topology(&self) -> Topology {
        let mut topology = Topology::events(self.bus.exchange());
        topology.extend(self.subscribers.iter().map(|spec| spec.topology(&self.bus)));
        topology
    }

    /// The locations of the subscribers and commands that were added: what the app runs, of all that is linked.
    pub fn handlers(&self) -> impl Iterator<Item = Location> {
        self.subscribers.iter().map(|subscriber| subscriber.location)
    }

    /// Starts the subscribers and returns the running app.
    ///
    /// # Errors
    /// [`ErrorKind::Registry`] where declarations contradict each other, [`ErrorKind::MissingState`],
    /// [`ErrorKind::Topology`], or what the connection says.
    pub async fn start(self) -> Result<RunningApp> {
        Registry::global().check().into_result()?;
        self.check()?;
        running::start(self).await
    }

    /// Consumes until the process is told to stop (SIGTERM, Ctrl-C), finishes the events in progress, and disconnects.
    /// A second signal stops at once.
    ///
    /// # Errors
    /// Like [`App::start`].
    pub async fn run(self) -> Result<()> {
        let mut signals = StopSignals::listen()?;
        match signals.let_finish(self.start()).await {
            Some(running) => running?.wait_for(signals).await,
            None => Ok(()),
        }
    }

    fn check(&self) -> Result<()> {
        let mut queues: HashMap<&str, &str> = HashMap::new();
        for subscriber in &self.subscribers {
            if let Some(other) = queues.insert(&subscriber.queue, &subscriber.name) {
                return Err(Error::new(
                    ErrorKind::Registry,
                    format!(
                        "subscribers `{other}` and `{}` of app `{}` use the queue `{}`; each would get half of the events: name one with `queue = \"…\"`",
                        subscriber.name, self.service, subscriber.queue
                    ),
                ));
            }
        }
        for command in self.subscribers.iter().filter_map(|subscriber| subscriber.command) {
            if let Some((_, state)) = command.states().find(|(id, _)| !self.states.has(*id)) {
                let is_pool = state != command.state_type();
                return Err(Error::new(
                    ErrorKind::MissingState,
                    format!(
                        "command `{}` needs a state of type `{state}`, which app `{}` does not provide; add `.{}(…)` (executor at {})",
                        command.declaration().routing_key,
                        self.service,
                        if is_pool { "outbox" } else { "state" },
                        command.location()
                    ),
                ));
            }
        }
        Ok(())
    }
}

impl<Provided> fmt::Debug for App<Provided> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queues: Vec<_> = self.subscribers.iter().map(|subscriber| &subscriber.queue).collect();
        f.debug_struct("App").field("service", &self.service).field("queues", &queues).finish_non_exhaustive()
    }
}
