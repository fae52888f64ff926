//! The thread that writes: takes what has come together, commits it, confirms it.

use std::{
    mem,
    path::{Path, PathBuf},
    sync::{Arc, Weak, mpsc::Receiver},
    thread,
    time::Duration,
};

use rustc_hash::FxHashSet;

use crate::sqlite::{backlog::FileBacklog, batch::Batch, failure, lock::FileLock, tables::Tables};
use crate::{
    backlog::Backlog,
    changes::{LeaseChange, LineChange, LinkChange, Publication, Query, Record},
    engine::Engine,
    wakers::Wakers,
};
use bloodbank_core::{Error, ErrorKind, Result};

/// The time until records that could not be written are tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);
/// The time without anything to do after which the journal is pruned.
const IDLE_BEFORE_PRUNING: Duration = Duration::from_secs(15 * 60);
/// The time without anything to do after which links are indexed.
const IDLE_BEFORE_INDEXING: Duration = Duration::from_secs(1);
/// The number of events, links and leases after which the journal is pruned.
const PRUNE_EVERY: usize = 1_000;

pub(super) struct Writer {
    path: PathBuf,
    tables: Tables,
    lock: FileLock,
    records: Receiver<Record>,
    engine: Weak<Engine>,
    backlog: Arc<FileBacklog>,
    /// The number of records that came.
    received: u64,
    /// Records that could not be written yet, oldest first; no publishes, because those have failed.
    kept_back: Vec<Record>,
    failing: bool,
    /// Some links are not in the index yet.
    index_is_stale: bool,
    /// Queries that are answered once the index has all links.
    queries: Vec<Query>,
    /// Events, links and leases since the journal was pruned.
    written: usize,
}

impl Writer {
    pub(super) fn start(
        path: &Path,
        tables: Tables,
        lock: FileLock,
        records: Receiver<Record>,
        engine: Weak<Engine>,
        backlog: Arc<FileBacklog>,
    ) -> Result<()> {
        let writer = Self {
            path: path.to_owned(),
            tables,
            lock,
            records,
            engine,
            backlog,
            received: 0,
            kept_back: Vec::new(),
            failing: false,
            index_is_stale: true,
            queries: Vec::new(),
            written: 0,
        };
        let spawned = thread::Builder::new().name("bloodbank-file".to_owned()).spawn(move || writer.run());
        match spawned {
            Ok(_) => Ok(()),
            Err(error) => {
                let text = format!("the embedded bus {} has no thread to write with", path.display());
                Err(Error::new(ErrorKind::Storage, text).with_source(error))
            }
        }
    }

    fn run(mut self) {
        let released = loop {
            let wait = match () {
                () if !self.queries.is_empty() => Duration::ZERO,
                () if !self.kept_back.is_empty() => RETRY_INTERVAL,
                () if self.index_is_stale => IDLE_BEFORE_INDEXING,
                () => IDLE_BEFORE_PRUNING,
            };
            let mut batch = Batch::gather(
                mem::take(&mut self.kept_back),
                &self.records,
                wait,
                #[cfg(test)]
                &self.tables.connection,
            );
            self.received += batch.received;
            self.queries.append(&mut batch.queries);
            let idle = batch.records.is_empty() && self.queries.is_empty();
            self.write(batch.take_records());
            if idle || !self.queries.is_empty() {
                self.index();
            }
            if !self.index_is_stale {
                for query in mem::take(&mut self.queries) {
                    query(&self.tables.connection);
                }
            }
            if let Some(released) = batch.closed {
                break released;
            }
            if idle || self.written >= PRUNE_EVERY {
                self.prune();
            }
        };
        if !self.kept_back.is_empty() {
            tracing::error!(
                path = %self.path.display(), records = self.kept_back.len(),
                "the embedded bus was closed before it could write everything: some events will be delivered again",
            );
        }
        let Self { tables, lock, records, backlog, .. } = self;
        // Where nobody closed the bus.
        backlog.close();
        drop(tables);
        drop(lock);
        if let Some(released) = released {
            let _ = released.send(());
        }
        // Last: whoever waits for a second `close` or for a late confirm learns now that nothing follows.
        drop(records);
    }

    fn write(&mut self, batch: Vec<Record>) {
        if batch.is_empty() {
            return;
        }
        match self.tables.commit(&batch) {
            Ok(()) => {
                if mem::take(&mut self.failing) {
                    tracing::info!(path = %self.path.display(), "the embedded bus can be written again");
                }
                self.committed(batch);
            }
            Err(error) => {
                let before = batch.len();
                let rest = self.refuse(batch, &error);
                self.tables.checkpoint();
                // Settlements alone may fit where publishes did not, and make room.
                match if rest.len() < before { self.tables.commit(&rest) } else { Err(error) } {
                    Ok(()) => self.committed(rest),
                    Err(_) => self.kept_back = rest,
                }
            }
        }
    }

