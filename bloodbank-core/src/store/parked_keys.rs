//! Keys whose events are parked (`retry(park_key)`), each with the line of its parked events.

use std::{fmt, sync::Arc};

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::Result;

/// An event of a key, for one subscriber.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ParkedEvent {
    /// The queue of the subscriber.
    pub queue: Arc<str>,
    /// The value of the field that orders events (`ordered_by`), as text without control characters.
    pub key: Arc<str>,
    /// The id of the event.
    pub event_id: Uuid,
}

impl fmt::Display for ParkedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.queue, self.key, self.event_id)
    }
}

/// The place of an event in the line of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// Nothing of the key is parked.
    Free,
    /// The event is the first of its line, or was until it left it as handled, and no other has been handled since.
    First,
    /// The event stands behind another one.
    Behind {
        /// The id of the first one of the line.
        first: Uuid,
        /// The position of the event: those behind it have larger ones.
        position: u64,
    },
}

/// A key with parked events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedKey {
    /// The key.
    pub key: String,
    /// The number of its parked events.
    pub events: u64,
    /// The id of the first one, behind which the others stand.
    pub first: Uuid,
    /// The time at which that one was parked.
    pub since: DateTime<Utc>,
}

/// A store of parked keys. Each call is atomic, and repeating it does no harm; the caller sets the deadline.
pub trait ParkedKeys: Send + Sync + 'static {
    /// The kind and the place of the store, for messages; without secrets.
    fn describe(&self) -> String;

    /// The place of an event that is about to be handled. Where the key has a line in which the event is not, it joins the
    /// line at its end.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`]; the event may have joined.
    fn join<'a>(&'a self, event: &'a ParkedEvent) -> BoxFuture<'a, Result<Place>>;

    /// Puts an event that was given up at the end of the line of its key; one that is in the line keeps its place, also when
    /// it has just left it as handled. Returns its position: those behind it have larger ones.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`]; the event may be in the line.
    fn park<'a>(&'a self, event: &'a ParkedEvent) -> BoxFuture<'a, Result<u64>>;

    /// Takes an event that was handled out of its line, and remembers it until the next one is handled or the line is empty:
    /// where its acknowledgement is lost, it comes again, before the others.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`]; the event may have left.
    fn leave<'a>(&'a self, event: &'a ParkedEvent) -> BoxFuture<'a, Result<()>>;

    /// Removes an event that will not be handled from its line.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`]; the event may be gone.
    fn remove<'a>(&'a self, event: &'a ParkedEvent) -> BoxFuture<'a, Result<()>>;

    /// Removes the whole line of a key; returns the number of events that were in it.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`]; the line may be gone.
    fn release<'a>(&'a self, queue: &'a str, key: &'a str) -> BoxFuture<'a, Result<u64>>;

    /// Lists the keys of a subscriber that have parked events, in the order of the keys.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`].
    fn list<'a>(&'a self, queue: &'a str) -> BoxFuture<'a, Result<Vec<ParkedKey>>>;
}
