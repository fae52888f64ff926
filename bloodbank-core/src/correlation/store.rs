//! What a correlation store keeps, and the trait of stores.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::error::Result;

/// An event and its parents, as publishing records it.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// The event.
    pub child: Uuid,
    /// Its direct parents, once each, in order.
    pub parents: Vec<Uuid>,
    /// The key it was published under.
    pub event_type: Arc<str>,
    /// The time in its envelope.
    pub created_at: DateTime<Utc>,
    /// The program that published it.
    pub app: Option<Arc<str>>,
    /// What the publisher said about it.
    pub metadata: Option<Map<String, Value>>,
}

/// What a store knows about an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its direct parents.
    pub parents: Vec<Uuid>,
    /// When it was recorded.
    pub created_at: DateTime<Utc>,
    /// Key, program, and what the publisher said.
    pub metadata: Map<String, Value>,
}

/// Keeps links. All methods take many ids: one round trip for each level of a chain.
pub trait CorrelationStore: Send + Sync + 'static {
    /// Records links.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`]; the tracker counts and goes on.
    fn write(&self, links: Vec<Link>) -> BoxFuture<'_, Result<()>>;

    /// What is known about each of these events, in the same order.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`].
    fn entries(&self, events: Vec<Uuid>) -> BoxFuture<'_, Result<Vec<Option<Entry>>>>;

    /// The children of each of these events, in the same order.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`].
    fn children(&self, events: Vec<Uuid>) -> BoxFuture<'_, Result<Vec<Vec<Uuid>>>>;
}
