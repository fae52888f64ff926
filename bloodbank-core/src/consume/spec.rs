//! The specification of a subscriber for the runtime: a queue, patterns, options, and a tower service.

use std::{sync::Arc, time::Duration};

use tower::{Layer, Service, ServiceExt, service_fn, util::BoxCloneSyncService};

use crate::{
    error::BoxError,
    event::{Declaration, EventCollector, Location},
    handler::{Context, HandlerError, KeyOf, Subscriber, limited},
    message::Format,
    publish::Bus,
    registry::{CommandDescriptor, SubscriberOptions},
    transport::Topology,
};

/// The handler of a subscriber as a tower service: any `tower::Layer` can be put around it.
pub type HandlerService = BoxCloneSyncService<Context, EventCollector, HandlerError>;

pub(crate) type Lane = Arc<dyn Fn(&Context) -> Option<u64> + Send + Sync>;

/// The specification of a subscriber for the runtime.
pub(crate) struct SubscriberSpec {
    /// The name of the subscriber, which is part of the ids of follow-ups: the same after a restart.
    pub(crate) name: Arc<str>,
    pub(crate) queue: Arc<str>,
    /// The name by which the queue remembers its subscriber: `{app}.{subscriber}`, or the command, which every service
    /// that links its executor may execute.
    pub(crate) owner: Arc<str>,
    pub(crate) patterns: Vec<Arc<str>>,
    pub(crate) options: SubscriberOptions,
    /// The time for which a second delivery is recognised.
    pub(crate) dedupe_within: Option<Duration>,
    pub(crate) service: HandlerService,
    /// The event that messages without an envelope are; `None` where messages have envelopes.
    pub(crate) plain: Option<&'static Declaration>,
    /// The lane of an event (`ordered_by`): events of one lane are handled one after the other.
    pub(crate) lane: Option<Lane>,
    /// The key of an event (`park_key`): what comes behind a parked event of its key is parked too.
    pub(crate) key_of: Option<KeyOf>,
    /// The location of the function, or of the `#[command]`.
    pub(crate) location: Location,
    /// The command that the subscriber executes, if any.
    pub(crate) command: Option<&'static CommandDescriptor>,
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
        let key_of = options.retry.park_key.then(|| {
            let subscriber = Arc::clone(&subscriber);
            Arc::new(move |context: &Context| subscriber.key(context)) as KeyOf
        });
        let handler = service_fn(move |context: Context| {
            let handling = subscriber.call(context.clone());
            async move { limited("the handler", &context, handling).await? }
        });
        Self {
            name: descriptor.name.into(),
            queue,
            owner: format!("{service}.{}", descriptor.name).into(),
            patterns: descriptor.patterns(),
            options,
            dedupe_within: options.lease_within().filter(|within| !within.is_zero()),
            service: BoxCloneSyncService::new(handler),
            plain: (options.format == Format::Json).then(|| (descriptor.inputs)().into_iter().next()).flatten(),
            lane,
            key_of,
            location: descriptor.location,
            command: None,
        }
    }

    /// Whether the declaration asks for second deliveries to be recognised, and not only the default of commands.
    pub(crate) fn asks_for_dedupe(&self) -> bool {
        self.dedupe_within.is_some() && self.options.dedupe_within.is_some()
    }

    /// What the subscriber needs on a broker.
    pub(crate) fn topology(&self, bus: &Bus) -> Topology {
        let kind = bus.settings().queue_kind;
        if self.options.foreign {
            return Topology::foreign_subscriber(bus.exchange(), &self.queue, kind);
        }
        let mut topology = Topology::subscriber(bus.exchange(), &self.queue, kind, &self.patterns);
        for queue in topology.queues.iter_mut().filter(|queue| queue.name == self.queue) {
            queue.subscriber = Some(Arc::clone(&self.owner));
            queue.max_priority = self.options.max_priority;
        }
        if let Some(partitions) = self.options.partitions {
            topology.partition(&self.queue, partitions);
        }
        topology
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
