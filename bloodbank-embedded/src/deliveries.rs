//! The deliveries of one consumer of the embedded bus.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{
    FutureExt, Stream,
    future::{BoxFuture, ready},
};

use crate::{
    engine::{Engine, State, Taken},
    entry::{Entry, QueueId},
    queue::ConsumerId,
    wakers::Wakers,
};
use bloodbank_core::{
    Result,
    transport::{Delivery, QueueBrowser, Settle},
};

/// The deliveries of one consumer.
pub(super) struct EmbeddedDeliveries {
    consumer: Arc<Consumer>,
    /// Taken, but handed out only after the file says that it was: whatever kills the process in the handler is counted.
    /// Many at once, because each group costs an `fsync`.
    marking: VecDeque<Taken>,
}

/// A consumer; also settles what it was given.
struct Consumer {
    engine: Arc<Engine>,
    queue: QueueId,
    id: ConsumerId,
}

/// Settles the messages that a browser took; a browsed message that is not settled counts as never taken.
struct BrowseSettler {
    engine: Arc<Engine>,
    queue: QueueId,
}

/// Browses the messages that wait in a queue.
pub(super) struct EmbeddedBrowser {
    settler: Arc<BrowseSettler>,
    left: usize,
}

impl EmbeddedBrowser {
    pub(super) fn new(engine: &Arc<Engine>, queue: &str) -> Result<Self> {
        let state = engine.lock();
        state.check_open()?;
        let left = state.depth(queue).map_or(0, |(waiting, _)| waiting);
        let queue = state.queue_id(queue)?;
        Ok(Self { settler: Arc::new(BrowseSettler { engine: Arc::clone(engine), queue }), left })
    }

    fn take(&mut self) -> Result<Option<Delivery>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        let BrowseSettler { engine, queue } = &*self.settler;
        let mut wakers = Wakers::default();
        let taken = {
            let mut state = engine.lock();
            state.check_open()?;
            state.fetch(*queue, &engine.clock, &mut wakers)
        };
        wakers.wake();
        self.left = if taken.is_some() { left } else { 0 };
        Ok(taken.map(|entry| {
            let settler = Arc::clone(&self.settler) as Arc<dyn Settle>;
            Delivery::new(Arc::unwrap_or_clone(entry.message), entry.returned > 0, settler, entry.seq)
        }))
    }
}

impl QueueBrowser for EmbeddedBrowser {
    fn left(&self) -> usize {
        self.left
    }

    fn next(&mut self) -> BoxFuture<'_, Result<Option<Delivery>>> {
        Box::pin(ready(self.take()))
    }

    fn flush(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.settler.engine.flush())
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move { self.settler.engine.flush().await })
    }
}

impl Settle for BrowseSettler {
    fn ack(&self, tag: u64) {
        let mut wakers = Wakers::default();
        self.engine.lock().ack(self.queue, tag, &mut wakers);
        wakers.wake();
    }

    fn reject(&self, tag: u64, requeue: bool) {
        let mut wakers = Wakers::default();
        let mut state = self.engine.lock();
        if requeue {
            state.requeue_uncounted(self.queue, tag, &mut wakers);
        } else {
            state.reject(self.queue, tag, false, &self.engine.clock, &mut wakers);
        }
        drop(state);
        wakers.wake();
    }
}

/// The most messages that are marked as taken with one `fsync`.
const MAX_MARKING: usize = 256;

impl EmbeddedDeliveries {
    pub(super) fn new(engine: &Arc<Engine>, queue: &str, prefetch: u16) -> Result<Self> {
        let mut state = engine.lock();
        state.check_open()?;
        let queue = state.queue_id(queue)?;
        let id = state.add_consumer(queue, prefetch);
        Ok(Self { consumer: Arc::new(Consumer { engine: Arc::clone(engine), queue, id }), marking: VecDeque::new() })
    }
}

impl Stream for EmbeddedDeliveries {
    type Item = Delivery;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Delivery>> {
        let Self { consumer, marking } = &mut *self;
        let mut wakers = Wakers::default();
        let taken = {
            let mut state = consumer.engine.lock();
            if state.is_closed() {
                return Poll::Ready(None);
            }
            let mut take = |state: &mut State| {
                state.take(consumer.queue, consumer.id, &consumer.engine.clock, context.waker(), &mut wakers)
            };
            match if marking.is_empty() { take(&mut state) } else { None } {
                Some(Taken { entry, marked: None }) => Some(entry),
                first => {
                    marking.extend(first);
                    // What may have killed a process is marked alone: whatever is marked with it, and not handed out,
                    // would be counted with it and in the end be parked with it.
                    let alone =
                        |state: &mut State| state.queue(consumer.queue).is_some_and(|queue| queue.next_was_returned());
                    while marking.back().is_some_and(|last| last.entry.returned == 0)
                        && marking.len() < MAX_MARKING
                        && !alone(&mut state)
                    {
                        let Some(taken) = take(&mut state) else { break };
                        marking.push_back(taken);
                    }
                    None
                }
            }
        };
        wakers.wake();
        if let Some(entry) = taken {
            return Poll::Ready(Some(consumer.deliver(entry)));
        }
        if let Some(Taken { marked: Some(marked), .. }) = marking.front_mut()
            && marked.poll_unpin(context).is_pending()
        {
            return Poll::Pending;
        }
        match marking.pop_front() {
            None => Poll::Pending,
            Some(taken) => Poll::Ready(Some(consumer.deliver(taken.entry))),
        }
    }
}

impl Consumer {
    fn deliver(self: &Arc<Self>, entry: Entry) -> Delivery {
        let settler = Arc::clone(self) as Arc<dyn Settle>;
        let message = Arc::unwrap_or_clone(entry.message);
        Delivery::new(message, entry.returned > 0, settler, entry.seq)
    }
}

impl Settle for Consumer {
    fn ack(&self, tag: u64) {
        let mut wakers = Wakers::default();
        self.engine.lock().ack(self.queue, tag, &mut wakers);
        wakers.wake();
    }

    fn reject(&self, tag: u64, requeue: bool) {
        let mut wakers = Wakers::default();
        self.engine.lock().reject(self.queue, tag, requeue, &self.engine.clock, &mut wakers);
        wakers.wake();
    }
}

impl Drop for EmbeddedDeliveries {
    fn drop(&mut self) {
        let consumer = &self.consumer;
        let mut wakers = Wakers::default();
        {
            let mut state = consumer.engine.lock();
            for Taken { entry, .. } in self.marking.drain(..) {
                state.requeue_uncounted(consumer.queue, entry.seq, &mut wakers);
            }
            state.remove_consumer(consumer.queue, consumer.id, &mut wakers);
        }
        wakers.wake();
    }
}
