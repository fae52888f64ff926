//! Stores: the data that Bloodbank keeps beside the broker, as contracts, and their backends.
//!
//! | contract | remembers | backends |
//! |---|---|---|
//! | [`LinkStore`] | which event caused which | [`memory`], `redis`, a database (`bloodbank-sql`), the file of the embedded bus |
//! | [`LeaseStore`] | which events a subscriber has handled, or is handling | [`memory`], `redis`, a database, the file of the embedded bus |
//! | [`ParkedKeys`] | which events of a key wait in the dead letters, in their order | [`memory`], `redis`, a database, the file of the embedded bus |
//! | [`ClaimStore`] | large payloads that stay out of their events | [`memory`], `redis`, a database, [`FileClaims`] |
//! | [`Journal`] | every published message, in order | the file of the embedded bus, a stream of RabbitMQ, PostgreSQL (`bloodbank-sql`), Parquet files (`bloodbank-archive`) |
//!
//! A backend of your own implements a contract; `store_conformance_suite!` of `bloodbank-testing` tells whether it is right.

mod archive;
mod claims;
mod database;
mod file;
mod journal;
mod leases;
mod links;
pub mod memory;
mod parked_keys;
#[cfg(feature = "redis")]
pub mod redis;
mod unrecorded;

use std::{fmt, sync::Arc};

pub use archive::ArchiveProvider;
pub(crate) use claims::LONGEST_KEY;
pub use claims::{ClaimStore, Lookup};
pub use database::{DatabaseProvider, DatabaseStores};
pub use file::FileClaims;
pub use journal::{ArchivedJournal, Journal, JournalEntries, JournalEntry, JournalQuery, Position, entries_lost};
pub use leases::{Acquired, LeaseKey, LeaseStore};
pub(crate) use links::{APP, EVENT_TYPE};
pub use links::{BatchRead, CausationLink, DirectLinkStore, LinkEntry, LinkStore, MalformedEntry};
pub use parked_keys::{ParkedEvent, ParkedKey, ParkedKeys, Place};
pub use unrecorded::UnrecordedLinks;

/// The stores that a transport brings along, because they are kept together with the published events.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Stores {
    /// The store of causation links.
    pub links: Option<Arc<dyn DirectLinkStore>>,
    /// The store of leases and of handled events.
    pub leases: Option<Arc<dyn LeaseStore>>,
    /// The store of keys with parked events.
    pub parked_keys: Option<Arc<dyn ParkedKeys>>,
    /// The journal of published messages.
    pub journal: Option<Arc<dyn Journal>>,
}

impl Stores {
    /// No store at all.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a store of links.
    #[must_use]
    pub fn with_links(mut self, links: Arc<dyn DirectLinkStore>) -> Self {
        self.links = Some(links);
        self
    }

    /// Adds a store of leases.
    #[must_use]
    pub fn with_leases(mut self, leases: Arc<dyn LeaseStore>) -> Self {
        self.leases = Some(leases);
        self
    }

    /// Adds a store of parked keys.
    #[must_use]
    pub fn with_parked_keys(mut self, parked_keys: Arc<dyn ParkedKeys>) -> Self {
        self.parked_keys = Some(parked_keys);
        self
    }

    /// Adds a journal.
    #[must_use]
    pub fn with_journal(mut self, journal: Arc<dyn Journal>) -> Self {
        self.journal = Some(journal);
        self
    }
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stores")
            .field("links", &self.links.as_ref().map(|links| links.describe()))
            .field("leases", &self.leases.as_ref().map(|leases| leases.describe()))
            .field("parked_keys", &self.parked_keys.as_ref().map(|parked_keys| parked_keys.describe()))
            .field("journal", &self.journal.as_ref().map(|journal| journal.describe()))
            .finish()
    }
}
