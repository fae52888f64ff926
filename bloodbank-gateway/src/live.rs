//! Live events for endpoints that a program adds, such as the pages of `bloodbank-dashboard`.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    gateway::Gateway,
    problem::Problem,
    stream::{StreamEvent, Subscription},
};

/// The live events that match some patterns. They end where the reader is too slow, and where the bus or the
/// gateway is closed.
#[must_use = "events are received by `next`"]
pub struct LiveEvents {
    subscription: Subscription,
    closing: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

/// An event as it came from the bus.
#[derive(Debug, Clone)]
pub struct LiveEvent(Arc<StreamEvent>);

impl Gateway {
    /// Subscribes to the events that match one of these patterns. All subscriptions and streams of a gateway share one queue.
    ///
    /// # Errors
    /// A problem says that the bus cannot be reached, or that as many streams are open as the gateway allows.
    pub async fn live(&self, patterns: &[String]) -> Result<LiveEvents, Problem> {
        let permit = Arc::clone(self.stream_permits()).try_acquire_owned();
        let permit =
            permit.map_err(|_| Problem::unavailable("as many streams are open as the gateway allows; try again"))?;
        let (_, subscription) = self.hub().subscribe(patterns, None).await?;
        Ok(LiveEvents { subscription, closing: self.closing().clone(), _permit: permit })
    }

    /// The last events that this gateway has seen since its first stream, oldest first, as many as its limits say.
    #[must_use]
    pub fn recent_events(&self) -> Vec<LiveEvent> {
        self.hub().recent().into_iter().map(LiveEvent).collect()
    }
}

impl LiveEvents {
    /// The next event; `None` at the end.
    pub async fn next(&mut self) -> Option<LiveEvent> {
        tokio::select! {
            event = self.subscription.next() => event.map(LiveEvent),
            () = self.closing.cancelled() => None,
        }
    }
}

impl std::fmt::Debug for LiveEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveEvents").finish_non_exhaustive()
    }
}

impl LiveEvent {
    /// The id of the event; `None`: the message does not name it.
    #[must_use]
    pub fn event_id(&self) -> Option<Uuid> {
        self.0.event_id
    }

    /// The type of the event.
    #[must_use]
    pub fn event_type(&self) -> &str {
        &self.0.key
    }

    /// The body: the envelope as JSON, unless another program wrote something else.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.0.body
    }
}
