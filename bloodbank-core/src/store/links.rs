//! Links between events: which one caused which.

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

/// An event and its parents, as publishing records it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CausationLink {
    /// The event.
    pub child: Uuid,
    /// Its direct parents, once each, in order.
    pub parents: Vec<Uuid>,
    /// The key it was published under, where that is known.
    pub event_type: Option<Arc<str>>,
    /// The time in its envelope.
    pub created_at: DateTime<Utc>,
    /// The program that published it.
    pub app: Option<Arc<str>>,
    /// What the publisher said about it.
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

/// What a store knows about an event.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkEntry {
    /// Its direct parents.
    pub parents: Vec<Uuid>,
    /// The time in its envelope, or when another program recorded it.
    pub created_at: Option<DateTime<Utc>>,
    /// What the publisher said, with `event_type` and `app` added.
    pub metadata: Map<String, Value>,
}

impl LinkEntry {
    /// The key it was published under.
    #[must_use]
    pub fn event_type(&self) -> Option<&str> {
        self.metadata.get(EVENT_TYPE)?.as_str()
    }

    /// The program that published it.
    #[must_use]
    pub fn app(&self) -> Option<&str> {
        self.metadata.get(APP)?.as_str()
    }
}

/// A value under one of our keys that another program broke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MalformedEntry {
    /// The event whose value it is.
    pub event_id: Uuid,
    /// The key in the store.
    pub key: String,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for MalformedEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.key, self.problem)
    }
}

/// What was read about many events: a value for each, in the same order, and what could not be understood.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchRead<T> {
    /// One for each event that was asked for.
    pub values: Vec<T>,
    /// Values that another program broke; what can be understood of them is in `values`.
    pub malformed: Vec<MalformedEntry>,
}

impl<T> From<Vec<T>> for BatchRead<T> {
    fn from(values: Vec<T>) -> Self {
        Self { values, malformed: Vec::new() }
    }
}

/// Keeps links. All methods take many ids: one round trip for each level of a chain.
pub trait LinkStore: Send + Sync + 'static {
    /// What and where it is, for logs; without secrets.
    fn describe(&self) -> String;

    /// Records links; a link that is there already is replaced. Returns the values in the way of some of them.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`] when the store cannot be written; some of the links may be recorded.
    fn write<'a>(&'a self, links: &'a [CausationLink]) -> BoxFuture<'a, Result<Vec<MalformedEntry>>>;

    /// Finds out whether links can be recorded again after a failure.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`] while they cannot.
    fn probe(&self) -> BoxFuture<'_, Result<()>>;

    /// What is known about each of these events.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`].
    fn entries<'a>(&'a self, events: &'a [Uuid]) -> BoxFuture<'a, Result<BatchRead<Option<LinkEntry>>>>;

    /// The children of each of these events, once each.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`].
    fn children<'a>(&'a self, events: &'a [Uuid]) -> BoxFuture<'a, Result<BatchRead<Vec<Uuid>>>>;

    /// What time it is there; `None`: it has no clock of its own.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`].
    fn time(&self) -> BoxFuture<'_, Result<Option<DateTime<Utc>>>>;
}

/// A store that takes links at once and keeps them with what is published.
pub trait DirectLinkStore: LinkStore {
    /// Takes a link; whoever asks afterwards sees it.
    fn insert(&self, link: CausationLink);

    /// Resolves when what was taken before is kept.
    fn flush(&self) -> BoxFuture<'_, ()>;

    /// What could not be kept; `None` where that cannot happen.
    fn missed(&self) -> Option<&UnrecordedLinks>;
}
