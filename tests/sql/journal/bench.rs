//! A journal in PostgreSQL, and the journal that a test has copied into it.

use std::time::{Duration, Instant};

use bloodbank::{
    Bus, Result,
    sql::{JournalTableStatus, JournalWriter, PostgresJournal, Schema},
    store::{Journal, JournalEntry, JournalQuery, Position},
};
use futures_util::TryStreamExt;
use sqlx::{PgPool, Postgres};

use super::given::Given;
use crate::database::TestDatabase;

/// A source, a database, and the journal in it.
pub(super) struct Bench {
    pub(super) source: Given,
    pub(super) pool: PgPool,
    pub(super) journal: PostgresJournal,
}

impl Bench {
    pub(super) async fn new() -> Self {
        let (pool, ()) = Postgres::create().await;
        Schema::migrate(&pool).await.unwrap();
        Self::on(pool)
    }

    /// A bench on a database that has the tables.
    pub(super) fn on(pool: PgPool) -> Self {
        Self { source: Given::default(), journal: PostgresJournal::new(pool.clone()), pool }
    }

    pub(super) fn writer(&self) -> JournalWriter {
        JournalWriter::new(self.pool.clone()).source(self.source.as_journal())
    }

    pub(super) async fn copy(&self) -> Result<u64> {
        self.writer().run_once(&Bus::embedded()).await
    }

    pub(super) async fn read(&self, query: JournalQuery, from: Position) -> Vec<JournalEntry> {
        self.journal.read(query, from).try_collect().await.unwrap()
    }

    pub(super) async fn offsets(&self, query: JournalQuery, from: Position) -> Vec<u64> {
        self.read(query, from).await.iter().map(|entry| entry.offset).collect()
    }

    pub(super) async fn status(&self) -> JournalTableStatus {
        JournalTableStatus::read(&self.pool).await.unwrap()
    }

    pub(super) async fn written(&self, count: u64) {
        let until = Instant::now() + Duration::from_secs(120);
        while self.journal.tip().await.unwrap() != Some(count - 1) {
            assert!(Instant::now() < until, "it is not written");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
