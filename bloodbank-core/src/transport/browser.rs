//! Browsing of a queue without being its consumer.

use futures_util::future::BoxFuture;

use super::Delivery;
use crate::error::Result;

/// The messages that waited in a queue at one moment, taken one by one. Each is held until it is settled; nobody else
/// sees it meanwhile. Messages that are neither acknowledged nor rejected go back to the queue when the browser is dropped.
pub trait QueueBrowser: Send {
    /// The number of messages that are left of those that waited; fewer come when another consumer takes some.
    fn left(&self) -> usize;

    /// Takes the next message; `None`: there are no more.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Connection`] or [`crate::ErrorKind::Closed`]: what was held goes back to the queue.
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Delivery>>>;

    /// Tells the bus what was settled so far; the other messages stay held.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Connection`] when it cannot be told.
    fn flush(&mut self) -> BoxFuture<'_, Result<()>>;

    /// Resolves when the bus knows of every settlement. Without this call, the messages acknowledged last may come
    /// again.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Connection`] when it cannot be told.
    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<()>>;
}

/// The waiting messages of a queue, boxed.
pub type BoxQueueBrowser = Box<dyn QueueBrowser>;
