//! Leases on events, and the record of handled events.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use uuid::Uuid;

use crate::error::Result;

/// The key of a lease: an event, for one subscriber.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LeaseKey {
    /// The queue of the subscriber.
    pub queue: Arc<str>,
    /// The id of the event.
    pub event_id: Uuid,
}

impl fmt::Display for LeaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.queue, self.event_id)
    }
}

/// The result of acquiring a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acquired {
    /// The caller has the lease, for the time it asked for.
    Leased,
    /// The event was handled before.
    Done,
    /// Another caller has the lease.
    Busy,
}

/// A store of leases and of handled events. Each call is atomic; the caller sets the deadline.
pub trait LeaseStore: Send + Sync + 'static {
    /// The kind and the place of the store, for messages; without secrets.
    fn describe(&self) -> String;

    /// Acquires the lease on an event that nobody has, or that is leased under this token.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`]; the lease may have been taken: the same token takes it again.
    fn acquire<'a>(&'a self, key: &'a LeaseKey, token: Uuid, lease: Duration) -> BoxFuture<'a, Result<Acquired>>;

    /// Renews a lease for this time from now on; `false`: it is not held under this token any more.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`].
    fn renew<'a>(&'a self, key: &'a LeaseKey, token: Uuid, lease: Duration) -> BoxFuture<'a, Result<bool>>;

    /// Marks an event as handled for the time `within`, also where the lease has ended and nobody else has it. `false`:
    /// another caller has the lease.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`].
    fn finish<'a>(&'a self, key: &'a LeaseKey, token: Uuid, within: Duration) -> BoxFuture<'a, Result<bool>>;

    /// Releases a lease, if it is held under this token.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`]; the lease then ends by itself.
    fn release<'a>(&'a self, key: &'a LeaseKey, token: Uuid) -> BoxFuture<'a, Result<()>>;
}
