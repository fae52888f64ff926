//! Links in memory: the default of the embedded bus.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{BoxFuture, ready};
use uuid::Uuid;

use super::store::{CorrelationStore, Entry, Link, Malformed, Read};
use crate::{envelope, error::Result};

/// Links in memory. Beyond a number of events, or after a time, the oldest are forgotten.
pub struct MemoryStore {
    inner: Mutex<Inner>,
    capacity: usize,
    ttl: TimeDelta,
}

/// Events in the order in which they were first heard of. `places` counts from the beginning of time, so that
/// forgetting the first event moves no other.
#[derive(Default)]
struct Inner {
    places: HashMap<Uuid, u64>,
    nodes: VecDeque<Node>,
    forgotten: u64,
}

/// An event. One that is only known as a parent has no link.
struct Node {
    id: Uuid,
    touched: DateTime<Utc>,
    link: Option<Link>,
    children: Vec<Uuid>,
}

impl MemoryStore {
    /// A store for so many events, each for so long.
    #[must_use]
    pub fn new(capacity: usize, ttl: Duration) -> Self {
        Self {
            inner: Mutex::default(),
            capacity: capacity.max(1),
            ttl: TimeDelta::from_std(ttl).unwrap_or(TimeDelta::MAX),
        }
    }

    /// How many events it knows, mere parents included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().nodes.len()
    }

    /// Whether it knows no event.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records one link at once. `created_at` is also the clock: reading another one would cost as much as the rest.
    pub(super) fn insert(&self, link: Link) {
        let now = link.created_at;
        let mut inner = self.lock();
        let place = inner.place(link.child, now);
        let known = inner.nodes[place].link.take();
        for &parent in &link.parents {
            // Every parent of a recorded link lists it already: no list is searched, however long.
            if known.as_ref().is_some_and(|known| known.parents.contains(&parent)) {
                continue;
            }
            let place = inner.place(parent, now);
            inner.nodes[place].children.push(link.child);
        }
        inner.nodes[place].link = Some(link);
        inner.forget(self.capacity, self.expired_before(now));
    }

    fn expired_before(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now.checked_sub_signed(self.ttl).unwrap_or(DateTime::<Utc>::MIN_UTC)
    }

    fn look_up<T>(&self, events: &[Uuid], value: impl Fn(Option<&Node>) -> T) -> Vec<T> {
        let oldest = self.expired_before(envelope::now());
        let inner = self.lock();
        let node = |event| inner.get(event).filter(|node| node.touched >= oldest);
        events.iter().map(|event| value(node(event))).collect()
    }
}

impl Inner {
    fn get(&self, event: &Uuid) -> Option<&Node> {
        let place = self.places.get(event)? - self.forgotten;
        self.nodes.get(usize::try_from(place).ok()?)
    }

    /// Where an event stands among the nodes; one that is new is added.
    fn place(&mut self, id: Uuid, now: DateTime<Utc>) -> usize {
        let next = self.forgotten + self.nodes.len() as u64;
        let place = *self.places.entry(id).or_insert(next);
        let index = (place - self.forgotten) as usize;
        if place == next {
            self.nodes.push_back(Node {
                id,
                touched: now,
                link: None,
                children: Vec::new(),
            });
        } else {
            let node = &mut self.nodes[index];
            node.touched = node.touched.max(now);
        }
        index
    }

    fn forget(&mut self, capacity: usize, oldest: DateTime<Utc>) {
        while let Some(first) = self.nodes.front()
            && (self.nodes.len() > capacity || first.touched < oldest)
        {
            self.places.remove(&first.id);
            self.nodes.pop_front();
            self.forgotten += 1;
        }
    }
}

impl CorrelationStore for MemoryStore {
    fn describe(&self) -> String {
        "memory".to_owned()
    }

    fn write<'a>(&'a self, links: &'a [Link]) -> BoxFuture<'a, Result<Vec<Malformed>>> {
        for link in links {
            self.insert(link.clone());
        }
        Box::pin(ready(Ok(Vec::new())))
    }

    fn probe(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(ready(Ok(())))
    }

    fn entries<'a>(&'a self, events: &'a [Uuid]) -> BoxFuture<'a, Result<Read<Option<Entry>>>> {
        let entries = self.look_up(events, |node| node?.link.as_ref().map(Link::entry));
        Box::pin(ready(Ok(entries.into())))
    }

    fn children<'a>(&'a self, events: &'a [Uuid]) -> BoxFuture<'a, Result<Read<Vec<Uuid>>>> {
        let children = self.look_up(events, |node| {
            // A child that was forgotten and recorded again, or whose parents changed back, stands here twice.
            let mut seen = HashSet::new();
            let children = node.into_iter().flat_map(|node| &node.children);
            children.copied().filter(|child| seen.insert(*child)).collect()
        });
        Box::pin(ready(Ok(Read::from(children))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(child: u128, parents: &[u128], created_at: DateTime<Utc>) -> Link {
        Link {
            child: Uuid::from_u128(child),
            parents: parents.iter().copied().map(Uuid::from_u128).collect(),
            event_type: None,
            created_at,
            app: None,
            metadata: None,
        }
    }

    fn knows(store: &MemoryStore, event: u128) -> bool {
        store
            .look_up(&[Uuid::from_u128(event)], |node| {
                node.is_some_and(|node| node.link.is_some())
            })
            .pop()
            .unwrap()
    }

    #[test]
    fn the_oldest_are_forgotten_and_mere_parents_with_them() {
        let store = MemoryStore::new(10, Duration::from_secs(60));
        for child in 0..1000 {
            store.insert(link(child, &[1_000_000 + child], envelope::now()));
        }
        assert_eq!(store.len(), 10);
        assert_eq!(store.lock().places.len(), 10);
        assert!(knows(&store, 999) && !knows(&store, 990));
    }

    #[test]
    fn what_is_too_old_is_neither_shown_nor_kept() {
        let store = MemoryStore::new(10, Duration::from_secs(60));
        let now = envelope::now();
        store.insert(link(1, &[2], now - TimeDelta::seconds(61)));
        assert!(!knows(&store, 1));
        store.insert(link(3, &[], now));
        assert_eq!(store.len(), 1);
        assert!(knows(&store, 3));
    }

    #[test]
    fn a_link_that_is_recorded_again_is_there_once() {
        let store = MemoryStore::new(10, Duration::from_secs(60));
        let now = envelope::now();
        for parents in [&[1, 2][..], &[1, 2], &[1], &[1, 2]] {
            store.insert(link(9, parents, now));
        }
        for parent in [1, 2] {
            let children = store.look_up(&[Uuid::from_u128(parent)], |node| node.unwrap().children.len());
            assert!(children[0] <= 2);
        }
        let children = futures_util::FutureExt::now_or_never(store.children(&[Uuid::from_u128(2)]));
        assert_eq!(children.unwrap().unwrap().values, [[Uuid::from_u128(9)]]);
    }
}
