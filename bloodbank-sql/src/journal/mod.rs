//! The journal in PostgreSQL: a copy of the journal of the bus, with the same offsets, that one writer fills in order.
//!
//! - `row`: an entry as a row, and back.
//! - `progress`: how far the copy is written; the batch and the progress are one transaction.
//! - `copy`: the copy of one source: where it goes on, what it lost, and whether the source is still the same.
//! - `lag`: how far the copy is behind.
//! - `writer`: reads the source and writes batches, until it is told to stop.
//! - `day`, `partition`: the partitions by day, created before they are needed and dropped as a whole.
//! - `window`: which days have a range of offsets.
//! - `select`: the statements of a query.
//! - `wake`: what wakes who follows.
//! - `reader`: a position in the table, page by page.

mod copy;
mod day;
mod lag;
mod partition;
mod progress;
mod reader;
mod row;
mod select;
mod status;
mod wake;
mod window;
mod writer;

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, TryStreamExt, future::BoxFuture, stream};
use sqlx_core::{pool::Pool, query_scalar::query_scalar, transaction::Transaction};
use sqlx_postgres::Postgres;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::{
    progress::Progress,
    reader::Reader,
    select::Select,
    wake::{Listener, Wake},
};
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
    wake: Arc<Wake>,
    interval: Duration,
}

/// How often those look who hear nothing.
const INTERVAL: Duration = Duration::from_millis(200);

/// What one look sees is of one moment.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

impl PostgresJournal {
    /// Creates a journal that reads this database, which has the tables of Bloodbank.
    #[must_use]
    pub fn new(pool: Pool<Postgres>) -> Self {
        Self { pool, closing: CancellationToken::new(), wake: Arc::default(), interval: INTERVAL }
    }

    /// Sets how often those look who follow, while nothing comes; default 200 ms. A commit of the writer wakes them: it notifies a
    /// connection that they share, and that must lead to the server itself. Behind a pooler that hands connections out by the
    /// transaction it hears nothing, and the interval counts.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
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

    /// Begins to look at the journal: what is seen is of one moment, and no day is dropped until the look ends.
    async fn look(&self) -> Result<(Transaction<'static, Postgres>, Option<Progress>), sqlx_core::Error> {
        let mut snapshot = self.pool.begin_with(SNAPSHOT).await?;
        let progress = Progress::hold(&mut snapshot).await?;
        Ok((snapshot, progress))
    }

    /// Listens for what the writer commits from now on.
    fn listen(&self) -> Listener {
        self.wake.listen(&self.pool)
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
            let query = JournalQuery::all().event_id(event_id);
            let select = Select::of_any_type(&query);
            let newest = self.unless_closed(select.last(self, 0..=i64::MAX, 1)).await?.pop();
            Ok(newest)
        })
    }

    fn floor(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        Box::pin(self.edge("SELECT min(first_offset) FROM bloodbank_journal_day"))
    }

    fn tip(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        Box::pin(self.edge("SELECT (SELECT next_offset - 1 FROM bloodbank_journal_progress WHERE EXISTS (SELECT FROM bloodbank_journal_day))"))
    }

    fn complete_from(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        Box::pin(self.edge(
            "SELECT CASE WHEN min(first_offset) IS NOT NULL THEN \
             greatest(min(first_offset), (SELECT max(last_offset) + 1 FROM bloodbank_journal_lost)) END FROM bloodbank_journal_day",
        ))
    }
}
