//! A journal whose entries a test writes and removes itself.

use std::{sync::Arc, time::Duration};

use bloodbank::{
    Result,
    message::{Incoming, Properties},
    store::{Journal, JournalEntries, JournalEntry, JournalQuery, Position},
};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, ready},
    stream,
};
use parking_lot::Mutex;
use uuid::Uuid;

/// The entries, and the offset from which on none was removed.
#[derive(Clone, Default)]
pub(crate) struct Given(Arc<Mutex<(Vec<JournalEntry>, u64)>>);

impl Given {
    pub(crate) fn of(offsets: std::ops::Range<u64>) -> Self {
        let given = Self::default();
        given.push(offsets.map(entry));
        given
    }

    pub(crate) fn push(&self, entries: impl IntoIterator<Item = JournalEntry>) {
        self.0.lock().0.extend(entries);
    }

    /// Removes what stands before this offset, as retention does.
    pub(crate) fn forget_before(&self, offset: u64) {
        let mut given = self.0.lock();
        given.0.retain(|entry| entry.offset >= offset);
        given.1 = offset;
    }

    /// Removes these, and leaves what stands before them, as the embedded bus does with what still waits.
    pub(crate) fn forget(&self, offsets: std::ops::Range<u64>) {
        let mut given = self.0.lock();
        given.0.retain(|entry| !offsets.contains(&entry.offset));
        given.1 = offsets.end;
    }

    pub(crate) fn clear(&self) {
        self.0.lock().0.clear();
    }

    fn from(&self, offset: u64, query: &JournalQuery) -> Vec<JournalEntry> {
        let given = self.0.lock();
        given.0.iter().filter(|entry| entry.offset >= offset && query.passes(entry)).cloned().collect()
    }
}

pub(crate) fn second(second: u64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(i64::try_from(second).unwrap())
}

/// An entry whose body is its offset, a second after the one before it.
pub(crate) fn entry(offset: u64) -> JournalEntry {
    let message = Incoming {
        exchange: "events".into(),
        routing_key: "orders.order.placed".into(),
        properties: Properties::default().message_id(Uuid::from_u128(offset.into())),
        body: offset.to_string().into_bytes().into(),
    };
    JournalEntry::new(offset, second(offset), message)
}

impl Journal for Given {
    fn describe(&self) -> String {
        "the given journal".to_owned()
    }

    fn read(&self, query: JournalQuery, from: Position) -> JournalEntries {
        let entries = match from {
            Position::Offset(offset) => self.from(offset, &query),
            Position::Time(time) => self.from(0, &query.since(time)),
            Position::Last(count) => {
                let mut all = self.from(0, &query);
                all.split_off(all.len().saturating_sub(count))
            }
            Position::Start => self.from(0, &query),
        };
        stream::iter(entries).map(Ok).boxed()
    }

    fn follow(&self, query: JournalQuery, from: Position) -> JournalEntries {
        let next = match from {
            Position::Offset(offset) => offset,
            Position::Last(count) => {
                let behind = self.0.lock().0.last().map_or(0, |entry| entry.offset + 1);
                self.from(0, &query).into_iter().rev().take(count).last().map_or(behind, |entry| entry.offset)
            }
            _ => 0,
        };
        let journal = self.clone();
        stream::unfold((journal, query, next), |(journal, query, next)| async move {
            loop {
                if let Some(entry) = journal.from(next, &query).into_iter().next() {
                    let next = entry.offset + 1;
                    return Some((Ok(entry), (journal, query, next)));
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .boxed()
    }

    fn get(&self, event_id: Uuid) -> BoxFuture<'_, Result<Option<JournalEntry>>> {
        let found = self.from(0, &JournalQuery::all().event_id(event_id)).pop();
        ready(Ok(found)).boxed()
    }

    fn floor(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        ready(Ok(self.0.lock().0.first().map(|entry| entry.offset))).boxed()
    }

    fn tip(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        ready(Ok(self.0.lock().0.last().map(|entry| entry.offset))).boxed()
    }

    fn complete_from(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        let given = self.0.lock();
        ready(Ok(given.0.first().map(|entry| entry.offset.max(given.1)))).boxed()
    }
}
