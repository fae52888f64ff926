//! A link store in memory: the default of the embedded bus.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{BoxFuture, ready};
use parking_lot::{Mutex, MutexGuard};
use uuid::Uuid;

use crate::store::{BatchRead, CausationLink, DirectLinkStore, LinkEntry, LinkStore, MalformedEntry, UnrecordedLinks};
use crate::{envelope, error::Result};

/// The number of links that are handled before publishers get a turn.
const TURN: usize = 1024;

/// A link store in memory. Beyond a number of links, or after a time, the oldest are forgotten.
///
/// Recording appends to a log and does nothing else; a read brings the index up to date first. Publishing happens all
/// the time, reading hardly ever.
pub struct MemoryLinks {
    index: Mutex<Index>,
    log: Mutex<Log>,
    capacity: usize,
    ttl: TimeDelta,
}

/// The links in the order of their recording, numbered from the first one that was ever recorded.
#[derive(Default)]
struct Log {
    links: VecDeque<CausationLink>,
    /// The number of the first link that is still in the log.
    first: u64,
}

/// The numbers of links by event. Some belong to links that are forgotten already; they are skipped, and the index is
/// built anew before they are many.
#[derive(Default)]
struct Index {
    from: u64,
    to: u64,
    links: HashMap<Uuid, u64>,
    children: HashMap<Uuid, Vec<u64>>,
}

impl MemoryLinks {
    /// Creates a store for at most `capacity` links, each kept for the time `ttl`.
    #[must_use]
    pub fn new(capacity: usize, ttl: Duration) -> Self {
        Self {
            index: Mutex::default(),
            log: Mutex::default(),
            capacity: capacity.max(1),
            ttl: TimeDelta::from_std(ttl).unwrap_or(TimeDelta::MAX),
        }
    }

    /// The number of links in the store.
    #[must_use]
    pub fn len(&self) -> usize {
        lock(&self.log).links.len()
    }

    /// Whether the store has no links.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The time of creation before which links have expired.
    fn oldest(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now.checked_sub_signed(self.ttl).unwrap_or(DateTime::<Utc>::MIN_UTC)
    }

    /// Looks up a value for each event.
    fn look_up<T>(&self, events: &[Uuid], value: impl Fn(&View<'_>, &Uuid) -> T) -> Vec<T> {
        let oldest = self.oldest(envelope::now());
        let mut index = lock(&self.index);
        while index.catch_up(&lock(&self.log), self.capacity) {}
        let mut values = Vec::with_capacity(events.len());
        for events in events.chunks(TURN) {
            let view = View { index: &index, log: &lock(&self.log), oldest };
            values.extend(events.iter().map(|event| value(&view, event)));
        }
        values
    }
}

impl MemoryLinks {
    fn find_now(&self, first: Uuid, last: Uuid, limit: usize) -> Vec<Uuid> {
        let oldest = self.oldest(envelope::now());
        let mut index = lock(&self.index);
        while index.catch_up(&lock(&self.log), self.capacity) {}
        let view = View { index: &index, log: &lock(&self.log), oldest };
        let is_meant = |event: &&Uuid| (first..=last).contains(*event);
        let children = index.links.keys().filter(is_meant).filter(|event| view.entry(event).is_some());
        let parents = index.children.keys().filter(is_meant).filter(|event| !view.children(event).is_empty());
        let found: BTreeSet<_> = children.chain(parents).copied().collect();
        found.into_iter().take(limit).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

impl Log {
    /// Takes the oldest link out, if it has expired or there are more than `capacity`.
    fn forget(&mut self, capacity: usize, oldest: DateTime<Utc>) -> Option<CausationLink> {
        let is_over = self.links.len() > capacity || self.links.front()?.created_at < oldest;
        let link = if is_over { self.links.pop_front()? } else { return None };
        self.first += 1;
        Some(link)
    }

    fn get(&self, number: u64) -> Option<&CausationLink> {
        self.links.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }
}

impl Index {
    /// Adds some of the links that are new; returns whether there may be more.
    fn catch_up(&mut self, log: &Log, capacity: usize) -> bool {
        if self.to < log.first || log.first - self.from > capacity as u64 {
            *self = Self { from: log.first, to: log.first, ..Self::default() };
        }
        for _ in 0..TURN {
            let Some(link) = log.get(self.to) else { return false };
            // An event that comes again without parents keeps those that are known.
            let keeps = |known: &u64| log.get(*known).is_some_and(|known| !known.parents.is_empty());
            if !(link.parents.is_empty() && self.links.get(&link.child).is_some_and(keeps)) {
                self.links.insert(link.child, self.to);
            }
            for &parent in &link.parents {
                self.children.entry(parent).or_default().push(self.to);
            }
            self.to += 1;
        }
        true
    }
}

/// A view of the log through the index.
struct View<'a> {
    index: &'a Index,
    log: &'a Log,
    oldest: DateTime<Utc>,
}

impl View<'_> {
    fn link(&self, number: u64) -> Option<&CausationLink> {
        self.log.get(number).filter(|link| link.created_at >= self.oldest)
    }

    fn entry(&self, event: &Uuid) -> Option<LinkEntry> {
        self.link(*self.index.links.get(event)?).map(CausationLink::entry)
    }

