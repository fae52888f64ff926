//! The copy of one source, from the moment on when nobody else writes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bloodbank_core::{
    Error, ErrorKind, Result,
    store::{Journal, JournalEntry, JournalQuery, Position, entries_lost},
};
use futures_util::StreamExt;
use metrics::{Counter, counter};
use sqlx_core::pool::Pool;
use sqlx_postgres::Postgres;
use tokio::time::timeout;
use tracing::{error, warn};

use super::{
    day::Day,
    partition,
    progress::{Unprepared, Writing, Written},
};
use crate::error::storage;

const WRITE: &str = "be written for the journal";
/// A database that takes longer for a batch is away.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// The bytes of bodies that one statement carries; a single larger one goes alone.
const STATEMENT: usize = 8_000_000;

/// A copy that goes on.
pub(super) struct Copy {
    source: Arc<dyn Journal>,
    writing: Writing,
    /// Whether an entry came: what is missing afterwards, the source says itself.
    is_begun: bool,
    next: Arc<AtomicU64>,
    written: Counter,
    lost: Counter,
}

impl Copy {
    /// Begins where the copy of this source ended; `None`: somebody else is writing.
    pub(super) async fn begin(pool: &Pool<Postgres>, source: &Arc<dyn Journal>) -> Result<Option<Self>> {
        let begun = timeout(WRITE_TIMEOUT, Writing::begin(pool, &source.describe())).await;
        let begun = begun.map_err(|_| slow())?.map_err(storage(WRITE))?;
        let Some(writing) = begun else { return Ok(None) };
        let mut copy = Self {
            source: Arc::clone(source),
            next: Arc::new(AtomicU64::new(writing.progress.next.unwrap_or_default().cast_unsigned())),
            writing,
            is_begun: false,
            written: counter!("bloodbank_journal_written_total"),
            lost: counter!("bloodbank_journal_lost_total"),
        };
        copy.check().await?;
        Ok(Some(copy))
    }

    /// Where the source is read from.
    pub(super) fn position(&self) -> Position {
        self.writing.progress.next.map_or(Position::Start, |next| Position::Offset(next.cast_unsigned()))
    }

    /// The offset of the next entry, as it grows.
    pub(super) fn next(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.next)
    }

    /// Checks that the source is the one that was copied: the offsets of another one mean other entries.
    async fn check(&mut self) -> Result<()> {
        let (described, known) = (self.source.describe(), &self.writing.progress.source);
        if *known != described {
            return Err(other(&format!("is a copy of {known}, and the bus has {described}")));
        }
        let Some(next) = self.writing.progress.next.map(i64::cast_unsigned) else { return Ok(()) };
        // An empty one may fill up again; an entry behind the copy is looked at then.
        let Some(tip) = self.source.tip().await? else { return Ok(()) };
        if tip + 1 < next {
            return Err(made_again(&described, &format!("it ends at offset {tip}, and was copied up to {}", next - 1)));
        }
        let Some((offset, event_id, published)) = self.writing.last_written().await.map_err(storage(WRITE))? else {
            return Ok(());
        };
        if self.source.floor().await?.is_none_or(|floor| floor > offset) {
            return Ok(());
        }
        let mut there = self.source.read(JournalQuery::all().before(offset + 1), Position::Offset(offset));
        let Some(entry) = there.next().await.transpose()? else { return Ok(()) };
        let is_same = entry.event_id() == event_id && entry.published_at.timestamp_millis() == published;
        match entry.offset == offset && !is_same {
            true => Err(made_again(&described, &format!("its offset {offset} has another event than the copy"))),
            false => Ok(()),
        }
    }

    /// Writes what was read, up to an error; returns the number of entries.
    pub(super) async fn write(&mut self, read: Vec<Result<JournalEntry>>) -> Result<u64> {
        let (mut entries, mut failed) = (Vec::with_capacity(read.len()), None);
        for entry in read {
            match entry {
                Ok(entry) => entries.push(entry),
                Err(error) => failed = Some(error),
            }
        }
        let mut lost = match entries.first() {
            Some(first) if !self.is_begun => self.lost_before(first.offset).await?,
            _ => None,
        };
        let mut rest = &entries[..];
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(fitting(rest));
            let written = timeout(WRITE_TIMEOUT, self.writing.write(batch, lost.take())).await;
            match written.map_err(|_| slow())?.map_err(storage(WRITE))? {
                Written::Batch => {}
                Written::Overtaken => {
                    return Err(Error::new(
                        ErrorKind::Storage,
                        "another writer has gone on with the journal meanwhile",
                    ));
                }
            }
            self.is_begun = true;
            self.written.increment(batch.len() as u64);
            self.next.store(self.writing.progress.next.unwrap_or_default().cast_unsigned(), Ordering::Relaxed);
            rest = after;
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(entries.len() as u64),
        }
    }

    /// What the source has removed before this entry, which is the first one that came.
    async fn lost_before(&mut self, first: u64) -> Result<Option<(i64, i64)>> {
        let Some(next) = self.writing.progress.next.map(i64::cast_unsigned).filter(|next| *next < first) else {
            return Ok(None);
        };
        // Otherwise the offsets in between never were entries.
        if self.source.floor().await?.is_none_or(|floor| floor <= next) {
            return Ok(None);
        }
        let said = entries_lost(&self.source.describe(), next, first - 1);
        error!("{said}; the journal in PostgreSQL goes on behind them, and its readers are told");
        self.lost.increment(first - next);
        Ok(Some((next.cast_signed(), first.cast_signed() - 1)))
    }

    /// Creates the partitions of today and tomorrow, and drops those of days that ended before so many milliseconds. Returns what
    /// the database refused and today's entries do not need; what they need is an error.
    pub(super) async fn chores(&mut self, age: Option<i64>) -> Result<Option<Error>> {
        match self.writing.prepare().await {
            Ok(()) => {}
            Err(Unprepared::Tomorrow(day, error)) => return unless_refused(error, |error| no_partition(day, error)),
            Err(Unprepared::Today(day, error)) => {
                return unless_refused(error, |error| no_partition(day, error))?.map_or(Ok(None), Err);
            }
            Err(Unprepared::Unknown(error)) => return Err(storage(WRITE)(error)),
        }
        let Some(age) = age else { return Ok(None) };
        loop {
            match self.writing.prune(age).await {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(error) if partition::is_in_use(&error) => {
                    warn!("an old day of the journal in PostgreSQL is not dropped yet: a query reads the journal");
                    return Ok(None);
                }
                Err(error) => return unless_refused(error, not_dropped),
            }
        }
    }

    pub(super) async fn end(self) {
        self.writing.end().await;
    }
}

