//! Changes, as rows. Everything is written so that writing it twice is no harm.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rusqlite::{Connection, params};
use rustc_hash::FxHashMap;

use crate::sqlite::Retention;
use crate::{
    changes::{DeclaredTopology, Publication, Record},
    entry::{Entry, MessageId, QueueId},
    ready::RANK_SHIFT,
};
use bloodbank_core::message::Properties;

/// The tables of an open file.
pub(super) struct Tables {
    pub(super) connection: Connection,
    /// The start of the engine's clock, since 1970.
    epoch: Duration,
    pub(super) retention: Retention,
    /// Queues that outlive the process.
    pub(super) queues: HashSet<QueueId>,
    pub(super) newest: MessageId,
    /// No message up to here is kept for its own sake.
    pub(super) pruned: MessageId,
    /// By how much this transaction changes the number of entries of a queue and rank.
    depths: RefCell<FxHashMap<(QueueId, u64), i64>>,
}

impl Tables {
    pub(super) fn new(connection: Connection, epoch: Duration, retention: Retention) -> Self {
        Self { connection, epoch, retention, queues: HashSet::new(), newest: 0, pruned: 0, depths: RefCell::default() }
    }

    /// Writes records in one transaction; on an error none of them.
    pub(super) fn commit(&mut self, records: &[Record]) -> rusqlite::Result<()> {
        for record in records {
            if let Record::Declared(declared) = record {
                self.queues.extend(declared.queues.iter().map(|(id, _)| *id));
            }
        }
        // Those of a transaction that failed are not made.
        self.depths.borrow_mut().clear();
        self.transaction(|tables| tables.write_all(records))?;
        let published = records.iter().filter_map(|record| match record {
            Record::Published(publication) => Some(publication.id),
            _ => None,
        });
        self.newest = published.fold(self.newest, MessageId::max);
        Ok(())
    }

    /// Runs `work` in one transaction.
    pub(super) fn transaction<T>(&self, work: impl FnOnce(&Self) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let done = work(self).and_then(|done| {
            self.connection.execute_batch("COMMIT")?;
            Ok(done)
        });
        // Some errors have rolled back already.
        if done.is_err() && !self.connection.is_autocommit() {
            drop(self.connection.execute_batch("ROLLBACK"));
        }
        done
    }

    /// Moves what the log has into the tables: the log begins anew and needs no more space.
    pub(super) fn checkpoint(&self) {
        drop(self.connection.execute_batch("PRAGMA wal_checkpoint(PASSIVE)"));
    }

    fn write_all(&self, records: &[Record]) -> rusqlite::Result<()> {
        let now = now();
        // A message that was settled later in the batch needs no mark.
        let settled: HashMap<(QueueId, u64), usize> = records
            .iter()
            .enumerate()
            .filter_map(|(index, record)| match record {
                Record::Removed(queue, seq, _) | Record::Moved(queue, seq, ..) | Record::Returned(queue, seq, _) => {
                    Some(((*queue, *seq), index))
                }
                _ => None,
            })
            .collect();
        for (index, record) in records.iter().enumerate() {
            match record {
                Record::Declared(declared) => self.declare(declared)?,
                Record::Published(publication) => self.publish(publication, now)?,
                Record::Taken(queue, seq, _) if settled.get(&(*queue, *seq)).is_some_and(|last| *last > index) => {}
                Record::Taken(queue, seq, _) => self.take(*queue, *seq)?,
                Record::Returned(queue, seq, times) => self.return_entry(*queue, *seq, *times)?,
                Record::Removed(queue, seq, id) => {
                    self.remove(*queue, *seq)?;
                    self.delete_orphan(*id)?;
                }
                Record::Moved(queue, seq, id, entries) => {
                    self.remove(*queue, *seq)?;
                    for (queue, entry) in entries {
                        self.insert_entry(*queue, entry, true)?;
                    }
                    self.delete_orphan(*id)?;
                }
                Record::Linked(linked) => self.link(linked, now)?,
                Record::Leased(change) => self.change_lease(change)?,
                Record::Parked(change) => self.change_line(change)?,
                Record::Closed(_) | Record::Queried(_) => {}
                #[cfg(test)]
                Record::WithConnection(_) => {}
            }
        }
        for (&(queue, rank), change) in &*self.depths.borrow() {
            self.connection
                .prepare_cached(
                    "INSERT INTO depths VALUES (?1, ?2, ?3)
                    ON CONFLICT DO UPDATE SET messages = messages + excluded.messages",
                )?
                .execute(params![queue.cast_signed(), rank.cast_signed(), change])?;
        }
        Ok(())
    }

