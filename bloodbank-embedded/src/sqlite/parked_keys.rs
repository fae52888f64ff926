//! Parked keys in the file of the bus: written in the transactions of its log, so that a line is kept before the
//! acknowledgement that follows it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::DateTime;
use futures_util::future::BoxFuture;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::sqlite::{
    failure,
    tables::{Tables, now},
};
use crate::{
    changes::{LineChange, LineOperation, LineOutcome, Record},
    engine::Engine,
};
use bloodbank_core::{
    Error, ErrorKind, Result,
    store::{ParkedEvent, ParkedKey, ParkedKeys, Place},
};

// `handled`: the event of its key that was handled last, while others of the key are parked.
pub(super) const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS parked (
        position INTEGER PRIMARY KEY, queue TEXT NOT NULL, key TEXT NOT NULL, event BLOB NOT NULL,
        since INTEGER NOT NULL, handled INTEGER NOT NULL DEFAULT 0,
        UNIQUE (queue, key, event)
    );
    CREATE INDEX IF NOT EXISTS parked_line ON parked (queue, key, position) WHERE NOT handled;
";

impl Tables {
    pub(super) fn change_line(&self, change: &LineChange) -> rusqlite::Result<()> {
        let ParkedEvent { queue, key, event_id } = &change.event;
        let (queue, key, event) = (&**queue, &**key, event_id.as_bytes());
        let mut outcome = LineOutcome { place: Place::Free, number: 0 };
        match change.operation {
            LineOperation::Join => outcome.place = self.join_line(&change.event)?,
            LineOperation::Park => outcome.number = self.add_to_line(&change.event)?,
            LineOperation::Leave => {
                let left = self
                    .connection
                    .prepare_cached("UPDATE parked SET handled = 1 WHERE queue = ?1 AND key = ?2 AND event = ?3")?
                    .execute(params![queue, key, event])?;
                if left > 0 {
                    self.connection
                        .prepare_cached("DELETE FROM parked WHERE queue = ?1 AND key = ?2 AND event <> ?3 AND handled")?
                        .execute(params![queue, key, event])?;
                }
            }
            LineOperation::Remove => {
                self.connection
                    .prepare_cached("DELETE FROM parked WHERE queue = ?1 AND key = ?2 AND event = ?3")?
                    .execute(params![queue, key, event])?;
            }
            LineOperation::Release => {
                let released = self
                    .connection
                    .prepare_cached("DELETE FROM parked WHERE queue = ?1 AND key = ?2 AND NOT handled")?
                    .execute(params![queue, key])?;
                outcome.number = released as u64;
            }
        }
        if self.first_of_line(queue, key)?.is_none() {
            self.connection
                .prepare_cached("DELETE FROM parked WHERE queue = ?1 AND key = ?2")?
                .execute(params![queue, key])?;
        }
        change.outcome.set(Some(outcome));
        Ok(())
    }

    fn join_line(&self, event: &ParkedEvent) -> rusqlite::Result<Place> {
        let Some(first) = self.first_of_line(&event.queue, &event.key)? else { return Ok(Place::Free) };
        let was_handled: Option<bool> = self
            .connection
            .prepare_cached("SELECT handled FROM parked WHERE queue = ?1 AND key = ?2 AND event = ?3")?
            .query_row(params![&*event.queue, &*event.key, event.event_id.as_bytes()], |row| row.get(0))
            .optional()?;
        if first == event.event_id || was_handled == Some(true) {
            return Ok(Place::First);
        }
        Ok(Place::Behind { first, position: self.add_to_line(event)? })
    }

    fn add_to_line(&self, event: &ParkedEvent) -> rusqlite::Result<u64> {
        let position: i64 = self
            .connection
            .prepare_cached(
                "INSERT INTO parked (queue, key, event, since) VALUES (?1, ?2, ?3, ?4)
                ON CONFLICT (queue, key, event) DO UPDATE SET handled = 0 RETURNING position",
            )?
            .query_row(params![&*event.queue, &*event.key, event.event_id.as_bytes(), now()], |row| row.get(0))?;
        Ok(position.unsigned_abs())
    }

