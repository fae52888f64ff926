//! The embedded bus: the semantics of the broker in this process, in memory or in one SQLite file.
//!
//! Exchanges, bindings, queues, delays, delivery limits and dead letters behave as on RabbitMQ, so that what works here
//! works there. In memory, events are lost with the process; in a file, a confirmed event survives a kill.

#![forbid(unsafe_code)]

mod backlog;
mod changes;
mod clock;
mod compare;
mod death;
mod declare;
mod deliveries;
#[cfg(all(unix, feature = "sqlite"))]
mod door;
mod engine;
mod entry;
mod exchange;
mod expiry;
mod lane;
mod queue;
mod ready;
mod settle;
#[cfg(feature = "sqlite")]
mod sqlite;
mod status;
#[cfg(test)]
mod tests;
mod wakers;

#[cfg(any(test, feature = "virtual-time"))]
use std::time::Duration;
use std::{fmt, sync::Arc};

use futures_util::future::{BoxFuture, ready};
use tokio::sync::oneshot;

#[cfg(feature = "sqlite")]
use crate::sqlite::{journal::FileJournal, leases::FileLeases, links::FileLinks, parked_keys::FileParkedKeys};
use crate::{
    clock::Clock,
    deliveries::{EmbeddedBrowser, EmbeddedDeliveries},
    engine::{Accepted, Engine},
    expiry::Expiry,
};
use bloodbank_core::{
    Error, ErrorKind, Result,
    message::{Outgoing, Published},
    settings::Settings,
    store::{
        Stores,
        memory::{MemoryLeases, MemoryParkedKeys},
    },
    transport::{
        BoxQueueBrowser, Connection, Consume, Deliveries, Publish, QueueStatus, Topology, TopologyDiff, Transport,
        TransportProvider,
    },
};

/// The embedded bus: a transport in this process, in memory or in a file.
pub struct Embedded {
    engine: Arc<Engine>,
    /// Moves what has expired; `None` where a test moves the clock.
    expiry: Option<Expiry>,
    /// Leases, where no file keeps them.
    leases: Arc<MemoryLeases>,
    /// Parked keys, where no file keeps them.
    parked_keys: Arc<MemoryParkedKeys>,
    /// The path of the file; `None` in memory.
    #[cfg(feature = "sqlite")]
    file: Option<std::path::PathBuf>,
    /// Open where the bus is that of the settings.
    #[cfg(all(unix, feature = "sqlite"))]
    door: parking_lot::Mutex<Option<door::Door>>,
}

