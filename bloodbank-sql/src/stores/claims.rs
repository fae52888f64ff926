//! A claim store in a database.

use std::time::Duration;

use bloodbank_core::{
    Result,
    settings::ClaimStoreKind,
    store::{ClaimStore, Lookup},
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use sqlx_core::pool::Pool;

use super::{Tables, millis};
use crate::database::{Database, Value};

/// A claim store in a database.
#[derive(Debug, Clone)]
pub struct SqlClaims<DB: Database>(Tables<DB>);

const PUT: &str = "INSERT INTO bloodbank_claim (key, payload, expires_at) VALUES ($1, $2, {later:$3}) \
     ON CONFLICT (key) DO UPDATE SET payload = excluded.payload, expires_at = excluded.expires_at";
// What has expired or is too large is not read.
const GET: &str = "SELECT CASE WHEN expires_at <= {now} THEN 'expired' WHEN length(payload) > $2 THEN 'large' ELSE 'there' END, \
     CASE WHEN expires_at > {now} AND length(payload) <= $2 THEN payload END FROM bloodbank_claim WHERE key = $1";

impl<DB: Database> SqlClaims<DB> {
    /// Creates a store in this database, which has the tables of Bloodbank.
    #[must_use]
    pub fn new(pool: Pool<DB>) -> Self {
        Self(Tables::new(pool))
    }
}

impl<DB: Database> ClaimStore for SqlClaims<DB> {
    fn kind(&self) -> ClaimStoreKind {
        ClaimStoreKind::Sql
    }

    fn put<'a>(&'a self, key: &'a str, payload: Bytes, ttl: Duration) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.0.sweep(&["claim"]).await;
            let values = vec![bytes(key), Value::Bytes(payload.into()), millis(ttl)];
            self.0.execute("keep a payload", PUT, values).await.map(drop)
        })
    }

    fn get<'a>(&'a self, key: &'a str, limit: usize) -> BoxFuture<'a, Result<Lookup>> {
        Box::pin(async move {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = self.0.fetch("read a payload", GET, vec![bytes(key), limit.into()]).await?;
            Ok(match rows.first().map(|row| (row.text(0), row)) {
                None => Lookup::Nothing,
                Some((state, _)) if state == "expired" => Lookup::Expired,
                Some((state, _)) if state == "large" => Lookup::TooLarge,
                Some((_, row)) => Lookup::Payload(row.bytes(1).into()),
            })
        })
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let statement = "DELETE FROM bloodbank_claim WHERE key = $1";
            self.0.execute("remove a payload", statement, vec![bytes(key)]).await.map(drop)
        })
    }
}

/// Keys come from events, and a text of PostgreSQL holds no NUL.
fn bytes(key: &str) -> Value {
    Value::Bytes(key.as_bytes().to_vec())
}
