//! Links, leases, parked keys and claims in a database: the store contracts of Bloodbank, for a team that needs no Redis.

mod claims;
mod leases;
mod links;
mod parked_keys;

use std::{fmt, sync::Arc, time::Duration};

use bloodbank_core::Result;
use sqlx_core::pool::Pool;
use tokio::sync::{Mutex, MutexGuard};

pub use claims::SqlClaims;
pub use leases::SqlLeases;
pub use links::SqlLinks;
pub use parked_keys::SqlParkedKeys;

use crate::{
    database::{Database, Dialect, Row, Value},
    error::storage,
};

/// One of so many writes also deletes what has expired.
const SWEEP: u32 = 256;

/// The tables of a store, by way of a pool.
struct Tables<DB: Database> {
    pool: Pool<DB>,
    /// The writer of the moment, where the database has one at a time: those who wait here are served in turn, while those
    /// who wait in SQLite try again by chance and give up after some seconds.
    writer: Arc<Mutex<()>>,
}

impl<DB: Database> Tables<DB> {
    fn new(pool: Pool<DB>) -> Self {
        Self { pool, writer: Arc::default() }
    }

    /// Waits for its turn to write; there are no turns where the database lets many write.
    async fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        match DB::DIALECT {
            Dialect::Sqlite => Some(self.writer.lock().await),
            Dialect::Postgres => None,
        }
    }

    fn describe(&self) -> String {
        DB::DIALECT.to_string()
    }

    async fn fetch(&self, wanted: &str, template: &str, values: Vec<Value>) -> Result<Vec<Row>> {
        let read = async {
            let mut connection = self.pool.acquire().await?;
            DB::fetch(&mut connection, &DB::DIALECT.write(template), values).await
        };
        read.await.map_err(storage(wanted))
    }

    async fn execute(&self, wanted: &str, template: &str, values: Vec<Value>) -> Result<u64> {
        let written = async {
            let _turn = self.turn().await;
            let mut connection = self.pool.acquire().await?;
            DB::execute(&mut connection, &DB::DIALECT.write(template), values).await
        };
        written.await.map_err(storage(wanted))
    }

    /// Deletes what has expired, now and then.
    async fn sweep(&self, tables: &[&str]) {
        if fastrand::u32(..SWEEP) > 0 {
            return;
        }
        for table in tables {
            // The next time will do.
            let _ = self
                .execute("sweep", &format!("DELETE FROM bloodbank_{table} WHERE expires_at <= {{now}}"), Vec::new())
                .await;
        }
    }
}

impl<DB: Database> fmt::Debug for Tables<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tables({})", DB::DIALECT)
    }
}

impl<DB: Database> Clone for Tables<DB> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), writer: Arc::clone(&self.writer) }
    }
}

/// A time to live in milliseconds, at most a century: later times are beyond what a database can add.
fn millis(lasting: Duration) -> Value {
    const CENTURY: i64 = 100 * 366 * 24 * 60 * 60 * 1000;
    crate::outbox::millis(lasting).min(CENTURY).into()
}
