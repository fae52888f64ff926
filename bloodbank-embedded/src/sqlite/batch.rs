//! Batches of records that are written in one transaction.

use std::{
    mem,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use crate::changes::{Query, Record};

/// The most records in one transaction.
const MAX_RECORDS: usize = 1_000;
/// The bytes of bodies after which a transaction takes no more records.
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// The time that settlements wait for a publish to share a transaction with: nobody waits for them, and each transaction
/// costs an `fsync`.
const GROUPING_WAIT: Duration = Duration::from_millis(20);

/// Records that are written together.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) records: Vec<Record>,
    pub(super) queries: Vec<Query>,
    /// The number of records that came, of whatever kind.
    pub(super) received: u64,
    /// The bus was closed, with the sender to answer when the file is free.
    pub(super) closed: Option<Option<oneshot::Sender<()>>>,
    awaited: bool,
    bytes: usize,
}

impl Batch {
    /// Gathers the records that could not be written before and those that came since. Waits at most for `wait` for the
    /// first.
    pub(super) fn gather(
        kept_back: Vec<Record>,
        log: &Receiver<Record>,
        wait: Duration,
        #[cfg(test)] connection: &rusqlite::Connection,
    ) -> Self {
        let mut batch = Self { records: kept_back, ..Self::default() };
        let full = batch.records.len() + MAX_RECORDS;
        let mut deadline = Instant::now() + wait;
        while batch.closed.is_none() && batch.records.len() < full && batch.bytes < MAX_BYTES {
            let left = deadline.saturating_duration_since(Instant::now());
            let next = if batch.awaited { log.try_recv().ok() } else { batch.receive(log, left) };
            let Some(record) = next else { break };
            batch.received += 1;
            deadline = deadline.min(Instant::now() + GROUPING_WAIT);
            #[cfg(test)]
            let record = match record {
                Record::WithConnection(with_connection) => {
                    with_connection(connection);
                    continue;
                }
                record => record,
            };
            batch.add(record);
        }
        batch
    }

    fn receive(&mut self, log: &Receiver<Record>, wait: Duration) -> Option<Record> {
        match log.recv_timeout(wait) {
            Ok(record) => Some(record),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                self.closed.get_or_insert_default();
                None
            }
        }
    }

    fn add(&mut self, record: Record) {
        match record {
            Record::Closed(released) => self.closed = Some(released),
            Record::Queried(query) => {
                self.queries.push(query);
                self.awaited = true;
            }
            record => {
                if let Record::Published(publication) = &record {
                    self.bytes += publication.message.body.len();
                }
                self.awaited |= match &record {
                    Record::Published(_) | Record::Leased(_) | Record::Parked(_) | Record::Taken(_, _, Some(_)) => true,
                    Record::Linked(linked) => linked.confirm.is_some(),
                    _ => false,
                };
                self.records.push(record);
            }
        }
    }

    pub(super) fn take_records(&mut self) -> Vec<Record> {
        mem::take(&mut self.records)
    }
}
