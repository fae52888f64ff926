//! Looking into a queue without being its consumer.

use futures_util::future::BoxFuture;

use super::Delivery;
use crate::error::Result;

/// The messages that waited in a queue at one moment, taken one by one. Each is held until it is settled; nobody else
/// sees it meanwhile. What is neither acknowledged nor rejected goes back to its queue when this ends.
pub trait Fetch: Send {
    /// How many are left of those that waited; fewer come when somebody else takes them.
    fn left(&self) -> usize;

    /// The next of them; `None`: that was all.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Connection`] or [`crate::ErrorKind::Closed`]: what was held goes back to the queue.
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Delivery>>>;

    /// Resolves when the bus knows of every settlement. Without it, what was acknowledged last may come again.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Connection`] when it cannot be told.
    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<()>>;
}

/// What waits in a queue.
pub type Fetched = Box<dyn Fetch>;
