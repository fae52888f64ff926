//! The embedded bus with a log of the messages that went through it.

use std::sync::Arc;

use futures_util::{StreamExt, future::BoxFuture};
use parking_lot::Mutex;
use tokio::sync::Notify;

use bloodbank_core::{
    Result,
    message::{Incoming, Outgoing, Published},
    settings::Settings,
    store::Stores,
    transport::{
        BoxQueueBrowser, Connection, Consume, Deliveries, Delivery, Publish, QueueBrowser, QueueStatus, Settle,
        Settlement, Topology, TopologyDiff, Transport, topology::DEAD_LETTER_EXCHANGE,
    },
};
use bloodbank_embedded::Embedded;

/// The embedded bus, which notes in a log what becomes of each message.
pub(super) struct Recorder {
    pub(super) embedded: Embedded,
    log: Arc<EventLog>,
    /// Whether what is published is noted and goes to nobody.
    catches: bool,
}

/// The messages that were published or settled, in order, each with what became of it.
#[derive(Default)]
pub(super) struct EventLog {
    events: Mutex<Vec<(Step, Incoming)>>,
    /// Notified when a message was published or settled, or a consumer went.
    pub(super) changed: Notify,
}

/// A step in the life of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Published through an exchange for events.
    Published,
    /// Acknowledged by the subscriber with this queue.
    Consumed(Arc<str>),
    /// Put on a rung of the ladder of delays, to come back to this queue.
    Retried(Arc<str>),
    /// Sent to the dead letters by the subscriber with this queue.
    DeadLettered(Arc<str>),
}

impl EventLog {
    fn add(&self, step: Step, message: Incoming) {
        self.events.lock().push((step, message));
        self.changed.notify_waiters();
    }

    /// The number of steps so far.
    pub(super) fn len(&self) -> usize {
        self.events.lock().len()
    }

    /// The steps from this one on.
    pub(super) fn since(&self, begin: usize) -> Vec<(Step, Incoming)> {
        self.events.lock().get(begin..).unwrap_or_default().to_vec()
    }

    /// Selects from the log, in order.
    pub(super) fn select<T>(&self, select: impl FnMut(&(Step, Incoming)) -> Option<T>) -> Vec<T> {
        self.events.lock().iter().filter_map(select).collect()
    }
}

impl Recorder {
    pub(super) fn new(catches: bool) -> (Self, Arc<EventLog>) {
        let log = Arc::new(EventLog::default());
        (Self { embedded: Embedded::with_virtual_time(), log: Arc::clone(&log), catches }, log)
    }
}

impl Publish for Recorder {
    fn publish(&self, message: Outgoing) -> BoxFuture<'_, Result<Published>> {
        let step = match &*message.exchange {
            "" => None,
            DEAD_LETTER_EXCHANGE => Some(Step::DeadLettered(Arc::clone(&message.routing_key))),
            retry if retry.starts_with("bloodbank.retry.") => Some(Step::Retried(Arc::clone(&message.routing_key))),
            _ => Some(Step::Published),
        };
        if self.catches && step == Some(Step::Published) {
            // Nobody answers who asks; everything else counts as received.
            let unrouted = message.mandatory.then_some(message.properties.reply_to.is_some());
            self.log.add(Step::Published, incoming(&message));
            return Box::pin(async move { Ok(Published { unrouted }) });
        }
        let noted = step.map(|step| (step, incoming(&message)));
        let published = self.embedded.publish(message);
        Box::pin(async move {
            let published = published.await?;
            if let Some((step, message)) = noted {
                self.log.add(step, message);
            }
            Ok(published)
        })
    }
}

fn incoming(message: &Outgoing) -> Incoming {
    Incoming {
        exchange: Arc::clone(&message.exchange),
        routing_key: Arc::clone(&message.routing_key),
        properties: message.properties.clone(),
        body: message.body.clone(),
    }
}

