//! The journal of published messages: read beside the thread that writes it, page by page.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use bloodbank_core::{
    Error, ErrorKind, Result,
    store::{Journal, JournalEntries, JournalEntry, JournalQuery, Position},
};
use chrono::DateTime;
use futures_util::{
    StreamExt, TryStreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};
use uuid::Uuid;

use super::{BUSY_TIMEOUT, failure, load};
use crate::engine::Engine;

/// The number of entries in one page.
const PAGE: usize = 500;

/// The messages that were published, whether a queue received them or not. The file keeps the newest 100,000 of at most
/// 7 days.
#[derive(Clone)]
pub(crate) struct FileJournal {
    engine: Arc<Engine>,
    path: PathBuf,
}

/// The ids of the entries that are still to be read: `from` up to `to`, both included.
struct Remaining {
    from: i64,
    to: i64,
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

    /// Pages from a position to where the journal ends now.
    async fn forward(self, query: JournalQuery, from: Position) -> Result<BoxStream<'static, Result<JournalEntry>>> {
        let since = query.since.map(|since| since.timestamp_millis());
        let begin = match from {
            Position::Start | Position::Last(_) => None,
            Position::Offset(offset) => Some(("id >= ?1", i64::try_from(offset).unwrap_or(i64::MAX))),
            Position::Time(time) => Some(("published_at >= ?1", time.timestamp_millis())),
        };
        let rest = self
            .query(move |connection| {
                let to: Option<i64> = connection.query_row("SELECT max(id) FROM messages", [], |row| row.get(0))?;
                let (condition, value) =
                    begin.or(since.map(|since| ("published_at >= ?1", since))).unwrap_or(("id >= ?1", 0));
                let text = format!("SELECT min(id) FROM messages WHERE {condition}");
                let from: Option<i64> = connection.query_row(&text, [value], |row| row.get(0))?;
                Ok(from.zip(to).map(|(from, to)| Remaining { from, to }))
            })
            .await?;
        let pages = stream::try_unfold(rest, move |rest| {
            let (journal, query) = (self.clone(), query.clone());
            async move {
                let Some(Remaining { from, to }) = rest else { return Ok(None) };
                let (entries, last) = journal.query(move |connection| page(connection, &query, from, to)).await?;
                let rest = last.filter(|last| *last < to).map(|last| Remaining { from: last + 1, to });
                Ok::<_, Error>(Some((stream::iter(entries.into_iter().map(Ok)), rest)))
            }
        });
        Ok(pages.try_flatten().boxed())
    }

    /// The newest entries that pass a query, oldest first.
    async fn last(self, query: JournalQuery, count: usize) -> Result<BoxStream<'static, Result<JournalEntry>>> {
        let entries = self
            .query(move |connection| {
                let since = query.since.map_or(i64::MIN, |since| since.timestamp_millis());
                let text =
                    format!("{SELECT} WHERE published_at >= ?1 AND (?2 IS NULL OR exchange = ?2) ORDER BY id DESC");
                let mut statement = connection.prepare(&text)?;
                let mut rows = statement.query(params![since, query.exchange])?;
                let mut entries = Vec::new();
                while entries.len() < count {
                    let Some(row) = rows.next()? else { break };
                    if passes(row, &query)? {
                        entries.push(entry(row)?);
                    }
                }
                entries.reverse();
                Ok(entries)
            })
            .await?;
        Ok(stream::iter(entries.into_iter().map(Ok)).boxed())
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
            match from {
                Position::Last(count) => journal.last(query, count).await,
                Position::Start | Position::Offset(_) | Position::Time(_) => journal.forward(query, from).await,
            }
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
}

const SELECT: &str = "SELECT published_at, exchange, key, properties, body, coalesce(type, key), id FROM messages";

/// The entries of a page that pass the query, and the last id that was looked at; `None`: there are no more.
fn page(
    connection: &Connection,
    query: &JournalQuery,
    from: i64,
    to: i64,
) -> rusqlite::Result<(Vec<JournalEntry>, Option<i64>)> {
    let text = format!("{SELECT} WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT {PAGE}");
    let mut statement = connection.prepare(&text)?;
    let mut rows = statement.query(params![from, to])?;
    let (mut entries, mut last) = (Vec::new(), None);
    while let Some(row) = rows.next()? {
        last = Some(row.get(6)?);
        if passes(row, query)? {
            entries.push(entry(row)?);
        }
    }
    Ok((entries, last))
}

fn passes(row: &Row<'_>, query: &JournalQuery) -> rusqlite::Result<bool> {
    let (published_at, exchange) = (row.get::<_, i64>(0)?, row.get_ref(1)?.as_str()?);
    let event_type = row.get_ref(5)?.as_str()?;
    Ok(query.since.is_none_or(|since| published_at >= since.timestamp_millis())
        && query.exchange.as_ref().is_none_or(|wanted| wanted == exchange)
        && query.pattern.as_ref().is_none_or(|pattern| pattern.matches(event_type)))
}

fn entry(row: &Row<'_>) -> rusqlite::Result<JournalEntry> {
    let offset: i64 = row.get(6)?;
    Ok(JournalEntry::new(
        u64::try_from(offset).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(6, offset))?,
        DateTime::from_timestamp_millis(row.get(0)?).unwrap_or_default(),
        load::message(row, [1, 2, 3, 4])?,
    ))
}
