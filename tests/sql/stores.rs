//! PostgreSQL and SQLite pass the conformance suites of the store contracts, and settings choose them.

use std::sync::Arc;

use bloodbank::{
    Bus, DeadLetters, ErrorKind, Result, Settings,
    dedupe::Dedupe,
    sql::{AnyPool, Schema},
    store::{ClaimStore, DatabaseStores, LeaseStore, LinkStore, ParkedEvent, ParkedKeys},
    testing::{conformance::stores::StoreFixture, store_conformance_suite},
};
use bloodbank_harness::{shared_postgres_url, unique};
use futures_util::future::BoxFuture;
use sqlx::{AssertSqlSafe, Executor, postgres::PgPool};
use tempfile::TempDir;
use uuid::Uuid;

/// A database for one property.
pub(crate) struct Database {
    pub(crate) url: String,
    /// The server on which it is created.
    server: Option<String>,
    _folder: Option<TempDir>,
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("stores.db").display());
        Self { url, server: None, _folder: Some(folder) }
    }

    pub(crate) fn postgres() -> Self {
        let server = shared_postgres_url();
        let (address, _) = server.rsplit_once('/').unwrap();
        let url = format!("{address}/{}", unique("store").replace('-', "_"));
        Self { url, server: Some(server), _folder: None }
    }

    pub(crate) async fn pool(&self) -> Result<AnyPool> {
        if let Some(server) = &self.server {
            let name = self.url.rsplit_once('/').unwrap().1;
            let admin = PgPool::connect(server).await.unwrap();
            // It is there already when the store is opened again.
            let _ = admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await;
            admin.close().await;
        }
        let pool = AnyPool::new(&self.url)?;
        pool.migrate().await?;
        Ok(pool)
    }

    fn settings(&self, more: &[(&str, &str)]) -> Result<Settings> {
        Settings::from_vars([("DATABASE_URL", &*self.url)].iter().chain(more).copied())
    }
}

impl StoreFixture<dyn LinkStore> for Database {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn LinkStore>>> {
        Box::pin(async { Ok(self.pool().await?.links(Settings::default().correlation_ttl)) })
    }
}

impl StoreFixture<dyn LeaseStore> for Database {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn LeaseStore>>> {
        Box::pin(async { Ok(self.pool().await?.leases()) })
    }
}

impl StoreFixture<dyn ParkedKeys> for Database {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn ParkedKeys>>> {
        Box::pin(async { Ok(self.pool().await?.parked_keys()) })
    }
}

impl StoreFixture<dyn ClaimStore> for Database {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn ClaimStore>>> {
        Box::pin(async { Ok(self.pool().await?.claims()) })
    }
}

store_conformance_suite! {
    mod sqlite;
    links: Database::sqlite(), durable;
    leases: Database::sqlite(), durable;
    parked_keys: Database::sqlite(), durable;
    claims: Database::sqlite(), durable;
}

store_conformance_suite! {
    mod postgres;
    links: Database::postgres(), durable;
    leases: Database::postgres(), durable;
    parked_keys: Database::postgres(), durable;
    claims: Database::postgres(), durable;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_choose_the_database_for_correlation_and_deduplication() {
    for database in [Database::sqlite(), tokio::task::spawn_blocking(Database::postgres).await.unwrap()] {
        let settings = || database.settings(&[("BLOODBANK_CORRELATION_STORE", "sql")]).unwrap();
        // The database itself is there, and has no tables.
        if database.server.is_some() {
            database.pool().await.unwrap();
            let pool = PgPool::connect(&database.url).await.unwrap();
            pool.execute("DROP TABLE bloodbank_schema").await.unwrap();
            pool.close().await;
        }
        let error = Bus::connect(settings()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Settings);
        assert!(error.to_string().contains("bb sql migrate"), "{error}");
        if database.server.is_some() {
            let pool = PgPool::connect(&database.url).await.unwrap();
            let again = format!("CREATE TABLE bloodbank_schema AS SELECT {}::bigint AS version", Schema::version());
            pool.execute(AssertSqlSafe(again)).await.unwrap();
            pool.close().await;
        } else {
            database.pool().await.unwrap();
        }
        let bus = Bus::connect(settings()).await.unwrap();
        let cause = bus.publish(crate::placed(1)).await.unwrap();
        let effect = bus.publish(crate::placed(2)).caused_by(&cause).await.unwrap();
        let correlation = bus.correlation().unwrap();
        // On a busy machine the database takes longer than a flush waits.
        while correlation.parents(effect.event_id).await.unwrap() != [cause.event_id] {
            correlation.flush().await;
        }
        bus.close().await;
        // Another process sees it.
        let other = Bus::connect(settings()).await.unwrap();
        let children = other.correlation().unwrap().children(cause.event_id).await.unwrap();
        assert_eq!(children, [effect.event_id]);
        other.close().await;
    }
}

#[test]
fn a_setting_without_a_database_is_an_error() {
    let error = Settings::from_vars([("BLOODBANK_CORRELATION_STORE", "sql")]).unwrap_err();
    assert!(error.to_string().contains("DATABASE_URL is not set"), "{error}");
    let error = AnyPool::new("mysql://root:secret@localhost/shop").unwrap_err();
    assert!(
        error.to_string().contains("is no address of a database") && !error.to_string().contains("secret"),
        "{error}"
    );
    // A service may have a database of another kind.
    Settings::from_vars([("DATABASE_URL", "mysql://localhost/shop")]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rabbitmq_and_a_database_need_no_redis_for_dedupe_and_parked_keys() {
    let database = Database::sqlite();
    let url = tokio::task::spawn_blocking(bloodbank_harness::shared_rabbit_url).await.unwrap();
    let exchange = unique("sql");
    let settings = database.settings(&[("RABBIT_URL", &*url), ("EXCHANGE_NAME", &*exchange)]).unwrap();
    let bus = Bus::connect(settings).await.unwrap();
    let letters = DeadLetters::of(&bus, "shipping.ship");
    let error = letters.keys().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Settings && error.to_string().contains("bb sql migrate"), "{error}");
    let pool = database.pool().await.unwrap();
    let event = ParkedEvent { queue: "shipping.ship".into(), key: "o-1".into(), event_id: Uuid::from_u128(7) };
    pool.parked_keys().park(&event).await.unwrap();
    let keys = letters.keys().await.unwrap();
    assert_eq!((keys.len(), &*keys[0].key, keys[0].first), (1, "o-1", event.event_id));
    let dedupe = Dedupe::of(&bus).unwrap();
    assert!(format!("{dedupe:?}").contains("SQLite"), "{dedupe:?}");
    bus.close().await;
}
