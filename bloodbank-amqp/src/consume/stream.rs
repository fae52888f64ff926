//! The deliveries of a queue, across reconnects.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{FutureExt, Stream, future::BoxFuture};
use tokio::time::{Instant, sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tracing::{debug, info, warn};

use crate::consume::{Shared, prefetch::NextLevel, starter::Starter, subscription::Subscription};
use crate::{backoff, declare::AttemptError};
use bloodbank_core::transport::Delivery;

/// The stream of a queue's deliveries; it ends when the transport is closed.
pub(super) struct AmqpDeliveries {
    shared: Arc<Shared>,
    state: State,
    closing: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// The state of the stream.
enum State {
    Active(Starter, Box<Subscription>),
    Resuming(BoxFuture<'static, Option<(Starter, Subscription)>>),
    Ended,
}

impl AmqpDeliveries {
    pub(super) fn new(starter: Starter, subscription: Subscription) -> Self {
        Self::of(Arc::clone(starter.shared()), State::Active(starter, Box::new(subscription)))
    }

    /// The deliveries of a queue that is not available for now.
    pub(super) fn later(starter: Starter) -> Self {
        Self::of(Arc::clone(starter.shared()), State::Resuming(resume(starter, None).boxed()))
    }

    fn of(shared: Arc<Shared>, state: State) -> Self {
        Self { state, closing: Box::pin(shared.closing.clone().cancelled_owned()), shared }
    }

    /// Retires the current consumer; its deliveries can still be settled while the channel is open. Returns what starts the next one,
    /// and the session and the level at which it may start there.
    fn retire(&mut self) -> Option<(Starter, Option<NextLevel>)> {
        let State::Active(starter, subscription) = std::mem::replace(&mut self.state, State::Ended) else {
            return None;
        };
        Some((starter, subscription.retire()))
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
                State::Active(_, subscription) => match subscription.poll_next(context) {
                    Poll::Ready(Some(delivery)) => return Poll::Ready(Some(delivery)),
                    Poll::Ready(None) => {
                        if let Some((starter, next)) = this.retire() {
                            this.state = State::Resuming(resume(starter, next).boxed());
                        }
                        continue;
                    }
                    Poll::Pending => {}
                },
                State::Resuming(resuming) => {
                    if let Poll::Ready(resumed) = resuming.as_mut().poll(context) {
                        // `None` means that the transport is closed.
                        this.state = resumed.map_or(State::Ended, |(starter, subscription)| {
                            State::Active(starter, Box::new(subscription))
                        });
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

/// Consumes again; `None` when the transport is closed. In the session of `next` the consumer starts at that level.
async fn resume(mut starter: Starter, next: Option<NextLevel>) -> Option<(Starter, Subscription)> {
    let (shared, queue) = (Arc::clone(starter.shared()), Arc::clone(starter.queue()));
    let (mut attempt, begin) = (0, Instant::now());
    let waiting = shared.waiting.note(&queue);
    loop {
        match starter.start(next.as_ref()).await? {
            Ok(subscription) => {
                match &next {
                    Some((_, level)) => debug!(%queue, ?level, "another prefetch"),
                    None => info!(%queue, "consuming again"),
                }
                return Some((starter, subscription));
            }
            Err(AttemptError::ConnectionLost(_)) => {}
            Err(AttemptError::Unavailable(error)) => {
                waiting.because(&error);
                if attempt > 0 {
                    warn!(%queue, attempt, "cannot consume, trying again: {error}");
                }
            }
            Err(AttemptError::Refused(error)) => {
                waiting.because(&error);
                if attempt > 0 {
                    warn!(%queue, attempt, "cannot consume, trying again: {error}");
                }
                // The queue may have been deleted.
                let session = shared.connection.session().await?;
                shared.connection.restore(&session).await;
            }
        }
        attempt += 1;
        sleep(backoff::delay(attempt, begin.elapsed())).await;
    }
}
