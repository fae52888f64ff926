//! The deliveries of a queue, across reconnects.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{FutureExt, Stream, future::BoxFuture};
use tokio::time::{Instant, sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tracing::{info, warn};

use crate::consume::{
    Shared,
    slow_start::PrefetchLevel,
    subscription::{Subscription, subscribe},
};
use crate::{backoff, declare::AttemptError, session::Session};
use bloodbank_core::transport::Delivery;

/// The stream of a queue's deliveries; it ends when the transport is closed.
pub(super) struct AmqpDeliveries {
    shared: Arc<Shared>,
    queue: Arc<str>,
    prefetch: u16,
    state: State,
    closing: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// The state of the stream.
enum State {
    Active(Box<Subscription>),
    Resuming(BoxFuture<'static, Option<Subscription>>),
    Ended,
}

impl AmqpDeliveries {
    pub(super) fn new(shared: Arc<Shared>, queue: Arc<str>, prefetch: u16, subscription: Subscription) -> Self {
        Self {
            state: State::Active(Box::new(subscription)),
            closing: Box::pin(shared.closing.clone().cancelled_owned()),
            shared,
            queue,
            prefetch,
        }
    }

    /// Retires the current consumer; its deliveries can still be settled while the channel is open. Returns the session and the
    /// level at which the next consumer may start there.
    fn retire(&mut self) -> Option<(Arc<Session>, PrefetchLevel)> {
        let State::Active(subscription) = std::mem::replace(&mut self.state, State::Ended) else { return None };
        subscription.retire()
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
                State::Active(subscription) => match subscription.poll_next(context) {
                    Poll::Ready(Some(delivery)) => return Poll::Ready(Some(delivery)),
                    Poll::Ready(None) => {
                        let next = this.retire();
                        let (shared, queue) = (Arc::clone(&this.shared), Arc::clone(&this.queue));
                        this.state = State::Resuming(resume(shared, queue, this.prefetch, next).boxed());
                        continue;
                    }
                    Poll::Pending => {}
                },
                State::Resuming(resuming) => {
                    if let Poll::Ready(resumed) = resuming.as_mut().poll(context) {
                        // `None` means that the transport is closed.
                        this.state = resumed.map_or(State::Ended, |resumed| State::Active(Box::new(resumed)));
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

/// Consumes again, in the current session; `None` when the transport is closed. In the session of `next` the consumer starts at
/// that level.
async fn resume(
    shared: Arc<Shared>,
    queue: Arc<str>,
    prefetch: u16,
    next: Option<(Arc<Session>, PrefetchLevel)>,
) -> Option<Subscription> {
    let (mut attempt, begin) = (0, Instant::now());
    loop {
        let session = shared.connection.session().await?;
        let level = match &next {
            Some((on, level)) if Arc::ptr_eq(on, &session) => *level,
            _ => PrefetchLevel::first(&session),
        };
        match subscribe(&shared, &session, &queue, prefetch, level).await {
            Ok(subscription) => {
                info!(%queue, "consuming again");
                return Some(subscription);
            }
            Err(AttemptError::ConnectionLost(_)) => {}
            Err(AttemptError::Refused(error)) => {
                if attempt > 0 {
                    warn!(%queue, attempt, "cannot consume, trying again: {error}");
                }
                // The queue may have been deleted.
                shared.connection.restore(&session).await;
            }
        }
        attempt += 1;
        sleep(backoff::delay(attempt, begin.elapsed())).await;
    }
}
