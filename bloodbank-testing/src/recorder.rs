//! A transport that remembers what went through it.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{StreamExt, future::BoxFuture};
use tokio::sync::Notify;

use bloodbank_core::{
    Result,
    message::{Incoming, Outgoing, Published},
    settings::Settings,
    store::Stores,
    transport::{
        Compared, Connection, Consume, Deliveries, Delivery, Fetch, Fetched, Publish, Settle, Settlement, Topology,
        Transport, topology::DEAD_LETTER_EXCHANGE,
    },
};
use bloodbank_embedded::Embedded;

/// The embedded bus, with a record of what happened.
pub(super) struct Recorder {
    pub(super) embedded: Embedded,
    log: Arc<Log>,
}

/// What happened.
#[derive(Default)]
pub(super) struct Log {
    events: Mutex<Vec<(Happening, Incoming)>>,
    /// Something was settled or published.
    pub(super) changed: Notify,
}

/// What happened to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Happening {
    Published,
    /// Settled by the subscriber with this queue.
    Consumed(Arc<str>),
    /// Put on a rung of the ladder, to come back to this queue.
    Retried(Arc<str>),
    /// Parked by the subscriber with this queue.
    DeadLettered(Arc<str>),
}

impl Log {
    fn add(&self, happening: Happening, message: Incoming) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push((happening, message));
        self.changed.notify_waiters();
    }

    /// The messages to which something of that kind happened, in order.
    pub(super) fn select<T>(&self, select: impl FnMut(&(Happening, Incoming)) -> Option<T>) -> Vec<T> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(select).collect()
    }
}

impl Recorder {
    pub(super) fn new() -> (Self, Arc<Log>) {
        let log = Arc::new(Log::default());
        (Self { embedded: Embedded::with_virtual_time(), log: Arc::clone(&log) }, log)
    }
}

impl Publish for Recorder {
    fn publish(&self, message: Outgoing) -> BoxFuture<'_, Result<Published>> {
        let happening = match &*message.exchange {
            "" => None,
            DEAD_LETTER_EXCHANGE => Some(Happening::DeadLettered(Arc::clone(&message.routing_key))),
            retry if retry.starts_with("bloodbank.retry.") => {
                Some(Happening::Retried(Arc::clone(&message.routing_key)))
            }
            _ => Some(Happening::Published),
        };
        let recorded = happening.map(|happening| (happening, incoming(&message)));
        let published = self.embedded.publish(message);
        Box::pin(async move {
            let published = published.await?;
            if let Some((happening, message)) = recorded {
                self.log.add(happening, message);
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
            let gone = Gone(Arc::clone(&self.log));
            let deliveries = self.embedded.consume(Arc::clone(&queue), prefetch).await?;
            let deliveries = deliveries.map(move |delivery| {
                // Moved in here: dropped after the stream, when nobody consumes any more.
                let _ = &gone;
                let Delivery { message, redelivered, settlement } = delivery;
                let recorded = Recorded {
                    settlement: Mutex::new(Some(settlement)),
                    message: message.clone(),
                    queue: Arc::clone(&queue),
                    log: Arc::clone(&log),
                };
                Delivery::new(message, redelivered, Arc::new(recorded), 0)
            });
            Ok(Box::pin(deliveries) as Deliveries)
        })
    }

    fn fetch(&self, queue: Arc<str>) -> BoxFuture<'_, Result<Fetched>> {
        Box::pin(async move {
            let inner = self.embedded.fetch(queue).await?;
            Ok(Box::new(Looking { inner, log: Arc::clone(&self.log) }) as Fetched)
        })
    }

    fn compare(&self, topology: Topology) -> BoxFuture<'_, Result<Vec<Compared>>> {
        self.embedded.compare(topology)
    }
}

/// A look into a queue; what it settles is a change, but nothing that happened to an event.
struct Looking {
    inner: Fetched,
    log: Arc<Log>,
}

impl Fetch for Looking {
    fn left(&self) -> usize {
        self.inner.left()
    }

    fn next(&mut self) -> BoxFuture<'_, Result<Option<Delivery>>> {
        Box::pin(async move {
            let next = self.inner.next().await?;
            Ok(next.map(|Delivery { message, redelivered, settlement }| {
                let looked = Looked { settlement: Mutex::new(Some(settlement)), log: Arc::clone(&self.log) };
                Delivery::new(message, redelivered, Arc::new(looked), 0)
            }))
        })
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        self.inner.finish()
    }
}

struct Looked {
    settlement: Mutex<Option<Settlement>>,
    log: Arc<Log>,
}

impl Looked {
    fn settle(&self, settle: impl FnOnce(Settlement)) {
        if let Some(settlement) = self.settlement.lock().unwrap_or_else(PoisonError::into_inner).take() {
            settle(settlement);
            self.log.changed.notify_waiters();
        }
    }
}

impl Settle for Looked {
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

    fn close(&self) -> BoxFuture<'_, ()> {
        self.embedded.close()
    }
}

/// A consumer that goes is a change: what waits in its queue is nobody's work any more.
struct Gone(Arc<Log>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.changed.notify_waiters();
    }
}

/// A settlement that is recorded.
struct Recorded {
    settlement: Mutex<Option<Settlement>>,
    message: Incoming,
    queue: Arc<str>,
    log: Arc<Log>,
}

impl Recorded {
    fn take(&self) -> Option<Settlement> {
        self.settlement.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Settle for Recorded {
    fn ack(&self, _tag: u64) {
        if let Some(settlement) = self.take() {
            settlement.ack();
            self.log.add(Happening::Consumed(Arc::clone(&self.queue)), self.message.clone());
        }
    }

    fn reject(&self, _tag: u64, requeue: bool) {
        if let Some(settlement) = self.take() {
            settlement.reject(requeue);
            self.log.changed.notify_waiters();
        }
    }
}
