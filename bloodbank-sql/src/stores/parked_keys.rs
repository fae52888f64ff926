//! A store of parked keys in a database.

use bloodbank_core::{
    Error, ErrorKind, Result,
    store::{ParkedEvent, ParkedKey, ParkedKeys, Place},
};
use futures_util::future::BoxFuture;
use sqlx_core::pool::Pool;

use super::Tables;
use crate::database::{Database, Row, Value};

/// A store of parked keys in a database. Every clock is the database's.
#[derive(Debug, Clone)]
pub struct SqlParkedKeys<DB: Database>(Tables<DB>);

// A row with `handled_at` is the event of its key that was handled last, while others of the key are parked. Each call is one
// statement that counts, and others that may be done again: a line that is changed in between is seen as it is then.
const JOIN: &str = "INSERT INTO bloodbank_parked (queue, key, event_id) SELECT $1, $2, $3 WHERE EXISTS \
     (SELECT 1 FROM bloodbank_parked WHERE queue = $1 AND key = $2 AND handled_at IS NULL) \
     ON CONFLICT (queue, key, event_id) DO NOTHING";
/// The row of the event, and the first of the line.
const LOOK: &str = "SELECT event_id, CASE WHEN handled_at IS NULL THEN CAST(0 AS bigint) ELSE 1 END, place FROM bloodbank_parked \
     WHERE queue = $1 AND key = $2 AND (event_id = $3 OR place = (SELECT min(place) FROM bloodbank_parked \
     WHERE queue = $1 AND key = $2 AND handled_at IS NULL)) ORDER BY place";
const PARK: &str = "INSERT INTO bloodbank_parked (queue, key, event_id) VALUES ($1, $2, $3) \
     ON CONFLICT (queue, key, event_id) DO UPDATE SET handled_at = NULL";
const LEAVE: &str = "UPDATE bloodbank_parked SET handled_at = {now} \
     WHERE queue = $1 AND key = $2 AND event_id = $3 AND handled_at IS NULL";
/// Forgets who was handled before this one, or in a line that is empty.
const FORGET: &str = "DELETE FROM bloodbank_parked WHERE queue = $1 AND key = $2 AND handled_at IS NOT NULL \
     AND (NOT EXISTS (SELECT 1 FROM bloodbank_parked AS other \
     WHERE other.queue = $1 AND other.key = $2 AND other.handled_at IS NULL) \
     OR (event_id <> $3 AND EXISTS (SELECT 1 FROM bloodbank_parked AS other \
     WHERE other.queue = $1 AND other.key = $2 AND other.event_id = $3 AND other.handled_at IS NOT NULL)))";
const REMOVE: &str = "DELETE FROM bloodbank_parked WHERE queue = $1 AND key = $2 AND event_id = $3";
const RELEASE: &str = "DELETE FROM bloodbank_parked WHERE queue = $1 AND key = $2 AND handled_at IS NULL";
const FORGET_ALL: &str = "DELETE FROM bloodbank_parked WHERE queue = $1 AND key = $2";
const LIST: &str = "SELECT head.key, head.event_id, {ms:head.parked_at}, lines.events FROM bloodbank_parked AS head JOIN \
     (SELECT min(place) AS place, count(*) AS events FROM bloodbank_parked \
     WHERE queue = $1 AND handled_at IS NULL GROUP BY key) AS lines ON head.place = lines.place";

impl<DB: Database> SqlParkedKeys<DB> {
    /// Creates a store in this database, which has the tables of Bloodbank.
    #[must_use]
    pub fn new(pool: Pool<DB>) -> Self {
        Self(Tables::new(pool))
    }

    async fn change(&self, statement: &str, event: &ParkedEvent) -> Result<u64> {
        self.0.execute("keep a parked key", statement, values(event)).await
    }
}

fn values(event: &ParkedEvent) -> Vec<Value> {
    vec![Value::from(&*event.queue), Value::from(&*event.key), event.event_id.into()]
}

fn position(rows: &[Row], event: &ParkedEvent) -> u64 {
    let row = rows.iter().find(|row| row.uuid(0) == event.event_id);
    row.map_or(0, |row| row.integer(2).unsigned_abs())
}

impl<DB: Database> ParkedKeys for SqlParkedKeys<DB> {
    fn describe(&self) -> String {
        self.0.describe()
    }

    fn join<'a>(&'a self, event: &'a ParkedEvent) -> BoxFuture<'a, Result<Place>> {
        Box::pin(async move {
            let wanted = "read a parked key";
            // Most keys have no line, and nothing is written then.
            let mut rows = self.0.fetch(wanted, LOOK, values(event)).await?;
            let is_known = |rows: &[Row]| rows.iter().any(|row| row.uuid(0) == event.event_id);
            if !rows.is_empty() && !is_known(&rows) {
                self.change(JOIN, event).await?;
                rows = self.0.fetch(wanted, LOOK, values(event)).await?;
            }
            let Some(first) = rows.iter().find(|row| row.integer(1) == 0) else { return Ok(Place::Free) };
            let was_handled = rows.iter().any(|row| row.uuid(0) == event.event_id && row.integer(1) == 1);
            let first = first.uuid(0);
            if first == event.event_id || was_handled {
                return Ok(Place::First);
            }
            Ok(Place::Behind { first, position: position(&rows, event) })
        })
    }

    fn park<'a>(&'a self, event: &'a ParkedEvent) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move {
            self.change(PARK, event).await?;
            Ok(position(&self.0.fetch("read a parked key", LOOK, values(event)).await?, event))
        })
    }

    fn leave<'a>(&'a self, event: &'a ParkedEvent) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.change(LEAVE, event).await?;
            self.change(FORGET, event).await.map(drop)
        })
    }

    fn remove<'a>(&'a self, event: &'a ParkedEvent) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.change(REMOVE, event).await?;
            self.change(FORGET, event).await.map(drop)
        })
    }

    fn release<'a>(&'a self, queue: &'a str, key: &'a str) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move {
            let values = || vec![Value::from(queue), Value::from(key)];
            let released = self.0.execute("release a parked key", RELEASE, values()).await?;
            self.0.execute("release a parked key", FORGET_ALL, values()).await?;
            Ok(released)
        })
    }

    fn list<'a>(&'a self, queue: &'a str) -> BoxFuture<'a, Result<Vec<ParkedKey>>> {
        Box::pin(async move {
            let rows = self.0.fetch("list parked keys", LIST, vec![Value::from(queue)]).await?;
            let mut listed = Vec::with_capacity(rows.len());
            for row in rows {
                let since = chrono::DateTime::from_timestamp_millis(row.integer(2)).ok_or_else(|| {
                    Error::new(
                        ErrorKind::Storage,
                        format!("{} has a parked key with an impossible time", self.0.describe()),
                    )
                })?;
                let events = u64::try_from(row.integer(3)).unwrap_or_default();
                listed.push(ParkedKey { key: row.text(0), events, first: row.uuid(1), since });
            }
            // Databases order texts by their own rules.
            listed.sort_unstable_by(|one, other| one.key.cmp(&other.key));
            Ok(listed)
        })
    }
}