impl Embedded {
    /// A bus in memory.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::ticking(Arc::new(Engine::new(Clock::real())))
    }

    /// A bus in a file, which is made if it is missing. One process at a time.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] when the file cannot be opened, is no embedded bus, or is in use by another process.
    #[cfg(feature = "sqlite")]
    pub async fn open(path: &std::path::Path) -> Result<Self> {
        let path = path.to_owned();
        let (engine, file) = in_background(move || sqlite::open(&path)).await?;
        let mut bus = Self::ticking(engine);
        bus.file = Some(file);
        Ok(bus)
    }

    /// Lets the tools of this user in while this process has the file open.
    #[cfg(all(unix, feature = "sqlite"))]
    fn open_door(self: &Arc<Self>, path: &std::path::Path, settings: &Settings) {
        match door::Door::open(self, path, settings) {
            Ok(door) => *self.door.lock() = Some(door),
            Err(error) => tracing::warn!(
                bus = %path.display(),
                "tools cannot look into this bus while it is open here, because the socket beside it cannot be made: {error}",
            ),
        }
    }

    fn ticking(engine: Arc<Engine>) -> Self {
        let expiry = Expiry::start(&engine);
        Self {
            leases: leases(&engine),
            parked_keys: Arc::default(),
            engine,
            expiry: Some(expiry),
            #[cfg(feature = "sqlite")]
            file: None,
            #[cfg(all(unix, feature = "sqlite"))]
            door: parking_lot::Mutex::default(),
        }
    }

    /// A bus in memory whose clock stands still until [`Embedded::advance`] moves it.
    #[cfg(any(test, feature = "virtual-time"))]
    #[must_use]
    pub fn with_virtual_time() -> Self {
        let engine = Arc::new(Engine::new(Clock::Virtual(0.into())));
        Self {
            leases: leases(&engine),
            parked_keys: Arc::default(),
            engine,
            expiry: None,
            #[cfg(feature = "sqlite")]
            file: None,
            #[cfg(all(unix, feature = "sqlite"))]
            door: parking_lot::Mutex::default(),
        }
    }

    /// Moves the clock; what expires until then is moved, in the order of time.
    #[cfg(any(test, feature = "virtual-time"))]
    pub fn advance(&self, by: Duration) {
        let end = self.engine.clock.now() + by;
        while let Some(next) = self.next_expiry().filter(|next| *next <= end) {
            self.engine.clock.move_to(next);
            self.engine.expire();
        }
        self.engine.clock.move_to(end);
    }

    /// When the next message expires, on the clock of the bus.
    #[cfg(any(test, feature = "virtual-time"))]
    #[must_use]
    pub fn next_expiry(&self) -> Option<Duration> {
        self.engine.lock().next_expiry()
    }

    /// The time on the clock of the bus.
    #[cfg(any(test, feature = "virtual-time"))]
    #[must_use]
    pub fn now(&self) -> Duration {
        self.engine.clock.now()
    }

    /// Tells whether every queue with a consumer is empty and every delivery is settled.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.engine.lock().is_idle()
    }

    /// The number of messages of a queue that wait, and of those that are delivered and not settled; `None`: there is no
    /// such queue.
    #[must_use]
    pub fn depth(&self, queue: &str) -> Option<(usize, usize)> {
        self.engine.lock().depth(queue)
    }

    /// Ends every stream of deliveries; `released` is answered when what was appended is kept and the file is free.
    fn stop(&self, released: Option<oneshot::Sender<()>>) {
        self.engine.close(released);
        if let Some(expiry) = &self.expiry {
            expiry.stop();
        }
    }

    /// Declares at once, as [`Consume::declare`] does.
    ///
    /// # Errors
    /// Like [`Consume::declare`].
    pub fn declare_now(&self, topology: &Topology) -> Result<()> {
        self.engine.lock().declare(topology)
    }
}

/// Runs what waits for the disk, beside the tasks.
#[cfg(feature = "sqlite")]
async fn in_background<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        let text = "the file of the embedded bus was given up; the program is about to end, or see the panic before";
        Err(Error::new(ErrorKind::Storage, text).with_source(error))
    })
}

/// Leases by the clock of the bus.
fn leases(engine: &Arc<Engine>) -> Arc<MemoryLeases> {
    let engine = Arc::clone(engine);
    Arc::new(MemoryLeases::with_clock(Arc::new(move || engine.clock.now())))
}

impl Publish for Embedded {
    fn publish(&self, message: Outgoing) -> BoxFuture<'_, Result<Published>> {
        match self.engine.publish(message) {
            Ok(Accepted::Now(published)) => Box::pin(ready(Ok(published))),
            Ok(Accepted::WhenDurable(published, confirmed)) => Box::pin(async move {
                match confirmed.await {
                    Ok(kept) => kept.map(|()| published),
                    Err(_) => Err(Error::new(
                        ErrorKind::Closed,
                        "the embedded bus was closed before it kept the event; make a new one",
                    )),
                }
            }),
            Err(error) => Box::pin(ready(Err(error))),
        }
    }
}

/// The prefetch of a consumer that leaves it to the bus: as much as one write to the disk settles at once.
fn ahead(first: u16, most: u16) -> u16 {
    first.max(most.min(128))
}

