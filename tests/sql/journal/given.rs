//! A journal whose entries a test writes itself.

use std::{sync::Arc, time::Duration};

use bloodbank::{
    Result,
    message::{Incoming, Properties},
    store::{Journal, JournalEntries, JournalEntry, JournalQuery, Position},
};
use chrono::{DateTime, TimeDelta};
use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, ready},
    stream,
};
use parking_lot::Mutex;
use uuid::Uuid;

/// A journal that knows positions by offset, and no queries apart from `before`: as much as a writer needs.
#[derive(Clone, Default)]
pub(super) struct Given {
    entries: Arc<Mutex<Vec<JournalEntry>>>,
    /// Whether who follows sees what comes later.
    is_followed: bool,
}

impl Given {
    pub(super) fn push(&self, entries: impl IntoIterator<Item = JournalEntry>) {
        self.entries.lock().extend(entries);
    }

    pub(super) fn clear(&self) {
        self.entries.lock().clear();
    }

    pub(super) fn as_journal(&self) -> Arc<dyn Journal> {
        Arc::new(self.clone())
    }

    /// The same journal, whose followers see what comes later too.
    pub(super) fn followed(&self) -> Arc<dyn Journal> {
        Arc::new(Self { is_followed: true, ..self.clone() })
    }
}

/// An entry whose body is its offset.
pub(super) fn entry(offset: u64) -> JournalEntry {
    let message = Incoming {
        exchange: "events".into(),
        routing_key: "orders.order.placed".into(),
        properties: Properties::default().message_id(Uuid::from_u128(offset.into())),
        body: offset.to_string().into_bytes().into(),
    };
    let second = i64::try_from(offset).unwrap();
    JournalEntry::new(offset, DateTime::UNIX_EPOCH + TimeDelta::seconds(second), message)
}

impl Journal for Given {
    fn describe(&self) -> String {
        "the given journal".to_owned()
    }

    fn read(&self, query: JournalQuery, from: Position) -> JournalEntries {
        let from = match from {
            Position::Offset(offset) => offset,
            _ => 0,
        };
        let mut entries = self.entries.lock().clone();
        entries.retain(|entry| entry.offset >= from && query.before.is_none_or(|before| entry.offset < before));
        stream::iter(entries).map(Ok).boxed()
    }

    fn follow(&self, query: JournalQuery, from: Position) -> JournalEntries {
        if !self.is_followed {
            return self.read(query, from).chain(stream::pending()).boxed();
        }
        let next = match from {
            Position::Offset(offset) => offset,
            _ => 0,
        };
        stream::unfold((self.clone(), next), |(journal, next)| async move {
            loop {
                let found = journal.entries.lock().iter().find(|entry| entry.offset >= next).cloned();
                match found {
                    Some(entry) => {
                        let next = entry.offset + 1;
                        return Some((Ok(entry), (journal, next)));
                    }
                    None => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        })
        .boxed()
    }

    fn get(&self, _: Uuid) -> BoxFuture<'_, Result<Option<JournalEntry>>> {
        ready(Ok(None)).boxed()
    }

    fn floor(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        ready(Ok(self.entries.lock().first().map(|entry| entry.offset))).boxed()
    }

    fn tip(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        ready(Ok(self.entries.lock().last().map(|entry| entry.offset))).boxed()
    }
}
