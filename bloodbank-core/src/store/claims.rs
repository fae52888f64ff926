//! Claim stores: large payloads that stay out of their events.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::error::Result;
use crate::settings::ClaimStoreKind;

/// The longest key of a claim, in bytes.
pub(crate) const LONGEST_KEY: usize = 1024;

/// A store of payloads under keys, each kept for a time. Keys come from events, so from anybody: a store never takes
/// one for a path or a command.
pub trait ClaimStore: Send + Sync + 'static {
    /// The kind of the store, as references name it.
    fn kind(&self) -> ClaimStoreKind;

    /// Stores a payload under a key, replacing an existing one.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`] when it cannot be written.
    fn put<'a>(&'a self, key: &'a str, payload: Bytes, ttl: Duration) -> BoxFuture<'a, Result<()>>;

    /// Reads the payload under a key; one of more than `limit` bytes is not read in full.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`] when it cannot be read.
    fn get<'a>(&'a self, key: &'a str, limit: usize) -> BoxFuture<'a, Result<Lookup>>;

    /// Removes the payload under a key, if there is one.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`].
    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<()>>;
}

/// The result of a lookup in a claim store.
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
