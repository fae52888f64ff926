//! A bus whose publishes a test can refuse or hold back.

use std::{future::Future, pin::Pin, sync::Arc};

use bloodbank::{
    Bus, Result, Settings,
    app::BusBuilder,
    message::{Outgoing, Published},
    store::Stores,
    transport::{
        BoxQueueBrowser, Connection, Consume, Deliveries, Publish, QueueStatus, Topology, TopologyDiff, Transport,
    },
};
use futures_util::{FutureExt, future::BoxFuture};

/// What becomes of a publish.
pub enum Fate {
    /// It goes on as always.
    Published,
    /// It is refused.
    Refused(bloodbank::Error),
    /// It is on the bus, and its confirm comes when the future resolves.
    ConfirmedAfter(Pin<Box<dyn Future<Output = ()> + Send>>),
}

type Decide = dyn Fn(&Outgoing) -> Fate + Send + Sync;

/// The same bus, whose publishes `decide` decides about.
pub async fn intercepted(bus: &Bus, decide: impl Fn(&Outgoing) -> Fate + Send + Sync + 'static) -> Bus {
    let transport = Arc::new(Intercepted { inner: bus.clone(), decide: Box::new(decide) });
    BusBuilder::new(bus.settings().clone()).transport(transport).connect().await.unwrap()
}

struct Intercepted {
    inner: Bus,
    decide: Box<Decide>,
}

impl Publish for Intercepted {
    fn publish(&self, message: Outgoing) -> BoxFuture<'_, Result<Published>> {
        match (self.decide)(&message) {
            Fate::Published => self.inner.transport().publish(message),
            Fate::Refused(error) => std::future::ready(Err(error)).boxed(),
            Fate::ConfirmedAfter(confirmed) => {
                let published = self.inner.transport().publish(message);
                async move {
                    let published = published.await;
                    confirmed.await;
                    published
                }
                .boxed()
            }
        }
    }
}

impl Consume for Intercepted {
    fn declare(&self, topology: Topology) -> BoxFuture<'_, Result<()>> {
        self.inner.transport().declare(topology)
    }

    fn consume(&self, queue: Arc<str>, prefetch: u16) -> BoxFuture<'_, Result<Deliveries>> {
        self.inner.transport().consume(queue, prefetch)
    }

    fn consume_ahead(&self, queue: Arc<str>, prefetch: u16, most: u16) -> BoxFuture<'_, Result<Deliveries>> {
        self.inner.transport().consume_ahead(queue, prefetch, most)
    }

    fn settled(&self) -> BoxFuture<'_, ()> {
        self.inner.transport().settled()
    }

    fn browse(&self, queue: Arc<str>) -> BoxFuture<'_, Result<BoxQueueBrowser>> {
        self.inner.transport().browse(queue)
    }

    fn compare(&self, topology: Topology) -> BoxFuture<'_, Result<Vec<TopologyDiff>>> {
        self.inner.transport().compare(topology)
    }

    fn release(&self, queue: Arc<str>) -> BoxFuture<'_, Result<()>> {
        self.inner.transport().release(queue)
    }

    fn queue(&self, queue: Arc<str>) -> BoxFuture<'_, Result<Option<QueueStatus>>> {
        self.inner.transport().queue(queue)
    }

    fn queues(&self) -> BoxFuture<'_, Result<Option<Vec<QueueStatus>>>> {
        self.inner.transport().queues()
    }
}

impl Transport for Intercepted {
    fn system(&self) -> &'static str {
        self.inner.transport().system()
    }

    fn stores(&self, settings: &Settings) -> Stores {
        self.inner.transport().stores(settings)
    }

    fn connections(&self) -> Vec<Connection> {
        self.inner.transport().connections()
    }

    fn troubles(&self) -> Vec<String> {
        self.inner.transport().troubles()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.inner.transport().close()
    }
}
