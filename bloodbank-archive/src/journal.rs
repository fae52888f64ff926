//! An archive as a journal.

use std::sync::Arc;

use bloodbank_core::{
    Error, Result,
    store::{ArchiveProvider, Journal, JournalEntries, JournalEntry, JournalQuery, Position},
};
use futures_util::{StreamExt, TryStreamExt, future::BoxFuture, stream};
use uuid::Uuid;

use crate::{archive::Archive, reader::Reader};

impl Journal for Archive {
    fn describe(&self) -> String {
        format!("the archive {}", self.place.shown)
    }

    fn read(&self, query: JournalQuery, from: Position) -> JournalEntries {
        let archive = self.clone();
        let begun = async move { Ok::<_, Error>(Reader::begin(archive, query, from, false).await?.entries()) };
        stream::once(begun).try_flatten().boxed()
    }

    fn follow(&self, query: JournalQuery, from: Position) -> JournalEntries {
        let archive = self.clone();
        let begun = async move { Ok::<_, Error>(Reader::begin(archive, query, from, true).await?.entries()) };
        stream::once(begun).try_flatten().boxed()
    }

    fn get(&self, event_id: Uuid) -> BoxFuture<'_, Result<Option<JournalEntry>>> {
        Box::pin(self.newest(event_id))
    }

    fn floor(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        Box::pin(async { Ok(self.index().await?.floor()) })
    }

    fn tip(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        Box::pin(async { Ok(self.index().await?.tip()) })
    }

    fn complete_from(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        Box::pin(async {
            let index = self.index().await?;
            Ok(index.missing().last().map(|(_, last)| last + 1).or(index.floor()))
        })
    }
}

impl Archive {
    /// The newest entry with this id.
    async fn newest(&self, event_id: Uuid) -> Result<Option<JournalEntry>> {
        for segment in self.index().await?.segments().rev() {
            let found = self.entries_of(segment).await?.into_iter().rfind(|entry| entry.event_id() == Some(event_id));
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

inventory::submit! {
    ArchiveProvider { open: |address, closing| Ok(Arc::new(Archive::open(address)?.closed_by(closing))) }
}
