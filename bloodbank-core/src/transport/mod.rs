//! The contracts of a transport: publish and consume. The embedded bus and RabbitMQ implement them in crates of their own
//! (`bloodbank-embedded`, `bloodbank-amqp`) and pass one conformance suite (`bloodbank-testing`).

mod browser;
mod comparison;
mod connection;
mod distinct;
mod partitions;
mod provider;
mod queue_arguments;
mod queue_status;
pub mod topology;

use std::{fmt, pin::Pin, sync::Arc};

use futures_util::{Stream, future::BoxFuture};

pub use browser::{BoxQueueBrowser, QueueBrowser};
pub use comparison::{Difference, TopologyDiff, TopologyStatus};
pub use connection::{Connection, ConnectionState};
pub(crate) use partitions::LOOK_HOLDS;
pub use partitions::{Partitions, Spreading};
pub use provider::{Attach, Connected, InMemory, TransportProvider};
pub use queue_status::QueueStatus;
pub use topology::Topology;

use crate::{
    error::Result,
    message::{Incoming, Outgoing, Published},
    settings::Settings,
    store::Stores,
};

/// The publishing side of a transport.
pub trait Publish: Send + Sync + 'static {
    /// Publishes a message: hands it over; the future resolves when it is confirmed, and dropping the future takes
    /// nothing back. Messages keep the order of the calls; while the in-flight window is full they wait in that order.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Refused`], [`crate::ErrorKind::Connection`], [`crate::ErrorKind::Storage`] or
    /// [`crate::ErrorKind::Closed`]; the message may be on the bus only after `Connection`.
    fn publish(&self, message: Outgoing) -> BoxFuture<'_, Result<Published>>;
}

/// The consuming side of a transport.
pub trait Consume: Send + Sync + 'static {
    /// Declares a topology: makes sure that all of it exists, now and after every reconnect.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Topology`] where a queue or an exchange of that name has other properties; the message shows
    /// both and the remedy.
    fn declare(&self, topology: Topology) -> BoxFuture<'_, Result<()>>;

    /// Starts to consume a queue, with at most `prefetch` unsettled deliveries.
    ///
    /// # Errors
    /// When the queue does not exist or the transport is closed.
    fn consume(&self, queue: Arc<str>, prefetch: u16) -> BoxFuture<'_, Result<Deliveries>>;

    /// Starts to consume a queue like [`consume`](Self::consume), and later allows up to `most` unsettled deliveries if they are
    /// settled so quickly that the broker would wait for this consumer. By itself it leaves the number at `prefetch`.
    ///
    /// # Errors
    /// Those of [`consume`](Self::consume).
    fn consume_ahead(&self, queue: Arc<str>, prefetch: u16, most: u16) -> BoxFuture<'_, Result<Deliveries>> {
        let _ = most;
        self.consume(queue, prefetch)
    }

    /// Waits until the broker knows what was settled of the deliveries of streams that are dropped: settlements are sent together. Gives
    /// up after some seconds; what the broker does not know is delivered again.
    fn settled(&self) -> BoxFuture<'_, ()>;

    /// Fetches the messages that wait in a queue now, one by one, without being its consumer.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Topology`] when there is no such queue, [`crate::ErrorKind::Connection`],
    /// [`crate::ErrorKind::Closed`].
    fn browse(&self, queue: Arc<str>) -> BoxFuture<'_, Result<BoxQueueBrowser>>;

    /// Compares a topology with the broker's, and changes nothing.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Connection`] or [`crate::ErrorKind::Closed`].
    fn compare(&self, topology: Topology) -> BoxFuture<'_, Result<Vec<TopologyDiff>>>;

    /// Makes a queue forget which subscriber it belongs to, so that another one can have it.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Topology`] when there is no such queue, [`crate::ErrorKind::Connection`],
    /// [`crate::ErrorKind::Closed`].
    fn release(&self, queue: Arc<str>) -> BoxFuture<'_, Result<()>>;

    /// The state of a queue; `None`: there is no such queue.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Connection`] or [`crate::ErrorKind::Closed`].
    fn queue(&self, queue: Arc<str>) -> BoxFuture<'_, Result<Option<QueueStatus>>>;

    /// The state of every queue, sorted by name; `None` where the transport cannot list them: AMQP has no such method.
    ///
    /// # Errors
    /// Like [`Consume::queue`].
    fn queues(&self) -> BoxFuture<'_, Result<Option<Vec<QueueStatus>>>>;
}

/// A transport: the bus below the typed one. No method has a default body: a transport that forgets one does not
/// compile.
pub trait Transport: Publish + Consume {
    /// The messaging system, `embedded` or `rabbitmq`: the value of `messaging.system`.
    fn system(&self) -> &'static str;

    /// The stores that the transport keeps together with published events; none where it keeps nothing.
    fn stores(&self, settings: &Settings) -> Stores;

    /// The connections to a broker; none where there is no broker.
    fn connections(&self) -> Vec<Connection>;

    /// What is wrong although the connections are up, such as a queue that is not available, a sentence each; part of the health.
    fn troubles(&self) -> Vec<String>;

    /// Flushes the publishes in flight and disconnects; every call after that fails with [`crate::ErrorKind::Closed`].
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// The deliveries of a queue. The stream ends only when the transport is closed; a lost connection shows as a pause.
/// Dropping it stops consuming; deliveries that were handed out can still be settled, the others are delivered again.
pub type Deliveries = Pin<Box<dyn Stream<Item = Delivery> + Send>>;

/// A delivered message that waits to be settled.
#[derive(Debug)]
pub struct Delivery {
    /// The message.
    pub message: Incoming,
    /// Whether the message was delivered before.
    pub redelivered: bool,
    /// The settlement of the delivery.
    pub settlement: Settlement,
}

/// Settles deliveries; never waits: one task sends acknowledgements in batches.
pub trait Settle: Send + Sync + 'static {
    /// Acknowledges a delivery: it is done, and the broker may forget it.
    fn ack(&self, tag: u64);

    /// Rejects a delivery that is not done: back to the queue, or, with `requeue = false`, to where the queue
    /// dead-letters.
    fn reject(&self, tag: u64, requeue: bool);

    /// Whether settling a delivery still reaches the broker. Otherwise the broker delivers the message again.
    fn is_open(&self) -> bool {
        true
    }
}

impl Delivery {
    /// Creates a delivery that `settler` settles under this tag.
    #[must_use]
    pub fn new(message: Incoming, redelivered: bool, settler: Arc<dyn Settle>, tag: u64) -> Self {
        Self { message, redelivered, settlement: Settlement { settler: Some(settler), tag } }
    }

    /// Acknowledges the delivery: it is done, and the broker may forget it.
    pub fn ack(self) {
        self.settlement.ack();
    }

    /// Rejects the delivery, which is not done: back to the queue, or, with `requeue = false`, to where the queue
    /// dead-letters.
    pub fn reject(self, requeue: bool) {
        self.settlement.reject(requeue);
    }
}

/// The settlement of a delivery. Dropping it unsettled returns the message to its queue.
pub struct Settlement {
    settler: Option<Arc<dyn Settle>>,
    tag: u64,
}

impl Settlement {
    /// Whether the delivery can still be settled; otherwise the broker delivers the message again.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.settler.as_ref().is_some_and(|settler| settler.is_open())
    }

    /// Acknowledges the delivery: it is done, and the broker may forget it.
    pub fn ack(mut self) {
        if let Some(settler) = self.settler.take() {
            settler.ack(self.tag);
        }
    }

    /// Rejects the delivery, which is not done: back to the queue, or, with `requeue = false`, to where the queue
    /// dead-letters.
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
