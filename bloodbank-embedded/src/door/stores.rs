//! The links and the journal behind a door.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::{
    future::{BoxFuture, ready},
    stream::{self, StreamExt},
};
use uuid::Uuid;

use super::{
    client::Client,
    transport::{Holder, unexpected},
    wire::{Answer, Call},
};
use bloodbank_core::{
    Result,
    store::{
        BatchRead, CausationLink, DirectLinkStore, Journal, JournalEntries, JournalEntry, JournalQuery, LinkEntry,
        LinkStore, MalformedEntry, Position, UnrecordedLinks,
    },
};

pub(super) fn describe(client: &Client) -> String {
    format!("the process that has {} open", client.file().display())
}

/// The causation links behind a door.
pub(super) struct DoorLinks(pub(super) Arc<Client>);

impl LinkStore for DoorLinks {
    fn describe(&self) -> String {
        describe(&self.0)
    }

    fn write<'a>(&'a self, links: &'a [CausationLink]) -> BoxFuture<'a, Result<Vec<MalformedEntry>>> {
        Box::pin(async move {
            self.0.call(Call::WriteLinks { links: links.to_vec() }).await?;
            Ok(Vec::new())
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.0.call(Call::FlushLinks).await.map(drop) })
    }

    fn entries<'a>(&'a self, events: &'a [Uuid]) -> BoxFuture<'a, Result<BatchRead<Option<LinkEntry>>>> {
        Box::pin(async move {
            match self.0.call(Call::LinkEntries { events: events.to_vec() }).await? {
                Answer::Entries(entries) => Ok(entries),
                _ => Err(unexpected()),
            }
        })
    }

    fn children<'a>(&'a self, events: &'a [Uuid]) -> BoxFuture<'a, Result<BatchRead<Vec<Uuid>>>> {
        Box::pin(async move {
            match self.0.call(Call::LinkChildren { events: events.to_vec() }).await? {
                Answer::Children(children) => Ok(children),
                _ => Err(unexpected()),
            }
        })
    }

    fn find(&self, first: Uuid, last: Uuid, limit: usize) -> BoxFuture<'_, Result<Vec<Uuid>>> {
        Box::pin(async move {
            match self.0.call(Call::FindLinks { first, last, limit }).await? {
                Answer::Events(events) => Ok(events),
                _ => Err(unexpected()),
            }
        })
    }

    fn time(&self) -> BoxFuture<'_, Result<Option<DateTime<Utc>>>> {
        // The same machine, the same clock.
        Box::pin(ready(Ok(None)))
    }
}

impl DirectLinkStore for DoorLinks {
    fn insert(&self, link: CausationLink) {
        // The answer is awaited by `flush`: requests are handled in order.
        drop(self.0.send(Call::WriteLinks { links: vec![link] }));
    }

    fn flush(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let _ = self.0.call(Call::FlushLinks).await;
        })
    }

    fn missed(&self) -> Option<&UnrecordedLinks> {
        None
    }
}

/// The journal behind a door.
pub(super) struct DoorJournal(pub(super) Arc<Client>);

impl DoorJournal {
    /// The stream of the process behind the door, which ends there too when this one is dropped.
    fn entries(&self, query: JournalQuery, from: Position, follow: bool) -> JournalEntries {
        let answers = self.0.send(Call::ReadJournal { query, from, follow });
        let holder = Holder { client: Arc::clone(&self.0), id: answers.id };
        let entries = stream::unfold(Some((answers, holder)), |reading| async move {
            let (mut answers, holder) = reading?;
            match answers.next().await {
                Ok(Answer::Entry(Some(entry))) => Some((Ok(entry), Some((answers, holder)))),
                Ok(Answer::Entry(None)) => None,
                Ok(_) => Some((Err(unexpected()), None)),
                Err(error) => Some((Err(error), None)),
            }
        });
        entries.boxed()
    }

    async fn offset(&self, call: Call) -> Result<Option<u64>> {
        match self.0.call(call).await? {
            Answer::Offset(offset) => Ok(offset),
            _ => Err(unexpected()),
        }
    }
}

impl Journal for DoorJournal {
    fn describe(&self) -> String {
        describe(&self.0)
    }

    fn read(&self, query: JournalQuery, from: Position) -> JournalEntries {
        self.entries(query, from, false)
    }

    fn follow(&self, query: JournalQuery, from: Position) -> JournalEntries {
        self.entries(query, from, true)
    }

    fn get(&self, event_id: Uuid) -> BoxFuture<'_, Result<Option<JournalEntry>>> {
        Box::pin(async move {
            match self.0.call(Call::JournalEntry { event_id }).await? {
                Answer::Entry(entry) => Ok(entry),
                _ => Err(unexpected()),
            }
        })
    }

    fn floor(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        Box::pin(self.offset(Call::JournalFloor))
    }

    fn tip(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        Box::pin(self.offset(Call::JournalTip))
    }

    fn complete_from(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        Box::pin(self.offset(Call::JournalCompleteFrom))
    }
}
