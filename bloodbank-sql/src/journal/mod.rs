//! The journal in PostgreSQL: a copy of the journal of the bus, with the same offsets, that one writer fills in order.
//!
//! - `row`: an entry as a row, and back.
//! - `progress`: how far the copy is written; the batch and the progress are one transaction.
//! - `copy`: the copy of one source: where it goes on, what it lost, and whether the source is still the same.
//! - `lag`: how far the copy is behind.
//! - `writer`: reads the source and writes batches, until it is told to stop.
//! - `select`: the statements of a query.
//! - `reader`: a position in the table, page by page.

mod copy;
mod lag;
mod progress;
mod reader;
mod row;
mod select;
mod status;
mod writer;

use futures_util::{StreamExt, TryStreamExt, future::BoxFuture, stream};
use sqlx_core::{pool::Pool, query_scalar::query_scalar};
use sqlx_postgres::Postgres;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::{reader::Reader, select::Select};
pub use self::{status::JournalTableStatus, writer::JournalWriter};
use crate::error::storage;
use bloodbank_core::{
    Error, ErrorKind, Result,
    store::{Journal, JournalEntries, JournalEntry, JournalQuery, Position},
};

const READ: &str = "be read for the journal; `bb doctor` looks at it and its tables";

/// The journal in PostgreSQL. It has what a [`JournalWriter`] has copied, under the offsets of the journal that it was copied
/// from.
#[derive(Debug, Clone)]
pub struct PostgresJournal {
    pool: Pool<Postgres>,
    closing: CancellationToken,
}

impl PostgresJournal {
    /// Creates a journal that reads this database, which has the tables of Bloodbank.
    #[must_use]
    pub fn new(pool: Pool<Postgres>) -> Self {
        Self { pool, closing: CancellationToken::new() }
    }

    /// Answers everything with [`ErrorKind::Closed`] after this token is cancelled.
    #[must_use]
    pub fn closed_by(mut self, closing: CancellationToken) -> Self {
        self.closing = closing;
        self
    }

    /// Does something with the database, unless the journal is closed before it is done.
    async fn unless_closed<T>(&self, work: impl Future<Output = Result<T, sqlx_core::Error>> + Send) -> Result<T> {
        tokio::select! {
            biased;
            () = self.closing.cancelled() => Err(self.closed()),
            done = work => done.map_err(|error| match error {
                sqlx_core::Error::PoolClosed => self.closed(),
                error => storage(READ)(error),
            }),
        }
    }

    fn closed(&self) -> Error {
        Error::new(ErrorKind::Closed, format!("{} was closed by this program; connect again", self.describe()))
    }

    async fn edge(&self, statement: &'static str) -> Result<Option<u64>> {
        let offset: Option<i64> = self.unless_closed(query_scalar(statement).fetch_one(&self.pool)).await?;
        Ok(offset.map(i64::cast_unsigned))
    }
}

impl Journal for PostgresJournal {
    fn describe(&self) -> String {
        "the journal in PostgreSQL".to_owned()
    }

    fn read(&self, query: JournalQuery, from: Position) -> JournalEntries {
        let journal = self.clone();
        let begun = async move { Ok::<_, Error>(Reader::begin(journal, query, from).await?.until_now()) };
        stream::once(begun).try_flatten().boxed()
    }

    fn follow(&self, query: JournalQuery, from: Position) -> JournalEntries {
        let journal = self.clone();
        let begun = async move { Ok::<_, Error>(Reader::begin(journal, query, from).await?.entries()) };
        stream::once(begun).try_flatten().boxed()
    }

    fn get(&self, event_id: Uuid) -> BoxFuture<'_, Result<Option<JournalEntry>>> {
        Box::pin(async move {
            let newest = async {
                let mut connection = self.pool.acquire().await?;
                let query = JournalQuery::all().event_id(event_id);
                let select = Select::new(&mut connection, &query).await?;
                select.last(&mut connection, 0..=i64::MAX, 1).await
            };
            Ok(self.unless_closed(newest).await?.pop())
        })
    }

    fn floor(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        Box::pin(self.edge("SELECT min(stream_offset) FROM bloodbank_journal"))
    }

    fn tip(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        Box::pin(self.edge("SELECT max(stream_offset) FROM bloodbank_journal"))
    }

    fn complete_from(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        Box::pin(self.edge(
            "SELECT CASE WHEN min(stream_offset) IS NOT NULL THEN \
             greatest(min(stream_offset), (SELECT max(last_offset) + 1 FROM bloodbank_journal_lost)) END FROM bloodbank_journal",
        ))
    }
}
