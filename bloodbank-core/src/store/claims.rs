//! Large payloads that stay out of their events.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::error::Result;
use crate::settings::ClaimStoreKind;

/// The longest key, in bytes.
pub(crate) const LONGEST_KEY: usize = 1024;

/// Keeps payloads under keys, each for a time. Keys come from events, so from anybody: a store never takes one for a
/// path or a command.
pub trait ClaimStore: Send + Sync + 'static {
    /// What references to it say.
    fn kind(&self) -> ClaimStoreKind;

    /// Keeps a payload; one that is there already is replaced.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`] when it cannot be written.
    fn put<'a>(&'a self, key: &'a str, payload: Bytes, ttl: Duration) -> BoxFuture<'a, Result<()>>;

    /// What is kept under a key; no more than `limit` bytes are read.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`] when it cannot be read.
    fn get<'a>(&'a self, key: &'a str, limit: usize) -> BoxFuture<'a, Result<Lookup>>;

    /// Forgets what is kept under a key, if anything is.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`].
    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<()>>;
}

/// What a store has under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// A payload.
    Payload(Bytes),
    /// A payload over the limit.
    TooLarge,
    /// A payload whose time is over.
    Expired,
    /// Nothing.
    Nothing,
}