    fn committed(&mut self, batch: Vec<Record>) {
        let mut confirms = Vec::new();
        let (mut links, mut leases, mut newest) = (0, 0, 0);
        let mut wakers = Wakers::default();
        if let Some(engine) = self.engine.upgrade() {
            let mut state = engine.lock();
            // Under the lock: whoever reads from the file meanwhile knows what is on its way.
            self.backlog.wrote(self.received);
            let mut changed = FxHashSet::default();
            for record in batch {
                match record {
                    Record::Published(Publication { id, entries, confirm, .. }) => {
                        newest = newest.max(id);
                        confirms.push(confirm);
                        for (queue, entry) in entries {
                            state.put(queue, entry, &mut wakers);
                        }
                    }
                    Record::Linked(linked) => {
                        links += 1;
                        if let Some(confirm) = linked.confirm {
                            drop(confirm.send(Ok(())));
                        }
                    }
                    Record::Taken(_, _, Some(marked)) => {
                        let _ = marked.send(());
                    }
                    Record::Leased(LeaseChange { outcome, answer, .. }) => {
                        leases += 1;
                        let _ = answer.send(Ok(outcome.get()));
                    }
                    Record::Parked(LineChange { outcome, answer, .. }) => {
                        // Otherwise whoever waits hears that the bus is closed.
                        if let Some(outcome) = outcome.get() {
                            let _ = answer.send(Ok(outcome));
                        }
                    }
                    Record::Returned(queue, ..) => drop(changed.insert(queue)),
                    Record::Moved(_, _, _, entries) => {
                        for (id, entry) in entries {
                            changed.insert(id);
                            if let Some(queue) = state.queue(id) {
                                queue.stored(entry.seq);
                            }
                        }
                    }
                    _ => {}
                }
            }
            for queue in changed {
                if let Some(queue) = state.queue(queue) {
                    queue.trim();
                }
            }
            drop(state);
            if newest > 0 {
                engine.journal.kept(newest);
            }
        }
        wakers.wake();
        self.written += confirms.len() + links + leases;
        self.index_is_stale |= links > 0;
        for confirm in confirms {
            // Whoever does not wait any more does not want to know.
            drop(confirm.send(Ok(())));
        }
    }

    /// Fails the publishes, links, leases and lines of a batch; the rest is tried again. Nobody waits any more for a message to be
    /// marked as taken: better a delivery that is not counted than one that does not come while the disk is full.
    fn refuse(&mut self, batch: Vec<Record>, error: &rusqlite::Error) -> Vec<Record> {
        if !mem::replace(&mut self.failing, true) {
            tracing::error!(
                path = %self.path.display(), %error,
                "the embedded bus cannot be written: publishing fails until it can",
            );
        }
        let mut rest = Vec::with_capacity(batch.len());
        let mut refused = Vec::new();
        for record in batch {
            match record {
                Record::Published(publication) => refused.push(publication),
                Record::Linked(LinkChange { link, missed, confirm, .. }) => {
                    missed.link(&link);
                    if let Some(confirm) = confirm {
                        let error = failure(&self.path, "could not keep the link", error);
                        drop(confirm.send(Err(error)));
                    }
                }
                Record::Leased(LeaseChange { answer, .. }) => {
                    let error = failure(&self.path, "could not keep who handles an event", error);
                    let _ = answer.send(Err(error));
                }
                Record::Parked(LineChange { answer, .. }) => {
                    let error = failure(&self.path, "could not keep which events of a key are parked", error);
                    let _ = answer.send(Err(error));
                }
                Record::Taken(queue, seq, _) => rest.push(Record::Taken(queue, seq, None)),
                record => rest.push(record),
            }
        }
        if let Some(engine) = self.engine.upgrade() {
            let mut state = engine.lock();
            for (queue, _) in refused.iter().flat_map(|publication| &publication.entries) {
                if let Some(queue) = state.queue(*queue) {
                    queue.cancel_put();
                }
            }
        }
        for publication in refused {
            let error = failure(&self.path, "could not keep the event, which was not published", error);
            drop(publication.confirm.send(Err(error)));
        }
        rest
    }

    /// Brings the index of the links a little further.
    fn index(&mut self) {
        if self.index_is_stale {
            // What cannot be written is not waited for: the index tells what it has.
            self.index_is_stale = self.tables.index_links().unwrap_or_else(|error| {
                tracing::warn!(path = %self.path.display(), %error, "correlation is not indexed");
                false
            });
        }
    }

    fn prune(&mut self) {
        self.written = 0;
        let announce = |end| {
            if let Some(engine) = self.engine.upgrade() {
                engine.journal.pruned(end);
            }
        };
        let pruned = self.tables.prune(announce).and_then(|()| self.tables.prune_links());
        if let Err(error) = pruned.and_then(|()| self.tables.prune_leases()) {
            tracing::warn!(path = %self.path.display(), %error, "the history of the embedded bus was not pruned");
        }
    }
}
