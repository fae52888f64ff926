//! A claim store in the memory of this process.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::error::Result;
use crate::{
    settings::ClaimStoreKind,
    store::{ClaimStore, Lookup},
};

/// A claim store in the memory of this process. When there is no room left, the oldest payloads are removed.
#[derive(Debug)]
pub struct MemoryClaims {
    shelf: Mutex<Shelf>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Shelf {
    kept: HashMap<String, Kept>,
    /// The keys in the order they came. A number that is not the one in `kept` belongs to a payload that was replaced.
    order: VecDeque<(u64, String)>,
    next: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    number: u64,
    payload: Bytes,
    /// The time of expiry; `None`: beyond what the clock can count.
    until: Option<Instant>,
}

impl MemoryClaims {
    /// Creates a store with this capacity, in bytes.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { shelf: Mutex::default(), capacity }
    }

    /// The number of bytes that the store keeps, keys included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.shelf().bytes
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock()
    }
}

impl Shelf {
    fn put(&mut self, key: &str, payload: Bytes, until: Option<Instant>) {
        self.remove(key);
        let number = self.next;
        self.next += 1;
        self.bytes += key.len() + payload.len();
        self.order.push_back((number, key.to_owned()));
        self.kept.insert(key.to_owned(), Kept { number, payload, until });
    }

    fn get(&mut self, key: &str, limit: usize) -> Lookup {
        match self.kept.get(key) {
            None => Lookup::Nothing,
            Some(kept) if kept.until.is_some_and(|until| until <= Instant::now()) => Lookup::Expired,
            Some(kept) if kept.payload.len() > limit => Lookup::TooLarge,
            Some(kept) => Lookup::Payload(kept.payload.clone()),
        }
    }

    fn remove(&mut self, key: &str) {
        if let Some(kept) = self.kept.remove(key) {
            self.bytes -= key.len() + kept.payload.len();
        }
    }

    /// Removes the oldest payloads until the rest fits. Each key is looked up again, as the same one may have come
    /// since.
    fn make_room(&mut self, capacity: usize) {
        while let Some((number, key)) = self.order.front() {
            let is_there = self.kept.get(key).is_some_and(|kept| kept.number == *number);
            if is_there && self.bytes <= capacity {
                break;
            }
            if let Some((_, key)) = self.order.pop_front()
                && is_there
            {
                self.remove(&key);
            }
        }
        // Replaced payloads leave their place behind; it is given up before they are many.
        if self.order.len() > 2 * self.kept.len() + 16 {
            let kept = &self.kept;
            self.order.retain(|(number, key)| kept.get(key).is_some_and(|kept| kept.number == *number));
        }
    }
}

impl ClaimStore for MemoryClaims {
    fn kind(&self) -> ClaimStoreKind {
        ClaimStoreKind::Memory
    }

    fn put<'a>(&'a self, key: &'a str, payload: Bytes, ttl: Duration) -> BoxFuture<'a, Result<()>> {
        let mut shelf = self.shelf();
        shelf.put(key, payload, Instant::now().checked_add(ttl));
        shelf.make_room(self.capacity);
        Box::pin(ready(Ok(())))
    }

    fn get<'a>(&'a self, key: &'a str, limit: usize) -> BoxFuture<'a, Result<Lookup>> {
        let found = self.shelf().get(key, limit);
        Box::pin(ready(Ok(found)))
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<()>> {
        self.shelf().remove(key);
        Box::pin(ready(Ok(())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_room_and_replaced_ones_leave_nothing_behind() {
        let mut shelf = Shelf::default();
        for number in 0..1000 {
            shelf.put("same", Bytes::from(vec![0; number]), None);
            shelf.make_room(10_000);
            assert!(shelf.order.len() <= 20);
        }
        assert_eq!(shelf.bytes, 999 + "same".len());
        for key in ["a", "b", "c"] {
            shelf.put(key, Bytes::from(vec![0; 999]), None);
            shelf.make_room(2500);
        }
        assert_eq!(shelf.get("a", 1000), Lookup::Nothing);
        assert!(
            matches!(shelf.get("b", 1000), Lookup::Payload(_)) && matches!(shelf.get("c", 1000), Lookup::Payload(_))
        );
        shelf.remove("b");
        shelf.remove("c");
        assert_eq!(shelf.bytes, 0);
    }
}
