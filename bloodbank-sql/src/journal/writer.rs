//! The writer: copies the journal of the bus into PostgreSQL until it is told to stop.

use std::{fmt, sync::Arc, time::Duration};

use bloodbank_core::{
    Bus, Error, ErrorKind, Result,
    app::{AppTask, StartedTask},
    settings::JournalKind,
    store::{Journal, JournalEntries, JournalEntry, JournalQuery},
};
use futures_util::{StreamExt, future::BoxFuture, stream};
use parking_lot::Mutex;
use sqlx_core::pool::Pool;
use sqlx_postgres::Postgres;
use tokio::{
    sync::mpsc,
    time::{Instant, interval, sleep},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{info, warn};

use super::{copy::Copy, lag, partition};
use crate::{error::storage, outbox::millis, schema::Schema};

/// The pause before another attempt, while the source or the database is away or somebody else writes.
const AGAIN: Duration = Duration::from_secs(1);
/// The time after which a writer that was killed has lost its lock for sure.
const LINGERING: Duration = Duration::from_secs(5);
const BUSY: &str = "another writer is copying the journal into this database; let it, or stop it first";
/// The interval between looks at what partitions are needed, and which are too old.
const CHORES: Duration = Duration::from_secs(10);

/// Copies the journal of the bus into PostgreSQL, in order and under the same offsets, where a
/// [`PostgresJournal`](super::PostgresJournal) reads it.
///
/// Any number may run at once: one writes, the others wait until it ends. A batch and the progress are one transaction, so that
/// a writer that is killed anywhere is followed by one that goes on where it was, with nothing missing and nothing twice. What
/// the source has removed before it was copied is recorded and said, never jumped over silently.
#[must_use = "a writer does nothing until it runs"]
pub struct JournalWriter {
    pool: Pool<Postgres>,
    source: Option<Arc<dyn Journal>>,
    batch: usize,
    keep: Option<Duration>,
}

/// What is wrong, where something is.
pub(super) type Trouble = Arc<Mutex<Option<String>>>;

impl JournalWriter {
    /// Creates a writer of the journal in this database.
    pub fn new(pool: Pool<Postgres>) -> Self {
        Self { pool, source: None, batch: 1_000, keep: None }
    }

    /// The journal that is copied from a bus: the one that its transport keeps, whichever one the bus reads.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] with the remedy where it keeps none.
    pub fn source_of(bus: &Bus) -> Result<Arc<dyn Journal>> {
        let mut settings = bus.settings().clone();
        settings.journal = JournalKind::Stream;
        bus.transport().stores(&settings).journal.ok_or_else(|| {
            let remedy = match bus.transport().system() {
                "rabbitmq" => "switch one on with `bb topology journal enable`",
                _ => "set BLOODBANK_EMBEDDED_PATH to a file, or RABBIT_URL",
            };
            Error::new(ErrorKind::Settings, format!("this bus keeps no journal that could be copied; {remedy}"))
        })
    }

    /// Copies this journal instead of that of the bus.
    pub fn source(mut self, source: Arc<dyn Journal>) -> Self {
        self.source = Some(source);
        self
    }

    /// Sets how many entries one transaction writes at most; default 1000.
    pub fn batch(mut self, entries: usize) -> Self {
        self.batch = entries.max(1);
        self
    }

    /// Drops the entries of a day, by UTC, so long after its end; by default they are kept.
    pub fn keep(mut self, age: Duration) -> Self {
        self.keep = Some(age);
        self
    }

    /// Copies entries until `stop` is set. While the database or the source does not answer, it is asked again.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] with the remedy when tables are missing or old, or the bus keeps no journal;
    /// [`ErrorKind::Storage`] when the database does not answer at the start.
    pub async fn run(self, bus: Bus, stop: CancellationToken) -> Result<()> {
        let source = self.prepare(&bus).await?;
        self.work(source, bus, stop).await;
        Ok(())
    }

    /// Copies the entries that there are now, and returns their number.
    ///
    /// # Errors
    /// Like [`JournalWriter::run`]; [`ErrorKind::Storage`] also when another writer is running, or the source cannot be read.
    pub async fn run_once(self, bus: &Bus) -> Result<u64> {
        let source = self.prepare(bus).await?;
        let begun = Instant::now();
        let mut copy = loop {
            match Copy::begin(&self.pool, &source).await? {
                Some(copy) => break copy,
                None if begun.elapsed() < LINGERING => sleep(Duration::from_millis(100)).await,
                None => return Err(Error::new(ErrorKind::Storage, BUSY)),
            }
        };
        let refused = copy.chores(self.keep.map(millis)).await?;
        let (_reading, mut entries) = self.read_ahead(source.read(JournalQuery::all(), copy.position()));
        let mut batches = stream::poll_fn(|context| entries.poll_recv(context)).chunks(self.batch);
        let mut count = 0;
        while let Some(batch) = batches.next().await {
            count += copy.write(batch).await?;
        }
        copy.end().await;
        refused.map_or(Ok(count), Err)
    }

    /// Creates the partitions of today and of so many days after it that are not there, for writers whose role may not; returns the
    /// number of days that had none.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] when the database does not answer or refuses, [`ErrorKind::Settings`] with the remedy when tables are
    /// missing or old.
    pub async fn create_partitions(&self, days: u16) -> Result<u16> {
        Schema::check(&self.pool).await?;
        partition::create_ahead(&self.pool, days)
            .await
            .map_err(storage("create partitions of the journal; only the owner of its tables may"))
    }

    /// Checks what is needed, and finds the source.
    async fn prepare(&self, bus: &Bus) -> Result<Arc<dyn Journal>> {
        Schema::check(&self.pool).await?;
        match &self.source {
            Some(source) => Ok(Arc::clone(source)),
            None => Self::source_of(bus),
        }
    }

    /// Reads while a batch is written; it ends with the handle.
    fn read_ahead(&self, entries: JournalEntries) -> (AbortOnDropHandle<()>, mpsc::Receiver<Result<JournalEntry>>) {
        let (sender, receiver) = mpsc::channel(self.batch * 2);
        (AbortOnDropHandle::new(tokio::spawn(forward(entries, sender))), receiver)
    }

    async fn work(self, source: Arc<dyn Journal>, bus: Bus, stop: CancellationToken) {
        let (trouble, refused) = (Trouble::default(), Trouble::default());
        for trouble in [&trouble, &refused] {
            let watched = Arc::downgrade(trouble);
            bus.watch_health(move || watched.upgrade()?.lock().clone());
        }
        let copying = async {
            loop {
                let Err(error) = self.attempt(&source, &trouble, &refused).await else {
                    sleep(AGAIN).await;
                    continue;
                };
                let text = format!("{} is not copied into PostgreSQL: {error}", source.describe());
                if trouble.lock().replace(text).is_none() {
                    warn!(%error, source = source.describe(), "the journal in PostgreSQL waits");
                }
                sleep(AGAIN).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = copying => {}
        }
    }

    /// Copies for as long as nothing is wrong; returns where somebody else writes.
    async fn attempt(&self, source: &Arc<dyn Journal>, trouble: &Trouble, refused: &Trouble) -> Result<()> {
        let Some(mut copy) = Copy::begin(&self.pool, source).await? else {
            trouble.lock().take();
            return Ok(());
        };
        if trouble.lock().take().is_some() {
            info!("the journal in PostgreSQL is written again");
        }
        // Both end with this function.
        let _lag =
            AbortOnDropHandle::new(tokio::spawn(lag::watch(Arc::clone(source), copy.next(), Arc::clone(trouble))));
        let (_reading, mut entries) = self.read_ahead(source.follow(JournalQuery::all(), copy.position()));
        let mut chores = interval(CHORES);
        self.chores(&mut copy, refused).await?;
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                read = entries.recv_many(&mut batch, self.batch) => {
                    if read == 0 {
                        return Err(Error::new(ErrorKind::Storage, "reading it has ended"));
                    }
                    copy.write(std::mem::take(&mut batch)).await?;
                }
                _ = chores.tick() => self.chores(&mut copy, refused).await?,
            }
        }
    }
}