impl Consume for Recorder {
    fn declare(&self, topology: Topology) -> BoxFuture<'_, Result<()>> {
        self.embedded.declare(topology)
    }

    fn consume(&self, queue: Arc<str>, prefetch: u16) -> BoxFuture<'_, Result<Deliveries>> {
        Box::pin(async move {
            let log = Arc::clone(&self.log);
            let on_end = NotifyOnDrop(Arc::clone(&self.log));
            let deliveries = self.embedded.consume(Arc::clone(&queue), prefetch).await?;
            let deliveries = deliveries.map(move |delivery| {
                // Moved in here: dropped after the stream, when nobody consumes any more.
                let _ = &on_end;
                let Delivery { message, redelivered, settlement } = delivery;
                let settling = RecordingSettler {
                    settlement: Mutex::new(Some(settlement)),
                    message: message.clone(),
                    queue: Arc::clone(&queue),
                    log: Arc::clone(&log),
                };
                Delivery::new(message, redelivered, Arc::new(settling), 0)
            });
            Ok(Box::pin(deliveries) as Deliveries)
        })
    }

    fn settled(&self) -> BoxFuture<'_, ()> {
        self.embedded.settled()
    }

    fn browse(&self, queue: Arc<str>) -> BoxFuture<'_, Result<BoxQueueBrowser>> {
        Box::pin(async move {
            let inner = self.embedded.browse(queue).await?;
            Ok(Box::new(RecordedBrowser { inner, log: Arc::clone(&self.log) }) as BoxQueueBrowser)
        })
    }

    fn compare(&self, topology: Topology) -> BoxFuture<'_, Result<Vec<TopologyDiff>>> {
        self.embedded.compare(topology)
    }

    fn release(&self, queue: Arc<str>) -> BoxFuture<'_, Result<()>> {
        self.embedded.release(queue)
    }

    fn queue(&self, queue: Arc<str>) -> BoxFuture<'_, Result<Option<QueueStatus>>> {
        self.embedded.queue(queue)
    }

    fn queues(&self) -> BoxFuture<'_, Result<Option<Vec<QueueStatus>>>> {
        self.embedded.queues()
    }
}

/// Browses a queue; what it settles is a change, but no step in the life of an event.
struct RecordedBrowser {
    inner: BoxQueueBrowser,
    log: Arc<EventLog>,
}

impl QueueBrowser for RecordedBrowser {
    fn left(&self) -> usize {
        self.inner.left()
    }

    fn next(&mut self) -> BoxFuture<'_, Result<Option<Delivery>>> {
        Box::pin(async move {
            let next = self.inner.next().await?;
            Ok(next.map(|Delivery { message, redelivered, settlement }| {
                let settling =
                    NotifyingSettler { settlement: Mutex::new(Some(settlement)), log: Arc::clone(&self.log) };
                Delivery::new(message, redelivered, Arc::new(settling), 0)
            }))
        })
    }

    fn flush(&mut self) -> BoxFuture<'_, Result<()>> {
        self.inner.flush()
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        self.inner.finish()
    }
}

/// Settles a browsed delivery, and notifies of it.
struct NotifyingSettler {
    settlement: Mutex<Option<Settlement>>,
    log: Arc<EventLog>,
}

impl NotifyingSettler {
    fn settle(&self, settle: impl FnOnce(Settlement)) {
        if let Some(settlement) = self.settlement.lock().take() {
            settle(settlement);
            self.log.changed.notify_waiters();
        }
    }
}

impl Settle for NotifyingSettler {
    fn ack(&self, _tag: u64) {
        self.settle(Settlement::ack);
    }

    fn reject(&self, _tag: u64, requeue: bool) {
        self.settle(|settlement| settlement.reject(requeue));
    }
}

impl Transport for Recorder {
    fn system(&self) -> &'static str {
        self.embedded.system()
    }

    fn stores(&self, settings: &Settings) -> Stores {
        self.embedded.stores(settings)
    }

    fn connections(&self) -> Vec<Connection> {
        self.embedded.connections()
    }

    fn troubles(&self) -> Vec<String> {
        self.embedded.troubles()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.embedded.close()
    }
}

/// Notifies when a consumer goes: nobody has to settle any more what waits in its queue.
struct NotifyOnDrop(Arc<EventLog>);

impl Drop for NotifyOnDrop {
    fn drop(&mut self) {
        self.0.changed.notify_waiters();
    }
}

/// Settles a delivery of a subscriber, and notes an acknowledgement in the log.
struct RecordingSettler {
    settlement: Mutex<Option<Settlement>>,
    message: Incoming,
    queue: Arc<str>,
    log: Arc<EventLog>,
}

impl RecordingSettler {
    fn take(&self) -> Option<Settlement> {
        self.settlement.lock().take()
    }
}

impl Settle for RecordingSettler {
    fn ack(&self, _tag: u64) {
        if let Some(settlement) = self.take() {
            settlement.ack();
            self.log.add(Step::Consumed(Arc::clone(&self.queue)), self.message.clone());
        }
    }

    fn reject(&self, _tag: u64, requeue: bool) {
        if let Some(settlement) = self.take() {
            settlement.reject(requeue);
            self.log.changed.notify_waiters();
        }
    }
}
