//! The journal: every published message, in the order of publishing.

mod archived;
mod entry;
mod query;

use chrono::{DateTime, Utc};
use futures_util::{future::BoxFuture, stream::BoxStream};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use archived::ArchivedJournal;
pub use entry::JournalEntry;
pub use query::JournalQuery;

use crate::error::{Error, ErrorKind, Result};

/// Where reading a journal begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// At the oldest entry that is still there.
    Start,
    /// At this offset, or at the first entry after it.
    Offset(u64),
    /// At the first entry that was published at this time or later.
    Time(DateTime<Utc>),
    /// At the last entries that pass the query, this many of them; with 0, behind the newest entry.
    Last(usize),
}

/// The entries of a journal, oldest first. The stream ends after an error; that of [`Journal::read`] also where the journal ended
/// when its first entry was asked for.
pub type JournalEntries = BoxStream<'static, Result<JournalEntry>>;

/// A journal: keeps every published message, in the order of publishing, until it is too old or too far back.
pub trait Journal: Send + Sync + 'static {
    /// The kind and the place of the journal, for messages; without secrets.
    fn describe(&self) -> String;

    /// The entries that pass a query, oldest first, from a position on.
    ///
    /// The stream yields [`ErrorKind::Storage`] when the journal cannot be read, and when entries are removed that
    /// it has not come to: what is lost is said ([`entries_lost`]), never jumped over. It yields [`ErrorKind::Closed`] after
    /// its bus was closed.
    fn read(&self, query: JournalQuery, from: Position) -> JournalEntries;

    /// The entries that pass a query from a position on, and every later one when it is kept. The stream has no end, except
    /// after an error, and has the errors of [`Journal::read`].
    fn follow(&self, query: JournalQuery, from: Position) -> JournalEntries;

    /// The entry with this event id, the newest where several have it: a redriven event has the id of the first one.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] or [`ErrorKind::Closed`].
    fn get(&self, event_id: Uuid) -> BoxFuture<'_, Result<Option<JournalEntry>>>;

    /// The offset of the oldest entry; `None`: the journal is empty.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] or [`ErrorKind::Closed`].
    fn floor(&self) -> BoxFuture<'_, Result<Option<u64>>>;

    /// The offset of the newest entry; `None`: the journal is empty.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] or [`ErrorKind::Closed`].
    fn tip(&self) -> BoxFuture<'_, Result<Option<u64>>>;

    /// The offset from which on nothing was removed; `None`: the journal is empty. Some entries before it may be there all the
    /// same: the embedded bus keeps a message for as long as it waits in a queue. By default it is the floor, which is right for a
    /// journal that removes its oldest entries only.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] or [`ErrorKind::Closed`].
    fn complete_from(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        self.floor()
    }
}

/// The error of a reader that the journal has left behind: the entries of these offsets, both included, were removed before they
/// were read.
#[must_use]
pub fn entries_lost(journal: &str, from: u64, to: u64) -> Error {
    Error::new(
        ErrorKind::Storage,
        format!(
            "the entries {from} to {to} of {journal} were removed before they were read; begin again at {}, or keep more of it",
            to.saturating_add(1)
        ),
    )
}