impl JournalWriter {
    /// Looks after the partitions; what the database refuses is said, and does not end the copy.
    async fn chores(&self, copy: &mut Copy, refused: &Trouble) -> Result<()> {
        let said = copy.chores(self.keep.map(millis)).await?.map(|error| error.to_string());
        let mut refused = refused.lock();
        if let Some(said) = said.as_ref().filter(|said| refused.as_ref() != Some(said)) {
            warn!("{said}");
        }
        *refused = said;
        Ok(())
    }
}

async fn forward(mut entries: JournalEntries, sender: mpsc::Sender<Result<JournalEntry>>) {
    while let Some(entry) = entries.next().await {
        if sender.send(entry).await.is_err() {
            return;
        }
    }
}

impl AppTask for JournalWriter {
    fn name(&self) -> &'static str {
        "journal writer"
    }

    fn start(self: Box<Self>, bus: Bus, stop: CancellationToken) -> BoxFuture<'static, Result<StartedTask>> {
        Box::pin(async move {
            let source = self.prepare(&bus).await?;
            Ok(Box::pin(self.work(source, bus, stop)) as StartedTask)
        })
    }
}

impl fmt::Debug for JournalWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalWriter").field("batch", &self.batch).field("keep", &self.keep).finish_non_exhaustive()
    }
}
