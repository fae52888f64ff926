//! A lease store in a database.

use std::time::Duration;

use bloodbank_core::{
    Result,
    store::{Acquired, LeaseKey, LeaseStore},
};
use futures_util::future::BoxFuture;
use sqlx_core::pool::Pool;
use uuid::Uuid;

use super::{Tables, millis};
use crate::database::{Database, Value};

/// A lease store in a database. Every clock is the database's.
#[derive(Debug, Clone)]
pub struct SqlLeases<DB: Database>(Tables<DB>);

// A row without a token is a mark: the event was handled.
const ACQUIRE: &str = "INSERT INTO bloodbank_lease (queue, event_id, token, expires_at) VALUES ($1, $2, $3, {later:$4}) \
     ON CONFLICT (queue, event_id) DO UPDATE SET token = excluded.token, expires_at = excluded.expires_at \
     WHERE bloodbank_lease.expires_at <= {now} OR bloodbank_lease.token = excluded.token";
const IS_DONE: &str = "SELECT CASE WHEN token IS NULL THEN CAST(1 AS bigint) ELSE 0 END FROM bloodbank_lease \
     WHERE queue = $1 AND event_id = $2 AND expires_at > {now}";
const RENEW: &str = "UPDATE bloodbank_lease SET expires_at = {later:$4} \
     WHERE queue = $1 AND event_id = $2 AND token = $3 AND expires_at > {now}";
const FINISH: &str = "INSERT INTO bloodbank_lease (queue, event_id, token, expires_at) VALUES ($1, $2, NULL, {later:$4}) \
     ON CONFLICT (queue, event_id) DO UPDATE SET token = NULL, expires_at = excluded.expires_at \
     WHERE bloodbank_lease.token = $3 OR bloodbank_lease.token IS NULL OR bloodbank_lease.expires_at <= {now}";
const RELEASE: &str = "DELETE FROM bloodbank_lease WHERE queue = $1 AND event_id = $2 AND token = $3";

impl<DB: Database> SqlLeases<DB> {
    /// Creates a store in this database, which has the tables of Bloodbank.
    #[must_use]
    pub fn new(pool: Pool<DB>) -> Self {
        Self(Tables::new(pool))
    }

    async fn change(&self, statement: &str, key: &LeaseKey, token: Uuid, lasting: Option<Duration>) -> Result<bool> {
        let mut values = vec![Value::from(&*key.queue), key.event_id.into(), token.into()];
        values.extend(lasting.map(millis));
        Ok(self.0.execute("keep a lease", statement, values).await? > 0)
    }
}

impl<DB: Database> LeaseStore for SqlLeases<DB> {
    fn describe(&self) -> String {
        self.0.describe()
    }

    fn acquire<'a>(&'a self, key: &'a LeaseKey, token: Uuid, lease: Duration) -> BoxFuture<'a, Result<Acquired>> {
        Box::pin(async move {
            self.0.sweep(&["lease"]).await;
            if self.change(ACQUIRE, key, token, Some(lease)).await? {
                return Ok(Acquired::Leased);
            }
            let values = vec![Value::from(&*key.queue), key.event_id.into()];
            let rows = self.0.fetch("read a lease", IS_DONE, values).await?;
            Ok(if rows.first().is_some_and(|row| row.integer(0) == 1) { Acquired::Done } else { Acquired::Busy })
        })
    }

    fn renew<'a>(&'a self, key: &'a LeaseKey, token: Uuid, lease: Duration) -> BoxFuture<'a, Result<bool>> {
        Box::pin(self.change(RENEW, key, token, Some(lease)))
    }

    fn finish<'a>(&'a self, key: &'a LeaseKey, token: Uuid, within: Duration) -> BoxFuture<'a, Result<bool>> {
        Box::pin(self.change(FINISH, key, token, Some(within)))
    }

    fn release<'a>(&'a self, key: &'a LeaseKey, token: Uuid) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.change(RELEASE, key, token, None).await.map(drop) })
    }
}
