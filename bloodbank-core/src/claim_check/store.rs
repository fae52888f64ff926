//! What a store must do.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::CacheType;
use crate::error::Result;

/// The longest key, in bytes.
pub(super) const LONGEST_KEY: usize = 1024;

/// Keeps payloads under keys, each for a time. Keys come from events, so from anybody: a store never takes one for a
/// path or a command.
pub trait ClaimStore: Send + Sync + 'static {
    /// What references to it say.
    fn cache_type(&self) -> CacheType;

    /// Keeps a payload; one that is there already is replaced.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`] when it cannot be written.
    fn put<'a>(&'a self, key: &'a str, payload: Bytes, ttl: Duration) -> BoxFuture<'a, Result<()>>;

    /// What is kept under a key; no more than `limit` bytes are read.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`] when it cannot be read.
    fn get<'a>(&'a self, key: &'a str, limit: usize) -> BoxFuture<'a, Result<Found>>;

    /// Forgets what is kept under a key, if anything is.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`].
    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<()>>;
}

/// What a store has under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A payload.
    Payload(Bytes),
    /// A payload over the limit.
    TooLarge,
    /// A payload whose time is over.
    Expired,
    /// Nothing.
    Nothing,
}
