//! Leases in the file of the bus: written in the transactions of its log, so that a lease is kept before the
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
    changes::{LeaseChange, LeaseOperation, Record},
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
    pub(super) fn change_lease(&self, change: &LeaseChange) -> rusqlite::Result<()> {
        let LeaseChange { operation, key, token, lasting, outcome, .. } = change;
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
        let acquired = match (operation, held) {
            (LeaseOperation::Acquire, Some(None)) => Acquired::Done,
            (LeaseOperation::Renew, _) if !is_ours => Acquired::Busy,
            (LeaseOperation::Acquire | LeaseOperation::Finish, Some(Some(_))) if !is_ours => Acquired::Busy,
            (LeaseOperation::Release, _) => {
                if is_ours {
                    self.connection
                        .prepare_cached("DELETE FROM dedupe WHERE queue = ?1 AND event = ?2")?
                        .execute(params![queue, event])?;
                }
                Acquired::Leased
            }
            (LeaseOperation::Acquire | LeaseOperation::Renew, _) => {
                set(Some(token))?;
                Acquired::Leased
            }
            (LeaseOperation::Finish, _) => {
                set(None)?;
                Acquired::Leased
            }
        };
        outcome.set(acquired);
        Ok(())
    }

    /// Deletes leases whose time is over.
    pub(super) fn prune_leases(&self) -> rusqlite::Result<()> {
        self.connection.prepare_cached("DELETE FROM dedupe WHERE until <= ?1")?.execute([now()])?;
        Ok(())
    }
}

/// Leases, and which events were handled, in the file of the bus.
pub(crate) struct FileLeases {
    engine: Arc<Engine>,
    path: PathBuf,
}

impl FileLeases {
    pub(crate) fn new(engine: &Arc<Engine>, path: &Path) -> Self {
        Self { engine: Arc::clone(engine), path: path.to_owned() }
    }

    async fn change(
        &self,
        operation: LeaseOperation,
        key: &LeaseKey,
        token: Uuid,
        lasting: Duration,
    ) -> Result<Acquired> {
        let (answer, marked) = oneshot::channel();
        let change =
            LeaseChange { operation, key: key.clone(), token, lasting, outcome: Acquired::Busy.into(), answer };
        self.engine.lock().changes.append(|| Record::Leased(change));
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
        Box::pin(self.change(LeaseOperation::Acquire, key, token, lease))
    }

    fn renew<'a>(&'a self, key: &'a LeaseKey, token: Uuid, lease: Duration) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move { Ok(self.change(LeaseOperation::Renew, key, token, lease).await? == Acquired::Leased) })
    }

    fn finish<'a>(&'a self, key: &'a LeaseKey, token: Uuid, within: Duration) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move { Ok(self.change(LeaseOperation::Finish, key, token, within).await? == Acquired::Leased) })
    }

    fn release<'a>(&'a self, key: &'a LeaseKey, token: Uuid) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.change(LeaseOperation::Release, key, token, Duration::ZERO).await.map(drop) })
    }
}
