//! Links in memory: the default of the embedded bus.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures_util::future::{BoxFuture, ready};
use serde_json::Value;
use uuid::Uuid;

use super::store::{CorrelationStore, Entry, Link};
use crate::error::Result;

/// Links in memory; the oldest are forgotten beyond a number of events.
pub struct MemoryStore {
    inner: Mutex<Inner>,
    capacity: usize,
}

#[derive(Default)]
struct Inner {
    links: HashMap<Uuid, Link>,
    children: HashMap<Uuid, Vec<Uuid>>,
    order: VecDeque<Uuid>,
}

impl MemoryStore {
    /// A store for so many events.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            inner: Mutex::default(),
            capacity,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records one link at once.
    pub(super) fn insert(&self, link: Link) {
        let mut inner = self.lock();
        let child = link.child;
        for parent in &link.parents {
            let children = inner.children.entry(*parent).or_default();
            if !children.contains(&child) {
                children.push(child);
            }
        }
        if inner.links.insert(child, link).is_none() {
            inner.order.push_back(child);
        }
        while inner.order.len() > self.capacity {
            let Some(oldest) = inner.order.pop_front() else { break };
            inner.links.remove(&oldest);
            inner.children.remove(&oldest);
        }
    }
}

impl CorrelationStore for MemoryStore {
    fn write(&self, links: Vec<Link>) -> BoxFuture<'_, Result<()>> {
        for link in links {
            self.insert(link);
        }
        Box::pin(ready(Ok(())))
    }

    fn entries(&self, events: Vec<Uuid>) -> BoxFuture<'_, Result<Vec<Option<Entry>>>> {
        let inner = self.lock();
        let entries = events
            .iter()
            .map(|event| inner.links.get(event).map(Link::entry))
            .collect();
        Box::pin(ready(Ok(entries)))
    }

    fn children(&self, events: Vec<Uuid>) -> BoxFuture<'_, Result<Vec<Vec<Uuid>>>> {
        let inner = self.lock();
        let children = events
            .iter()
            .map(|event| inner.children.get(event).cloned().unwrap_or_default())
            .collect();
        Box::pin(ready(Ok(children)))
    }
}

impl Link {
    /// The link as a store keeps it.
    pub(super) fn entry(&self) -> Entry {
        let mut metadata = self.metadata.clone().unwrap_or_default();
        metadata.insert("event_type".to_owned(), Value::from(&*self.event_type));
        if let Some(app) = &self.app {
            metadata.insert("app".to_owned(), Value::from(&**app));
        }
        Entry {
            parents: self.parents.clone(),
            created_at: self.created_at,
            metadata,
        }
    }
}
