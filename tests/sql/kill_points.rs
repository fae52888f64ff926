//! The points at which a process dies, between the insert of an event and its acknowledgement.
//!
//! Those around the insert and the commit are in the program that is killed; those of the publish, the confirm and the
//! acknowledgement are in a transport around the real one. What is tested has no hooks.

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use bloodbank::{
    Bus, Result, Settings,
    app::BusBuilder,
    message::{Outgoing, Published},
    store::Stores,
    transport::{
        BoxQueueBrowser, Connection, Consume, Deliveries, Delivery, Publish, QueueStatus, Settle, Settlement, Topology,
        TopologyDiff, Transport, TransportProvider,
    },
};
use futures_util::{FutureExt, StreamExt, future::BoxFuture};
use parking_lot::Mutex;
use rustix::process::{Signal, getpid, kill_process};

/// `name:passage`: the process dies when it comes by this point for the passage's time.
pub(crate) const VARIABLE: &str = "BLOODBANK_TEST_SQL_KILL";

/// A point of the way from the insert of an event to its acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// The effect is written, the event is not.
    BeforeInsert,
    /// The event is written too.
    BeforeCommit,
    /// It is committed, and about to be published.
    BeforePublish,
    /// The broker has it, and has not said so.
    BeforeConfirm,
    /// It is confirmed; the row is still there.
    BeforeDelete,
    /// The row is deleted; what caused the event is about to be acknowledged.
    BeforeAck,
    /// The acknowledgement is on its way.
    AfterAck,
}

impl Point {
    pub(crate) const ALL: [Self; 7] = [
        Self::BeforeInsert,
        Self::BeforeCommit,
        Self::BeforePublish,
        Self::BeforeConfirm,
        Self::BeforeDelete,
        Self::BeforeAck,
        Self::AfterAck,
    ];

    /// Dies, if this is the point and the passage.
    pub(crate) fn pass(self) {
        static PASSAGES: AtomicU32 = AtomicU32::new(0);
        if env::var(VARIABLE).is_ok_and(|fatal| {
            let (point, passage) = fatal.split_once(':').unwrap();
            point == format!("{self:?}")
                && PASSAGES.fetch_add(1, Ordering::Relaxed) + 1 == passage.parse::<u32>().unwrap()
        }) {
            kill_process(getpid(), Signal::KILL).unwrap();
            unreachable!("it is dead");
        }
    }
}

/// Connects as the settings say, by way of the points.
pub(crate) async fn connect(settings: Settings) -> Result<Bus> {
    let system = if settings.rabbit_url.is_some() { "rabbitmq" } else { "embedded" };
    let inner = (TransportProvider::named(system).unwrap().connect)(&settings).await?;
    BusBuilder::new(settings).transport(Arc::new(Mined { inner })).connect().await
}

/// A transport with the points.
struct Mined {
    inner: Arc<dyn Transport>,
}

impl Publish for Mined {
    fn publish(&self, message: Outgoing) -> BoxFuture<'_, Result<Published>> {
        Point::BeforePublish.pass();
        let mut published = self.inner.publish(message);
        async move {
            // Polled once, so that a transport that writes lazily has written.
            let early = (&mut published).now_or_never();
            Point::BeforeConfirm.pass();
            let published = match early {
                Some(published) => published,
                None => published.await,
            };
            Point::BeforeDelete.pass();
            published
        }
        .boxed()
    }
}

impl Consume for Mined {
    fn declare(&self, topology: Topology) -> BoxFuture<'_, Result<()>> {
        self.inner.declare(topology)
    }

    fn consume(&self, queue: Arc<str>, prefetch: u16) -> BoxFuture<'_, Result<Deliveries>> {
        Box::pin(async move {
            let deliveries = self.inner.consume(queue, prefetch).await?;
            let mined = deliveries.map(|Delivery { message, redelivered, settlement }| {
                let settler = Arc::new(MinedSettler(Mutex::new(Some(settlement))));
                Delivery::new(message, redelivered, settler, 0)
            });
            Ok(Box::pin(mined) as Deliveries)
        })
    }

    fn settled(&self) -> BoxFuture<'_, ()> {
        self.inner.settled()
    }

    fn browse(&self, queue: Arc<str>) -> BoxFuture<'_, Result<BoxQueueBrowser>> {
        self.inner.browse(queue)
    }

    fn compare(&self, topology: Topology) -> BoxFuture<'_, Result<Vec<TopologyDiff>>> {
        self.inner.compare(topology)
    }

    fn release(&self, queue: Arc<str>) -> BoxFuture<'_, Result<()>> {
        self.inner.release(queue)
    }

    fn queue(&self, queue: Arc<str>) -> BoxFuture<'_, Result<Option<QueueStatus>>> {
        self.inner.queue(queue)
    }

    fn queues(&self) -> BoxFuture<'_, Result<Option<Vec<QueueStatus>>>> {
        self.inner.queues()
    }
}

impl Transport for Mined {
    fn system(&self) -> &'static str {
        self.inner.system()
    }

    fn stores(&self, settings: &Settings) -> Stores {
        self.inner.stores(settings)
    }

    fn connections(&self) -> Vec<Connection> {
        self.inner.connections()
    }

    fn troubles(&self) -> Vec<String> {
        self.inner.troubles()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.inner.close()
    }
}

struct MinedSettler(Mutex<Option<Settlement>>);

impl Settle for MinedSettler {
    fn ack(&self, _tag: u64) {
        Point::BeforeAck.pass();
        if let Some(settlement) = self.0.lock().take() {
            settlement.ack();
        }
        Point::AfterAck.pass();
    }

    fn reject(&self, _tag: u64, requeue: bool) {
        if let Some(settlement) = self.0.lock().take() {
            settlement.reject(requeue);
        }
    }
}
