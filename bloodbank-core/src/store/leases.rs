//! Leases on events, and which events were handled.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use uuid::Uuid;

use crate::error::Result;

/// An event, for one subscriber.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LeaseKey {
    /// The queue of the subscriber.
    pub queue: Arc<str>,
    /// The event.
    pub event_id: Uuid,
}

impl fmt::Display for LeaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.queue, self.event_id)
    }
}

/// What becomes of an event that somebody wants to handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acquired {
    /// It is his who asked, for the time of the lease.
    Leased,
    /// It was handled.
    Done,
    /// Another has it.
    Busy,
}

/// A store of leases and of what is done. Each call is atomic; whoever calls sets the deadline.
pub trait LeaseStore: Send + Sync + 'static {
    /// What it is and where, for messages; no secrets.
    fn describe(&self) -> String;

    /// Takes the lease on an event that nobody has, or that is leased under this token.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`]; the lease may have been taken: the same token takes it again.
    fn acquire<'a>(&'a self, key: &'a LeaseKey, token: Uuid, lease: Duration) -> BoxFuture<'a, Result<Acquired>>;

    /// Makes a lease last so long from now on; `false`: it is not held under this token any more.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`].
    fn renew<'a>(&'a self, key: &'a LeaseKey, token: Uuid, lease: Duration) -> BoxFuture<'a, Result<bool>>;

    /// The event is done, for so long; also where the lease has ended and nobody else has it. `false`: another has it.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`].
    fn finish<'a>(&'a self, key: &'a LeaseKey, token: Uuid, within: Duration) -> BoxFuture<'a, Result<bool>>;

    /// Gives up a lease, if it is held under this token.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`]; the lease then ends by itself.
    fn release<'a>(&'a self, key: &'a LeaseKey, token: Uuid) -> BoxFuture<'a, Result<()>>;
}
