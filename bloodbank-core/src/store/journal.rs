//! The journal: every published message, in the order of publishing.

use chrono::{DateTime, Utc};
use futures_util::{future::BoxFuture, stream::BoxStream};
use uuid::Uuid;

use crate::{error::Result, message::Incoming, routing::BindingPattern};

/// A message that was published, as a journal keeps it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JournalEntry {
    /// The position of the entry in the journal. Offsets grow; there may be gaps.
    pub offset: u64,
    /// The time at which the message was kept, to the millisecond.
    pub published_at: DateTime<Utc>,
    /// The message, as it was published.
    pub message: Incoming,
}

impl JournalEntry {
    /// Creates an entry, for implementations of a journal.
    #[must_use]
    pub fn new(offset: u64, published_at: DateTime<Utc>, message: Incoming) -> Self {
        Self { offset, published_at, message }
    }

    /// The event type of the message: its property of that name, otherwise its routing key.
    #[must_use]
    pub fn event_type(&self) -> &str {
        self.message.properties.event_type.as_ref().unwrap_or(&self.message.routing_key)
    }
}

/// Which entries of a journal to read; by default all of them.
///
/// ```
/// # use bloodbank_core::{routing::BindingPattern, store::JournalQuery};
/// let orders = JournalQuery::all().pattern(BindingPattern::parse("orders.#")?).exchange("bloodbank.events.v1");
/// # Ok::<(), bloodbank_core::routing::InvalidKey>(())
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct JournalQuery {
    /// A pattern that event types match; `None`: all types.
    pub pattern: Option<BindingPattern>,
    /// The exchange that messages went through; `None`: any, copies that wait for a retry and dead letters included.
    pub exchange: Option<String>,
    /// The earliest time of publishing; `None`: any.
    pub since: Option<DateTime<Utc>>,
}

impl JournalQuery {
    /// Selects every entry.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Selects only event types that this pattern matches.
    #[must_use]
    pub fn pattern(mut self, pattern: BindingPattern) -> Self {
        self.pattern = Some(pattern);
        self
    }

    /// Selects only messages that went through this exchange.
    #[must_use]
    pub fn exchange(mut self, exchange: impl Into<String>) -> Self {
        self.exchange = Some(exchange.into());
        self
    }

    /// Selects only messages that were published at this time or later.
    #[must_use]
    pub fn since(mut self, since: DateTime<Utc>) -> Self {
        self.since = Some(since);
        self
    }
}

/// Where reading a journal begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// At the oldest entry that is still there.
    Start,
    /// At this offset, or at the first entry after it.
    Offset(u64),
    /// At the first entry that was published at this time or later.
    Time(DateTime<Utc>),
    /// At the last entries that pass the query, this many of them.
    Last(usize),
}

/// The entries of a journal, oldest first. The stream ends where the journal ended when its first entry was asked for, and after
/// an error.
pub type JournalEntries = BoxStream<'static, Result<JournalEntry>>;

/// A journal: keeps every published message, in the order of publishing, until it is too old or too far back.
pub trait Journal: Send + Sync + 'static {
    /// The kind and the place of the journal, for messages; without secrets.
    fn describe(&self) -> String;

    /// The entries that pass a query, oldest first, from a position on.
    ///
    /// The stream yields [`crate::ErrorKind::Storage`] when the journal cannot be read, [`crate::ErrorKind::Closed`] after
    /// its bus was closed.
    fn read(&self, query: JournalQuery, from: Position) -> JournalEntries;

    /// The entry with this event id, the newest where several have it: a redriven event has the id of the first one.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`] or [`crate::ErrorKind::Closed`].
    fn get(&self, event_id: Uuid) -> BoxFuture<'_, Result<Option<JournalEntry>>>;

    /// The offset of the oldest entry; `None`: the journal is empty.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`] or [`crate::ErrorKind::Closed`].
    fn floor(&self) -> BoxFuture<'_, Result<Option<u64>>>;

    /// The offset of the newest entry; `None`: the journal is empty.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`] or [`crate::ErrorKind::Closed`].
    fn tip(&self) -> BoxFuture<'_, Result<Option<u64>>>;
}
