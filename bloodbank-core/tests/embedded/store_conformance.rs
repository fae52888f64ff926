//! Stores that need no server pass the conformance suites of their contracts.

use std::{sync::Arc, time::Duration};

use bloodbank_core::{
    Bus, Error, ErrorKind, Result, Settings,
    message::Outgoing,
    store::{
        ClaimStore, DirectLinkStore, FileClaims, Journal, LeaseStore, ParkedKeys, Stores,
        memory::{MemoryClaims, MemoryLeases, MemoryLinks, MemoryParkedKeys},
    },
    transport::{
        Publish, Topology, Transport,
        topology::{Exchange, ExchangeKind},
    },
};
use bloodbank_embedded::Embedded;
use bloodbank_testing::{
    conformance::stores::{JournalFixture, StoreFixture},
    store_conformance_suite,
};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;

/// Stores in memory.
struct Memory;

impl StoreFixture<dyn DirectLinkStore> for Memory {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn DirectLinkStore>>> {
        Box::pin(async { Ok(Arc::new(MemoryLinks::new(100_000, Duration::from_secs(600))) as _) })
    }
}

impl StoreFixture<dyn LeaseStore> for Memory {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn LeaseStore>>> {
        Box::pin(async { Ok(Arc::new(MemoryLeases::default()) as _) })
    }
}

impl StoreFixture<dyn ParkedKeys> for Memory {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn ParkedKeys>>> {
        Box::pin(async { Ok(Arc::new(MemoryParkedKeys::default()) as _) })
    }
}

impl StoreFixture<dyn ClaimStore> for Memory {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn ClaimStore>>> {
        Box::pin(async { Ok(Arc::new(MemoryClaims::new(64 * 1024 * 1024)) as _) })
    }
}

/// Claims in a folder.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl StoreFixture<dyn ClaimStore> for Folder {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn ClaimStore>>> {
        Box::pin(async { Ok(Arc::new(FileClaims::open(self.0.path())?) as _) })
    }
}

/// Stores of an embedded bus, in memory or in a file.
pub(crate) struct EmbeddedStores {
    folder: Option<tempfile::TempDir>,
    bus: Mutex<Option<Arc<Embedded>>>,
}

impl EmbeddedStores {
    fn in_memory() -> Self {
        Self { folder: None, bus: Mutex::default() }
    }

    pub(crate) fn in_file() -> Self {
        Self { folder: Some(tempfile::tempdir().unwrap()), bus: Mutex::default() }
    }

    async fn stores(&self) -> Result<Stores> {
        let bus = match &self.folder {
            None => Embedded::in_memory(),
            Some(folder) => Embedded::open(&folder.path().join("bus.db")).await?,
        };
        let stores = bus.stores(&Settings::default());
        *self.bus.lock() = Some(Arc::new(bus));
        Ok(stores)
    }

    fn bus(&self) -> Option<Arc<Embedded>> {
        self.bus.lock().clone()
    }

    async fn close_bus(&self) {
        if let Some(bus) = self.bus() {
            bus.close().await;
        }
    }
}

macro_rules! embedded_stores {
    ($($contract:ident: $field:ident;)*) => {
        $(
            impl StoreFixture<dyn $contract> for EmbeddedStores {
                fn open(&self) -> BoxFuture<'_, Result<Arc<dyn $contract>>> {
                    Box::pin(async { Ok(self.stores().await?.$field.expect("the bus brings it along")) })
                }

                fn close(&self) -> BoxFuture<'_, ()> {
                    Box::pin(self.close_bus())
                }
            }
        )*
    };
}

embedded_stores! {
    DirectLinkStore: links;
    LeaseStore: leases;
    ParkedKeys: parked_keys;
    Journal: journal;
}

impl JournalFixture for EmbeddedStores {
    fn publish(&self, message: Outgoing) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let bus = self.bus().ok_or_else(|| Error::new(ErrorKind::Closed, "the journal was not opened"))?;
            let exchange = Exchange { name: Arc::clone(&message.exchange), kind: ExchangeKind::Topic };
            bus.declare_now(&Topology::default().exchanges([exchange]))?;
            bus.publish(message).await.map(drop)
        })
    }
}

/// The journal and the parked keys behind the door of a process that has the file open.
#[cfg(unix)]
struct Door {
    folder: tempfile::TempDir,
    opened: Mutex<Option<(Bus, Bus)>>,
}

#[cfg(unix)]
impl Door {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), opened: Mutex::default() }
    }

    async fn stores(&self) -> Result<Stores> {
        let mut settings = Settings::default();
        settings.embedded_path = Some(self.folder.path().join("bus.db"));
        let service = Bus::connect(settings.clone()).await?;
        let tool = Bus::attach(&settings).await?.expect("the service has it open");
        let stores = tool.stores();
        *self.opened.lock() = Some((service, tool));
        Ok(stores)
    }

    async fn shut(&self) {
        let opened = self.opened.lock().take();
        if let Some((service, tool)) = opened {
            tool.close().await;
            service.close().await;
        }
    }
}

#[cfg(unix)]
impl StoreFixture<dyn Journal> for Door {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn Journal>>> {
        Box::pin(async { Ok(self.stores().await?.journal.expect("a file has one")) })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.shut())
    }
}

#[cfg(unix)]
impl StoreFixture<dyn ParkedKeys> for Door {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn ParkedKeys>>> {
        Box::pin(async { Ok(self.stores().await?.parked_keys.expect("a file has them")) })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.shut())
    }
}

#[cfg(unix)]
impl JournalFixture for Door {
    fn publish(&self, message: Outgoing) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let service = self.opened.lock().as_ref().map(|(service, _)| service.clone());
            let service = service.ok_or_else(|| Error::new(ErrorKind::Closed, "the journal was not opened"))?;
            let exchange = Exchange { name: Arc::clone(&message.exchange), kind: ExchangeKind::Topic };
            service.transport().declare(Topology::default().exchanges([exchange])).await?;
            service.transport().publish(message).await.map(drop)
        })
    }
}

#[cfg(unix)]
store_conformance_suite! {
    mod embedded_door;
    journal: Door::new(), durable;
    parked_keys: Door::new(), durable;
}

store_conformance_suite! {
    mod memory;
    direct_links: Memory;
    leases: Memory;
    parked_keys: Memory;
    claims: Memory;
}

store_conformance_suite! {
    mod folder;
    claims: Folder::new(), durable;
}

store_conformance_suite! {
    mod embedded_memory;
    leases: EmbeddedStores::in_memory();
    parked_keys: EmbeddedStores::in_memory();
}

store_conformance_suite! {
    mod embedded_file;
    direct_links: EmbeddedStores::in_file(), durable;
    leases: EmbeddedStores::in_file(), durable;
    parked_keys: EmbeddedStores::in_file(), durable;
    journal: EmbeddedStores::in_file(), durable;
}
