//! The journal in PostgreSQL passes the conformance suite of journals, and settings choose it.

mod bench;
mod given;
mod migration;
mod partitions;
mod roles;
mod stream;
mod wake;
mod writer;

use std::{sync::Arc, time::Duration};

use bloodbank::{
    Bus, ErrorKind, Result, Settings,
    message::Outgoing,
    sql::JournalWriter,
    store::Journal,
    testing::{
        conformance::stores::{JournalFixture, StoreFixture},
        store_conformance_suite,
    },
    transport::{
        Topology,
        topology::{Exchange, ExchangeKind},
    },
};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use sqlx::PgPool;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::stores::Database;

/// A bus in a file, whose journal is copied into a database.
struct Copied {
    database: Database,
    folder: TempDir,
    opened: Mutex<Option<Opened>>,
}

struct Opened {
    bus: Bus,
    /// The journal that is copied.
    source: Arc<dyn Journal>,
    writer: (CancellationToken, JoinHandle<Result<()>>),
}

impl Copied {
    fn new() -> Self {
        Self { database: Database::postgres(), folder: tempfile::tempdir().unwrap(), opened: Mutex::default() }
    }

    fn bus(&self) -> (Bus, Arc<dyn Journal>) {
        let opened = self.opened.lock();
        let opened = opened.as_ref().expect("it was opened");
        (opened.bus.clone(), Arc::clone(&opened.source))
    }
}

impl StoreFixture<dyn Journal> for Copied {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn Journal>>> {
        Box::pin(async {
            self.database.pool().await?;
            let path = self.folder.path().join("bus.db").display().to_string();
            let vars = [
                ("DATABASE_URL", &*self.database.url),
                ("BLOODBANK_EMBEDDED_PATH", &*path),
                ("BLOODBANK_JOURNAL", "sql"),
            ];
            let bus = Bus::connect(Settings::from_vars(vars)?).await?;
            let source = bus.transport().stores(bus.settings()).journal.expect("a file has one");
            let stop = CancellationToken::new();
            let writer = JournalWriter::new(PgPool::connect(&self.database.url).await.unwrap());
            let writing = tokio::spawn(writer.run(bus.clone(), stop.clone()));
            let journal = bus.stores().journal.expect("the settings choose it");
            assert!(journal.describe().contains("PostgreSQL"), "{}", journal.describe());
            *self.opened.lock() = Some(Opened { bus, source, writer: (stop, writing) });
            Ok(journal)
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let Some(Opened { bus, writer: (stop, writing), .. }) = self.opened.lock().take() else { return };
            stop.cancel();
            writing.await.expect("it does not panic").expect("it has begun");
            bus.close().await;
        })
    }
}

impl JournalFixture for Copied {
    fn publish(&self, message: Outgoing) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let (bus, source) = self.bus();
            let exchange = Exchange { name: Arc::clone(&message.exchange), kind: ExchangeKind::Topic };
            bus.transport().declare(Topology::default().exchanges([exchange])).await?;
            bus.transport().publish(message).await?;
            let (journal, published) = (bus.stores().journal.expect("it has one"), source.tip().await?);
            while journal.tip().await? < published {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Ok(())
        })
    }
}

store_conformance_suite! {
    mod postgres;
    journal: Copied::new(), durable;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_keeps_no_journal_is_refused_with_the_remedy() {
    let error = Settings::from_vars([("BLOODBANK_JOURNAL", "sql")]).unwrap_err();
    assert!(error.to_string().contains("BLOODBANK_JOURNAL is `sql`, and DATABASE_URL is not set"), "{error}");
    let sqlite = Database::sqlite();
    let vars = [("BLOODBANK_JOURNAL", "sql"), ("DATABASE_URL", &*sqlite.url)];
    let error = Bus::connect(Settings::from_vars(vars).unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Settings);
    assert!(error.to_string().contains("name one of PostgreSQL"), "{error}");
    let error = sqlite.pool().await.unwrap().journal_writer().unwrap_err();
    assert!(error.to_string().contains("DATABASE_URL names SQLite"), "{error}");
}
