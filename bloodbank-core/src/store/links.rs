//! Causation links between events: which one caused which.

use std::{fmt, sync::Arc};

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::UnrecordedLinks;
use crate::error::Result;

/// The member of metadata that names the routing key.
pub(crate) const EVENT_TYPE: &str = "event_type";
/// The member of metadata that names the program.
pub(crate) const APP: &str = "app";

/// A causation link: an event and its parents, as publishing records it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CausationLink {
    /// The id of the event.
    pub child: Uuid,
    /// The direct parents of the event, once each, in order.
    pub parents: Vec<Uuid>,
    /// The routing key that the event was published under, where that is known.
    pub event_type: Option<Arc<str>>,
    /// The time in the envelope.
    pub created_at: DateTime<Utc>,
    /// The program that published the event.
    pub app: Option<Arc<str>>,
    /// The metadata from the publisher.
    pub metadata: Option<Map<String, Value>>,
}

impl CausationLink {
    /// The link as a store keeps it.
    #[must_use]
    pub fn entry(&self) -> LinkEntry {
        let mut metadata = self.metadata.clone().unwrap_or_default();
        for (name, value) in [(EVENT_TYPE, &self.event_type), (APP, &self.app)] {
            if let Some(value) = value {
                metadata.insert(name.to_owned(), Value::from(&**value));
            }
        }
        LinkEntry { parents: self.parents.clone(), created_at: Some(self.created_at), metadata }
    }
}

/// The entry of an event in a link store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinkEntry {
    /// The direct parents of the event.
    pub parents: Vec<Uuid>,
    /// The time in the envelope, or the time at which another program recorded the event.
    pub created_at: Option<DateTime<Utc>>,
    /// The metadata from the publisher, with `event_type` and `app` added.
    pub metadata: Map<String, Value>,
}

impl LinkEntry {
    /// The routing key that the event was published under.
    #[must_use]
    pub fn event_type(&self) -> Option<&str> {
        self.metadata.get(EVENT_TYPE)?.as_str()
    }

    /// The program that published the event.
    #[must_use]
    pub fn app(&self) -> Option<&str> {
        self.metadata.get(APP)?.as_str()
    }
}

/// A malformed value under a key of Bloodbank, which another program wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MalformedEntry {
    /// The event that the value belongs to.
    pub event_id: Uuid,
    /// The key in the store.
    pub key: String,
    /// The description of the problem.
    pub problem: String,
}

impl fmt::Display for MalformedEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.key, self.problem)
    }
}

/// The result of reading many events: a value for each, in the same order, and the malformed values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchRead<T> {
    /// The values, one for each event that was asked for.
    pub values: Vec<T>,
    /// Malformed values, which another program wrote; the readable parts of them are in `values`.
    pub malformed: Vec<MalformedEntry>,
}

impl<T> From<Vec<T>> for BatchRead<T> {
    fn from(values: Vec<T>) -> Self {
        Self { values, malformed: Vec::new() }
    }
}

/// A store of causation links. All methods take many ids: one round trip for each level of a chain.
pub trait LinkStore: Send + Sync + 'static {
    /// The kind and the place of the store, for logs; without secrets.
    fn describe(&self) -> String;

    /// Records links, replacing existing ones. Returns the values in the way of some of them.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`] when the store cannot be written; some of the links may be recorded.
    fn write<'a>(&'a self, links: &'a [CausationLink]) -> BoxFuture<'a, Result<Vec<MalformedEntry>>>;

    /// Checks whether links can be recorded again after a failure.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`] while they cannot.
    fn probe(&self) -> BoxFuture<'_, Result<()>>;

    /// The entries of these events; `None` where nothing is known.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`].
    fn entries<'a>(&'a self, events: &'a [Uuid]) -> BoxFuture<'a, Result<BatchRead<Option<LinkEntry>>>>;

    /// The children of each of these events, once each.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`].
    fn children<'a>(&'a self, events: &'a [Uuid]) -> BoxFuture<'a, Result<BatchRead<Vec<Uuid>>>>;

    /// The ids of events in the store between two ids, both included, in order; at most `limit` of them. Of events that are only
    /// known as parents too.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`].
    fn find(&self, first: Uuid, last: Uuid, limit: usize) -> BoxFuture<'_, Result<Vec<Uuid>>>;

    /// The current time at the store; `None`: it has no clock of its own.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`].
    fn time(&self) -> BoxFuture<'_, Result<Option<DateTime<Utc>>>>;
}

/// A link store that takes links at once and keeps them with the published events.
pub trait DirectLinkStore: LinkStore {
    /// Inserts a link; later reads see it.
    fn insert(&self, link: CausationLink);

    /// Resolves when every link inserted before is kept.
    fn flush(&self) -> BoxFuture<'_, ()>;

    /// The links that could not be kept; `None` where that cannot happen.
    fn missed(&self) -> Option<&UnrecordedLinks>;
}
