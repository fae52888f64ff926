//! Tests of the file: what it keeps, counts and forgets.

mod delivery_counts;
mod full_disk;
mod history;
mod links;
mod paging;
mod retention;

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt;
use tempfile::TempDir;

use crate::sqlite::{Retention, open_with_retention};
use crate::{Embedded, changes::Record};
use bloodbank_core::{
    ErrorKind, Result,
    message::{Outgoing, Properties, Published},
    settings::QueueKind,
    transport::{
        Consume, Deliveries, Delivery, Publish, Topology, Transport,
        topology::{Binding, DeadLetterTo, Exchange, ExchangeKind, Queue},
    },
};

/// A bus in a file of its own.
struct Bench {
    folder: TempDir,
    retention: Retention,
    bus: Embedded,
}

impl Bench {
    async fn new() -> Self {
        Self::with_retention(Retention::default()).await
    }

    async fn with_retention(retention: Retention) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bus = open(folder.path(), retention);
        let bench = Self { folder, retention, bus };
        let dead: Arc<str> = "q.dlq".into();
        bench
            .bus
            .declare(
                Topology::default()
                    .exchanges([Exchange { name: "e".into(), kind: ExchangeKind::Topic }])
                    .queues([
                        Queue::new(Arc::clone(&dead), QueueKind::Quorum),
                        Queue::new("q", QueueKind::Quorum)
                            .dead_letter(DeadLetterTo { exchange: "".into(), routing_key: Some(dead) })
                            .delivery_limit(2),
                    ])
                    .bindings([Binding { exchange: "e".into(), queue: "q".into(), pattern: "a.#".into() }]),
            )
            .await
            .unwrap();
        bench
    }

    /// As after a restart.
    async fn reopen(&mut self) {
        self.bus.close().await;
        self.bus = open(self.folder.path(), self.retention);
    }

    /// As after a kill: what is in hand is not given back.
    async fn kill(&mut self, held: impl IntoIterator<Item = Delivery>) {
        self.settled().await;
        self.bus.close().await;
        drop(held.into_iter().collect::<Vec<_>>());
        self.bus = open(self.folder.path(), self.retention);
    }

    /// Waits until everything that was appended is written.
    async fn settled(&self) {
        self.publish("unrouted", "").await.unwrap();
    }

    async fn publish(&self, key: &str, body: &str) -> Result<Published> {
        let properties = Properties::default().message_id(uuid::Uuid::new_v4()).event_type(key);
        self.bus
            .publish(
                Outgoing::new("e", key, Bytes::copy_from_slice(body.as_bytes())).properties(properties).mandatory(),
            )
            .await
    }

    async fn consume(&self, queue: &str) -> Deliveries {
        self.bus.consume(queue.into(), 0).await.unwrap()
    }

    /// Does something to the connection of the writer.
    fn with_connection(&self, with_connection: impl FnOnce(&rusqlite::Connection) + Send + 'static) {
        let state = self.bus.engine.lock();
        state.changes.append(|| Record::WithConnection(Box::new(with_connection)));
    }

    /// The first column of the first row, as a reader from outside sees it.
    fn number(&self, query: &str) -> i64 {
        let connection = rusqlite::Connection::open(self.folder.path().join("bus.db")).unwrap();
        connection.query_row(query, (), |row| row.get(0)).unwrap()
    }
}

fn open(folder: &Path, retention: Retention) -> Embedded {
    let (engine, _) = open_with_retention(&folder.join("bus.db"), retention).unwrap();
    Embedded::ticking(engine)
}

async fn next(deliveries: &mut Deliveries) -> Delivery {
    tokio::time::timeout(Duration::from_secs(10), deliveries.next())
        .await
        .expect("a message comes in time")
        .expect("the bus is open")
}

fn body(delivery: &Delivery) -> &str {
    std::str::from_utf8(&delivery.message.body).unwrap()
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let bus = open(folder.path(), Retention::default());
    for name in ["bus.db", "bus.db-wal"] {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    drop(bus);
}
