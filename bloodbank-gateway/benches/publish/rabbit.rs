//! A broker with a queue that takes what is published, as a subscriber's does.

use bloodbank_core::{
    Bus, Settings,
    settings::QueueKind,
    transport::topology::{Binding, Queue, Topology},
};
use bloodbank_harness::{RabbitMq, unique};
use lapin::{Channel, Connection, ConnectionProperties, options::QueuePurgeOptions};

use crate::load::processor_seconds;

pub(crate) struct Rabbit {
    pub(crate) bus: Bus,
    broker: RabbitMq,
    queue: String,
    is_bound: bool,
    _connection: Connection,
    channel: Channel,
}

impl Rabbit {
    /// Starts a broker with a queue; with `None` no queue is bound, and the broker sends back what is published.
    pub(crate) async fn start(key: &str, kind: Option<QueueKind>) -> Self {
        let broker = RabbitMq::start().expect("it starts");
        let vars = [("RABBIT_URL", broker.url()), ("EXCHANGE_NAME", unique("bench"))];
        let bus = Bus::connect(Settings::from_vars(vars).expect("settings")).await.expect("it connects");
        let queue = unique("bench");
        let mut topology = Topology::events(bus.exchange());
        topology.queues.push(Queue::new(queue.as_str(), kind.unwrap_or_default()));
        if kind.is_some() {
            topology.bindings.push(Binding {
                exchange: bus.exchange().clone(),
                queue: queue.as_str().into(),
                pattern: key.into(),
            });
        }
        bus.transport().declare(topology).await.expect("declared");
        let connection =
            Connection::connect(&broker.url(), ConnectionProperties::default()).await.expect("it connects");
        let channel = connection.create_channel().await.expect("a channel");
        Self { bus, broker, queue, is_bound: kind.is_some(), _connection: connection, channel }
    }

    /// Empties the queue, in which so many events must be.
    pub(crate) async fn purge(&self, events: usize) {
        let purged = self.channel.queue_purge(self.queue.as_str().into(), QueuePurgeOptions::default()).await;
        assert_eq!(purged.expect("purged") as usize, if self.is_bound { events } else { 0 }, "each event once");
    }

    /// The processor time that the broker has used.
    pub(crate) fn processor_seconds(&self) -> f64 {
        self.broker.pid().map_or(0.0, |pid| processor_seconds(&pid.to_string()))
    }
}
