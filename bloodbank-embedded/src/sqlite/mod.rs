//! The embedded bus in one SQLite file: what was confirmed survives the process.
//!
//! The engine works in memory and appends its changes to a channel; one thread writes them in groups, one transaction and
//! one `fsync` for each. Of a queue in which many messages wait, only the first ones are in memory; the others are read
//! from the file when it is their turn. A publish is confirmed, and its message put into the queues, once its transaction is committed;
//! everything else is appended without waiting. What is lost with the process is therefore at most the news that
//! something was settled, and then it is delivered again.
//!
//! Every message comes back to its place in its queue. What was in somebody's hands counts as returned, so that the
//! delivery limit parks a message that kills the process each time; what only waited does not. The mark of a message that
//! was taken may be lost with the process when it was published by the same run; from the first restart on, a message is
//! handed out only after its mark is kept. Marks are kept in groups, ahead of the handing out; a message that came back
//! before is marked alone, so that what kills the process is not parked together with what was only marked with it.

mod backlog;
mod batch;
mod by_type;
mod header;
pub(super) mod journal;
mod journal_page;
pub(super) mod leases;
mod link_tables;
pub(super) mod links;
mod load;
mod lock;
pub(super) mod parked_keys;
pub(super) mod progress;
mod prune;
mod schema;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::sqlite::{backlog::FileBacklog, lock::FileLock, tables::Tables, writer::Writer};
use crate::{
    changes::ChangeLog,
    clock::Clock,
    engine::{Engine, State},
    wakers::Wakers,
};
use bloodbank_core::{Error, ErrorKind, Result};

/// Retention of the journal. A message that still waits in a queue is always kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retention {
    /// The number of newest messages that are kept.
    pub(super) count: u64,
    /// The age from which messages are not kept.
    pub(super) age: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { count: 100_000, age: Duration::from_secs(7 * 24 * 60 * 60) }
    }
}

/// An engine that goes on where the file stopped, and the file's one name.
pub(super) fn open(path: &Path) -> Result<(Arc<Engine>, PathBuf)> {
    open_with_retention(path, Retention::default())
}

pub(super) fn open_with_retention(path: &Path, retention: Retention) -> Result<(Arc<Engine>, PathBuf)> {
    check_path(path)?;
    let name = canonical_path(path)?;
    let path = name.as_path();
    // The lock first: a look into a file that this process has open would take away SQLite's own locks on it.
    let lock = FileLock::acquire(path)?;
    let is_new = match header::check(path) {
        Ok(is_new) => is_new,
        Err(error) => {
            lock.remove();
            return Err(error);
        }
    };
    let connection = connect(path, is_new)?;
    let engine = start(path, connection, lock, retention)?;
    Ok((engine, name))
}

/// The canonical path of the file, however it was named; never one of the names that SQLite takes for something else.
fn canonical_path(path: &Path) -> Result<PathBuf> {
    let name = path.canonicalize().or_else(|_| std::path::absolute(path));
    name.map_err(|error| {
        let text =
            format!("the embedded bus {} cannot be found; set BLOODBANK_EMBEDDED_PATH to another file", path.display());
        Error::new(ErrorKind::Storage, text).with_source(error)
    })
}

fn check_path(path: &Path) -> Result<()> {
    let fault = match path.parent() {
        _ if path.is_dir() => "it is a folder; set BLOODBANK_EMBEDDED_PATH to another file".to_owned(),
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => format!(
            "the folder {} does not exist; create it, or set BLOODBANK_EMBEDDED_PATH to another file",
            folder.display()
        ),
        _ => return Ok(()),
    };
    Err(Error::new(ErrorKind::Storage, format!("the embedded bus {} cannot be opened: {fault}", path.display())))
}

fn connect(path: &Path, is_new: bool) -> Result<Connection> {
    let failed = |error| failure(path, "cannot be opened", &error);
    if is_new {
        create_private(path);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    if is_new {
        schema::create(&connection).map_err(failed)?;
    }
    schema::check(path, &connection)?;
    schema::configure(&connection).map_err(failed)?;
    schema::migrate(&connection).map_err(failed)?;
    connection.execute_batch(link_tables::TABLES).map_err(failed)?;
    connection.execute_batch(leases::TABLE).map_err(failed)?;
    connection.execute_batch(parked_keys::TABLE).map_err(failed)?;
    Ok(connection)
}

/// Creates the file for this user alone: it holds the payloads of all events. What SQLite puts beside it has the same
/// permissions. A file that is there already keeps its own; one that cannot be created is reported by SQLite.
fn create_private(path: &Path) {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    drop(options.open(path));
}

fn start(path: &Path, connection: Connection, lock: FileLock, retention: Retention) -> Result<Arc<Engine>> {
    let clock = Clock::real();
    let (log, records) = mpsc::channel();
    let mut state = State::default();
    state.changes = ChangeLog::to(log);
    let backlog = FileBacklog::open(path, clock.epoch()).map_err(|error| failure(path, "cannot be opened", &error))?;
    let backlog = Arc::new(backlog);
    state.backlog = Some(Arc::clone(&backlog) as _);
    let tables = Tables::new(connection, clock.epoch(), retention);
    let tables = load::load(path, &mut state, tables)?;
    // What the restart counted is in the file already; what follows from it goes through the log like everything else.
    state.dead_letter_exhausted(&clock, &mut Wakers::default());
    let engine = Arc::new(Engine::with(clock, state));
    Writer::start(path, tables, lock, records, Arc::downgrade(&engine), backlog)?;
    Ok(engine)
}

/// The longest wait for another connection that reads, or for another process that is about to close the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// The file, what it cannot do, why, and what helps.
fn failure(path: &Path, what: &str, error: &rusqlite::Error) -> Error {
    let remedy = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "free space on its disk",
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            "make it and its folder writable for this user"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "stop the other program that uses it",
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => "it is damaged: move it away or restore a copy",
        _ => "check its disk and the space on it",
    };
    Error::new(
        ErrorKind::Storage,
        format!(
            "the embedded bus {} {what}: {error}; {remedy}, or set BLOODBANK_EMBEDDED_PATH to another file",
            path.display()
        ),
    )
}

/// The path of a file beside another, with a suffix, as SQLite names its own.
pub(super) fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
