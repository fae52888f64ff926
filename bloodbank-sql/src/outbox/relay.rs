//! The relay: publishes the rows of an outbox until it is told to stop.

use std::{fmt, sync::Arc, time::Duration};

use bloodbank_core::{
    Bus, Result,
    app::{AppTask, StartedTask},
};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use sqlx_core::pool::Pool;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{info, warn};

use super::{
    OutboxTable, wake,
    worker::{Turn, Worker},
};
use crate::{database::Database, error::storage, schema::Schema};

/// The shortest pause after a row was written: its transaction commits at some time after that.
const SHORTEST_PAUSE: Duration = Duration::from_millis(4);
/// The pause while the broker or the database is away.
const AWAY: Duration = Duration::from_secs(1);
/// The interval between measurements of the backlog, and between deletions of old marks.
const CHORES: Duration = Duration::from_secs(10);

/// The relay of an outbox: publishes its rows until it is told to stop.
///
/// `App::outbox` runs one in an app, and `bb outbox relay` alone; any number may run at once.
#[must_use = "a relay does nothing until it runs"]
pub struct Relay<DB: Database> {
    pool: Pool<DB>,
    batch: u32,
    interval: Duration,
    lease: Option<Duration>,
}

impl<DB: Database> Relay<DB> {
    /// Creates the relay of the outbox in this database.
    pub fn new(pool: Pool<DB>) -> Self {
        Self { pool, batch: 512, interval: Duration::from_millis(250), lease: None }
    }

    /// Sets how many rows are claimed at a time; default 512.
    pub fn batch(mut self, rows: u32) -> Self {
        self.batch = rows.max(1);
        self
    }

    /// Sets how often the table is looked at while it is empty; default 250 ms. Rows that this process writes are looked
    /// for at once; on PostgreSQL those of other processes too, whose transactions notify the relay. It listens on a
    /// connection of its own, which must lead to the server itself: behind a pooler that hands connections out by the
    /// transaction it hears nothing, and the interval counts.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval.max(SHORTEST_PAUSE);
        self
    }

    /// Sets how long rows are left to a relay that died while it published them; default: twice the publish timeout of
    /// the settings, 60 s.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = Some(lease);
        self
    }

    /// Publishes rows until `stop` is set. While the database or the broker does not answer, it is asked again.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`](bloodbank_core::ErrorKind::Settings) with the remedy when tables are missing or old;
    /// [`ErrorKind::Storage`](bloodbank_core::ErrorKind::Storage) when the database does not answer at the start.
    pub async fn run(self, bus: Bus, stop: CancellationToken) -> Result<()> {
        Schema::check(&self.pool).await?;
        self.work(bus, stop).await;
        Ok(())
    }

    /// Publishes what is due now, and returns the number of rows that were confirmed.
    ///
    /// # Errors
    /// Like [`Relay::run`].
    pub async fn run_once(self, bus: &Bus) -> Result<usize> {
        Schema::check(&self.pool).await?;
        let mut worker = self.worker(bus.clone());
        let mut confirmed = 0;
        while let Turn::Worked(rows) = worker.turn().await.map_err(storage("be relayed from"))? {
            confirmed += rows;
        }
        Ok(confirmed)
    }

    fn worker(&self, bus: Bus) -> Worker<DB> {
        let lease = self.lease.unwrap_or(bus.settings().publish_timeout * 2);
        Worker::new(self.pool.clone(), bus, self.batch, lease)
    }

    async fn work(self, bus: Bus, stop: CancellationToken) {
        let table = OutboxTable::new(self.pool.clone());
        let mut worker = self.worker(bus);
        let mut pauses = Pauses { written: wake::listen(), next: SHORTEST_PAUSE, longest: self.interval };
        let trouble: Arc<Mutex<Option<String>>> = Arc::default();
        let watched = Arc::downgrade(&trouble);
        worker.bus().watch_health(move || watched.upgrade()?.lock().clone());
        // It ends with this function.
        let _listening =
            AbortOnDropHandle::new(tokio::spawn(DB::listen(&self.pool, wake::CHANNEL, Box::new(wake::written))));
        let mut chores = Instant::now();
        let mut is_failing = false;
        while !stop.is_cancelled() {
            let turn = worker.turn().await;
            if is_failing != turn.is_err() {
                is_failing = turn.is_err();
                *trouble.lock() = match &turn {
                    Ok(_) => {
                        info!("the outbox can be read again");
                        None
                    }
                    Err(error) => {
                        warn!(%error, "the outbox cannot be read; its events wait");
                        Some(format!("the outbox cannot be read ({error}); check the database"))
                    }
                };
            }
            if chores <= Instant::now() {
                chores = Instant::now() + CHORES;
                if let Some(late) = worker.chores(&table).await {
                    *trouble.lock() = late;
                }
            }
            let pause = async {
                match turn {
                    Ok(Turn::Worked(_)) => {}
                    Ok(Turn::Idle) => pauses.idle().await,
                    Ok(Turn::Away) | Err(_) => sleep(AWAY).await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = pause => {}
            }
        }
        worker.give_back().await;
    }
}

/// The pauses while there is nothing to do. A row that was just written is committed at some time after that: the table is
/// looked at soon, and then less and less often.
struct Pauses {
    written: watch::Receiver<u64>,
    next: Duration,
    longest: Duration,
}

impl Pauses {
    async fn idle(&mut self) {
        tokio::select! {
            _ = self.written.changed() => {
                self.next = SHORTEST_PAUSE;
                sleep(self.next).await;
            }
            () = sleep(self.next) => {}
        }
        self.next = (self.next * 2).min(self.longest);
    }
}

impl<DB: Database> AppTask for Relay<DB> {
    fn name(&self) -> &'static str {
        "outbox relay"
    }

    fn start(self: Box<Self>, bus: Bus, stop: CancellationToken) -> BoxFuture<'static, Result<StartedTask>> {
        Box::pin(async move {
            Schema::check(&self.pool).await?;
            Ok(Box::pin(self.work(bus, stop)) as StartedTask)
        })
    }
}

impl<DB: Database> fmt::Debug for Relay<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("database", &DB::DIALECT)
            .field("batch", &self.batch)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}
