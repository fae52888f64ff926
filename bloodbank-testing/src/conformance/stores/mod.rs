//! Conformance suites of the store contracts: links, leases, parked keys, claims and the journal.
//!
//! The author of a store says how to open it; every property of its contract becomes a `#[test]`:
//!
//! ```
//! use std::sync::Arc;
//! use bloodbank_core::{Result, store::{LeaseStore, memory::MemoryLeases}};
//! use bloodbank_testing::{conformance::stores::StoreFixture, store_conformance_suite};
//! use futures_util::future::BoxFuture;
//!
//! struct Memory;
//!
//! impl StoreFixture<dyn LeaseStore> for Memory {
//!     fn open(&self) -> BoxFuture<'_, Result<Arc<dyn LeaseStore>>> {
//!         Box::pin(async { Ok(Arc::new(MemoryLeases::default()) as _) })
//!     }
//! }
//!
//! store_conformance_suite! {
//!     mod memory;
//!     leases: Memory;
//! }
//! ```
//!
//! A store of links, leases, parked keys or claims may be shared: every property uses ids and keys of its own. A journal is new, empty
//! and used by one property alone.

pub mod claims;
pub mod direct_links;
pub mod journal;
pub mod leases;
pub mod links;
pub mod parked_keys;
mod suite;

use std::{sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, ready};

use bloodbank_core::{
    Result,
    message::Outgoing,
    store::{DirectLinkStore, Journal, LinkStore},
};

pub use suite::run;

/// Opens and closes the store under test. `S` is its contract, for example `dyn LeaseStore`.
///
/// A property drops the fixture when it ends: what the store needs to live, such as a temporary folder or a bus, belongs
/// into the fixture.
pub trait StoreFixture<S: ?Sized>: Send + Sync + 'static {
    /// Opens the store. Called again only with `durable`, after [`StoreFixture::close`], and then the store holds what it
    /// held before.
    fn open(&self) -> BoxFuture<'_, Result<Arc<S>>>;

    /// Closes the store that was opened last, so that it has written what it was given. Does nothing by default, which is
    /// right for a store that has nothing to close.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }

    /// The time that a property waits for something to happen before it fails: one minute by default.
    fn timeout(&self) -> Duration {
        Duration::from_secs(60)
    }
}

/// Publishes messages that the journal under test keeps, and closes the bus to which it belongs.
pub trait JournalFixture: StoreFixture<dyn Journal> {
    /// Publishes a message through its exchange, which need not exist yet, and resolves when the journal has it.
    fn publish(&self, message: Outgoing) -> BoxFuture<'_, Result<()>>;

    /// The two exchanges whose messages the journal keeps. Where journals share a broker, every fixture has its own.
    fn exchanges(&self) -> [Arc<str>; 2] {
        ["conformance.events".into(), "conformance.other".into()]
    }
}

/// Opens a [`DirectLinkStore`] as a [`LinkStore`], so that it passes the properties of both.
#[doc(hidden)]
#[derive(Debug)]
pub struct AsLinkStore<F>(pub F);

impl<F: StoreFixture<dyn DirectLinkStore>> StoreFixture<dyn LinkStore> for AsLinkStore<F> {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn LinkStore>>> {
        Box::pin(async { Ok(self.0.open().await? as Arc<dyn LinkStore>) })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.0.close()
    }

    fn timeout(&self) -> Duration {
        self.0.timeout()
    }
}

async fn open<S: ?Sized + 'static>(fixture: &dyn StoreFixture<S>) -> Arc<S> {
    fixture.open().await.expect("the store opens")
}

/// Closes the store and opens it again.
async fn reopen<S: ?Sized + 'static>(fixture: &dyn StoreFixture<S>, store: Arc<S>) -> Arc<S> {
    drop(store);
    fixture.close().await;
    open(fixture).await
}
