//! What was handled, in the file of the bus: written in the transactions of its log, so that a mark is kept before the
//! acknowledgement that follows it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use rusqlite::{OptionalExtension, params};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::sqlite::tables::{Tables, millis, now};
use crate::{
    changes::{Mark, Marking, Record},
    engine::Engine,
};
use bloodbank_core::{
    Error, ErrorKind, Result,
    store::{Acquired, LeaseKey, LeaseStore},
};

// Without a token: done.
pub(super) const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS dedupe (
        queue TEXT NOT NULL, event BLOB NOT NULL, token BLOB, until INTEGER NOT NULL,
        PRIMARY KEY (queue, event)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS dedupe_by_end ON dedupe (until);
";

impl Tables {
    pub(super) fn mark(&self, mark: &Mark) -> rusqlite::Result<()> {
        let Mark { marking, key, token, lasting, outcome, .. } = mark;
        let now = now();
        let (queue, event, token, until) =
            (&*key.queue, key.event_id.as_bytes(), token.as_bytes(), now.saturating_add(millis(*lasting)));
        let held: Option<Option<[u8; 16]>> = self
            .connection
            .prepare_cached("SELECT token FROM dedupe WHERE queue = ?1 AND event = ?2 AND until > ?3")?
            .query_row(params![queue, event, now], |row| row.get(0))
            .optional()?;
        let set = |token: Option<&[u8; 16]>| {
            self.connection
                .prepare_cached("INSERT OR REPLACE INTO dedupe VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![queue, event, token, until])
        };
        let is_ours = held.is_some_and(|holder| holder.as_ref() == Some(token));
        let acquired = match (marking, held) {
            (Marking::Acquire, Some(None)) => Acquired::Done,
            (Marking::Renew, _) if !is_ours => Acquired::Busy,
            (Marking::Acquire | Marking::Finish, Some(Some(_))) if !is_ours => Acquired::Busy,
            (Marking::Release, _) => {
                if is_ours {
                    self.connection
                        .prepare_cached("DELETE FROM dedupe WHERE queue = ?1 AND event = ?2")?
                        .execute(params![queue, event])?;
                }
                Acquired::Leased
            }
            (Marking::Acquire | Marking::Renew, _) => {
                set(Some(token))?;
                Acquired::Leased
            }
            (Marking::Finish, _) => {
                set(None)?;
                Acquired::Leased
            }
        };
        outcome.set(acquired);
        Ok(())
    }

    /// Forgets what is over.
    pub(super) fn prune_marks(&self) -> rusqlite::Result<()> {
        self.connection.prepare_cached("DELETE FROM dedupe WHERE until <= ?1")?.execute([now()])?;
        Ok(())
    }
}

/// What was handled, in the file of the bus.
pub(crate) struct FileLeases {
    engine: Arc<Engine>,
    path: PathBuf,
}

impl FileLeases {
    pub(crate) fn new(engine: &Arc<Engine>, path: &Path) -> Self {
        Self { engine: Arc::clone(engine), path: path.to_owned() }
    }

    async fn mark(&self, marking: Marking, key: &LeaseKey, token: Uuid, lasting: Duration) -> Result<Acquired> {
        let (answer, marked) = oneshot::channel();
        let mark = Mark { marking, key: key.clone(), token, lasting, outcome: Acquired::Busy.into(), answer };
        self.engine.lock().changes.append(|| Record::Marked(mark));
        marked.await.unwrap_or_else(|_| {
            Err(Error::new(
                ErrorKind::Closed,
                "the embedded bus is closed, and what it knows about duplicates with it; make a new one",
            ))
        })
    }
}

impl LeaseStore for FileLeases {
    fn describe(&self) -> String {
        format!("the embedded bus {}", self.path.display())
    }

    fn acquire<'a>(&'a self, key: &'a LeaseKey, token: Uuid, lease: Duration) -> BoxFuture<'a, Result<Acquired>> {
        Box::pin(self.mark(Marking::Acquire, key, token, lease))
    }

    fn renew<'a>(&'a self, key: &'a LeaseKey, token: Uuid, lease: Duration) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move { Ok(self.mark(Marking::Renew, key, token, lease).await? == Acquired::Leased) })
    }

    fn finish<'a>(&'a self, key: &'a LeaseKey, token: Uuid, within: Duration) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move { Ok(self.mark(Marking::Finish, key, token, within).await? == Acquired::Leased) })
    }

    fn release<'a>(&'a self, key: &'a LeaseKey, token: Uuid) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.mark(Marking::Release, key, token, Duration::ZERO).await.map(drop) })
    }
}
