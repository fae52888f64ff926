//! The outbox as a table: listing, retrying and discarding of rows.

use std::{fmt, time::Duration};

use bloodbank_core::{Error, ErrorKind, Result, publish::Prepared};
use sqlx_core::pool::Pool;
use uuid::Uuid;

use super::claim::list;
use crate::{
    database::{Database, Row, Value},
    error::storage,
};

/// The outbox as a table: what waits, what is parked, and what to do about it.
pub struct OutboxTable<DB: Database> {
    pool: Pool<DB>,
}

/// A row of the outbox, without its message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutboxEntry {
    /// The number of the row.
    pub id: i64,
    /// The id of the event.
    pub event_id: Uuid,
    /// The routing key of the event.
    pub event_type: String,
    /// The value whose events are published one after the other.
    pub order_key: Option<String>,
    /// The time since the row was written.
    pub age: Duration,
    /// The number of failed attempts that are counted: the broker being away is not.
    pub attempts: i64,
    /// The last error.
    pub error: Option<String>,
    /// Whether the row is parked: it cannot be published, and waits for a person.
    pub is_parked: bool,
}

/// The rows that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Backlog {
    /// The number of rows that wait to be published.
    pub waiting: u64,
    /// The age of the oldest of them.
    pub oldest: Option<Duration>,
    /// The number of rows that are parked.
    pub parked: u64,
}

const COLUMNS: &str = "id, event_id, event_type, order_key, {now ms} - {ms:created_at}, attempts, last_error, \
                       CASE WHEN parked_at IS NULL THEN CAST(0 AS bigint) ELSE 1 END";

impl<DB: Database> OutboxTable<DB> {
    /// The outbox in this database.
    #[must_use]
    pub fn new(pool: Pool<DB>) -> Self {
        Self { pool }
    }

    /// The oldest rows; `parked`: only those that are parked.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`].
    pub async fn list(&self, parked: bool, most: u32) -> Result<Vec<OutboxEntry>> {
        let which = if parked { "WHERE parked_at IS NOT NULL" } else { "" };
        let template = format!("SELECT {COLUMNS} FROM bloodbank_outbox {which} ORDER BY id LIMIT $1");
        let rows = self.fetch(&template, vec![i64::from(most).into()]).await?;
        Ok(rows.iter().map(entry).collect())
    }

    /// A row with its event.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`]; also when there is no such row.
    pub async fn show(&self, id: i64) -> Result<(OutboxEntry, Result<Prepared, String>)> {
        let template = format!("SELECT {COLUMNS}, message FROM bloodbank_outbox WHERE id = $1");
        let rows = self.fetch(&template, vec![id.into()]).await?;
        let row = rows.first().ok_or_else(|| {
            let text = format!(
                "the outbox has no row {id}; it may be published by now, and `bb outbox list` shows the others"
            );
            Error::new(ErrorKind::Storage, text)
        })?;
        Ok((entry(row), serde_json::from_str(&row.text(8)).map_err(|error| error.to_string())))
    }

    /// The rows that wait.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`].
    pub async fn backlog(&self) -> Result<Backlog> {
        let template = "SELECT count(CASE WHEN parked_at IS NULL THEN 1 END), \
                        {now ms} - {ms:min(CASE WHEN parked_at IS NULL THEN created_at END)}, \
                        count(parked_at) FROM bloodbank_outbox";
        let rows = self.fetch(template, Vec::new()).await?;
        let Some(row) = rows.first() else { return Ok(Backlog::default()) };
        let count = |column| u64::try_from(row.integer(column)).unwrap_or_default();
        Ok(Backlog { waiting: count(0), oldest: row.optional_integer(1).map(duration), parked: count(2) })
    }

    /// Lets parked rows be tried again, and rows that wait be tried at once; returns how many there were. An empty list: all.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`].
    pub async fn retry(&self, ids: &[i64]) -> Result<u64> {
        let template = format!(
            "UPDATE bloodbank_outbox SET parked_at = NULL, due_at = {{now}}, attempts = 0 WHERE claim IS NULL{}",
            chosen(ids)
        );
        self.execute(&template, ids).await
    }

    /// Deletes rows: their events are never published. An empty list: all that are parked.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`].
    pub async fn discard(&self, ids: &[i64]) -> Result<u64> {
        let which = if ids.is_empty() { " AND parked_at IS NOT NULL" } else { chosen(ids) };
        self.execute(&format!("DELETE FROM bloodbank_outbox WHERE claim IS NULL{which}"), ids).await
    }

    async fn fetch(&self, template: &str, values: Vec<Value>) -> Result<Vec<Row>> {
        let read = async {
            let mut connection = self.pool.acquire().await?;
            DB::fetch(&mut connection, &DB::DIALECT.write(template), values).await
        };
        read.await.map_err(storage("read the outbox"))
    }

    async fn execute(&self, template: &str, ids: &[i64]) -> Result<u64> {
        let values = if ids.is_empty() { Vec::new() } else { vec![list(ids)] };
        let written = async {
            let mut connection = self.pool.acquire().await?;
            DB::execute(&mut connection, &DB::DIALECT.write(template), values).await
        };
        written.await.map_err(storage("change the outbox"))
    }
}

fn chosen(ids: &[i64]) -> &'static str {
    if ids.is_empty() { "" } else { " AND id IN {list:$1}" }
}

fn entry(row: &Row) -> OutboxEntry {
    OutboxEntry {
        id: row.integer(0),
        event_id: row.uuid(1),
        event_type: row.text(2),
        order_key: row.optional_text(3),
        age: duration(row.integer(4)),
        attempts: row.integer(5),
        error: row.optional_text(6),
        is_parked: row.integer(7) != 0,
    }
}

fn duration(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or_default())
}

impl<DB: Database> fmt::Debug for OutboxTable<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboxTable").field("database", &DB::DIALECT).finish_non_exhaustive()
    }
}
