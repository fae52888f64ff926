//! The databases: one small interface over the drivers of `sqlx`, so that every statement is written once.

mod dialect;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
mod value;

use futures_util::future::BoxFuture;
use sqlx_core::{
    pool::{Pool, PoolConnection},
    transaction::Transaction,
};

pub use dialect::Dialect;
#[cfg(feature = "postgres")]
pub(crate) use postgres::listen;
pub(crate) use value::Row;
pub use value::Value;

type Executed<'a, T> = BoxFuture<'a, Result<T, sqlx_core::Error>>;

/// Called for each notification.
pub(crate) type Notified = Box<dyn Fn() + Send + Sync>;

/// A database of `sqlx` that Bloodbank can use: `Postgres`, with the feature `postgres`, and `Sqlite`, with the feature
/// `sqlite`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a database that Bloodbank can use",
    label = "not a supported database",
    note = "`sqlx::Postgres` is with the feature `postgres`, and `sqlx::Sqlite` with the feature `sqlite`"
)]
pub trait Database: sealed::Driver {}

pub(crate) mod sealed {
    use super::{BoxFuture, Dialect, Executed, Notified, Pool, Row, Value};

    /// What differs between the drivers.
    pub trait Driver: sqlx_core::database::Database {
        const DIALECT: Dialect;

        /// Runs one statement; returns the number of rows that it changed.
        fn execute<'c>(connection: &'c mut Self::Connection, statement: &str, values: Vec<Value>) -> Executed<'c, u64>;

        /// Runs one statement; returns its rows.
        fn fetch<'c>(
            connection: &'c mut Self::Connection,
            statement: &str,
            values: Vec<Value>,
        ) -> Executed<'c, Vec<Row>>;

        /// Runs a script of several statements.
        fn script<'c>(connection: &'c mut Self::Connection, script: &'static str) -> Executed<'c, ()>;

        /// Calls `notified` for each notification on a channel, on a connection of its own, until it is dropped. Where the
        /// database knows no notifications it never does.
        fn listen(pool: &Pool<Self>, channel: &'static str, notified: Notified) -> BoxFuture<'static, ()>;
    }
}

/// A connection, or a transaction, that rows can be written to: `sqlx::Transaction`, `PgConnection`, `SqliteConnection`
/// and connections of a pool.
pub trait AsConnection: Send {
    /// The database of the connection.
    type Database: Database;

    /// The connection itself.
    fn as_connection(&mut self) -> &mut <Self::Database as sqlx_core::database::Database>::Connection;
}

impl<DB: Database> AsConnection for Transaction<'_, DB> {
    type Database = DB;

    fn as_connection(&mut self) -> &mut DB::Connection {
        self
    }
}

impl<DB: Database> AsConnection for PoolConnection<DB> {
    type Database = DB;

    fn as_connection(&mut self) -> &mut DB::Connection {
        self
    }
}
