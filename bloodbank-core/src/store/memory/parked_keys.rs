//! A store of parked keys in memory.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::Arc,
};

use chrono::{DateTime, Utc};
use futures_util::future::{BoxFuture, ready};
use parking_lot::Mutex;
use uuid::Uuid;

use crate::error::Result;
use crate::store::{ParkedEvent, ParkedKey, ParkedKeys, Place};

/// A store of parked keys in memory, forgotten with the process.
#[derive(Default)]
pub struct MemoryParkedKeys(Mutex<Lines>);

/// The lines by queue and key.
type Lines = BTreeMap<(Arc<str>, Arc<str>), Line>;

#[derive(Default)]
struct Line {
    /// The event that left the line last, as handled.
    handled: Option<Uuid>,
    /// The events in their order, each with the time at which it was parked.
    events: BTreeMap<u64, (Uuid, DateTime<Utc>)>,
    positions: HashMap<Uuid, u64>,
}

/// The position of the first event of a line: there is room before it, and it is no large number.
const START: u64 = 1 << 32;

impl Line {
    fn first(&self) -> Option<Uuid> {
        self.events.values().next().map(|(event, _)| *event)
    }

    fn add(&mut self, event_id: Uuid) -> u64 {
        if let Some(position) = self.positions.get(&event_id) {
            return *position;
        }
        let position = if self.handled == Some(event_id) {
            self.handled = None;
            self.events.keys().next().map_or(START, |first| first - 1)
        } else {
            self.events.keys().next_back().map_or(START, |last| last + 1)
        };
        self.events.insert(position, (event_id, Utc::now()));
        self.positions.insert(event_id, position);
        position
    }

    fn remove(&mut self, event_id: Uuid) -> bool {
        let position = self.positions.remove(&event_id);
        position.is_some_and(|position| self.events.remove(&position).is_some())
    }
}

impl MemoryParkedKeys {
    fn change<T>(&self, event: &ParkedEvent, change: impl FnOnce(&mut Line, Uuid) -> T) -> T {
        let mut lines = self.0.lock();
        let key = (Arc::clone(&event.queue), Arc::clone(&event.key));
        let line = lines.entry(key.clone()).or_default();
        let changed = change(line, event.event_id);
        if line.events.is_empty() {
            lines.remove(&key);
        }
        changed
    }
}

impl ParkedKeys for MemoryParkedKeys {
    fn describe(&self) -> String {
        "memory".to_owned()
    }

    fn join<'a>(&'a self, event: &'a ParkedEvent) -> BoxFuture<'a, Result<Place>> {
        let place = self.change(event, |line, event_id| match line.first() {
            None => Place::Free,
            Some(first) if first == event_id || line.handled == Some(event_id) => Place::First,
            Some(first) => Place::Behind { first, position: line.add(event_id) },
        });
        Box::pin(ready(Ok(place)))
    }

    fn park<'a>(&'a self, event: &'a ParkedEvent) -> BoxFuture<'a, Result<u64>> {
        Box::pin(ready(Ok(self.change(event, Line::add))))
    }

    fn leave<'a>(&'a self, event: &'a ParkedEvent) -> BoxFuture<'a, Result<()>> {
        self.change(event, |line, event_id| {
            if line.remove(event_id) {
                line.handled = Some(event_id);
            }
        });
        Box::pin(ready(Ok(())))
    }

    fn remove<'a>(&'a self, event: &'a ParkedEvent) -> BoxFuture<'a, Result<()>> {
        self.change(event, Line::remove);
        Box::pin(ready(Ok(())))
    }

    fn release<'a>(&'a self, queue: &'a str, key: &'a str) -> BoxFuture<'a, Result<u64>> {
        let key: (Arc<str>, Arc<str>) = (queue.into(), key.into());
        let line = self.0.lock().remove(&key);
        Box::pin(ready(Ok(line.map_or(0, |line| line.events.len() as u64))))
    }

    fn list<'a>(&'a self, queue: &'a str) -> BoxFuture<'a, Result<Vec<ParkedKey>>> {
        let from = (Arc::from(queue), Arc::from(""));
        let lines = self.0.lock();
        let of_queue = lines.range((Bound::Included(from), Bound::Unbounded));
        let listed = of_queue.take_while(|((of, _), _)| **of == *queue).filter_map(|((_, key), line)| {
            let (first, since) = *line.events.values().next()?;
            Some(ParkedKey { key: key.to_string(), events: line.events.len() as u64, first, since })
        });
        let listed = listed.collect();
        drop(lines);
        Box::pin(ready(Ok(listed)))
    }
}