    /// Counts entries that came to a queue, or left it, at a place of this rank.
    fn count(&self, queue: QueueId, seq: u64, change: i64) {
        *self.depths.borrow_mut().entry((queue, seq >> RANK_SHIFT)).or_default() += change;
    }

    fn declare(&self, declared: &DeclaredTopology) -> rusqlite::Result<()> {
        for exchange in &declared.exchanges {
            self.connection
                .prepare_cached("INSERT OR IGNORE INTO exchanges VALUES (?1, ?2)")?
                .execute(params![&*exchange.name, json(&exchange.kind)?])?;
        }
        for (id, queue) in &declared.queues {
            self.connection.prepare_cached("INSERT OR REPLACE INTO queues VALUES (?1, ?2, ?3)")?.execute(params![
                id.cast_signed(),
                &*queue.name,
                json(queue)?
            ])?;
        }
        for (exchange, pattern, queue) in &declared.bindings {
            self.connection.prepare_cached("INSERT OR IGNORE INTO bindings VALUES (?1, ?2, ?3)")?.execute(params![
                &**exchange,
                &**pattern,
                queue.cast_signed()
            ])?;
        }
        Ok(())
    }

    fn publish(&self, publication: &Publication, now: i64) -> rusqlite::Result<()> {
        let message = &publication.message;
        let Properties { message_id, event_type, .. } = &message.properties;
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO messages VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
            .execute(params![
                publication.id.cast_signed(),
                now,
                message_id.as_ref().map(uuid::Uuid::as_bytes),
                event_type.as_deref(),
                &*message.exchange,
                &*message.routing_key,
                json(&message.properties)?,
                &*message.body,
            ])?;
        for (queue, entry) in &publication.entries {
            self.insert_entry(*queue, entry, false)?;
        }
        Ok(())
    }

    fn insert_entry(&self, queue: QueueId, entry: &Entry, changed: bool) -> rusqlite::Result<()> {
        if !self.queues.contains(&queue) {
            return Ok(());
        }
        let message = changed.then_some(&entry.message);
        let inserted = self
            .connection
            .prepare_cached("INSERT OR IGNORE INTO entries VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6, ?7, ?8)")?
            .execute(params![
                queue.cast_signed(),
                entry.seq.cast_signed(),
                entry.id.cast_signed(),
                entry.returned,
                entry.expires_at.map(|at| millis(self.epoch + at)),
                message.map(|message| &*message.exchange),
                message.map(|message| &*message.routing_key),
                message.map(|message| json(&message.properties)).transpose()?,
            ])?;
        self.count(queue, entry.seq, inserted as i64);
        Ok(())
    }

    fn take(&self, queue: QueueId, seq: u64) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("UPDATE entries SET taken = 1 WHERE queue = ?1 AND seq = ?2")?
            .execute(params![queue.cast_signed(), seq.cast_signed()])?;
        Ok(())
    }

    fn return_entry(&self, queue: QueueId, seq: u64, times: u32) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("UPDATE entries SET taken = 0, returned = ?3 WHERE queue = ?1 AND seq = ?2")?
            .execute(params![queue.cast_signed(), seq.cast_signed(), times])?;
        Ok(())
    }

    fn remove(&self, queue: QueueId, seq: u64) -> rusqlite::Result<()> {
        let removed = self
            .connection
            .prepare_cached("DELETE FROM entries WHERE queue = ?1 AND seq = ?2")?
            .execute(params![queue.cast_signed(), seq.cast_signed()])?;
        self.count(queue, seq, -(removed as i64));
        Ok(())
    }
}

/// A time of the file on a clock that began at `epoch`; what is over is over since the start.
pub(super) fn on_clock(millis: i64, epoch: Duration) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0)).saturating_sub(epoch)
}

pub(super) fn json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// Milliseconds since 1970.
pub(super) fn now() -> i64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

pub(super) fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
