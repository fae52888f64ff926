//! A database of its own for each test: a file of SQLite, or a database on the shared PostgreSQL.

use std::{
    future::Future,
    str::FromStr,
    sync::atomic::{AtomicU32, Ordering},
};

use bloodbank::sql::{Database, Schema};
use bloodbank_harness::{shared_postgres_url, unique};
use sqlx::{
    AssertSqlSafe, Executor, Pool, Postgres, Sqlite,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
};
use tempfile::TempDir;

/// A database that a test runs on.
pub(crate) trait TestDatabase: Database {
    /// What goes with the test.
    type Guard: Send;

    fn create() -> impl Future<Output = (Pool<Self>, Self::Guard)> + Send;

    fn run(connection: &mut Self::Connection, statement: &str) -> impl Future<Output = ()> + Send;

    fn number(pool: &Pool<Self>, query: &str) -> impl Future<Output = i64> + Send;
}

/// A database with the tables of Bloodbank and one of the user.
pub(crate) async fn migrated<DB: TestDatabase>() -> (Pool<DB>, DB::Guard) {
    let (pool, guard) = DB::create().await;
    Schema::migrate(&pool).await.unwrap();
    execute(&pool, "CREATE TABLE orders (id text PRIMARY KEY, cents bigint NOT NULL)").await;
    (pool, guard)
}

pub(crate) async fn execute<DB: TestDatabase>(pool: &Pool<DB>, statement: &str) {
    let mut connection = pool.acquire().await.unwrap();
    DB::run(&mut connection, statement).await;
}

impl TestDatabase for Sqlite {
    type Guard = TempDir;

    async fn create() -> (Pool<Self>, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new()
            .filename(folder.path().join("app.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal);
        (SqlitePoolOptions::new().max_connections(8).connect_with(options).await.unwrap(), folder)
    }

    async fn run(connection: &mut Self::Connection, statement: &str) {
        connection.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
    }

    async fn number(pool: &Pool<Self>, query: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(pool).await.unwrap()
    }
}

impl TestDatabase for Postgres {
    type Guard = ();

    async fn create() -> (Pool<Self>, ()) {
        static DATABASES: AtomicU32 = AtomicU32::new(0);
        let url = tokio::task::spawn_blocking(shared_postgres_url).await.unwrap();
        let options = PgConnectOptions::from_str(&url).unwrap();
        let name = format!("{}_{}", unique("test").replace('-', "_"), DATABASES.fetch_add(1, Ordering::Relaxed));
        let admin = PgPoolOptions::new().max_connections(1).connect_with(options.clone()).await.unwrap();
        admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
        admin.close().await;
        (PgPoolOptions::new().max_connections(8).connect_with(options.database(&name)).await.unwrap(), ())
    }

    async fn run(connection: &mut Self::Connection, statement: &str) {
        connection.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
    }

    async fn number(pool: &Pool<Self>, query: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(pool).await.unwrap()
    }
}

/// Runs each test on SQLite and on PostgreSQL.
macro_rules! on_both {
    ($($name:ident)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name::<sqlx::Sqlite>().await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name::<sqlx::Postgres>().await;
            })*
        }
    };
}
pub(crate) use on_both;
