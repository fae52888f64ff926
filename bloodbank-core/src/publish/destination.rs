//! Destinations of prepared events: the broker, or a place that keeps them until they are published.

use futures_util::future::BoxFuture;

use super::{Bus, Prepared, Receipt};
use crate::error::Result;

/// A destination of prepared events: the broker, unless [`Publish::via`](crate::publish::Publish::via) names another one,
/// such as an outbox.
pub trait Destination<'a>: Send + 'a {
    /// The value that the publish resolves to.
    type Receipt: Send;

    /// Hands a prepared event over.
    ///
    /// # Errors
    /// What the destination says.
    fn send(self, bus: &'a Bus, prepared: Prepared) -> BoxFuture<'a, Result<Self::Receipt>>;
}

/// The broker as a destination: the publish resolves when the event is confirmed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Broker;

impl<'a> Destination<'a> for Broker {
    type Receipt = Receipt;

    fn send(self, bus: &'a Bus, prepared: Prepared) -> BoxFuture<'a, Result<Receipt>> {
        Box::pin(bus.publish_prepared(prepared))
    }
}
