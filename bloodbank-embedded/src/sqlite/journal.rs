//! The journal of published messages: read beside the thread that writes it, page by page.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use bloodbank_core::{
    Error, ErrorKind, Result,
    store::{Journal, JournalEntries, JournalEntry, JournalQuery, Position, entries_lost},
};
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt, future::BoxFuture, stream};
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use tokio::sync::watch;
use uuid::Uuid;

use super::{
    BUSY_TIMEOUT, failure,
    journal_page::{SELECT, entry, last, page},
    progress::Reached,
};
use crate::engine::Engine;

/// The messages that were published, whether a queue received them or not. The file keeps the newest 100,000 of at most
/// 7 days.
#[derive(Clone)]
pub(crate) struct FileJournal {
    engine: Arc<Engine>,
    path: PathBuf,
}

/// Where a reader is.
struct Reader {
    journal: FileJournal,
    query: JournalQuery,
    progress: watch::Receiver<Reached>,
    /// The id of the next entry.
    next: i64,
    /// The last id to read; `None`: there is no last one.
    to: Option<i64>,
    /// Whether entries before `next` were read, so that those after them must not be missing.
    is_begun: bool,
}

impl FileJournal {
    pub(crate) fn new(engine: &Arc<Engine>, path: &Path) -> Self {
        Self { engine: Arc::clone(engine), path: path.to_owned() }
    }

    /// Queries the file on a connection of its own.
    async fn query<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.engine.lock().check_open()?;
        let path = self.path.clone();
        crate::in_background(move || {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            Connection::open_with_flags(&path, flags)
                .and_then(|connection| {
                    connection.busy_timeout(BUSY_TIMEOUT)?;
                    look(&connection)
                })
                .map_err(|error| failure(&path, "cannot be read", &error))
        })
        .await
    }

    /// A reader at a position, with the entries before it that belong to it, and the newest id at that time.
    async fn begin(self, query: JournalQuery, from: Position) -> Result<(Vec<JournalEntry>, Reader, i64)> {
        // Before the file is looked at: nothing that is kept meanwhile is overlooked.
        let progress = self.engine.journal.watch();
        let since = query.since;
        let wanted = query.clone();
        let (entries, next, newest) = self
            .query(move |connection| {
                let newest = "SELECT coalesce(max(id), 0) FROM messages";
                let newest: i64 = connection.query_row(newest, [], |row| row.get(0))?;
                let first_at = |time: DateTime<Utc>| -> rusqlite::Result<i64> {
                    let text = "SELECT min(id) FROM messages WHERE published_at >= ?1 AND id <= ?2";
                    let id: Option<i64> =
                        connection.query_row(text, [time.timestamp_millis(), newest], |row| row.get(0))?;
                    Ok(id.unwrap_or(newest + 1))
                };
                let next = match from {
                    Position::Last(count) => {
                        return Ok((last(connection, &wanted, count, newest)?, newest + 1, newest));
                    }
                    Position::Start => since.map_or(Ok(0), first_at)?,
                    Position::Offset(offset) => i64::try_from(offset).unwrap_or(i64::MAX),
                    Position::Time(time) => first_at(time)?,
                };
                Ok((Vec::new(), next, newest))
            })
            .await?;
        let reader = Reader { journal: self, query, progress, next, to: None, is_begun: false };
        Ok((entries, reader, newest))
    }

    async fn edge(&self, sql: &'static str) -> Result<Option<u64>> {
        let id: Option<i64> = self.query(|connection| connection.query_row(sql, [], |row| row.get(0))).await?;
        id.map(|id| u64::try_from(id).map_err(|_| self.damaged())).transpose()
    }

    fn damaged(&self) -> Error {
        Error::new(ErrorKind::Storage, format!("{} has an entry with a negative offset", self.describe()))
    }
}

impl Journal for FileJournal {
    fn describe(&self) -> String {
        format!("the embedded bus {}", self.path.display())
    }

    fn read(&self, query: JournalQuery, from: Position) -> JournalEntries {
        let journal = self.clone();
        stream::once(async move {
            let (entries, mut reader, newest) = journal.begin(query, from).await?;
            let before = reader.query.before.map(|before| i64::try_from(before).unwrap_or(i64::MAX) - 1);
            reader.to = Some(before.map_or(newest, |before| newest.min(before)));
            Ok::<_, Error>(reader.entries(entries))
        })
        .try_flatten()
        .boxed()
    }

    fn follow(&self, query: JournalQuery, from: Position) -> JournalEntries {
        let journal = self.clone();
        stream::once(async move {
            let (entries, mut reader, _) = journal.begin(query, from).await?;
            if let Position::Time(time) = from {
                // Of what comes later too.
                reader.query.since = reader.query.since.max(Some(time));
            }
            Ok::<_, Error>(reader.entries(entries))
        })
        .try_flatten()
        .boxed()
    }

    fn get(&self, event_id: Uuid) -> BoxFuture<'_, Result<Option<JournalEntry>>> {
        Box::pin(self.query(move |connection| {
            let text = format!("{SELECT} WHERE event_id = ?1 ORDER BY id DESC LIMIT 1");
            connection.query_row(&text, [event_id.as_bytes()], entry).optional()
        }))
    }

    fn floor(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        Box::pin(self.edge("SELECT min(id) FROM messages"))
    }

    fn tip(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        Box::pin(self.edge("SELECT max(id) FROM messages"))
    }

    fn complete_from(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        // Removed are those between messages that still wait; the newest ones follow each other.
        Box::pin(self.edge(
            "SELECT (SELECT id FROM messages AS first WHERE NOT EXISTS (SELECT 1 FROM messages WHERE id = first.id - 1) \
             ORDER BY id DESC LIMIT 1)",
        ))
    }
}

impl Reader {
    /// Those that were read already, and the pages after them.
    fn entries(self, read: Vec<JournalEntry>) -> JournalEntries {
        let pages = stream::try_unfold(self, |mut reader| async move {
            let page = reader.page().await?;
            Ok::<_, Error>(page.map(|entries| (stream::iter(entries.into_iter().map(Ok)), reader)))
        });
        stream::iter(read.into_iter().map(Ok)).chain(pages.try_flatten()).boxed()
    }

    /// The entries of the next page that pass; `None`: there are no more.
    async fn page(&mut self) -> Result<Option<Vec<JournalEntry>>> {
        let newest = loop {
            let newest = self.progress.borrow_and_update().newest.cast_signed();
            let end = self.to.map_or(newest, |to| to.min(newest));
            if self.next <= end {
                break end;
            }
            if self.to.is_some_and(|to| self.next > to) {
                return Ok(None);
            }
            self.journal.engine.lock().check_open()?;
            // The engine has the sender, and is kept by the journal.
            let _ = self.progress.changed().await;
        };
        let (query, from) = (self.query.clone(), self.next);
        let (entries, last) = self.journal.query(move |connection| page(connection, &query, from, newest)).await?;
        let pruned = self.progress.borrow().pruned;
        if self.is_begun && pruned >= from.cast_unsigned() {
            return Err(entries_lost(&self.journal.describe(), from.cast_unsigned(), pruned));
        }
        self.is_begun = true;
        self.next = last.unwrap_or(newest) + 1;
        Ok(Some(entries))
    }
}
