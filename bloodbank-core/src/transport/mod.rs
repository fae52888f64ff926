//! The contracts of a transport: publish and consume. The embedded bus and RabbitMQ implement them in crates of their own
//! (`bloodbank-embedded`, `bloodbank-amqp`) and pass one conformance suite (`bloodbank-testing`).

mod comparison;
mod connection;
mod fetch;
mod provider;
pub mod topology;

use std::{fmt, pin::Pin, sync::Arc};

use futures_util::{Stream, future::BoxFuture};

pub use comparison::{Compared, Difference, Found};
pub use connection::{Connection, ConnectionState};
pub use fetch::{Fetch, Fetched};
pub use provider::TransportProvider;
pub use topology::Topology;

use crate::{
    error::Result,
    message::{Incoming, Outgoing, Published},
    settings::Settings,
    store::Stores,
};

/// Publishing.
pub trait Publish: Send + Sync + 'static {
    /// Hands a message over; the future resolves when it is confirmed, and dropping it takes nothing back. Messages keep
    /// the order of the calls; while the in-flight window is full they wait in that order.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Refused`], [`crate::ErrorKind::Connection`], [`crate::ErrorKind::Storage`] or
    /// [`crate::ErrorKind::Closed`]; the message may be on the bus only after `Connection`.
    fn publish(&self, message: Outgoing) -> BoxFuture<'_, Result<Published>>;
}

/// Consuming.
pub trait Consume: Send + Sync + 'static {
    /// Makes sure that all of it exists, now and after every reconnect.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Topology`] where a queue or an exchange of that name has other properties; the message shows
    /// both and the remedy.
    fn declare(&self, topology: Topology) -> BoxFuture<'_, Result<()>>;

    /// Starts to consume a queue, with at most `prefetch` deliveries that are not settled.
    ///
    /// # Errors
    /// When the queue does not exist or the transport is closed.
    fn consume(&self, queue: Arc<str>, prefetch: u16) -> BoxFuture<'_, Result<Deliveries>>;

    /// Takes what waits in a queue now, message by message, without being its consumer.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Topology`] when there is no such queue, [`crate::ErrorKind::Connection`],
    /// [`crate::ErrorKind::Closed`].
    fn fetch(&self, queue: Arc<str>) -> BoxFuture<'_, Result<Fetched>>;

    /// Compares a topology with what there is, and changes nothing.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Connection`] or [`crate::ErrorKind::Closed`].
    fn compare(&self, topology: Topology) -> BoxFuture<'_, Result<Vec<Compared>>>;
}

/// A bus below the typed one. No method has a default body: a transport that forgets one does not compile.
pub trait Transport: Publish + Consume {
    /// `embedded` or `rabbitmq`: `messaging.system`.
    fn system(&self) -> &'static str;

    /// The stores that it keeps together with what is published; none where it keeps nothing.
    fn stores(&self, settings: &Settings) -> Stores;

    /// The connections to a broker; none where there is no broker.
    fn connections(&self) -> Vec<Connection>;

    /// Flushes what is in flight and disconnects; every call after that fails with [`crate::ErrorKind::Closed`].
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// The deliveries of a queue. Ends only when the transport is closed; a lost connection shows as a pause.
/// Dropping it stops consuming; what it had handed out can still be settled, the rest is delivered again.
pub type Deliveries = Pin<Box<dyn Stream<Item = Delivery> + Send>>;

/// A message that waits to be settled.
#[derive(Debug)]
pub struct Delivery {
    /// The message.
    pub message: Incoming,
    /// It was delivered before.
    pub redelivered: bool,
    /// What becomes of it.
    pub settlement: Settlement,
}

/// How a delivery is settled; never waits: one task sends acknowledgements in batches.
pub trait Settle: Send + Sync + 'static {
    /// Done; the broker may forget it.
    fn ack(&self, tag: u64);

    /// Not done: back to the queue, or, with `requeue = false`, to where the queue sends what it gives up.
    fn reject(&self, tag: u64, requeue: bool);
}

impl Delivery {
    /// A delivery that `settler` settles under that tag.
    #[must_use]
    pub fn new(message: Incoming, redelivered: bool, settler: Arc<dyn Settle>, tag: u64) -> Self {
        Self { message, redelivered, settlement: Settlement { settler: Some(settler), tag } }
    }

    /// Done; the broker may forget it.
    pub fn ack(self) {
        self.settlement.ack();
    }

    /// Not done: back to the queue, or, with `requeue = false`, to where the queue sends what it gives up.
    pub fn reject(self, requeue: bool) {
        self.settlement.reject(requeue);
    }
}

/// What becomes of a delivery. Dropped without a word, the message goes back to its queue.
pub struct Settlement {
    settler: Option<Arc<dyn Settle>>,
    tag: u64,
}

impl Settlement {
    /// Done; the broker may forget it.
    pub fn ack(mut self) {
        if let Some(settler) = self.settler.take() {
            settler.ack(self.tag);
        }
    }

    /// Not done: back to the queue, or, with `requeue = false`, to where the queue sends what it gives up.
    pub fn reject(mut self, requeue: bool) {
        if let Some(settler) = self.settler.take() {
            settler.reject(self.tag, requeue);
        }
    }
}

impl Drop for Settlement {
    fn drop(&mut self) {
        if let Some(settler) = self.settler.take() {
            settler.reject(self.tag, true);
        }
    }
}

impl fmt::Debug for Settlement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settlement").field("tag", &self.tag).finish_non_exhaustive()
    }
}
