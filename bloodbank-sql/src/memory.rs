//! A database in memory, for unit tests.

use bloodbank_core::Result;
use sqlx_core::pool::{Pool, PoolOptions};
use sqlx_sqlite::Sqlite;

use crate::{error::storage, schema::Schema};

/// Creates an SQLite database in memory with the tables of Bloodbank, for unit tests of transactional subscribers: no server
/// and no file.
///
/// It has one connection, so that all see the same database: a test that holds it waits for nobody else.
///
/// # Errors
/// [`ErrorKind::Storage`](bloodbank_core::ErrorKind::Storage) when SQLite cannot be opened.
pub async fn sqlite_in_memory() -> Result<Pool<Sqlite>> {
    // The database ends with its connection, which therefore stays.
    let options = PoolOptions::<Sqlite>::new().max_connections(1).idle_timeout(None).max_lifetime(None);
    let pool = options.connect("sqlite::memory:").await.map_err(storage("be created in memory"))?;
    Schema::migrate(&pool).await?;
    Ok(pool)
}
