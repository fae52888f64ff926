//! The deliveries of a queue, over as many connections as it takes.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{FutureExt, Stream, future::BoxFuture};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tracing::{info, warn};

use super::{
    Shared,
    subscription::{Subscription, subscribe},
};
use crate::transport::{
    Delivery,
    amqp::{backoff, declare::Refusal},
};

/// How long to wait before a narrow consumer tries again to become a wide one.
const WIDEN_AGAIN: Duration = Duration::from_secs(5);

/// The deliveries of a queue; ends when the transport is closed.
pub(super) struct AmqpDeliveries {
    shared: Arc<Shared>,
    queue: Arc<str>,
    prefetch: u16,
    state: State,
    closing: Pin<Box<WaitForCancellationFutureOwned>>,
}

enum State {
    Active { subscription: Box<Subscription>, widening: Option<Widening> },
    Resuming(BoxFuture<'static, Option<Subscription>>),
    Ended,
}

/// Makes a subscription that takes more than one message at a time.
struct Widening {
    opening: BoxFuture<'static, Option<Subscription>>,
    /// After so many messages that did no harm.
    harmless: u32,
    enough: Arc<Notify>,
}

impl Widening {
    fn new(until: Instant, shared: &Arc<Shared>, queue: &Arc<str>, prefetch: u16) -> Self {
        let enough = Arc::<Notify>::default();
        let (shared, queue, told) = (Arc::clone(shared), Arc::clone(queue), Arc::clone(&enough));
        let opening = async move {
            tokio::select! {
                () = sleep_until(until) => {}
                () = told.notified() => {}
            }
            widen(shared, queue, prefetch).await
        };
        // What was on its way when the connection died comes first: not more than a window of it.
        Self { opening: opening.boxed(), harmless: 2 * u32::from(prefetch), enough }
    }

    fn handed_out(&mut self) {
        self.harmless = self.harmless.saturating_sub(1);
        if self.harmless == 0 {
            self.enough.notify_one();
        }
    }
}

impl State {
    fn active(subscription: Subscription, shared: &Arc<Shared>, queue: &Arc<str>, prefetch: u16) -> Self {
        let widening = subscription.cautious_until.map(|until| Widening::new(until, shared, queue, prefetch));
        Self::Active { subscription: Box::new(subscription), widening }
    }
}

impl AmqpDeliveries {
    pub(super) fn new(shared: Arc<Shared>, queue: Arc<str>, prefetch: u16, subscription: Subscription) -> Self {
        Self {
            state: State::active(subscription, &shared, &queue, prefetch),
            closing: Box::pin(shared.closing.clone().cancelled_owned()),
            shared,
            queue,
            prefetch,
        }
    }

    fn enter(&mut self, subscription: Option<Subscription>) {
        // Nothing to resume on means that the transport is closed.
        self.state = subscription
            .map_or(State::Ended, |subscription| State::active(subscription, &self.shared, &self.queue, self.prefetch));
    }

    /// Lets go of the channel; what was handed out can still be settled while it lives.
    fn retire(&mut self) {
        if let State::Active { subscription, .. } = std::mem::replace(&mut self.state, State::Ended) {
            subscription.retire();
        }
    }
}

impl Stream for AmqpDeliveries {
    type Item = Delivery;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Delivery>> {
        let this = self.get_mut();
        if this.shared.is_closed() {
            this.retire();
            return Poll::Ready(None);
        }
        loop {
            match &mut this.state {
                State::Active { subscription, widening } => {
                    if let Some(widening) = widening
                        && let Poll::Ready(wider) = widening.opening.as_mut().poll(context)
                    {
                        this.retire();
                        this.enter(wider);
                        continue;
                    }
                    match subscription.poll_next(context) {
                        Poll::Ready(Some(delivery)) => {
                            if let Some(widening) = widening {
                                widening.handed_out();
                            }
                            return Poll::Ready(Some(delivery));
                        }
                        Poll::Ready(None) => {
                            this.retire();
                            let (shared, queue) = (Arc::clone(&this.shared), Arc::clone(&this.queue));
                            this.state = State::Resuming(resume(shared, queue, this.prefetch).boxed());
                            continue;
                        }
                        Poll::Pending => {}
                    }
                }
                State::Resuming(resuming) => {
                    if let Poll::Ready(resumed) = resuming.as_mut().poll(context) {
                        this.enter(resumed);
                        continue;
                    }
                }
                State::Ended => return Poll::Ready(None),
            }
            if this.closing.as_mut().poll(context).is_ready() {
                this.retire();
                continue;
            }
            return Poll::Pending;
        }
    }
}

impl Drop for AmqpDeliveries {
    fn drop(&mut self) {
        self.retire();
    }
}

/// Consumes again, on a connection that lives; `None` when the transport is closed.
async fn resume(shared: Arc<Shared>, queue: Arc<str>, prefetch: u16) -> Option<Subscription> {
    let (mut attempt, begin) = (0, Instant::now());
    loop {
        let session = shared.link.session().await?;
        match subscribe(&shared, &session, &queue, prefetch, session.caution()).await {
            Ok(subscription) => {
                info!(%queue, "consuming again");
                return Some(subscription);
            }
            Err(Refusal::Lost(_)) => {}
            Err(Refusal::Refused(error)) => {
                if attempt > 0 {
                    warn!(%queue, attempt, "cannot consume, trying again: {error}");
                }
                // Perhaps the queue was deleted.
                shared.link.restore(&session).await;
            }
        }
        attempt += 1;
        sleep(backoff::wait(attempt, begin.elapsed())).await;
    }
}

/// Consumes beside the narrow consumer: one of the two always does.
async fn widen(shared: Arc<Shared>, queue: Arc<str>, prefetch: u16) -> Option<Subscription> {
    loop {
        let session = shared.link.session().await?;
        match subscribe(&shared, &session, &queue, prefetch, None).await {
            Ok(subscription) => return Some(subscription),
            Err(Refusal::Lost(_) | Refusal::Refused(_)) => sleep(WIDEN_AGAIN).await,
        }
    }
}