/// How many of these entries one statement carries.
fn fitting(entries: &[JournalEntry]) -> usize {
    let mut bytes = 0;
    let fitting = entries.iter().take_while(|entry| {
        bytes += entry.message.body.len();
        bytes <= STATEMENT
    });
    fitting.count().max(1)
}

/// What the database refused, in other words; any other error as it is.
fn unless_refused(error: sqlx_core::Error, said: impl FnOnce(&sqlx_core::Error) -> Error) -> Result<Option<Error>> {
    match error {
        sqlx_core::Error::Database(_) => Ok(Some(said(&error))),
        other => Err(storage(WRITE)(other)),
    }
}

/// The words of the database for what it refused.
fn words(error: &sqlx_core::Error) -> String {
    error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned())
}

fn no_partition(day: Day, error: &sqlx_core::Error) -> Error {
    let (date, words) = (day.date(), words(error));
    let text = format!(
        "the journal in PostgreSQL has no partition for {date}, and this program cannot create it ({words}); let the role of \
         DATABASE_URL own the tables `bloodbank_journal` and `bloodbank_journal_cause`, or let their owner run `bb journal partitions`"
    );
    Error::new(ErrorKind::Storage, text)
}

fn not_dropped(error: &sqlx_core::Error) -> Error {
    let words = words(error);
    let text = format!(
        "old days of the journal in PostgreSQL cannot be dropped ({words}); let the role of DATABASE_URL own the tables \
         `bloodbank_journal` and `bloodbank_journal_cause`, or keep everything"
    );
    Error::new(ErrorKind::Storage, text)
}

fn slow() -> Error {
    let text = format!("the database did not answer within {} s; check its load", WRITE_TIMEOUT.as_secs());
    Error::new(ErrorKind::Storage, text)
}

fn made_again(source: &str, why: &str) -> Error {
    other(&format!("is a copy of {source} as it was before it was deleted and made again ({why})"))
}

fn other(what: &str) -> Error {
    Error::new(
        ErrorKind::Storage,
        format!(
            "the journal in PostgreSQL {what}; use another database or schema, or empty this one: `TRUNCATE \
             bloodbank_journal, bloodbank_journal_cause, bloodbank_journal_progress, bloodbank_journal_lost, \
             bloodbank_journal_day, bloodbank_journal_type`"
        ),
    )
}
