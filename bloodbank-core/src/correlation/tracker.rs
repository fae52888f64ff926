//! The tracker: records links beside publishing and answers who caused what.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::{
    memory::MemoryStore,
    store::{CorrelationStore, Entry, Link},
};
use crate::{error::Result, settings::Settings};

/// Which way to follow a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Towards the first cause.
    Ancestors,
    /// Towards the last effect.
    Descendants,
}

/// Records which event caused which, and answers questions about it. Cheap to clone.
#[derive(Clone)]
pub struct CorrelationTracker {
    store: Arc<MemoryStore>,
}

impl CorrelationTracker {
    /// A tracker in memory.
    #[must_use]
    pub fn in_memory(_settings: &Settings) -> Self {
        Self {
            store: Arc::new(MemoryStore::new(100_000)),
        }
    }

    /// The tracker that the settings describe.
    ///
    /// # Errors
    /// Never for an unreachable store: tracking then resumes by itself.
    pub async fn open(settings: &Settings) -> Result<Option<Self>> {
        Ok(Some(Self::in_memory(settings)))
    }

    /// Records a link beside a publish; what it returns resolves when it is recorded, at most a second later.
    pub(crate) fn record(&self, link: Link) -> Option<BoxFuture<'static, ()>> {
        self.store.insert(link);
        None
    }

    /// Waits for what is not written yet.
    pub async fn flush(&self) {}

    /// The direct parents of an event.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn parents(&self, event: Uuid) -> Result<Vec<Uuid>> {
        Ok(self.entry(event).await?.map(|entry| entry.parents).unwrap_or_default())
    }

    /// The direct children of an event.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn children(&self, event: Uuid) -> Result<Vec<Uuid>> {
        Ok(self.store.children(vec![event]).await?.pop().unwrap_or_default())
    }

    /// What is known about an event.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn entry(&self, event: Uuid) -> Result<Option<Entry>> {
        Ok(self.store.entries(vec![event]).await?.pop().flatten())
    }
}