    fn first_of_line(&self, queue: &str, key: &str) -> rusqlite::Result<Option<Uuid>> {
        self.connection
            .prepare_cached(
                "SELECT event FROM parked WHERE queue = ?1 AND key = ?2 AND NOT handled ORDER BY position LIMIT 1",
            )?
            .query_row(params![queue, key], |row| row.get(0).map(Uuid::from_bytes))
            .optional()
    }
}

fn list(connection: &Connection, queue: &str) -> rusqlite::Result<Vec<ParkedKey>> {
    let mut statement = connection.prepare_cached(
        "SELECT head.key, lines.events, head.event, head.since FROM parked AS head JOIN
        (SELECT min(position) AS position, count(*) AS events FROM parked WHERE queue = ?1 AND NOT handled GROUP BY key)
        AS lines ON head.position = lines.position ORDER BY head.key",
    )?;
    let keys = statement.query_map([queue], |row| {
        Ok(ParkedKey {
            key: row.get(0)?,
            events: row.get::<_, i64>(1)?.unsigned_abs(),
            first: row.get(2).map(Uuid::from_bytes)?,
            since: DateTime::from_timestamp_millis(row.get(3)?).unwrap_or_default(),
        })
    })?;
    keys.collect()
}

/// Parked keys in the file of the bus.
pub(crate) struct FileParkedKeys {
    engine: Arc<Engine>,
    path: PathBuf,
}

impl FileParkedKeys {
    pub(crate) fn new(engine: &Arc<Engine>, path: &Path) -> Self {
        Self { engine: Arc::clone(engine), path: path.to_owned() }
    }

    async fn change(&self, operation: LineOperation, event: ParkedEvent) -> Result<LineOutcome> {
        let (answer, changed) = oneshot::channel();
        let change = LineChange { operation, event, outcome: None.into(), answer };
        self.engine.lock().changes.append(|| Record::Parked(change));
        changed.await.unwrap_or_else(|_| Err(closed()))
    }
}

fn closed() -> Error {
    Error::new(
        ErrorKind::Closed,
        "the embedded bus is closed, and what it knows about parked keys with it; make a new one",
    )
}

impl ParkedKeys for FileParkedKeys {
    fn describe(&self) -> String {
        format!("the embedded bus {}", self.path.display())
    }

    fn join<'a>(&'a self, event: &'a ParkedEvent) -> BoxFuture<'a, Result<Place>> {
        Box::pin(async move { Ok(self.change(LineOperation::Join, event.clone()).await?.place) })
    }

    fn park<'a>(&'a self, event: &'a ParkedEvent) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move { Ok(self.change(LineOperation::Park, event.clone()).await?.number) })
    }

    fn leave<'a>(&'a self, event: &'a ParkedEvent) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.change(LineOperation::Leave, event.clone()).await.map(drop) })
    }

    fn remove<'a>(&'a self, event: &'a ParkedEvent) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.change(LineOperation::Remove, event.clone()).await.map(drop) })
    }

    fn release<'a>(&'a self, queue: &'a str, key: &'a str) -> BoxFuture<'a, Result<u64>> {
        let event = ParkedEvent { queue: queue.into(), key: key.into(), event_id: Uuid::nil() };
        Box::pin(async move { Ok(self.change(LineOperation::Release, event).await?.number) })
    }

    fn list<'a>(&'a self, queue: &'a str) -> BoxFuture<'a, Result<Vec<ParkedKey>>> {
        let queue = queue.to_owned();
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            let ask = Box::new(move |connection: &Connection| drop(reply.send(list(connection, &queue))));
            self.engine.lock().changes.append(|| Record::Queried(ask));
            match answer.await {
                Ok(listed) => listed.map_err(|error| failure(&self.path, "cannot be read", &error)),
                Err(_) => Err(closed()),
            }
        })
    }
}
