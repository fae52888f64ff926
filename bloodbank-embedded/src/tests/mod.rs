//! The embedded bus does what RabbitMQ would.

mod consuming;
mod dead_lettering;
mod routing;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future::poll_immediate};

use crate::Embedded;
use bloodbank_core::{
    ErrorKind, Result,
    message::{Outgoing, Published},
    settings::QueueKind,
    transport::{
        Consume, Deliveries, Delivery, Publish, Topology,
        topology::{Binding, DeadLetterTo, Exchange, ExchangeKind, Queue},
    },
};

/// A bus in memory, and how tests talk about it.
struct Bench {
    bus: Embedded,
}

impl Bench {
    fn new(topology: impl Into<Declared>) -> Self {
        let bench = Self { bus: Embedded::with_virtual_time() };
        bench.declare(topology).unwrap();
        bench
    }

    fn declare(&self, topology: impl Into<Declared>) -> Result<()> {
        self.bus.declare(topology.into().0).now_or_never().unwrap()
    }

    fn publish(&self, exchange: &str, key: &str, body: &str) -> Published {
        self.try_publish(message(exchange, key, body)).unwrap()
    }

    fn try_publish(&self, message: Outgoing) -> Result<Published> {
        self.bus.publish(message).now_or_never().unwrap()
    }

    fn consume(&self, queue: &str, prefetch: u16) -> Deliveries {
        self.try_consume(queue, prefetch).unwrap()
    }

    fn try_consume(&self, queue: &str, prefetch: u16) -> Result<Deliveries> {
        self.bus.consume(queue.into(), prefetch).now_or_never().unwrap()
    }

    /// The bodies that wait in a queue; they are acknowledged.
    fn drain(&self, queue: &str) -> Vec<String> {
        let mut deliveries = self.consume(queue, 0);
        let mut bodies = Vec::new();
        while let Some(delivery) = try_next(&mut deliveries) {
            bodies.push(body(&delivery));
            delivery.ack();
        }
        bodies
    }
}

fn message(exchange: &str, key: &str, body: &str) -> Outgoing {
    Outgoing::new(exchange, key, Bytes::copy_from_slice(body.as_bytes())).mandatory()
}

fn expiring(exchange: &str, key: &str, body: &str, after: Duration) -> Outgoing {
    let mut message = message(exchange, key, body);
    message.properties.expiration = Some(after);
    message
}

fn body(delivery: &Delivery) -> String {
    String::from_utf8(delivery.message.body.to_vec()).unwrap()
}

/// The deliveries that are there now.
fn try_next(deliveries: &mut Deliveries) -> Option<Delivery> {
    poll_immediate(deliveries.next()).now_or_never().unwrap().flatten()
}

fn next(deliveries: &mut Deliveries) -> Delivery {
    try_next(deliveries).expect("a message waits")
}

fn queue(name: &str) -> Queue {
    Queue::new(name, QueueKind::Quorum)
}

fn dead_lettering(name: &str, exchange: &str, key: Option<&str>) -> Queue {
    queue(name).dead_letter(DeadLetterTo { exchange: exchange.into(), routing_key: key.map(Arc::from) })
}

fn bound(kind: ExchangeKind, exchange: &str, bindings: &[(&str, &str)]) -> Topology {
    let mut topology = Topology::default().exchanges([Exchange { name: exchange.into(), kind }]);
    for (pattern, name) in bindings {
        if !topology.queues.iter().any(|known| &*known.name == *name) {
            topology.queues.push(queue(name));
        }
        topology.bindings.push(Binding {
            exchange: exchange.into(),
            queue: (*name).into(),
            pattern: (*pattern).into(),
        });
    }
    topology
}

/// The topology that a test declares.
struct Declared(Topology);

impl From<Topology> for Declared {
    fn from(topology: Topology) -> Self {
        Self(topology)
    }
}

impl From<Queue> for Declared {
    fn from(queue: Queue) -> Self {
        Self::from([queue])
    }
}

impl<const N: usize> From<[Queue; N]> for Declared {
    fn from(queues: [Queue; N]) -> Self {
        Self(Topology::default().queues(queues))
    }
}

fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}
