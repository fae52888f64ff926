//! Events that were handled and wait for the confirms of their follow-ups, while the next ones are handled.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use futures_util::{Stream, StreamExt, stream::FuturesUnordered};

use super::worker::Settling;

/// The events of one worker that are settled behind it. The prefetch bounds them: what is not settled counts.
#[derive(Default)]
pub(super) struct Behind(FuturesUnordered<Settling>);

impl Behind {
    /// Resolves with the work, and goes on with the events behind it meanwhile.
    pub(super) async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|cx| {
            let done = work.as_mut().poll(cx);
            self.go_on(cx);
            done
        })
        .await
    }

    /// Adds an event whose handler has returned. Resolves at once: its follow-ups are handed over then, before those of the
    /// next event.
    pub(super) async fn add(&mut self, settling: Settling) {
        self.0.push(settling);
        poll_fn(|cx| {
            self.go_on(cx);
            Poll::Ready(())
        })
        .await;
    }

    /// Resolves when everything is settled.
    pub(super) async fn finish(mut self) {
        while self.0.next().await.is_some() {}
    }

    fn go_on(&mut self, cx: &mut Context<'_>) {
        if self.0.is_empty() {
            return;
        }
        while let Poll::Ready(Some(())) = Pin::new(&mut self.0).poll_next(cx) {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn what_is_added_is_begun_at_once_and_in_order() {
        let (mut behind, begun) = (Behind::default(), Arc::new(Mutex::new(Vec::new())));
        let mut confirms = Vec::new();
        for number in 0..100 {
            let (confirm, confirmed) = oneshot::channel::<()>();
            confirms.push(confirm);
            let log = Arc::clone(&begun);
            let settling = async move {
                log.lock().unwrap().push(number);
                let _ = confirmed.await;
            };
            behind.add(Box::pin(settling)).await;
            assert_eq!(begun.lock().unwrap().last(), Some(&number));
            // Some are done meanwhile, in any order.
            if number % 3 == 2 {
                drop(confirms.swap_remove(0));
            }
        }
        assert_eq!(behind.during(async { 7 }).await, 7);
        drop(confirms);
        behind.finish().await;
        assert!(begun.lock().unwrap().iter().copied().eq(0..100));
    }
}