impl Consume for Embedded {
    fn declare(&self, topology: Topology) -> BoxFuture<'_, Result<()>> {
        Box::pin(ready(self.declare_now(&topology)))
    }

    fn consume(&self, queue: Arc<str>, prefetch: u16) -> BoxFuture<'_, Result<Deliveries>> {
        let deliveries = EmbeddedDeliveries::new(&self.engine, &queue, prefetch);
        Box::pin(ready(deliveries.map(|deliveries| Box::pin(deliveries) as Deliveries)))
    }

    fn consume_ahead(&self, queue: Arc<str>, prefetch: u16, most: u16) -> BoxFuture<'_, Result<Deliveries>> {
        self.consume(queue, ahead(prefetch, most))
    }

    fn settled(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            // A file that cannot be written is said by everything else.
            let _ = self.engine.flush().await;
        })
    }

    fn browse(&self, queue: Arc<str>) -> BoxFuture<'_, Result<BoxQueueBrowser>> {
        let browser = EmbeddedBrowser::new(&self.engine, &queue);
        Box::pin(ready(browser.map(|browser| Box::new(browser) as BoxQueueBrowser)))
    }

    fn compare(&self, topology: Topology) -> BoxFuture<'_, Result<Vec<TopologyDiff>>> {
        Box::pin(ready(self.engine.lock().compare(&topology)))
    }

    fn release(&self, queue: Arc<str>) -> BoxFuture<'_, Result<()>> {
        let released = self.engine.lock().release(&queue);
        Box::pin(async move {
            released?;
            self.engine.flush().await
        })
    }

    fn queue(&self, queue: Arc<str>) -> BoxFuture<'_, Result<Option<QueueStatus>>> {
        Box::pin(ready(self.engine.lock().status(&queue)))
    }

    fn queues(&self) -> BoxFuture<'_, Result<Option<Vec<QueueStatus>>>> {
        Box::pin(ready(self.engine.lock().statuses().map(Some)))
    }
}

inventory::submit! {
    TransportProvider {
        system: "embedded",
        connect: |settings| Box::pin(connect(settings)),
        #[cfg(all(unix, feature = "sqlite"))]
        attach: Some(|settings| Box::pin(attach(settings))),
        #[cfg(not(all(unix, feature = "sqlite")))]
        attach: None,
        in_memory: Some(|topology| {
            let bus = Embedded::in_memory();
            bus.declare_now(topology).expect("a new bus has nothing that could contradict a topology");
            Arc::new(bus)
        }),
    }
}

#[cfg(all(unix, feature = "sqlite"))]
async fn attach(settings: &Settings) -> Result<Option<Arc<dyn Transport>>> {
    let Some(path) = &settings.embedded_path else { return Ok(None) };
    let attached = door::DoorTransport::attach(path).await?;
    Ok(attached.map(|transport| Arc::new(transport) as Arc<dyn Transport>))
}

async fn connect(settings: &Settings) -> Result<Arc<dyn Transport>> {
    match &settings.embedded_path {
        None => Ok(Arc::new(Embedded::in_memory())),
        #[cfg(feature = "sqlite")]
        Some(path) => {
            let bus = Arc::new(Embedded::open(path).await?);
            #[cfg(unix)]
            bus.open_door(path, settings);
            Ok(bus)
        }
        #[cfg(not(feature = "sqlite"))]
        Some(_) => Err(Error::new(
            ErrorKind::Settings,
            "BLOODBANK_EMBEDDED_PATH is set, but this program was built without the feature `sqlite`; add it, or unset BLOODBANK_EMBEDDED_PATH",
        )),
    }
}

impl Transport for Embedded {
    fn system(&self) -> &'static str {
        "embedded"
    }

    fn stores(&self, settings: &Settings) -> Stores {
        #[cfg(feature = "sqlite")]
        if let Some(path) = &self.file {
            return Stores::none()
                .with_links(Arc::new(FileLinks::new(&self.engine, path, settings.correlation_ttl)))
                .with_leases(Arc::new(FileLeases::new(&self.engine, path)))
                .with_parked_keys(Arc::new(FileParkedKeys::new(&self.engine, path)))
                .with_journal(Arc::new(FileJournal::new(&self.engine, path)));
        }
        let _ = settings;
        let leases = Stores::none().with_leases(Arc::clone(&self.leases) as _);
        leases.with_parked_keys(Arc::clone(&self.parked_keys) as _)
    }

    fn connections(&self) -> Vec<Connection> {
        Vec::new()
    }

    fn troubles(&self) -> Vec<String> {
        Vec::new()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        #[cfg(all(unix, feature = "sqlite"))]
        drop(self.door.lock().take());
        let (released, release) = oneshot::channel();
        self.stop(Some(released));
        Box::pin(async move {
            // In memory nobody answers; in a file the writer does, or is gone.
            drop(release.await);
        })
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.stop(None);
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").finish_non_exhaustive()
    }
}
