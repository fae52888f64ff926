//! The messages that wait, read from the file a few at a time.
//!
//! They are read under the lock of the engine: 128 of them take some tenths of a millisecond, and whoever takes the last
//! one in memory has the next one there. A thread that reads ahead would be no faster, because the thread that writes and
//! the consumers have all processors, and would need a wake-up for everybody who waits for it.

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags, params};

use crate::{
    backlog::{Backlog, Page},
    entry::{Entry, QueueId},
    sqlite::{BUSY_TIMEOUT, load, tables},
};

/// The most messages that are read at once, and the bytes of bodies after which it is enough.
const PAGE_MESSAGES: usize = 128;
const PAGE_BYTES: usize = 256 * 1024;

/// What the file has of the queues, for the engine.
pub(super) struct FileBacklog {
    path: PathBuf,
    /// `None` once the bus is closed: the file must be free then.
    connection: Mutex<Option<Connection>>,
    /// The start of the engine's clock, since 1970.
    epoch: Duration,
    written: AtomicU64,
    is_failing: AtomicBool,
}

impl FileBacklog {
    pub(super) fn open(path: &Path, epoch: Duration) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        Ok(Self {
            path: path.to_owned(),
            connection: Mutex::new(Some(connection)),
            epoch,
            written: AtomicU64::new(0),
            is_failing: AtomicBool::new(false),
        })
    }

    /// So many records of the log are kept.
    pub(super) fn wrote(&self, records: u64) {
        self.written.store(records, Ordering::Release);
    }

    fn read(&self, connection: &Connection, queue: QueueId, places: RangeInclusive<u64>) -> rusqlite::Result<Page> {
        // From the entries to their messages, never the other way round.
        let mut statement = connection.prepare_cached(
            "SELECT e.seq, e.message, e.returned, e.expires_at,
                coalesce(e.exchange, m.exchange), coalesce(e.key, m.key), coalesce(e.properties, m.properties), m.body
            FROM entries e CROSS JOIN messages m
            WHERE e.queue = ?1 AND e.seq BETWEEN ?2 AND ?3 AND m.id = e.message
            ORDER BY e.seq",
        )?;
        let (first, last) = (places.start().cast_signed(), places.end().cast_signed());
        let mut rows = statement.query(params![queue.cast_signed(), first, last])?;
        let (mut entries, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            let message = load::message(row, [4, 5, 6, 7])?;
            bytes += message.body.len();
            entries.push(Entry {
                seq: load::number(row, 0)?,
                id: load::number(row, 1)?,
                message: message.into(),
                returned: row.get(2)?,
                expires_at: row.get::<_, Option<i64>>(3)?.map(|at| tables::on_clock(at, self.epoch)),
                restored: false,
                logged: 0,
            });
            if entries.len() == PAGE_MESSAGES || bytes >= PAGE_BYTES {
                return Ok(Page { entries, is_last: false });
            }
        }
        Ok(Page { entries, is_last: true })
    }
}

impl Backlog for FileBacklog {
    fn page(&self, queue: QueueId, places: RangeInclusive<u64>) -> Option<Page> {
        let connection = self.connection.lock();
        let read = self.read(connection.as_ref()?, queue, places);
        let was_failing = self.is_failing.swap(read.is_err(), Ordering::Relaxed);
        read.inspect_err(|error| {
            if !was_failing {
                tracing::error!(
                    path = %self.path.display(), %error,
                    "the embedded bus cannot be read: what waits in its file is not delivered until it can",
                );
            }
        })
        .ok()
    }

    fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    fn close(&self) {
        drop(self.connection.lock().take());
    }
}