    /// The children of an event, once each: those that were recorded again stand in the log twice.
    fn children(&self, event: &Uuid) -> Vec<Uuid> {
        let numbers = self.index.children.get(event).map_or(&[][..], Vec::as_slice);
        let mut seen = HashSet::with_capacity(numbers.len());
        let children = numbers.iter().filter_map(|number| Some(self.link(*number)?.child));
        children.filter(|child| seen.insert(*child)).collect()
    }
}

impl LinkStore for MemoryLinks {
    fn describe(&self) -> String {
        "memory".to_owned()
    }

    fn write<'a>(&'a self, links: &'a [CausationLink]) -> BoxFuture<'a, Result<Vec<MalformedEntry>>> {
        for link in links {
            self.insert(link.clone());
        }
        Box::pin(ready(Ok(Vec::new())))
    }

    fn time(&self) -> BoxFuture<'_, Result<Option<DateTime<Utc>>>> {
        Box::pin(ready(Ok(None)))
    }

    fn probe(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(ready(Ok(())))
    }

    fn entries<'a>(&'a self, events: &'a [Uuid]) -> BoxFuture<'a, Result<BatchRead<Option<LinkEntry>>>> {
        let entries = self.look_up(events, |view, event| view.entry(event));
        Box::pin(ready(Ok(entries.into())))
    }

    fn children<'a>(&'a self, events: &'a [Uuid]) -> BoxFuture<'a, Result<BatchRead<Vec<Uuid>>>> {
        let children = self.look_up(events, |view, event| view.children(event));
        Box::pin(ready(Ok(children.into())))
    }

    fn find(&self, first: Uuid, last: Uuid, limit: usize) -> BoxFuture<'_, Result<Vec<Uuid>>> {
        Box::pin(ready(Ok(self.find_now(first, last, limit))))
    }
}

impl DirectLinkStore for MemoryLinks {
    /// Inserts a link. Its `created_at` is also the clock: reading another one would cost as much as the rest.
    fn insert(&self, link: CausationLink) {
        let oldest = self.oldest(link.created_at);
        let mut log = lock(&self.log);
        log.links.push_back(link);
        // Two for each that comes: enough to catch up.
        let forgotten = [log.forget(self.capacity, oldest), log.forget(self.capacity, oldest)];
        drop(log);
        drop(forgotten);
    }

    fn flush(&self) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }

    fn missed(&self) -> Option<&UnrecordedLinks> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    fn link(child: u128, parents: &[u128], created_at: DateTime<Utc>) -> CausationLink {
        CausationLink {
            child: id(child),
            parents: parents.iter().copied().map(id).collect(),
            event_type: None,
            created_at,
            app: None,
            metadata: None,
        }
    }

    fn knows(store: &MemoryLinks, event: u128) -> bool {
        store.look_up(&[id(event)], |view, event| view.entry(event).is_some())[0]
    }

    fn children(store: &MemoryLinks, event: u128) -> Vec<Uuid> {
        store.look_up(&[id(event)], |view, event| view.children(event)).swap_remove(0)
    }

    #[test]
    fn the_oldest_are_forgotten_and_their_traces_in_the_index_with_them() {
        let store = MemoryLinks::new(10, Duration::from_secs(60));
        for child in 1..5_000 {
            store.insert(link(child, &[1_000_000 + child, 2_000_000], envelope::now()));
            if child % 3 == 0 {
                assert!(knows(&store, child));
                assert_eq!(children(&store, 1_000_000 + child), [id(child)]);
            }
            if child > 10 && child % 7 == 0 {
                assert!(!knows(&store, child - 10) && knows(&store, child - 9));
                assert_eq!(children(&store, 2_000_000).len(), 10);
                assert!(children(&store, 1_000_000 + child - 10).is_empty());
            }
        }
        assert_eq!(store.len(), 10);
        let index = lock(&store.index);
        assert!(index.links.len() <= 20 && index.children.len() <= 21);
    }

    #[test]
    fn what_is_too_old_is_neither_shown_nor_kept() {
        let store = MemoryLinks::new(10, Duration::from_secs(60));
        let now = envelope::now();
        store.insert(link(1, &[2], now - TimeDelta::seconds(61)));
        assert!(!knows(&store, 1) && children(&store, 2).is_empty());
        store.insert(link(3, &[], now));
        assert_eq!(store.len(), 1);
        assert!(knows(&store, 3));
    }

    #[test]
    fn a_link_that_is_recorded_again_is_there_once() {
        let store = MemoryLinks::new(10, Duration::from_secs(60));
        let now = envelope::now();
        for parents in [&[1, 2][..], &[1, 2], &[1], &[1, 2]] {
            store.insert(link(9, parents, now));
        }
        assert_eq!(children(&store, 1), [id(9)]);
        assert_eq!(children(&store, 2), [id(9)]);
    }

    #[test]
    fn more_than_one_turn_is_caught_up_with() {
        let store = MemoryLinks::new(10 * TURN, Duration::from_secs(60));
        let now = envelope::now();
        let count = 3 * TURN as u128;
        for child in 1..=count {
            store.insert(link(child, &[child + 1], now));
        }
        assert!(knows(&store, 1) && knows(&store, count));
        assert_eq!(children(&store, count), [id(count - 1)]);
    }
}
